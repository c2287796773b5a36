//! Shared deadlines are in the log: every group and every replay gets the same windows at its end, too.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use minibatch_core::{
    Clock, GroupName, Result, Slot, Timestamp,
    checkpoint::Checkpoint,
    chunk::{Record, RecordKind},
    storage::{Partition, ReadLimit, Storage},
    window::Reason,
};
use minibatch_emitters::{FixedTimeWindow, SessionWindow, StrategyExt as _};
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Client, ClientOptions, Consumer, Retention, StartAt, Stream, WhatIf, Window};
use minibatch_testkit::{
    clock::ManualClock,
    storage::{Tap, Tapped},
};

use crate::{
    liar::Liar,
    tools::{keyed, settle},
};

const SECOND: Duration = Duration::from_secs(1);
/// One of its boundaries is a second after the clocks begin.
const LENGTH: Duration = Duration::from_secs(7);

/// A window as somebody saw it: bounds in seconds, data, reason.
type Seen = (i64, i64, Vec<u32>, Reason);

/// A storage, and two clients: the clock of the second is 3 s behind the storage's.
struct World {
    storage: Arc<dyn Storage>,
    clocks: [Arc<ManualClock>; 2],
    stream: Stream<u32>,
    behind: Stream<u32>,
    partition: Partition,
}

impl World {
    async fn over<S: Storage>(storage: impl FnOnce(Arc<dyn Clock>) -> S) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
        let slow = Arc::new(ManualClock::new(Timestamp::from_millis(997_000)));
        let storage: Arc<dyn Storage> = Arc::new(storage(Arc::clone(&clock) as _));
        let client = |clock: &Arc<ManualClock>| {
            Client::with_options(Arc::clone(&storage), Arc::clone(clock) as _, ClientOptions::default())
        };
        let stream = client(&clock).stream("numbers").await.unwrap();
        // for whoever comes later
        stream.retain(Retention::keep()).await.unwrap();
        let behind = client(&slow).stream("numbers").await.unwrap();
        let partition = storage.find_stream(stream.name()).await.unwrap().unwrap().partition(0);
        Self { storage, clocks: [clock, slow], stream, behind, partition }
    }

    async fn new() -> Self {
        Self::over(MemoryStorage::with_clock).await
    }

    async fn open(&self, group: &str) -> Consumer<u32> {
        let consumer = self.stream.streaming().group(group).window(FixedTimeWindow::new(LENGTH)).open().await.unwrap();
        settle().await;
        consumer
    }

    /// Lets time pass, when everybody waits for it.
    async fn pass(&self, duration: Duration) {
        settle().await;
        self.clocks.iter().for_each(|clock| clock.advance(duration));
        settle().await;
    }

    /// The messages that a new group drains.
    async fn drain(&self, group: &str, start: StartAt) -> Vec<u32> {
        let mut seen = Vec::new();
        let streaming = self.stream.streaming().group(group).window(FixedTimeWindow::new(LENGTH)).start(start);
        let see = |window: Window<u32>| {
            seen.extend(window.data);
            async {}
        };
        streaming.drain(see).await.unwrap();
        seen
    }

    async fn records(&self) -> Vec<Record> {
        let all = ReadLimit { messages: usize::MAX, bytes: usize::MAX };
        self.storage.read(&self.partition, Slot::ZERO, all).await.unwrap()
    }

    async fn kinds(&self) -> Vec<RecordKind> {
        self.records().await.iter().map(|record| record.kind).collect()
    }

    /// How many decisions a group ever took.
    async fn decisions(&self, group: &str) -> u64 {
        let groups = self.storage.groups(&self.partition).await.unwrap();
        let group = GroupName::new(group).unwrap();
        let (_, state) = groups.into_iter().find(|(name, _)| *name == group).unwrap();
        let checkpoint = Checkpoint::decode(&state.checkpoint.unwrap(), &[]).unwrap();
        checkpoint.base.decision - 1 + checkpoint.decisions.len() as u64
    }
}

/// The next window, done with.
async fn next(consumer: &mut Consumer<u32>) -> Seen {
    let window = tokio::time::timeout(20 * SECOND, consumer.next()).await.unwrap().unwrap().unwrap();
    let (start, end) = (window.bounds.start.as_millis() / 1_000, window.bounds.end.as_millis() / 1_000);
    let seen = (start, end, window.data.clone(), window.reason);
    window.ack().await.unwrap();
    seen
}

/// Two groups over a stream that is idle from time to time, and messages of a producer whose clock is behind.
async fn two_groups(world: &World) -> [Vec<Seen>; 2] {
    world.stream.append(&1).await.unwrap();
    let [mut one, mut other] = [world.open("one").await, world.open("other").await];
    let mut seen = [Vec::new(), Vec::new()];
    for number in 2..5 {
        world.pass(2 * SECOND).await;
        seen[0].push(next(&mut one).await);
        seen[1].push(next(&mut other).await);
        // it says a time before the boundary that has just passed
        world.behind.append(&number).await.unwrap();
        world.pass(5 * SECOND).await;
    }
    one.shutdown().await.unwrap();
    other.shutdown().await.unwrap();
    seen
}

/// What a group that begins now gets of the windows that are over.
async fn replay(world: &World, windows: usize) -> Vec<Seen> {
    let mut replay = world.open("replay").await;
    let mut seen = Vec::new();
    for _ in 0..windows {
        seen.push(next(&mut replay).await);
    }
    seen
}

#[tokio::test]
async fn every_group_and_every_replay_gets_the_same_windows() {
    let world = World::new().await;
    let [one, other] = two_groups(&world).await;
    let boundary = |start, number| (start, start + 7, vec![number], Reason::Boundary);
    assert_eq!(one, [boundary(994, 1), boundary(1_001, 2), boundary(1_008, 3)]);
    assert_eq!((&other, &replay(&world, 3).await), (&one, &one));
    for group in ["one", "other", "replay"] {
        assert_eq!(world.decisions(group).await, 0, "{group}");
        assert_eq!(world.stream.audit(group).await.unwrap().differences().count(), 0, "{group}");
    }
    let (data, said) = (RecordKind::Data, RecordKind::Punctuation);
    assert_eq!(world.kinds().await, [data, said, data, said, data, said, data], "each boundary is said once");
}

/// What the test above would find without punctuations: a group's decision is its own.
#[tokio::test]
async fn where_the_storage_writes_none_each_group_decides() {
    let world = World::over(Liar::with_clock).await;
    let [one, _] = two_groups(&world).await;
    assert_eq!(one.len(), 3);
    assert_eq!(world.decisions("one").await, 3);
    assert_eq!(world.kinds().await, [RecordKind::Data; 4]);
    let replayed = replay(&world, 1).await;
    assert_ne!(replayed, one[..1], "the producer's clock was behind, and nothing in the log says so");
}

#[tokio::test]
async fn a_crash_before_the_commit_changes_nothing() {
    let world = World::new().await;
    world.stream.append(&1).await.unwrap();
    let mut consumer = world.open("g").await;
    world.pass(2 * SECOND).await;
    let window = consumer.next().await.unwrap().unwrap();
    let id = window.id;
    assert_eq!(world.kinds().await, [RecordKind::Data, RecordKind::Punctuation]);
    drop(window);
    drop(consumer);
    world.behind.append(&2).await.unwrap();
    let mut consumer = world.open("g").await;
    let window = consumer.next().await.unwrap().unwrap();
    assert_eq!((window.id, window.data.as_slice()), (id, &[1][..]));
    window.ack().await.unwrap();
    assert_eq!(world.decisions("g").await, 0);
}

/// Steps in between a consumer and its storage where it punctuates.
#[derive(Debug)]
enum Step {
    /// A message comes just before, each time.
    Append { storage: MemoryStorage, clock: Arc<dyn Clock>, times: Mutex<u32> },
    /// Whatever time it is given is shown as long past.
    Cut,
}

impl Tap for Step {
    async fn call<T: Send>(&self, operation: &'static str, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if let Self::Append { storage, clock, times } = self
            && operation == "punctuate"
        {
            let time = {
                let mut times = times.lock().unwrap();
                *times += 1;
                *times
            };
            if time <= 2 {
                let client =
                    Client::with_options(Arc::new(storage.clone()), Arc::clone(clock), ClientOptions::default());
                client.stream::<u32>("numbers").await?.append(&(time + 1)).await?;
            }
        }
        call.await
    }

    fn found(&self, mut records: Vec<Record>) -> Vec<Record> {
        if matches!(self, Self::Cut) {
            let said = records.iter_mut().filter(|record| record.kind == RecordKind::Punctuation);
            said.for_each(|record| record.time = Timestamp::EPOCH);
        }
        records
    }
}

#[tokio::test]
async fn whoever_comes_first_at_the_end_of_the_log_is_read_first() {
    let slow: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_500)));
    let world = World::over(|clock| {
        let storage = MemoryStorage::with_clock(clock);
        let step = Step::Append { storage: storage.clone(), clock: slow, times: Mutex::new(0) };
        Tapped::new(storage, step)
    })
    .await;
    world.stream.append(&1).await.unwrap();
    let mut consumer = world.open("g").await;
    world.pass(2 * SECOND).await;
    // both came with a time before the boundary, and before the log said that it has passed
    assert_eq!(next(&mut consumer).await, (994, 1_001, vec![1, 2, 3], Reason::Boundary));
    assert_eq!(world.kinds().await[..3], [RecordKind::Data; 3]);
    assert_eq!(world.kinds().await[3..], [RecordKind::Punctuation]);
    assert_eq!(world.decisions("g").await, 0);
}

#[tokio::test]
async fn a_log_that_cannot_say_it_is_asked_once() {
    let world = World::over(|clock| Tapped::new(MemoryStorage::with_clock(clock), Step::Cut)).await;
    world.stream.append(&1).await.unwrap();
    let mut consumer = world.open("g").await;
    world.pass(2 * SECOND).await;
    assert_eq!(next(&mut consumer).await.2, [1]);
    assert_eq!(world.kinds().await, [RecordKind::Data, RecordKind::Punctuation]);
    assert_eq!(world.decisions("g").await, 1);
}

/// The storage's clock, and with it whatever the log can say, is ten minutes before the boundary.
#[tokio::test]
async fn a_clock_that_was_set_back_holds_up_no_window() {
    let world = World::new().await;
    world.stream.append(&1).await.unwrap();
    let mut consumer = world.open("g").await;
    world.clocks[0].set(Timestamp::from_millis(400_000));
    world.pass(2 * SECOND).await;
    assert_eq!(next(&mut consumer).await, (994, 1_001, vec![1], Reason::Boundary));
    assert_eq!(world.kinds().await, [RecordKind::Data]);
    assert_eq!(world.decisions("g").await, 1);
}

/// A producer's clock that is ahead of the storage's by less than the second that a record may be.
#[tokio::test]
async fn a_reader_that_is_early_waits_for_the_storages_clock() {
    let world = World::new().await;
    world.clocks[1].set(Timestamp::from_millis(1_000_900));
    world.behind.append(&1).await.unwrap();
    let mut consumer = world.open("g").await;
    world.pass(SECOND / 2).await;
    assert_eq!(world.kinds().await, [RecordKind::Data], "its boundary has passed by the last record's time alone");
    world.pass(SECOND / 2).await;
    assert_eq!(next(&mut consumer).await, (994, 1_001, vec![1], Reason::Boundary));
    assert_eq!(world.kinds().await, [RecordKind::Data, RecordKind::Punctuation]);
    assert_eq!(world.decisions("g").await, 0);
}

#[tokio::test]
async fn one_punctuation_serves_all_deadlines_that_have_come() {
    let world = World::new().await;
    let sessions = SessionWindow::new(SECOND).by_key();
    for key in ["a", "b", "c"] {
        world.stream.append_with(&1, &keyed(key)).await.unwrap();
        world.pass(Duration::from_millis(1)).await;
    }
    let mut consumer = world.stream.streaming().group("g").window(sessions).open().await.unwrap();
    world.pass(2 * SECOND).await;
    for _ in 0..3 {
        assert_eq!(next(&mut consumer).await.2, [1]);
    }
    assert_eq!(world.kinds().await.iter().filter(|kind| **kind == RecordKind::Punctuation).count(), 1);
}

#[tokio::test]
async fn it_is_no_message_to_anybody() {
    let world = World::new().await;
    world.stream.append(&1).await.unwrap();
    let mut consumer = world.open("g").await;
    world.pass(2 * SECOND).await;
    assert_eq!(next(&mut consumer).await.2, [1]);
    let summary = consumer.shutdown().await.unwrap();
    assert_eq!((summary.messages, summary.windows), (1, 1));
    let status = world.stream.status("g").await.unwrap();
    assert_eq!(status.iter().map(|status| status.lag).collect::<Vec<_>>(), [Some(0)]);

    // as the last record of the log it ends a drain, and a range to replay
    assert_eq!(world.drain("first", StartAt::Earliest).await, [1]);
    world.stream.append_many(&[2, 3]).await.unwrap();
    let boundary = Timestamp::from_millis(1_001_000);
    assert_eq!(world.drain("second", StartAt::Time(boundary)).await, [2, 3]);
    assert_eq!(world.drain("third", StartAt::Earliest).await, [1, 2, 3]);
    let what_if = WhatIf::over(&world.stream, ..).strategy("fixed", FixedTimeWindow::new(LENGTH));
    let report = what_if.report().await.unwrap();
    let fixed = &report.strategies[0];
    assert_eq!((report.messages, fixed.windows, fixed.left_open.messages), (3, 1, 2));
}
