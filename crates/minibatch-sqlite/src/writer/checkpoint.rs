//! When the write-ahead log is brought home into the file.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, MAIN_DB, hooks::Wal, wal::CheckpointMode};

use crate::connection::patience;

/// The length of the log, in pages of 4 KiB, at which it is brought home, and after how many more again.
const PAGES: i32 = 4_000;
/// The length at which readers are waited for: they always keep it from beginning anew where reading never pauses.
const TOO_LONG: i32 = 4 * PAGES;
/// For how long, while nobody writes.
const WAIT_FOR_READERS: Duration = Duration::from_millis(200);

/// Counts the pages of the log, and brings it home from time to time.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// After the last commit, those of other processes included.
    pages: Arc<AtomicI32>,
    due: i32,
}

impl Default for Checkpoints {
    fn default() -> Self {
        Self { pages: Arc::default(), due: PAGES }
    }
}

impl Checkpoints {
    /// Has the commits of a connection counted, in place of SQLite's own checkpoints.
    pub(super) fn count_pages(&self, conn: &mut Connection) {
        let pages = Arc::clone(&self.pages);
        let count = move |_: &mut Wal, count| {
            pages.store(count, Ordering::Relaxed);
            Ok(())
        };
        if let Err(error) = conn.wal_hook(Some(count)) {
            tracing::warn!(%error, "the write-ahead log's length is not known, sqlite keeps it short by itself");
        }
    }

    pub(super) fn run_if_due(&mut self, conn: &mut Connection, busy_timeout: Duration) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < PAGES {
            // it has begun anew
            self.due = PAGES;
        }
        if pages < self.due {
            return;
        }
        // a log that could not be brought home whole goes on growing: not again after each commit
        self.due = pages.saturating_add(PAGES);
        let done = if pages < TOO_LONG { passive(conn) } else { waiting_for_readers(conn, busy_timeout) };
        match done {
            Ok((log, home)) => tracing::debug!(log, home, "checkpoint"),
            Err(error) => tracing::warn!(%error, pages, "the write-ahead log could not be brought home"),
        }
    }
}

fn passive(conn: &Connection) -> rusqlite::Result<(i32, i32)> {
    conn.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE)
}

fn waiting_for_readers(conn: &mut Connection, busy_timeout: Duration) -> rusqlite::Result<(i32, i32)> {
    conn.busy_handler(Some(patience(busy_timeout.min(WAIT_FOR_READERS))))?;
    let done = conn.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::RESTART);
    conn.busy_handler(Some(patience(busy_timeout)))?;
    done
}
