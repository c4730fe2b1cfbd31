//! What every suite is made of: cases with names, what a case finds, and a report of all of them.
//!
//! A suite is one list of names. The macro `suite!` makes both of it: the function `conforms`, for a script, and the
//! exported macro with one `#[tokio::test]` per case, for a test runner.
use std::{fmt, time::Duration};

use agent_gateway_core::{Error, ErrorKind};

use crate::{service::absent, skip::skip};

/// How long one case may take. A backend that hangs fails its case by name instead of stopping the suite.
const CASE_TIMEOUT: Duration = Duration::from_secs(60);

/// What a case ends with: `Ok` when the contract held.
pub type CaseResult = std::result::Result<(), Finding>;

/// Why a case did not pass.
#[derive(Debug)]
pub enum Finding {
    /// The contract is broken, in a sentence.
    Broken(String),
    /// The case does not apply to this backend, for this reason.
    Skipped(String),
    /// The case needs a server that is not there: its word and the reason.
    Absent(&'static str, String),
}

impl From<Error> for Finding {
    fn from(error: Error) -> Self {
        if let Some((service, why)) = absent(&error) {
            return Self::Absent(service, why);
        }
        Self::Broken(format!("a call failed that should work: {error:?}"))
    }
}

/// A case that failed.
pub struct Failure {
    /// The port and the case, such as `queue::an_expired_lease_is_redelivered`.
    pub case: String,
    /// How the contract was broken.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.case, self.what)
    }
}

impl fmt::Debug for Failure {
    /// Test runners print the debug form, so it reads like the display.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failure {}

/// What a whole suite found.
#[derive(Debug, Default)]
#[must_use = "a report that nobody reads proves nothing"]
pub struct Report {
    passed: Vec<&'static str>,
    skipped: Vec<(&'static str, String)>,
    failed: Vec<(&'static str, Failure)>,
}

impl Report {
    /// The cases that passed.
    #[must_use]
    pub fn passed(&self) -> &[&'static str] {
        &self.passed
    }

    /// The cases that do not apply, each with its reason.
    #[must_use]
    pub fn skipped(&self) -> &[(&'static str, String)] {
        &self.skipped
    }

    /// The names of the cases that failed.
    #[must_use]
    pub fn failed(&self) -> Vec<&'static str> {
        self.failed.iter().map(|(case, _)| *case).collect()
    }

    /// `Ok` when no case failed.
    pub fn into_result(self) -> std::result::Result<(), Self> {
        if self.failed.is_empty() { Ok(()) } else { Err(self) }
    }

    #[doc(hidden)]
    pub async fn run(&mut self, port: &str, case: &'static str, body: impl Future<Output = CaseResult>) {
        match finding(body).await {
            Ok(()) => self.passed.push(case),
            Err(Finding::Skipped(why) | Finding::Absent(_, why)) => self.skipped.push((case, why)),
            Err(Finding::Broken(what)) => {
                self.failed.push((case, Failure { case: format!("{port}::{case}"), what }));
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} passed, {} skipped, {} failed",
            self.passed.len(),
            self.skipped.len(),
            self.failed.len()
        )?;
        for (case, why) in &self.skipped {
            writeln!(f, "skipped {case}: {why}")?;
        }
        for (_, failure) in &self.failed {
            writeln!(f, "failed {failure}")?;
        }
        Ok(())
    }
}

/// Runs one case for a test runner. A skip passes, and says its name and reason on stderr.
#[doc(hidden)]
pub async fn judge(
    port: &str,
    case: &str,
    body: impl Future<Output = CaseResult>,
) -> std::result::Result<(), Failure> {
    match finding(body).await {
        Ok(()) => Ok(()),
        Err(Finding::Skipped(why)) => {
            eprintln!("skipped {port}::{case}: {why}");
            Ok(())
        }
        Err(Finding::Absent(service, why)) => {
            skip(service, &format!("{port}::{case}"), &why);
            Ok(())
        }
        Err(Finding::Broken(what)) => Err(Failure { case: format!("{port}::{case}"), what }),
    }
}

async fn finding(body: impl Future<Output = CaseResult>) -> CaseResult {
    match tokio::time::timeout(CASE_TIMEOUT, Box::pin(body)).await {
        Ok(result) => result,
        Err(_) => Err(broken(format!("the case did not end within {CASE_TIMEOUT:?}"))),
    }
}

/// The finding that the contract is broken.
pub(crate) fn broken(what: impl Into<String>) -> Finding {
    Finding::Broken(what.into())
}

/// The finding that a case does not apply.
pub(crate) fn skipped(why: impl Into<String>) -> Finding {
    Finding::Skipped(why.into())
}

/// Finds a broken contract unless `result` is an error of `kind`.
pub(crate) fn expect_kind<T: fmt::Debug>(
    result: agent_gateway_core::Result<T>,
    kind: ErrorKind,
    what: &str,
) -> CaseResult {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err(broken(format!("{what} should be {kind:?}, it was {error:?}"))),
        Ok(value) => Err(broken(format!("{what} should be {kind:?}, it worked: {value:?}"))),
    }
}

/// Whether a condition does not hold; a function, so that a comparison of floats is not read as a negated one.
pub(crate) fn fails(condition: bool) -> bool {
    !condition
}

/// Finds a broken contract unless the condition holds; the rest is a `format!` that says what should be.
macro_rules! ensure {
    ($condition:expr, $($sentence:tt)+) => {
        if $crate::suite::fails($condition) {
            return Err($crate::suite::broken(format!($($sentence)+)));
        }
    };
}

/// Finds a broken contract unless both are equal; the rest is a `format!` that says what was compared.
macro_rules! ensure_eq {
    ($found:expr, $wanted:expr, $($sentence:tt)+) => {
        match (&$found, &$wanted) {
            (found, wanted) => {
                if *found != *wanted {
                    let what = format!($($sentence)+);
                    return Err($crate::suite::broken(format!("{what}: wanted {wanted:?}, found {found:?}")));
                }
            }
        }
    };
}

/// Makes a suite of a list of cases: `CASES`, `conforms` and an exported macro with one test per case.
///
/// Each group is a public module beside the call, each case a function in it that takes the fixture.
macro_rules! suite {
    ($d:tt $port:ident, $macro_name:ident, [$($fixture:tt)+], { $($group:ident: [$($case:ident),* $(,)?]),* $(,)? }) => {
        /// The names of all cases, in the order in which they run.
        pub const CASES: &[&str] = &[$($(stringify!($case)),*),*];

        /// Runs every case, one after the other.
        pub async fn conforms(fixture: &impl $($fixture)+) -> $crate::suite::Report {
            let mut report = $crate::suite::Report::default();
            $($(report.run(stringify!($port), stringify!($case), Box::pin($group::$case(fixture))).await;)*)*
            report
        }

        #[doc = concat!(
            "One `#[tokio::test]` for each case of [`", stringify!($port), "`](mod@crate::", stringify!($port), ").\n\n",
            "The argument is an expression that makes a fixture. The crate that calls it needs tokio with `macros` ",
            "and `rt-multi-thread`."
        )]
        #[macro_export]
        macro_rules! $macro_name {
            ($d fixture:expr) => {
                $($(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $case() -> ::std::result::Result<(), $crate::suite::Failure> {
                        let fixture = $d fixture;
                        let case = $crate::$port::$group::$case(&fixture);
                        $crate::suite::judge(stringify!($port), stringify!($case), case).await
                    }
                )*)*
            };
        }
    };
}

pub(crate) use {ensure, ensure_eq, suite};
