//! A test that cannot run here says so. `cargo xtask test` lists what was skipped, and fails where `AGW_REQUIRE` names it.
use std::{fs::OpenOptions, io::Write, process::Command};

/// Says that `test` did not run for want of `service`.
///
/// The line goes to stderr and to the file that the variable `AGW_SKIP_LOG` names: `skip:<service>:<test>:<reason>`.
#[expect(clippy::print_stderr, reason = "a skip must be seen where nobody reads the log")]
pub fn skip(service: &str, test: &str, reason: &str) {
    let line = format!("skip:{service}:{test}:{reason}");
    eprintln!("{line}");
    if let Some(path) = std::env::var_os("AGW_SKIP_LOG") {
        // A log that cannot be written must not turn a skip into a failure: the line is on stderr.
        let log = OpenOptions::new().create(true).append(true).open(path);
        drop(log.and_then(|mut log| writeln!(log, "{line}")));
    }
}

/// Whether this program can be run here.
#[must_use]
pub fn has_program(name: &str) -> bool {
    Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Whether `python3` can be run here.
#[must_use]
pub fn has_python() -> bool {
    has_program("python3")
}

/// Ends the test as skipped when a program cannot be run here. Its name is the service's word.
#[macro_export]
macro_rules! needs_program {
    ($program:expr, $test:expr) => {
        if !$crate::skip::has_program($program) {
            return $crate::skip::skip($program, $test, concat!($program, " is not on the PATH"));
        }
    };
}

/// Ends the test as skipped when `python3` cannot be run here.
#[macro_export]
macro_rules! needs_python {
    ($test:expr) => {
        $crate::needs_program!("python3", $test)
    };
}
