//! Slots that were reserved and left empty: readers get past them, and a producer that comes late loses nothing.

use std::{sync::Arc, time::Duration};

use minibatch_core::{
    Cause, GroupName, Slot, Timestamp,
    chunk::{Record, RecordKind},
    driver::EntryReader,
    storage::{ChunkLog, GroupStore, Partition, ReadLimit, Start, StreamStore, Trim},
};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::world::{Reader, Writer, client, pass, stream, text};
use crate::{
    MongoStorage,
    database::model::{Faults, Server},
};

const SECOND: Duration = Duration::from_secs(1);
const ALL: ReadLimit = ReadLimit { messages: 1_000, bytes: 1 << 20 };

/// A writer that counts its appends.
struct Appender {
    writer: Writer,
    sequence: u64,
}

impl Appender {
    async fn new(server: &Arc<Server>, partition: &Partition, id: &str, seed: u64) -> Self {
        Self { writer: Writer::new(server, partition, id, seed).await, sequence: 0 }
    }

    async fn append(&mut self, text: &str) -> Slot {
        self.sequence += 1;
        self.writer.append(self.sequence, text).await
    }

    /// Begins an append whose insert stands still on its way for so long.
    fn append_slowly(mut self, text: &'static str, duration: Duration) -> JoinHandle<(Self, Slot)> {
        tokio::spawn(async move {
            // what is reserved and empty makes it reserve as well, which is its first write; the insert is the second
            self.writer.reserve().await;
            self.writer.connection.hold_write(1, duration);
            let slot = self.append(text).await;
            (self, slot)
        })
    }
}

fn kinds(records: &[Record]) -> Vec<String> {
    let show = |record: &Record| match record.kind {
        RecordKind::Tombstone => "~".to_owned(),
        _ => text(record),
    };
    records.iter().map(show).collect()
}

/// A stream in which slots were left empty: `a`, two holes, `b`, a hole, `c`.
async fn with_two_gaps(server: &Arc<Server>) -> (Appender, Partition) {
    let (calm, _) = client(server, Faults::NONE, 9);
    let partition = stream(&calm).await.0.partition(0);
    let mut alive = Appender::new(server, &partition, "alive", 1).await;
    let dead = Appender::new(server, &partition, "dead", 2).await;
    assert_eq!(alive.append("a").await.get(), 1);
    dead.writer.reserve().await;
    dead.writer.reserve().await;
    pass(3 * SECOND).await;
    assert_eq!(alive.append("b").await.get(), 4);
    dead.writer.reserve().await;
    pass(3 * SECOND).await;
    assert_eq!(alive.append("c").await.get(), 6);
    (alive, partition)
}

#[tokio::test(start_paused = true)]
async fn dead_gaps_are_filled_one_by_one() {
    let server = Server::start();
    let (_, partition) = with_two_gaps(&server).await;
    let (reader, _) = client(&server, Faults::NONE, 3);
    let mut records: Vec<Record> = Vec::new();
    let (started, mut rounds) = (Instant::now(), 0);
    while records.len() < 6 {
        let after = records.last().map_or(Slot::ZERO, |last| last.slot);
        timeout(60 * SECOND, reader.wait(&partition, after)).await.expect("there is more to read").unwrap();
        records.extend(reader.read(&partition, after.next(), ALL).await.unwrap());
        rounds += 1;
    }
    assert_eq!(kinds(&records), ["a", "~", "~", "b", "~", "c"]);
    assert_eq!(reader.gap_repairs(), 3);
    // each hole is waited for when it is come to, and nobody spins
    assert!((6..7).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    assert!(rounds < 12, "{rounds}");
}

#[tokio::test(start_paused = true)]
async fn readers_agree_on_who_fills_a_gap() {
    let server = Server::start();
    let (_, partition) = with_two_gaps(&server).await;
    let readers = [client(&server, Faults::NONE, 3).0, client(&server, Faults::NONE, 4).0];
    for _ in 0..100 {
        let reads = readers.each_ref().map(|reader| reader.read(&partition, Slot::FIRST, ALL));
        futures::future::try_join_all(reads).await.unwrap();
        pass(SECOND / 10).await;
    }
    for reader in &readers {
        assert_eq!(kinds(&reader.read(&partition, Slot::FIRST, ALL).await.unwrap()), ["a", "~", "~", "b", "~", "c"]);
    }
    assert_eq!(readers.iter().map(MongoStorage::gap_repairs).sum::<u64>(), 3);
}

/// An append that stands still for so long with its slot, while another goes on and a reader waits.
async fn late(duration: Duration, expected: &[&str]) {
    let server = Server::start();
    let (calm, _) = client(&server, Faults::NONE, 9);
    let partition = stream(&calm).await.0.partition(0);
    let mut alive = Appender::new(&server, &partition, "alive", 1).await;
    let slow = Appender::new(&server, &partition, "slow", 2).await;
    alive.append("a").await;
    let slow = slow.append_slowly("late", duration);
    pass(3 * SECOND).await;
    assert_eq!(alive.append("b").await.get(), 4);
    let mut records: Vec<Record> = Vec::new();
    for _ in 0..80 {
        let from = records.last().map_or(Slot::FIRST, |last| last.slot.next());
        records.extend(calm.read(&partition, from, ALL).await.unwrap());
        pass(SECOND / 10).await;
    }
    let (mut slow, slot) = slow.await.unwrap();
    slow.append("later").await;
    let from = records.last().unwrap().slot.next();
    records.extend(calm.read(&partition, from, ALL).await.unwrap());
    assert_eq!(kinds(&records), expected);
    let said = records.iter().find(|record| record.slot == slot).unwrap();
    assert_eq!(text(said), "late");
}

#[tokio::test(start_paused = true)]
async fn a_slow_producer_is_waited_for() {
    late(Duration::from_millis(4_500), &["a", "~", "late", "b", "later"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_slower_one_takes_another_slot() {
    late(Duration::from_millis(9_000), &["a", "~", "~", "b", "late", "later"]).await;
}

/// The tombstone of a slow producer's slot is trimmed and deleted, and only then its insert arrives.
#[tokio::test(start_paused = true)]
async fn the_slowest_finds_its_slot_trimmed() {
    let server = Server::start();
    let (calm, _) = client(&server, Faults::NONE, 9);
    let (stream, group) = stream(&calm).await;
    let partition = stream.partition(0);
    let mut alive = Appender::new(&server, &partition, "alive", 1).await;
    let slow = Appender::new(&server, &partition, "slow", 2).await;
    alive.append("a").await;
    let slow = slow.append_slowly("late", 300 * SECOND);
    pass(3 * SECOND).await;
    alive.append("b").await;
    let mut reader = Reader::new(&calm, &partition, &group).await.unwrap();
    reader.catch_up().await.unwrap();
    assert_eq!(kinds(&reader.records), ["a", "~", "~", "b"]);
    calm.trim(&partition, Trim::Finished).await.unwrap();
    pass(60 * SECOND).await;
    assert_eq!(calm.trim(&partition, Trim::Finished).await.unwrap().deleted, 3);
    let (_, slot) = slow.await.unwrap();
    reader.catch_up().await.unwrap();
    assert_eq!(kinds(&reader.records), ["a", "~", "~", "b", "late"]);
    assert_eq!(reader.records.last().unwrap().slot, slot);
}

/// A tombstone is stamped when the hole has long been there, and what follows it was appended before.
#[tokio::test(start_paused = true)]
async fn a_tombstone_says_nothing_of_the_time() {
    let server = Server::start();
    let (_, partition) = with_two_gaps(&server).await;
    let (late, _) = client(&server, Faults::NONE, 3);
    let info = late.find_stream(&partition.stream).await.unwrap().unwrap();
    pass(300 * SECOND).await;
    let mut reader = Reader::new(&late, &partition, &GroupName::new("readers").unwrap()).await.unwrap();
    reader.catch_up().await.unwrap();
    let mut entries = EntryReader::new(Timestamp::MIN);
    let times: Vec<_> = reader.records.iter().map(|record| entries.open(record).unwrap().time()).collect();
    assert_eq!(kinds(&reader.records), ["a", "~", "~", "b", "~", "c"]);
    let end = GroupName::new("end").unwrap();
    late.open_group(&info, &end, "count", Start::Latest).await.unwrap();
    let groups = late.groups(&partition).await.unwrap();
    let (_, state) = groups.iter().find(|(name, _)| *name == end).unwrap();
    assert_eq!(state.start.time, times[5], "for a group that begins at the end");
    for slot in 1..=6 {
        late.trim(&partition, Trim::Below(Slot::new(slot).unwrap())).await.unwrap();
        let bounds = late.bounds(&partition).await.unwrap();
        assert_eq!(bounds.floor_time, times[usize::try_from(slot).unwrap() - 1], "for one that begins at slot {slot}");
    }
}

/// What is empty below the floor was trimmed: it is no hole.
#[tokio::test(start_paused = true)]
async fn trimmed_slots_are_no_gaps() {
    let server = Server::start();
    let (calm, _) = client(&server, Faults::NONE, 9);
    let (stream, group) = stream(&calm).await;
    let partition = stream.partition(0);
    let mut alive = Appender::new(&server, &partition, "alive", 1).await;
    for text in ["a", "b", "c", "d"] {
        alive.append(text).await;
    }
    let mut reader = Reader::new(&calm, &partition, &group).await.unwrap();
    reader.catch_up().await.unwrap();
    calm.trim(&partition, Trim::Finished).await.unwrap();
    pass(60 * SECOND).await;
    assert_eq!(calm.trim(&partition, Trim::Finished).await.unwrap().deleted, 3);
    for _ in 0..5 {
        let error = calm.read(&partition, Slot::FIRST, ALL).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::OffsetTrimmed { .. }), "{error}");
        timeout(SECOND, calm.wait(&partition, Slot::ZERO)).await.expect("that it is trimmed is to be found").unwrap();
        pass(SECOND).await;
    }
    assert_eq!(calm.gap_repairs(), 0);
}
