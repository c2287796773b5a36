//! Bringing a file of an older format to this version's.
//!
//! Every step adds and takes nothing away, so that an older program that has the file open goes on working with it; it is
//! refused when it opens the file again.

use rusqlite::{Connection, TransactionBehavior};

use crate::{error::Failed, schema};

/// How a file of one format becomes one of the next.
struct Step {
    to: i64,
    what: &'static str,
    statements: &'static str,
}

/// From format 1 on, in order.
const STEPS: &[Step] = &[
    Step { to: 2, what: "create the table of notes", statements: schema::NOTES },
    Step { to: 3, what: "count the late messages of groups", statements: schema::LATE },
];

/// What brings a file to the format of this version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The format of the file before.
    pub from: i64,
    /// The format of this version.
    pub to: i64,
    /// What is changed, in order; nothing where both formats are the same.
    pub changes: Vec<&'static str>,
}

fn steps(format: i64) -> impl Iterator<Item = &'static Step> {
    STEPS.iter().filter(move |step| step.to > format)
}

fn migration(format: i64) -> Migration {
    Migration { from: format, to: schema::FORMAT, changes: steps(format).map(|step| step.what).collect() }
}

/// Says what [`migrate`] would do.
pub(crate) fn plan(conn: &Connection) -> Result<Migration, Failed> {
    Ok(migration(schema::format(conn)?))
}

/// Takes all steps in one transaction.
pub(crate) fn migrate(conn: &mut Connection) -> Result<Migration, Failed> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let format = schema::format(&tx)?;
    for step in steps(format) {
        tx.execute_batch(step.statements)?;
        tx.pragma_update(None, "user_version", step.to)?;
    }
    tx.commit()?;
    Ok(migration(format))
}
