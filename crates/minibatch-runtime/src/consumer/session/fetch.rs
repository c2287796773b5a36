//! Reading ahead, bounded in bytes, and saying when there is nothing more.

use std::sync::Arc;

use minibatch_core::{
    Clock, Error, Slot, Timestamp,
    driver::{EntryReader, LogEntry},
    storage::{Partition, Position, Punctuated, ReadLimit, Storage},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::super::supervisor::Setup;
use crate::retry::until_verdict;

/// What the reader found.
pub(super) enum Fetched {
    /// The next entry; the permit is given back when the entry has been fed.
    Entry(LogEntry, Option<OwnedSemaphorePermit>),
    /// Nothing is stored after the entries so far.
    Tail,
    /// The log takes no punctuation that says that this deadline has come.
    NotPunctuated(Timestamp),
}

/// What is asked of the reader at the end of the log.
enum Look {
    /// To read once more.
    Again,
    /// To say that it is so late, if the slot after the last is still this one.
    Punctuate { next: Slot, deadline: Timestamp, time: Timestamp },
}

/// The task that reads ahead; it ends with its handle.
pub(super) struct Fetcher {
    fetched: mpsc::UnboundedReceiver<Result<Fetched, Error>>,
    looks: mpsc::UnboundedSender<Look>,
    _task: AbortOnDropHandle<()>,
}

impl Fetcher {
    pub(super) fn start(setup: &Setup, position: Position) -> Self {
        let (found, fetched) = mpsc::unbounded_channel();
        let (looks, asked) = mpsc::unbounded_channel();
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
            looks: asked,
            punctuated: None,
        };
        Self { fetched, looks, _task: AbortOnDropHandle::new(tokio::spawn(reader.run())) }
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
        self.look(Look::Again);
    }

    /// Asks for a punctuation of `time`, by which `deadline` has come, where the log still ends before slot `next`. It is read
    /// like any other entry; word of it comes if the log takes none.
    pub(super) fn punctuate(&self, next: Slot, deadline: Timestamp, time: Timestamp) {
        self.look(Look::Punctuate { next, deadline, time });
    }

    fn look(&self, look: Look) {
        // a reader that has ended said why
        let _ = self.looks.send(look);
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
    looks: mpsc::UnboundedReceiver<Look>,
    /// The slot of the punctuation that it wrote last, and the deadline that has to have come with it.
    punctuated: Option<(Slot, Timestamp)>,
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
                // else the same would be written again and again
                if let Some((_, deadline)) = self.punctuated.take_if(|(slot, _)| *slot == record.slot)
                    && self.entries.append_time() < deadline
                {
                    let _ = self.found.send(Ok(Fetched::NotPunctuated(deadline)));
                }
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
    async fn wait(&mut self) -> Result<(), Error> {
        let last = self.next.previous();
        let wait = until_verdict(&*self.clock, "wait", || self.storage.wait(&self.partition, last));
        let look = tokio::select! {
            waited = wait => return waited,
            Some(look) = self.looks.recv() => look,
        };
        match look {
            Look::Punctuate { next, deadline, time } if next == self.next => self.punctuate(deadline, time).await,
            Look::Punctuate { .. } | Look::Again => Ok(()),
        }
    }

    /// Says in the log how late it is, where it still ends here: whatever comes of it, what is to be read next tells.
    async fn punctuate(&mut self, deadline: Timestamp, time: Timestamp) -> Result<(), Error> {
        let last = self.next.previous();
        let punctuate = || self.storage.punctuate(&self.partition, last, time);
        match until_verdict(&*self.clock, "punctuate", punctuate).await? {
            Punctuated::Appended => self.punctuated = Some((self.next, deadline)),
            Punctuated::Elsewhere => {}
            _ => {
                let _ = self.found.send(Ok(Fetched::NotPunctuated(deadline)));
            }
        }
        Ok(())
    }
}
