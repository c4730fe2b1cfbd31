//! Open files: each stream is two of them in a server, and limits are often 1,024.

use anyhow::{Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Besides the streams: the program, its libraries, logs, the database, idle connections to the model.
const OTHERS: u64 = 2048;

/// Raises the limit of this process, which the processes that it starts inherit.
pub(super) fn allow(streams: u32) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = raised(&limit, streams)?;
    if raised != limit {
        setrlimit(Resource::Nofile, raised)?;
    }
    Ok(())
}

fn raised(limit: &Rlimit, streams: u32) -> Result<Rlimit> {
    let needed = 2 * u64::from(streams) + OTHERS;
    if let Some(maximum) = limit.maximum.filter(|maximum| *maximum < needed) {
        bail!(
            "{streams} open streams need {needed} open files for one process and the limit is {maximum}: raise it \
             with `ulimit -Hn {needed}` as root, or ask for fewer with --streams"
        );
    }
    let current = limit.current.map(|current| current.max(needed));
    Ok(Rlimit { current, maximum: limit.maximum })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(current: u64, maximum: Option<u64>) -> Result<Option<u64>> {
        Ok(raised(&Rlimit { current: Some(current), maximum }, 2000)?.current)
    }

    #[test]
    fn the_limit_is_raised_as_far_as_needed_and_never_lowered() {
        assert_eq!(after(1024, Some(6048)).unwrap(), Some(6048));
        assert_eq!(after(1024, None).unwrap(), Some(6048));
        assert_eq!(after(20_000, Some(20_000)).unwrap(), Some(20_000));
    }

    #[test]
    fn more_than_the_machine_gives_is_refused_with_what_to_do() {
        let error = after(1024, Some(4096)).unwrap_err().to_string();
        for word in ["6048", "4096", "ulimit", "--streams"] {
            assert!(error.contains(word), "{error}");
        }
    }
}
