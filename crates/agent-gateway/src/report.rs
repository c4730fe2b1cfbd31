//! Why a gateway could not be made.
use std::fmt;

use agent_gateway_core::{Error, diagnostic::Diagnostic};

/// Everything that keeps the gateway from starting.
#[non_exhaustive]
pub enum BuildError {
    /// The configuration: every problem at once.
    Configuration(Vec<Diagnostic>),
    /// A backend that could not be opened.
    Backend(Error),
}

impl From<Error> for BuildError {
    fn from(error: Error) -> Self {
        Self::Backend(error)
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(findings) => {
                write!(f, "the configuration has {} problem(s):", findings.len())?;
                findings.iter().try_for_each(|finding| write!(f, "\n  {finding}"))
            }
            Self::Backend(error) => write!(f, "{error}"),
        }
    }
}

impl fmt::Debug for BuildError {
    /// As people read it: this is what `main` prints of an error that it returns.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(_) => fmt::Display::fmt(self, f),
            Self::Backend(error) => fmt::Debug::fmt(error, f),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Configuration(_) => None,
            Self::Backend(error) => error.source(),
        }
    }
}
