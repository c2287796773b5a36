//! Why a case failed, and the checks that say so.

use std::{error::Error as _, fmt, panic::Location};

use minibatch_core::Error;

/// What a case found wrong, and where in the suite it stands.
pub(crate) struct Failure {
    message: String,
    location: &'static Location<'static>,
}

/// What a case comes to.
pub(crate) type Verdict<T = ()> = Result<T, Failure>;

impl Failure {
    #[track_caller]
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), location: Location::caller() }
    }
}

impl From<Error> for Failure {
    /// An error where the contract knows none.
    #[track_caller]
    fn from(error: Error) -> Self {
        let mut message = format!("unexpected error: {error}");
        let mut source = error.source();
        while let Some(error) = source {
            message.push_str(&format!(": {error}"));
            source = error.source();
        }
        Self::new(message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.message, self.location.file(), self.location.line())
    }
}

/// Fails the case with a message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::storage::failure::Failure::new(format!($($message)+)));
        }
    };
}

/// Fails the case unless both are equal.
macro_rules! ensure_eq {
    ($found:expr, $expected:expr, $($message:tt)+) => {
        match (&$found, &$expected) {
            (found, expected) => {
                $crate::storage::failure::ensure!(
                    found == expected,
                    "{}: found {found:?}, expected {expected:?}",
                    format_args!($($message)+)
                );
            }
        }
    };
}

/// Fails the case unless the result is an error of that cause.
macro_rules! ensure_cause {
    ($result:expr, $cause:pat, $($message:tt)+) => {
        match &$result {
            Err(error) if matches!(error.cause(), $cause) => {}
            other => {
                return Err($crate::storage::failure::Failure::new(format!(
                    "{}: found {other:?}, expected {}",
                    format_args!($($message)+),
                    stringify!($cause)
                )));
            }
        }
    };
}

pub(crate) use {ensure, ensure_cause, ensure_eq};
