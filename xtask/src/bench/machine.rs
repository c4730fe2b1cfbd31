//! Who else used the machine: a ratio taken beside a busy neighbour should say so.

use std::fs;

use anyhow::{Context, Result};

use super::server::{Process, ticks};

/// Clock ticks of all processors since the machine started, and those that went to this bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    total: u64,
    busy: u64,
    ours: u64,
}

impl Usage {
    /// Ours are this process with the load generators it has waited for, and the servers.
    pub(super) fn now<'a>(servers: impl IntoIterator<Item = &'a Process>) -> Result<Self> {
        let (total, busy) = parse_machine(&fs::read_to_string("/proc/stat")?).context("/proc/stat")?;
        let mut ours = ticks(&fs::read_to_string("/proc/self/stat")?, 4).context("/proc/self/stat")?;
        for server in servers {
            ours += server.cpu_ticks()?;
        }
        Ok(Self { total, busy, ours })
    }

    /// The share of the machine, 0 to 1, that others took since `before`.
    pub(super) fn of_others_since(&self, before: &Self) -> f64 {
        let grown = |read: fn(&Self) -> u64| read(self).saturating_sub(read(before));
        let others = grown(|usage| usage.busy).saturating_sub(grown(|usage| usage.ours));
        let small = |count: u64| u32::try_from(count).map_or(f64::INFINITY, f64::from);
        small(others) / small(grown(|usage| usage.total)).max(1.0)
    }
}

/// Total and busy ticks; idle and waiting for a disk are fields 4 and 5, the guests' time is counted before.
fn parse_machine(stat: &str) -> Option<(u64, u64)> {
    let fields: Option<Vec<u64>> = stat
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace()
        .take(8)
        .map(|f| f.parse().ok())
        .collect();
    let fields = fields?;
    let total = fields.iter().sum();
    let idle: u64 = fields.get(3..5)?.iter().sum();
    Some((total, total - idle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_idle_nor_ours_is_the_others() {
        assert_eq!(parse_machine("cpu  10 1 5 100 4 0 2 3 9 9\ncpu0 1\n"), Some((125, 21)));
        assert_eq!(parse_machine("cpu0 1 2\n"), None);
        let before = Usage { total: 1000, busy: 500, ours: 100 };
        let after = Usage { total: 1400, busy: 800, ours: 300 };
        assert!((after.of_others_since(&before) - 0.25).abs() < 1e-9);
        assert!(before.of_others_since(&before).abs() < 1e-9);
    }
}
