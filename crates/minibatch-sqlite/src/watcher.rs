//! Finds what other processes appended, while somebody here waits for it.
//!
//! One thread a storage, started by the first wait. It looks at SQLite's change counter: often at first, then ever more
//! rarely, at once when the doorbell rings.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use minibatch_core::{Cause, Error, storage::Partition};
use rusqlite::Connection;

use crate::{
    bell::{Ear, Nudge},
    connection::Opener,
    error::{Failed, Failure},
    partition::PartitionRow,
    tails::{Duty, End, News, Tails, Waiting},
    threads::Threads,
};

const POLL_MIN: Duration = Duration::from_millis(2);
/// A wait ends within a second of the append whatever the options say.
const POLL_CEILING: Duration = Duration::from_millis(500);

/// Lets callers wait, and owns the thread that watches for them.
#[derive(Debug)]
pub(crate) struct Watcher {
    opener: Opener,
    instance: String,
    tails: Arc<Tails>,
    threads: Threads,
    nudge: Mutex<Option<Nudge>>,
}

impl Watcher {
    pub(crate) fn new(opener: Opener, instance: String, tails: Arc<Tails>, threads: Threads) -> Self {
        Self { opener, instance, tails, threads, nudge: Mutex::default() }
    }

    /// Begins to wait for a partition.
    pub(crate) fn wait(&self, partition: &Partition) -> Result<Waiting, Error> {
        let mut nudge = self.nudge.lock().unwrap_or_else(PoisonError::into_inner);
        let (waiting, sleeps) = self.tails.wait(partition)?;
        match &*nudge {
            Some(nudge) if sleeps => nudge.nudge(),
            Some(_) => {}
            None => *nudge = Some(self.start()?),
        }
        Ok(waiting)
    }

    fn start(&self) -> Result<Nudge, Error> {
        let (ear, nudge) = Ear::new(self.opener.path(), &self.instance)
            .map_err(|error| Error::new(Cause::unavailable("no socket could be made")).with_source(error))?;
        let longest = self.opener.options().poll_max.clamp(POLL_MIN, POLL_CEILING);
        let (opener, tails) = (self.opener.clone(), Arc::clone(&self.tails));
        self.threads.spawn("sqlite-wait", move || serve(&opener, &tails, &ear, longest))?;
        Ok(nudge)
    }

    /// Ends all waiting, and the thread.
    pub(crate) fn close(&self) {
        self.tails.close();
        if let Some(nudge) = &*self.nudge.lock().unwrap_or_else(PoisonError::into_inner) {
            nudge.nudge();
        }
    }
}

fn serve(opener: &Opener, tails: &Tails, ear: &Ear, longest: Duration) {
    let mut view = View::default();
    let mut interval = POLL_MIN;
    loop {
        let (partitions, fresh) = match tails.duty() {
            Duty::Look { partitions, fresh } => (partitions, fresh),
            Duty::Sleep => {
                ear.listen(None);
                continue;
            }
            Duty::End => return,
        };
        let changed = match view.look(opener, &partitions) {
            Ok(None) => false,
            Ok(Some(news)) => {
                tails.publish(news);
                true
            }
            Err(failed) => {
                tracing::warn!(error = %Failure::before(&failed), "looking for other processes' appends failed");
                view = View::default();
                false
            }
        };
        interval = if changed || fresh { POLL_MIN } else { (interval * 2).min(longest) };
        ear.listen(Some(interval));
    }
}

/// What was last seen of the file.
#[derive(Default)]
struct View {
    conn: Option<Connection>,
    version: Option<i64>,
    partitions: Vec<Partition>,
}

impl View {
    /// The ends of the partitions, if anything has changed since the last look, or others are asked for.
    fn look(&mut self, opener: &Opener, partitions: &[Partition]) -> Result<Option<News>, Failed> {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => opener.reader()?,
        };
        let version: i64 = conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        let mut news = None;
        if self.version != Some(version) || self.partitions != partitions {
            news = Some(ends(&conn, partitions)?);
            self.version = Some(version);
            self.partitions = partitions.to_vec();
        }
        self.conn = Some(conn);
        Ok(news)
    }
}

fn ends(conn: &Connection, partitions: &[Partition]) -> Result<News, Failed> {
    let view = conn.unchecked_transaction()?;
    let mut news = News::default();
    for partition in partitions {
        match PartitionRow::find(&view, partition) {
            Ok(row) => news.push(partition.clone(), End::At(row.tail.slot)),
            Err(Failed::Said(error)) if matches!(error.cause(), Cause::StreamDropped) => {
                news.push(partition.clone(), End::Gone);
            }
            Err(failed) => return Err(failed),
        }
    }
    view.commit()?;
    Ok(news)
}
