//! The storage's clock is the one it was given.

use std::{sync::Arc, time::Duration};

use minibatch_core::{
    Cause, GroupName, ProducerId, Slot, StreamName, Timestamp,
    chunk::{NewChunk, Payload, ProducerStamp},
    storage::{Acquired, ChunkLog, GroupStore, ReadLimit, Start, StreamStore},
};
use minibatch_memory::MemoryStorage;
use minibatch_testkit::clock::ManualClock;

const SECOND: Duration = Duration::from_secs(1);
const NOON: Timestamp = Timestamp::from_millis(1_711_972_800_000);

fn storage() -> (Arc<ManualClock>, MemoryStorage) {
    let clock = Arc::new(ManualClock::new(NOON));
    let storage = MemoryStorage::with_clock(Arc::clone(&clock) as _);
    (clock, storage)
}

#[tokio::test]
async fn records_are_stamped_by_the_wall() {
    let (clock, storage) = storage();
    assert_eq!(storage.now().await.unwrap(), NOON);
    let partition = storage.open_stream(&StreamName::new("events").unwrap(), 1).await.unwrap().partition(0);
    let id = ProducerId::new("p").unwrap();
    let epoch = storage.register_producer(&partition, &id).await.unwrap().epoch;
    clock.advance(SECOND);
    for (sequence, time) in (1..).zip([Timestamp::MAX, Timestamp::MIN, NOON]) {
        let producer = ProducerStamp { id: id.clone(), epoch, sequence };
        storage.append(&partition, NewChunk { producer, time, payload: Payload::empty() }).await.unwrap();
    }
    let limit = ReadLimit { messages: usize::MAX, bytes: usize::MAX };
    let records = storage.read(&partition, Slot::ZERO, limit).await.unwrap();
    let times: Vec<_> = records.iter().map(|record| record.time).collect();
    assert_eq!(times, [NOON.plus(SECOND * 2), NOON.minus(SECOND * 4), NOON]);
}

#[tokio::test]
async fn members_die_by_the_steady_clock() {
    let (clock, storage) = storage();
    let stream = storage.open_stream(&StreamName::new("events").unwrap(), 1).await.unwrap();
    let partition = stream.partition(0);
    let readers = GroupName::new("readers").unwrap();
    storage.open_group(&stream, &readers, "count v1 n=3", Start::Earliest).await.unwrap();
    let owner = storage.join(SECOND * 10).await.unwrap();
    let other = storage.join(SECOND * 60).await.unwrap();
    storage.acquire(&partition, &readers, &owner).await.unwrap();

    clock.advance(SECOND * 9);
    storage.heartbeat(&owner, SECOND * 10).await.unwrap();
    // the wall may jump as it likes
    clock.set(Timestamp::MAX);
    clock.advance(SECOND * 10 - Duration::from_millis(1));
    let held = storage.acquire(&partition, &readers, &other).await.unwrap();
    assert_eq!(held, Acquired::Held(owner.clone()));

    clock.advance(Duration::from_millis(1));
    let Acquired::Owner(taken) = storage.acquire(&partition, &readers, &other).await.unwrap() else {
        panic!("a dead member holds the partition");
    };
    assert_eq!((taken.owner, taken.unclean), (Some(other), 1));
    let late = storage.heartbeat(&owner, SECOND).await.unwrap_err();
    assert_eq!(late.cause(), &Cause::MemberDead);
}
