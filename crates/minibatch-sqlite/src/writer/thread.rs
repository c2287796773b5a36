//! The thread that writes: what waits when it begins a transaction shares that transaction, and its one sync.

use std::sync::{
    Arc,
    atomic::{AtomicI32, Ordering},
};

use minibatch_core::Cause;
use rusqlite::{Connection, hooks::Wal, wal::CheckpointMode};
use tokio::sync::mpsc;

use super::{
    Desk, QUEUE,
    work::{Tx, Work},
};
use crate::{connection::Opener, error::Failed, tails::News};

/// The size of the write-ahead log, in pages of 4 KiB, at which it is brought home into the file.
const CHECKPOINT_PAGES: i32 = 4_000;

pub(super) type Queue = mpsc::Receiver<Option<Box<dyn Work>>>;

pub(super) struct Thread {
    opener: Opener,
    desk: Desk,
    /// `None` after a failure that leaves a connection in doubt.
    conn: Option<Connection>,
    /// The pages in the write-ahead log after the last commit.
    pages: Arc<AtomicI32>,
}

impl Thread {
    pub(super) fn new(opener: Opener, desk: Desk, conn: Connection) -> Self {
        let mut thread = Self { opener, desk, conn: None, pages: Arc::default() };
        thread.adopt(conn);
        thread
    }

    pub(super) fn serve(mut self, mut waiting: Queue) {
        let mut batch = Vec::new();
        while let Some(first) = waiting.blocking_recv() {
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Some(work) => batch.push(work),
                    None => waiting.close(),
                }
                next = if batch.len() < QUEUE { waiting.try_recv().ok() } else { None };
            }
            self.transact(&mut batch);
            self.checkpoint();
        }
    }

    fn adopt(&mut self, mut conn: Connection) {
        let pages = Arc::clone(&self.pages);
        let count = move |_: &mut Wal, count| {
            pages.store(count, Ordering::Relaxed);
            Ok(())
        };
        if let Err(error) = conn.wal_hook(Some(count)) {
            tracing::warn!(%error, "the write-ahead log's size is not known, sqlite keeps it small by itself");
        }
        self.conn = Some(conn);
    }

    /// Runs all of the batch in one transaction and answers.
    fn transact(&mut self, batch: &mut Vec<Box<dyn Work>>) {
        if batch.is_empty() {
            return;
        }
        match self.commit(batch) {
            Ok(news) => {
                let ring = news.is_any();
                self.desk.tails.publish(news);
                batch.drain(..).for_each(|work| work.answer(None));
                if ring {
                    self.desk.ringer.ring();
                }
            }
            Err(failed) => {
                tracing::warn!(calls = batch.len(), error = %failed.unclear(), "a transaction did not commit");
                // closing rolls back what is open
                self.conn = None;
                batch.drain(..).for_each(|work| work.answer(Some(&failed)));
            }
        }
    }

    fn commit(&mut self, batch: &mut [Box<dyn Work>]) -> Result<News, Failed> {
        if self.conn.is_none() {
            let conn = self.opener.writer()?;
            self.adopt(conn);
        }
        let Some(conn) = &self.conn else { return Err(Cause::Closed.into()) };
        let execute = |sql| conn.prepare_cached(sql)?.execute([]).map(drop);
        execute("BEGIN IMMEDIATE")?;
        let tx = Tx::new(conn, self.desk.wall.raw());
        let alone = batch.len() == 1;
        let mut any = false;
        for work in batch {
            if !alone {
                execute("SAVEPOINT work")?;
            }
            let succeeded = work.run(&tx);
            any |= succeeded;
            if conn.is_autocommit() {
                // a full disk or a failing one made sqlite roll everything back, the work of others too
                return match alone && !succeeded {
                    true => Ok(tx.into_news()),
                    false => Err(Cause::unavailable("a full or failing disk ended the transaction").into()),
                };
            }
            if !alone {
                if !succeeded {
                    execute("ROLLBACK TO work")?;
                }
                execute("RELEASE work")?;
            }
        }
        execute(if any { "COMMIT" } else { "ROLLBACK" })?;
        Ok(tx.into_news())
    }

    /// Brings the write-ahead log home once it is long. After the answers: nobody needs it to go on.
    fn checkpoint(&self) {
        let Some(conn) = &self.conn else { return };
        if self.pages.load(Ordering::Relaxed) < CHECKPOINT_PAGES {
            return;
        }
        match conn.wal_checkpoint_v2(Some(rusqlite::MAIN_DB), CheckpointMode::PASSIVE) {
            // what readers still need stays, and is tried again after the next commit
            Ok((log, home)) => tracing::debug!(log, home, "checkpoint"),
            Err(error) => tracing::warn!(%error, "the write-ahead log could not be brought home into the file"),
        }
    }
}
