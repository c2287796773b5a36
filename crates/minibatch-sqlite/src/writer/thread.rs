//! The thread that writes: what waits when it begins a transaction shares that transaction, and its one sync.

use minibatch_core::Cause;
use rusqlite::Connection;
use tokio::sync::mpsc;

use super::{
    Desk, QUEUE,
    checkpoint::Checkpoints,
    guard::Guard,
    work::{Tx, Work},
};
use crate::{
    connection::{Opener, is_in_place},
    error::{Failed, Failure},
    tails::News,
};

pub(super) type Queue = mpsc::Receiver<Option<Box<dyn Work>>>;

pub(super) struct Thread {
    opener: Opener,
    desk: Desk,
    /// `None` after a failure that leaves a connection in doubt.
    conn: Option<Connection>,
    /// The file's name has meant another file, or none. For good: its write-ahead log may be gone by now.
    lost: bool,
    checkpoints: Checkpoints,
    guard: Guard,
}

impl Thread {
    pub(super) fn new(opener: Opener, desk: Desk, mut conn: Connection) -> Self {
        let checkpoints = Checkpoints::default();
        checkpoints.count_pages(&mut conn);
        let guard = Guard::default();
        let conn = guard.watch(&mut conn).is_ok().then_some(conn);
        Self { opener, desk, conn, lost: false, checkpoints, guard }
    }

    pub(super) fn serve(mut self, mut waiting: Queue) {
        let mut batch = Vec::new();
        while let Some(first) = waiting.blocking_recv() {
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Some(work) if work.is_alone() => {
                        self.transact(&mut batch);
                        batch.push(work);
                        self.transact(&mut batch);
                    }
                    Some(work) => batch.push(work),
                    None => waiting.close(),
                }
                next = if batch.len() < QUEUE { waiting.try_recv().ok() } else { None };
            }
            self.transact(&mut batch);
            if let Some(conn) = &mut self.conn {
                // after the answers: nobody needs it to go on
                self.checkpoints.run_if_due(conn, self.opener.options().busy_timeout);
            }
        }
        // two connections that close at once each take the other for a user of the write-ahead log, and leave it there
        self.desk.others.wait();
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
            Err(failure) => {
                tracing::warn!(calls = batch.len(), error = %failure, "a transaction did not commit");
                batch.drain(..).for_each(|work| work.answer(Some(&failure)));
            }
        }
    }

    fn commit(&mut self, batch: &mut [Box<dyn Work>]) -> Result<News, Failure> {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => {
                let mut conn = self.opener.writer().map_err(|failed| Failure::before(&failed))?;
                self.checkpoints.count_pages(&mut conn);
                self.guard.watch(&mut conn).map_err(|error| Failure::before(&error.into()))?;
                conn
            }
        };
        match is_in_place(&conn) {
            Ok(in_place) => self.lost |= !in_place,
            Err(failed) => return Err(Failure::before(&failed)),
        }
        if self.lost {
            // kept: another connection would go to whatever has the file's name now
            self.conn = Some(conn);
            return Err(Failure::before(&lost()));
        }
        if let Err(failed) = execute(&conn, "BEGIN IMMEDIATE") {
            if failed.is_busy() {
                self.conn = Some(conn);
            }
            return Err(Failure::before(&failed));
        }
        let tx = Tx::new(&conn, self.desk.wall.raw(), &self.guard);
        // on a failure the connection is closed, and with it what is open is rolled back
        let news = run(tx, batch).map_err(|failed| Failure::unclear(&failed))?;
        self.conn = Some(conn);
        Ok(news)
    }
}

fn lost() -> Failed {
    let reason = "it was moved, replaced or deleted while it was open, look for it and open it again";
    Cause::corrupt_state("database file", reason).into()
}

fn execute(conn: &Connection, sql: &str) -> Result<(), Failed> {
    conn.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Runs the work, each under a savepoint of its own so that it fails alone, and commits.
fn run(tx: Tx<'_>, batch: &mut [Box<dyn Work>]) -> Result<News, Failed> {
    let alone = batch.len() == 1;
    let mut any = false;
    for work in batch {
        if !alone {
            execute(&tx, "SAVEPOINT work")?;
        }
        let succeeded = work.run(&tx);
        any |= succeeded;
        if tx.is_autocommit() {
            // a full disk or a failing one made sqlite roll everything back, the work of others too
            // or it was alone, and ended the transaction itself
            return match alone && (!succeeded || work.is_alone()) {
                true => Ok(tx.into_news()),
                false => Err(Cause::unavailable("a full or failing disk ended the transaction").into()),
            };
        }
        if !alone {
            if !succeeded {
                execute(&tx, "ROLLBACK TO work")?;
            }
            execute(&tx, "RELEASE work")?;
        }
    }
    execute(&tx, if any { "COMMIT" } else { "ROLLBACK" })?;
    Ok(tx.into_news())
}
