//! The one error type of the project: what happened, and what the caller does next.

mod cause;

use std::fmt;

pub use cause::{Cause, ErrorKind};

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What failed, in which operation, and why.
///
/// Match on [`Error::kind`] to decide what to do next, on [`Error::cause`] for the particulars. The text never holds a
/// payload or a secret, and never repeats its [`source`](std::error::Error::source).
///
/// ```
/// use minibatch_core::{ErrorKind, StreamName};
///
/// let error = StreamName::new("a/b").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidInput);
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    cause: Cause,
    operation: Option<&'static str>,
    source: Option<Source>,
}

impl Error {
    /// An error with its particulars.
    #[must_use]
    pub fn new(cause: Cause) -> Self {
        Self(Box::new(Inner { cause, operation: None, source: None }))
    }

    /// Names the operation that failed, unless a deeper layer already did.
    #[must_use]
    pub fn during(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Keeps the error underneath. Its text must hold no payload and no secret.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What the caller does next.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.cause.kind()
    }

    /// The particulars.
    #[must_use]
    pub fn cause(&self) -> &Cause {
        &self.0.cause
    }

    /// The operation that failed, as `append` or `commit`.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        Self::new(cause)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.operation {
            Some(operation) => write!(f, "{operation}: {}", self.0.cause),
            None => self.0.cause.fmt(f),
        }
    }
}

/// For people: what a `main` that returns an error prints is its text and, line by line, what is underneath. `{:#?}` shows
/// the fields.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f
                .debug_struct("Error")
                .field("kind", &self.kind())
                .field("operation", &self.0.operation)
                .field("cause", &self.0.cause)
                .field("source", &self.0.source)
                .finish();
        }
        fmt::Display::fmt(self, f)?;
        let underneath = std::iter::successors(std::error::Error::source(self), |error| error.source());
        underneath.into_iter().try_for_each(|error| write!(f, "\n  because: {error}"))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn text_names_operation_and_cause_but_not_source() {
        let error = Error::new(Cause::unavailable("connection closed"))
            .with_source("driver words")
            .during("append")
            .during("outer");
        assert_eq!(error.to_string(), "append: storage gave no verdict, repeat: connection closed");
        assert_eq!(error.source().unwrap().to_string(), "driver words");
        assert_eq!(error.kind(), ErrorKind::Retry);
    }

    #[test]
    fn what_main_prints_is_the_text_and_what_is_underneath() {
        let error = Error::new(Cause::StreamDropped)
            .with_source(Error::new(Cause::Encode).with_source("driver words"))
            .during("append");
        let shown = format!("{error:?}");
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines, [&error.to_string(), "  because: value cannot be encoded", "  because: driver words"]);
        assert!(format!("{error:#?}").contains("cause: StreamDropped"), "{error:#?}");
    }
}
