//! Reading ahead, bounded in bytes, and saying when there is nothing more.

use std::sync::Arc;

use minibatch_core::{
    Clock, Error, Slot,
    driver::{EntryReader, LogEntry},
    storage::{Partition, Position, ReadLimit, Storage},
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::super::supervisor::Setup;
use crate::retry::until_verdict;

/// What the reader found.
pub(super) enum Fetched {
    /// The next entry; the permit is given back when the entry has been fed.
    Entry(LogEntry, Option<OwnedSemaphorePermit>),
    /// Nothing is stored after the entries so far.
    Tail,
}

/// The task that reads ahead; it ends with its handle.
pub(super) struct Fetcher {
    fetched: mpsc::UnboundedReceiver<Result<Fetched, Error>>,
    confirm: Arc<Notify>,
    _task: AbortOnDropHandle<()>,
}

impl Fetcher {
    pub(super) fn start(setup: &Setup, position: Position) -> Self {
        let (found, fetched) = mpsc::unbounded_channel();
        let confirm = Arc::new(Notify::new());
        let bytes = setup.options.prefetch_bytes.clamp(1, Semaphore::MAX_PERMITS >> 1);
        let reader = Reader {
            storage: Arc::clone(setup.client.storage()),
            clock: Arc::clone(setup.client.clock()),
            partition: setup.partition.clone(),
            next: position.offset.slot(),
            entries: EntryReader::new(position.time),
            room: Arc::new(Semaphore::new(bytes)),
            bytes,
            found,
            confirm: Arc::clone(&confirm),
        };
        Self { fetched, confirm, _task: AbortOnDropHandle::new(tokio::spawn(reader.run())) }
    }

    /// What was read next. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Fetched, Error> {
        match self.fetched.recv().await {
            Some(fetched) => fetched,
            // the reader said why it ended before it did
            None => std::future::pending().await,
        }
    }

    /// Asks for one more read at the tail, and word of it if it finds nothing.
    pub(super) fn confirm_tail(&self) {
        self.confirm.notify_one();
    }
}

struct Reader {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    partition: Partition,
    next: Slot,
    entries: EntryReader,
    room: Arc<Semaphore>,
    bytes: usize,
    found: mpsc::UnboundedSender<Result<Fetched, Error>>,
    confirm: Arc<Notify>,
}

impl Reader {
    async fn run(mut self) {
        if let Err(error) = self.read_on().await {
            // the session may have ended already
            let _ = self.found.send(Err(error.during("fetch")));
        }
    }

    async fn read_on(&mut self) -> Result<(), Error> {
        let limit = ReadLimit { messages: 1 << 16, bytes: (self.bytes / 2).max(1) };
        while !self.found.is_closed() {
            let read = || self.storage.read(&self.partition, self.next, limit);
            let records = until_verdict(&*self.clock, "read", read).await?;
            if records.is_empty() {
                if self.is_at_tail().await? {
                    let _ = self.found.send(Ok(Fetched::Tail));
                }
                self.wait().await?;
                continue;
            }
            for record in &records {
                let entry = self.entries.open(record)?;
                let cost = u32::try_from(entry.pinned_bytes().clamp(1, self.bytes)).unwrap_or(u32::MAX);
                let permit = Arc::clone(&self.room).acquire_many_owned(cost).await.ok();
                self.next = record.slot.next();
                let _ = self.found.send(Ok(Fetched::Entry(entry, permit)));
            }
        }
        Ok(())
    }

    /// Whether a read that found nothing was at the end of the log, and not at a slot that its producer has left empty so far
    /// while later ones are filled: their messages are old already, and a deadline that was granted before them would be
    /// granted too early.
    async fn is_at_tail(&self) -> Result<bool, Error> {
        let bounds = until_verdict(&*self.clock, "bounds", || self.storage.bounds(&self.partition)).await?;
        Ok(bounds.tail < self.next)
    }

    /// Waits for more, or until asked to look again.
    async fn wait(&self) -> Result<(), Error> {
        let last = self.next.previous();
        let wait = until_verdict(&*self.clock, "wait", || self.storage.wait(&self.partition, last));
        tokio::select! {
            waited = wait => waited,
            () = self.confirm.notified() => Ok(()),
        }
    }
}
