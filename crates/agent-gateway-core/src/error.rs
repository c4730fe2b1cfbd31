//! One error for every port: callers branch on its kind and its advice about retrying, never on a driver.
use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

/// The result of a port.
pub type Result<T, E = Error> = std::result::Result<T, E>;
type Source = Box<dyn StdError + Send + Sync + 'static>;

/// What went wrong, in the caller's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is wrong and will stay wrong.
    Invalid,
    /// Nobody could be identified.
    Unauthenticated,
    /// The caller is known and may not.
    Forbidden,
    /// There is no such thing, or none that the caller may see.
    NotFound,
    /// The id or the key is taken.
    AlreadyExists,
    /// The state has moved on: a lost compare-and-set or an old fence.
    Conflict,
    /// This backend does not offer it.
    Unsupported,
    /// Over a limit of size.
    TooLarge,
    /// Over a limit of rate.
    RateLimited,
    /// A dependency is away; it may come back.
    Unavailable,
    /// It took longer than it may.
    Timeout,
    /// Somebody asked to stop.
    Cancelled,
    /// The operator must change the configuration.
    Misconfigured,
    /// A fault of ours or of a dependency that nobody planned for.
    Unexpected,
}

/// Whether asking again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same request fails again.
    Never,
    /// It may succeed later, after the given time where one is known.
    Later(Option<Duration>),
    /// Retries were made and are used up.
    Exhausted,
}

/// A failure of a port: what happened, where, and whether to try again.
///
/// `message` is written for the operator's log; protocols show their own public sentence.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    retry: Retry,
    operation: &'static str,
    context: Vec<(&'static str, String)>,
    source: Option<Source>,
}

impl Error {
    /// An error of `kind`, which by default may be retried only where the kind says so.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        let retry = match kind {
            ErrorKind::RateLimited | ErrorKind::Unavailable | ErrorKind::Timeout => Retry::Later(None),
            _ => Retry::Never,
        };
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            retry,
            operation: "",
            context: Vec::new(),
            source: None,
        }))
    }

    /// Names the operation that failed, such as `"sqlite.append"`.
    #[must_use]
    pub fn during(mut self, operation: &'static str) -> Self {
        self.0.operation = operation;
        self
    }

    /// Adds a fact that helps to find the place: an id, a path, a limit. Never a secret.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Replaces the advice about retrying.
    #[must_use]
    pub fn retry_as(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// The same failure for one more caller, as when many wait for one answer. The cause stays as a text.
    #[must_use]
    pub fn copy(&self) -> Self {
        let inner = &*self.0;
        Self(Box::new(Inner {
            kind: inner.kind,
            message: inner.message.clone(),
            retry: inner.retry,
            operation: inner.operation,
            context: inner.context.clone(),
            source: inner.source.as_ref().map(|source| source.to_string().into()),
        }))
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether asking again can help.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// The sentence for the operator.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The operation that failed, empty when nobody named it.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The facts added on the way, in order.
    #[must_use]
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }
}

/// One constructor for each kind, so that call sites read as sentences.
macro_rules! constructors {
    ($($name:ident => $kind:ident),* $(,)?) => {
        impl Error {
            $(
                #[doc = concat!("An error of [`ErrorKind::", stringify!($kind), "`].")]
                pub fn $name(message: impl Into<Cow<'static, str>>) -> Self {
                    Self::new(ErrorKind::$kind, message)
                }
            )*
        }
    };
}
constructors! {
    invalid => Invalid, unauthenticated => Unauthenticated, forbidden => Forbidden, not_found => NotFound,
    already_exists => AlreadyExists, conflict => Conflict, unsupported => Unsupported, too_large => TooLarge,
    rate_limited => RateLimited, unavailable => Unavailable, timeout => Timeout, cancelled => Cancelled,
    misconfigured => Misconfigured, unexpected => Unexpected,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.operation.is_empty() {
            write!(f, "{}: ", self.0.operation)?;
        }
        f.write_str(&self.0.message)?;
        for (index, (key, value)) in self.0.context.iter().enumerate() {
            write!(f, "{}{key}: {value}", if index == 0 { " (" } else { ", " })?;
        }
        if self.0.context.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)?;
        if let Some(source) = &self.0.source {
            write!(f, "; caused by {source}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_a_sentence_with_its_facts() {
        let error =
            Error::unavailable("the database does not answer").during("sqlite.open").with("path", "a.db");
        assert_eq!(error.to_string(), "sqlite.open: the database does not answer (path: a.db)");
        assert_eq!(error.retry(), Retry::Later(None));
        assert_eq!(Error::invalid("no").retry(), Retry::Never);
    }

    #[test]
    fn a_copy_says_the_same() {
        let error = Error::conflict("moved on").during("a.b").with("id", 7).caused_by("the other one");
        let copy = error.retry_as(Retry::Exhausted).copy();
        assert_eq!(format!("{copy:?}"), "Conflict: a.b: moved on (id: 7); caused by the other one");
        assert_eq!((copy.retry(), copy.context().len()), (Retry::Exhausted, 1));
    }
}
