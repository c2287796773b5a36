//! Windows that were kept: listed, looked at, and run again exactly.

mod document;

use std::{fmt, future::Future, ops::Range, sync::Arc};

use minibatch_core::{
    Cause, Clock, Error, GroupName, Members, Offset, Run, Slot, Timestamp,
    checkpoint::OpenWindow,
    chunk::Chunk,
    storage::{Note, Partition, ReadLimit, Storage},
    window::{Bounds, FormedWindow, Places, Reason, WindowChain, WindowId},
};
use serde::de::DeserializeOwned;

use super::{Delivery, GroupRun, Outcome, function, handoff::Lane};
use crate::{Stream, Window, retry::until_verdict, stored, window::WindowSource};
pub(super) use document::notes;

/// How many notes are written, or read, at once.
const PAGE: usize = 256;

/// A window that is done, as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptWindow {
    /// Its id.
    pub id: WindowId,
    /// Its partition.
    pub partition: u32,
    /// Its number in its group and partition.
    pub ordinal: u64,
    /// The time it covers.
    pub bounds: Bounds,
    /// The key that its messages share, where the strategy goes by key.
    pub key: Option<String>,
    /// Why it was emitted.
    pub reason: Reason,
    /// How many attempts it took.
    pub attempts: u32,
    /// Its messages in the window's order, as runs of consecutive ones.
    pub members: Vec<KeptMembers>,
    /// Which of its messages went to the dead letters, by their places in the window.
    pub dead: Vec<Range<u32>>,
    /// Which of them were given up on and kept nowhere. The others succeeded.
    pub skipped: Vec<Range<u32>>,
    /// When it was formed, by the clock of its consumer, as the next two.
    pub formed: Timestamp,
    /// When it was handed out.
    pub begun: Timestamp,
    /// When it was done.
    pub done: Timestamp,
}

/// Consecutive messages of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptMembers {
    /// Where the first is.
    pub first: Offset,
    /// How many there are.
    pub len: u32,
    /// Their append time.
    pub time: Timestamp,
}

impl KeptWindow {
    /// A window of which nothing is left; formed, begun and done at these times.
    pub(super) fn new(
        id: WindowId,
        partition: u32,
        attempts: u32,
        window: OpenWindow,
        [formed, begun, done]: [Timestamp; 3],
    ) -> Self {
        let members = window.members.as_slice().iter();
        Self {
            id,
            partition,
            ordinal: window.ordinal,
            bounds: window.bounds,
            key: window.key,
            reason: window.reason,
            attempts,
            members: members.map(|run| KeptMembers { first: run.first, len: run.len, time: run.time }).collect(),
            dead: ranges(&window.dead),
            skipped: ranges(&window.skipped),
            formed,
            begun,
            done,
        }
    }

    /// How many messages it has.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.members.iter().map(|members| u64::from(members.len)).sum()
    }

    /// True without messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn ranges(places: &Places) -> Vec<Range<u32>> {
    let narrow = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
    places.ranges().iter().map(|range| narrow(range.start)..narrow(range.end)).collect()
}

/// The windows that consumers of a group kept, of its present run: those that are done, and perhaps the last ones before a
/// crash, which then come again. What is said of a window stays; its messages stay as long as the stream's
/// [`Retention`](crate::Retention) has no cap that takes them, and without them it can be listed, but not run again.
///
/// ```
/// # use std::sync::Arc;
/// # use minibatch_emitters::CountWindow;
/// # use minibatch_runtime::{Client, Window};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> minibatch_core::Result<()> {
/// # let client = Client::new(Arc::new(minibatch_memory::MemoryStorage::new()));
/// let numbers = client.stream::<u32>("numbers").await?;
/// numbers.append_many(&[1, 2, 3, 4]).await?;
/// numbers.streaming().window(CountWindow::new(2)).keep(true).drain(|_: Window<u32>| async {}).await?;
///
/// let kept = numbers.kept_windows("default")?;
/// for window in kept.page(0, 1, 100).await? {
///     println!("{} of {} messages, {} attempts", window.id, window.len(), window.attempts);
/// }
/// let second = kept.find(0, 2).await?.expect("there are two");
/// kept.rerun(&second, |window| async move { assert_eq!(window.data, [3, 4]) }).await?;
/// # client.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct KeptWindows<T> {
    stream: Stream<T>,
    group: GroupName,
}

impl<T> KeptWindows<T> {
    pub(crate) fn new(stream: Stream<T>, group: GroupName) -> Self {
        Self { stream, group }
    }

    /// At most `limit` windows of a partition, from ordinal `from` on.
    ///
    /// # Errors
    /// [`GroupRemoved`](Cause::GroupRemoved) where there is no such group,
    /// [`InvalidPartition`](Cause::InvalidPartition), and what the storage says.
    pub async fn page(&self, partition: u32, from: u64, limit: usize) -> Result<Vec<KeptWindow>, Error> {
        let (client, partition) = (self.stream.client(), self.stream.info().partition(partition));
        let page = async {
            let generation = stored::state(client, &partition, &self.group).await?.generation;
            let place = document::place(&partition, &self.group);
            let run = document::key(generation, 0);
            let run = run.split('-').next().unwrap_or_default();
            let mut next = document::key(generation, from);
            let (mut reader, mut windows) = (document::Reader::default(), Vec::new());
            while windows.len() < limit {
                let read = || client.storage().notes(&place, &next, PAGE);
                let notes = until_verdict(&**client.clock(), "kept windows", read).await?;
                let Some(last) = notes.last() else { break };
                // the keys that begin with this one go on with a greater sign
                next = format!("{}!", last.key);
                let of_run = notes.iter().take_while(|note| note.key.starts_with(run));
                let mut count = 0;
                for note in of_run {
                    count += 1;
                    windows.extend(reader.take(generation, partition.index, note)?);
                    if windows.len() == limit {
                        return Ok(windows);
                    }
                }
                if count < notes.len() {
                    break;
                }
            }
            Ok(windows)
        };
        page.await.map_err(|error: Error| error.during("kept windows"))
    }

    /// The window of that ordinal, if it was kept.
    ///
    /// # Errors
    /// As [`KeptWindows::page`].
    pub async fn find(&self, partition: u32, ordinal: u64) -> Result<Option<KeptWindow>, Error> {
        let found = self.page(partition, ordinal, 1).await?.pop();
        Ok(found.filter(|window| window.ordinal == ordinal))
    }
}

impl<T: DeserializeOwned> KeptWindows<T> {
    /// The window as its function got it: the same members in the same order, under the same id, with the reason `rerun`.
    /// Nothing is run, and nothing is settled by it.
    ///
    /// # Errors
    /// [`OffsetTrimmed`](Cause::OffsetTrimmed) where its messages are no longer kept, and what the storage says.
    pub async fn open(&self, window: &KeptWindow) -> Result<Window<T>, Error> {
        let members = self.members(window).await.map_err(|error| error.during("kept window"))?;
        let formed = FormedWindow {
            ordinal: window.ordinal,
            members,
            folded: None,
            bounds: window.bounds,
            key: window.key.clone(),
            reason: Reason::Rerun,
            next: Offset::default(),
            chain: WindowChain::default(),
            leaving: 0,
            left_before: 0,
        };
        let source = WindowSource {
            stream: self.stream.name().clone(),
            group: self.group.clone(),
            transactional: false,
            folds: false,
        };
        let lane = Arc::new(Lane::of_none(window.partition));
        let delivery =
            Delivery { lane, run: GroupRun::NONE, id: window.id, formed, attempt: window.attempts.saturating_add(1) };
        Ok(Window::open(&source, delivery, None))
    }

    /// Runs a function once on the window as it was: see [`KeptWindows::open`]. Whatever comes of it, the group's state is
    /// as before.
    ///
    /// # Errors
    /// As [`KeptWindows::open`], and [`Function`](Cause::Function) where the function fails.
    ///
    /// # Cancel safety
    /// Dropped, the function is dropped with it.
    pub async fn rerun<F, Fut, R>(&self, window: &KeptWindow, function: F) -> Result<(), Error>
    where
        F: FnOnce(Window<T>) -> Fut + Send,
        Fut: Future<Output = R> + Send,
        R: Outcome,
    {
        let window = self.open(window).await?;
        let verdict = function::call(|| function(window)).await.and_then(Outcome::outcome);
        verdict.map_err(|failure| Error::new(Cause::function(failure.reason)).during("rerun"))
    }

    async fn members(&self, window: &KeptWindow) -> Result<Members, Error> {
        let (client, partition) = (self.stream.client(), self.stream.info().partition(window.partition));
        let (storage, clock) = (client.storage(), &**client.clock());
        let lowest = window.members.iter().map(|members| members.first.slot()).min();
        let floor = until_verdict(clock, "bounds", || storage.bounds(&partition)).await?.floor;
        if lowest.is_some_and(|lowest| lowest < floor) {
            return Err(Cause::offset_trimmed(floor).into());
        }
        let mut runs = Vec::new();
        let mut last: Option<Arc<Chunk>> = None;
        for members in &window.members {
            let slot = members.first.slot();
            let chunk = match last.take().filter(|chunk| chunk.slot() == slot) {
                Some(chunk) => chunk,
                None => chunk(&**storage, clock, &partition, slot, members.time).await?,
            };
            let from = members.first.index();
            let run = Run::of(&chunk, from, from.saturating_add(members.len));
            runs.push(run.ok_or_else(|| Cause::corrupt_record(slot, "a kept window has more messages of it"))?);
            last = Some(chunk);
        }
        Ok(runs.into_iter().collect())
    }
}

/// The record in `slot`, opened with the append time it had.
async fn chunk(
    storage: &dyn Storage,
    clock: &dyn Clock,
    partition: &Partition,
    slot: Slot,
    time: Timestamp,
) -> Result<Arc<Chunk>, Error> {
    let one = ReadLimit { messages: 1, bytes: 1 };
    let records = until_verdict(clock, "read", || storage.read(partition, slot, one)).await?;
    let record = records.first().filter(|record| record.slot == slot);
    let record = record.ok_or_else(|| Cause::corrupt_record(slot, "a kept window needs it, and it is not there"))?;
    Chunk::open(record, time)
}

/// Writes what is kept of windows.
pub(super) async fn write(
    storage: &dyn Storage,
    clock: &dyn Clock,
    partition: &Partition,
    group: &GroupName,
    notes: Vec<Note>,
) -> Result<(), Error> {
    let place = document::place(partition, group);
    for notes in notes.chunks(PAGE) {
        until_verdict(clock, "keep windows", || storage.put_notes(&place, notes.to_vec())).await?;
    }
    Ok(())
}

impl<T> fmt::Debug for KeptWindows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptWindows").field("stream", &self.stream).field("group", &self.group).finish()
    }
}
