//! A user's own statements, as part of a commit.

use minibatch_core::{
    Cause,
    storage::{Effect, SqlValue},
};
use rusqlite::{Error, ErrorCode, ToSql, params_from_iter, types::ToSqlOutput};

use crate::{error::Failed, writer::Tx};

/// Runs the effects in order, up to the first that is refused.
pub(super) fn apply(tx: &Tx<'_>, effects: &[Effect]) -> Result<(), Failed> {
    for (index, effect) in effects.iter().enumerate() {
        let Effect::Sql { statement, parameters, .. } = effect else { return Err(refused(index, "NotSql")) };
        let ran = tx.as_user(|conn| {
            let mut statement = conn.prepare(statement)?;
            if statement.readonly() {
                return Ok(false);
            }
            let mut rows = statement.query(params_from_iter(parameters.iter().map(Value)))?;
            // what a `RETURNING` gives back is for nobody
            while rows.next()?.is_some() {}
            Ok(true)
        });
        match ran {
            Ok(true) => {}
            Ok(false) => return Err(refused(index, "WritesNothing")),
            Err(error) => return Err(verdict(index, error)),
        }
    }
    Ok(())
}

/// Commits what rules that are checked at the end, as deferred foreign keys, may still refuse.
pub(super) fn commit(tx: &Tx<'_>, last: usize) -> Result<(), Failed> {
    tx.execute_batch("COMMIT").map_err(|error| verdict(last, error))
}

/// A statement's own fault, or the database's.
fn verdict(index: usize, error: Error) -> Failed {
    match code(&error) {
        Some(code) => refused(index, &code),
        None => error.into(),
    }
}

fn refused(index: usize, code: &str) -> Failed {
    Cause::effect_refused(index, code).into()
}

/// The name of what is wrong with a statement; `None` for what is wrong with the database. SQLite's words may hold values.
fn code(error: &Error) -> Option<String> {
    let own = match error {
        Error::SqlInputError { .. } => Some("SqlError"),
        Error::MultipleStatement => Some("MultipleStatement"),
        Error::InvalidParameterCount(..) => Some("InvalidParameterCount"),
        _ if error.sqlite_error_code() == Some(ErrorCode::Unknown) => Some("SqlError"),
        _ if error.sqlite_error_code().is_none() => Some("InvalidStatement"),
        _ => None,
    };
    if let Some(own) = own {
        return Some(own.to_owned());
    }
    match error.sqlite_error_code()? {
        code @ (ErrorCode::ConstraintViolation
        | ErrorCode::TypeMismatch
        | ErrorCode::AuthorizationForStatementDenied
        | ErrorCode::TooBig
        | ErrorCode::ParameterOutOfRange
        | ErrorCode::ApiMisuse) => Some(format!("{code:?}")),
        _ => None,
    }
}

struct Value<'a>(&'a SqlValue);

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self.0 {
            SqlValue::Null => Ok(rusqlite::types::Null.into()),
            SqlValue::Integer(number) => Ok((*number).into()),
            SqlValue::Real(number) => Ok((*number).into()),
            SqlValue::Text(text) => Ok(text.as_str().into()),
            SqlValue::Blob(bytes) => Ok(bytes.as_slice().into()),
        }
    }
}
