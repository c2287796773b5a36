//! The file of SQLite, by a connection that minibatch knows nothing of.

use std::{path::Path, time::Duration};

use anyhow::Result;
use rusqlite::Connection;

/// Opens the file; whoever has locked it is waited for so long.
pub(crate) fn open(file: &Path, patience: Duration) -> Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(patience)?;
    Ok(connection)
}
