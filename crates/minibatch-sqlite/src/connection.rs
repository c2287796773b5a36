//! How connections to the file are opened and set up.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use minibatch_core::{Cause, Error};
use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use crate::{
    clock::{Stopwatch, pause},
    config::{Durability, SqliteOptions},
    error::Failed,
    file, random, schema,
};

/// Before it, two connections that write and checkpoint at once could corrupt the file
/// (<https://sqlite.org/wal.html#walresetbug>).
const OLDEST_SQLITE: i32 = 3_051_003;

/// A write-ahead log that grew longer is cut to this when it begins anew.
const WAL_BYTES: i64 = 64 << 20;

/// How much of the file a connection keeps in memory.
const CACHE_KIB: i64 = 8_192;

/// Opens connections to one file.
#[derive(Clone, Debug)]
pub(crate) struct Opener {
    path: PathBuf,
    options: SqliteOptions,
}

impl Opener {
    /// Finds the file, or creates it, and says whether it can be used: everything that can be wrong with it is said here.
    pub(crate) fn create(path: &Path, options: SqliteOptions) -> Result<(Self, Connection), Error> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(Cause::misconfigured("sqlite is too old, link 3.51.3 or newer, or the bundled one").into());
        }
        let path = file::resolve(path)?;
        let opener = Self { path, options };
        let conn = opener.connect(OpenFlags::SQLITE_OPEN_CREATE);
        let conn = conn.and_then(|conn| opener.set_up(conn)).map_err(|error| opener.explain(error))?;
        Ok((opener, conn))
    }

    /// A connection to a file that is there, of whatever format.
    pub(crate) fn existing(path: &Path, options: SqliteOptions) -> Result<Connection, Failed> {
        let opener = Self { path: file::resolve(path)?, options };
        opener.connect(OpenFlags::empty()).map_err(|failed| opener.explain(failed).into())
    }

    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }

    pub(crate) fn options(&self) -> &SqliteOptions {
        &self.options
    }

    /// Another connection that writes, in place of one that failed. Creates nothing: a file that was there and is gone is
    /// an error, and not a file to be begun anew.
    pub(crate) fn writer(&self) -> Result<Connection, Failed> {
        self.set_up(self.connect(OpenFlags::empty())?)
    }

    fn set_up(&self, mut conn: Connection) -> Result<Connection, Failed> {
        if conn.is_readonly(rusqlite::MAIN_DB)? {
            return Err(
                Cause::misconfigured("the file cannot be written, allow writing to it and its directory").into()
            );
        }
        schema::ensure(&mut conn)?;
        self.switch_to_wal(&conn)?;
        let synchronous = match self.options.durability {
            Durability::Full => "FULL",
            Durability::Normal => "NORMAL",
        };
        conn.pragma_update(None, "synchronous", synchronous)?;
        conn.pragma_update(None, "journal_size_limit", WAL_BYTES)?;
        Ok(conn)
    }

    /// A connection that only reads.
    pub(crate) fn reader(&self) -> Result<Connection, Failed> {
        let conn = self.connect(OpenFlags::empty())?;
        conn.pragma_update(None, "query_only", true)?;
        Ok(conn)
    }

    fn connect(&self, create: OpenFlags) -> Result<Connection, Failed> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
        let mut conn = Connection::open_with_flags(&self.path, flags)?;
        conn.busy_handler(Some(patience(self.options.busy_timeout)))?;
        conn.set_prepared_statement_cache_capacity(64);
        // whoever can write the file writes its schema too: it gets no say in what runs here
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        // without it statements are planned anew when a parameter changes
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
        conn.pragma_update(None, "mmap_size", 0)?;
        conn.pragma_update(None, "cell_size_check", true)?;
        conn.pragma_update(None, "temp_store", "MEMORY")?;
        Ok(conn)
    }

    /// The write-ahead log is switched on for good by the first process; SQLite asks no busy handler about it.
    fn switch_to_wal(&self, conn: &Connection) -> Result<(), Failed> {
        let mut patient = patience(self.options.busy_timeout);
        let mut tries = 0;
        loop {
            let mode = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
            match mode {
                Ok(mode) if mode == "wal" => return Ok(()),
                Ok(_) => {
                    let reason = "its file system has no shared memory for a write-ahead log, use a local disk";
                    return Err(Cause::misconfigured(reason).into());
                }
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && patient(tries) => {
                    tries += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn explain(&self, failed: Failed) -> Error {
        let error = failed.during("open");
        match error.cause() {
            Cause::Misconfigured { reason, .. } => {
                Error::new(Cause::misconfigured(format!("{reason}: path=`{}`", self.path.display())))
                    .with_source(error)
                    .during("open")
            }
            _ => error,
        }
    }
}

/// False when the file's name now means another file, or none: what is written would go with the last connection.
pub(crate) fn is_in_place(conn: &Connection) -> Result<bool, Failed> {
    #[cfg(unix)]
    {
        let mut moved = 0;
        conn.file_control(Some(rusqlite::MAIN_DB), rusqlite::FileControl::HasMoved(&mut moved))?;
        Ok(moved == 0)
    }
    #[cfg(not(unix))]
    {
        // an open file keeps its name there
        let _ = conn;
        Ok(true)
    }
}

/// Waits for a lock of another process: longer from time to time, by chance so that two do not wait in step, and not for
/// ever. Called with how often it was called before for the same lock; `false` gives up.
pub(crate) fn patience(timeout: Duration) -> impl FnMut(i32) -> bool + Send + 'static {
    let mut waiting = Stopwatch::start();
    move |tries| {
        if tries == 0 {
            waiting = Stopwatch::start();
        }
        if waiting.elapsed() >= timeout {
            return false;
        }
        pause(random::jitter(Duration::from_micros(100 << tries.clamp(0, 6))));
        true
    }
}
