//! From SQLite's errors to what the caller does next.

use std::fmt;

use minibatch_core::{Cause, Error};
use rusqlite::ErrorCode;

/// Why a piece of work on a connection failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// SQLite failed.
    Sql(rusqlite::Error),
    /// The contract says no.
    Said(Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Said(error)
    }
}

impl From<Cause> for Failed {
    fn from(cause: Cause) -> Self {
        Self::Said(cause.into())
    }
}

impl Failed {
    /// The error for the caller of `operation`.
    pub(crate) fn during(self, operation: &'static str) -> Error {
        match self {
            Self::Said(error) => error,
            Self::Sql(error) => Error::new(cause_of(&error)).with_source(error),
        }
        .during(operation)
    }

    /// True when another process had the file locked for too long, and nothing else is wrong.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Sql(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy))
    }
}

/// Why a whole transaction failed: what everybody in it is told.
#[derive(Debug)]
pub(crate) struct Failure {
    cause: Cause,
    source: String,
}

impl Failure {
    /// It did not begin, so nothing was done, and what failed says what to do.
    pub(crate) fn before(failed: &Failed) -> Self {
        match failed {
            Failed::Sql(error) => Self { cause: cause_of(error), source: error.to_string() },
            Failed::Said(error) => Self { cause: error.cause().clone(), source: error.to_string() },
        }
    }

    /// It is open whether it took effect: repeat, and a verdict will come.
    pub(crate) fn unclear(failed: &Failed) -> Self {
        let Self { cause, source } = Self::before(failed);
        let cause = match cause {
            Cause::Unavailable { .. } => cause,
            _ => Cause::unavailable("the transaction did not commit"),
        };
        Self { cause, source }
    }

    /// The error for the caller of `operation`.
    pub(crate) fn during(&self, operation: &'static str) -> Error {
        Error::new(self.cause.clone()).with_source(self.source.clone()).during(operation)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause, self.source)
    }
}

fn other_schema() -> Cause {
    Cause::corrupt_state("table", "sqlite refuses a statement, was the schema edited?")
}

/// What an error of SQLite means.
fn cause_of(error: &rusqlite::Error) -> Cause {
    let Some(code) = error.sqlite_error_code() else {
        return match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..) => Cause::corrupt_state("row", "a column holds another type"),
            rusqlite::Error::SqlInputError { .. } => other_schema(),
            _ => Cause::bug("a statement does not fit the tables"),
        };
    };
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            Cause::unavailable("other processes hold the file locked")
        }
        ErrorCode::DiskFull => Cause::unavailable("disk is full, free some space"),
        ErrorCode::SystemIoFailure => Cause::unavailable("reading or writing the file failed, look at the disk"),
        ErrorCode::OutOfMemory => Cause::unavailable("out of memory"),
        ErrorCode::OperationInterrupted | ErrorCode::OperationAborted | ErrorCode::SchemaChanged => {
            Cause::unavailable("operation was interrupted")
        }
        ErrorCode::DatabaseCorrupt => {
            Cause::corrupt_state("database file", "sqlite finds its pages damaged, restore a backup")
        }
        ErrorCode::NotADatabase => Cause::misconfigured("the file is not an sqlite database, give another path"),
        ErrorCode::ReadOnly => {
            Cause::misconfigured("the file cannot be written, allow writing to it and its directory")
        }
        ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => {
            Cause::misconfigured("permission is denied, allow reading and writing the file")
        }
        ErrorCode::CannotOpen => {
            Cause::misconfigured("the file cannot be opened, look whether it and its directory can be read and written")
        }
        ErrorCode::TooBig => Cause::out_of_range("sqlite keeps values up to 1 GB"),
        ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch => {
            Cause::corrupt_state("table", "rows break the rules of the tables, were they edited?")
        }
        ErrorCode::Unknown => other_schema(),
        _ => Cause::bug("sqlite was used in a wrong way"),
    }
}

#[cfg(test)]
mod tests {
    use minibatch_core::ErrorKind;
    use rusqlite::ffi;

    use super::*;

    fn check(code: i32, kind: ErrorKind) {
        let failure = || rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        assert_eq!(Failed::from(failure()).during("append").kind(), kind, "{code}");
        assert_eq!(Failure::before(&failure().into()).during("append").kind(), kind, "{code}");
        assert_eq!(Failure::unclear(&failure().into()).during("append").kind(), ErrorKind::Retry, "{code}");
    }

    #[test]
    fn kinds_say_what_to_do() {
        for code in [
            ffi::SQLITE_BUSY,
            ffi::SQLITE_BUSY_SNAPSHOT,
            ffi::SQLITE_LOCKED,
            ffi::SQLITE_FULL,
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_NOMEM,
            ffi::SQLITE_PROTOCOL,
        ] {
            check(code, ErrorKind::Retry);
        }
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_CONSTRAINT_UNIQUE, ffi::SQLITE_ERROR] {
            check(code, ErrorKind::Corrupt);
        }
        for code in [ffi::SQLITE_READONLY, ffi::SQLITE_CANTOPEN, ffi::SQLITE_PERM, ffi::SQLITE_NOTADB] {
            check(code, ErrorKind::Misconfigured);
        }
    }
}
