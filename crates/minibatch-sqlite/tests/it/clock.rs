//! The storage's clock: what a wall clock that jumps does, and does not.

use std::{sync::Arc, time::Duration};

use minibatch_core::{
    ErrorKind, GroupName, Timestamp,
    storage::{Acquired, GroupStore, Start, StreamStore},
};
use minibatch_sqlite::{SqliteOptions, SqliteStorage};
use minibatch_testkit::clock::ManualClock;

use crate::support::{Place, Producer, partition, read_all};

const START: Timestamp = Timestamp::from_millis(1_711_966_347_337);
const HOUR: Duration = Duration::from_secs(3_600);
const TTL: Duration = Duration::from_secs(10);

async fn open(place: &Place) -> (Arc<ManualClock>, SqliteStorage) {
    let clock = Arc::new(ManualClock::new(START));
    let given: Arc<ManualClock> = Arc::clone(&clock);
    let storage = SqliteStorage::open_with_clock(place.file(), SqliteOptions::default(), given).await.unwrap();
    (clock, storage)
}

#[tokio::test]
async fn records_never_go_back_in_time() {
    let place = Place::new();
    let (clock, storage) = open(&place).await;
    let mut producer = Producer::register(&storage, "p").await;
    producer.append("at the start").await;
    clock.set(START.minus(HOUR));
    producer.append("set back").await;
    clock.set(START.plus(HOUR));
    producer.append("put forward").await;
    let times: Vec<_> = read_all(&storage, &producer.partition).await.iter().map(|record| record.time).collect();
    let second = Duration::from_secs(1);
    assert_eq!(times, [START.plus(second), START.plus(second), START.plus(HOUR).plus(second)]);
}

#[tokio::test]
async fn now_follows_the_records_read() {
    let place = Place::new();
    let (_, ahead) = open(&place).await;
    let mut producer = Producer::register(&ahead, "p").await;
    producer.append("x").await;
    let clock = Arc::new(ManualClock::new(START.minus(HOUR)));
    let behind = SqliteStorage::open_with_clock(place.file(), SqliteOptions::default(), clock).await.unwrap();
    assert_eq!(behind.now().await.unwrap(), START.minus(HOUR));
    let records = read_all(&behind, &producer.partition).await;
    assert_eq!(behind.now().await.unwrap(), records[0].time.minus(Duration::from_secs(1)));
}

#[tokio::test]
async fn members_die_by_the_wall_clock_and_are_taken_over() {
    let place = Place::new();
    let (clock, storage) = open(&place).await;
    let partition = partition(&storage).await;
    let stream = storage.find_stream(&partition.stream).await.unwrap().unwrap();
    let group = GroupName::new("g").unwrap();
    storage.open_group(&stream, &group, "count:1", Start::Earliest).await.unwrap();
    let owner = storage.join(TTL).await.unwrap();
    assert!(matches!(storage.acquire(&partition, &group, &owner).await.unwrap(), Acquired::Owner(_)));

    clock.advance(TTL - Duration::from_millis(1));
    let heir = storage.join(TTL).await.unwrap();
    assert_eq!(storage.acquire(&partition, &group, &heir).await.unwrap(), Acquired::Held(owner.clone()));
    clock.advance(Duration::from_millis(1));
    let Acquired::Owner(state) = storage.acquire(&partition, &group, &heir).await.unwrap() else { panic!("held") };
    assert_eq!(state.unclean, 1);
    assert_eq!(storage.heartbeat(&owner, TTL).await.unwrap_err().kind(), ErrorKind::Fenced);
}

#[tokio::test]
async fn a_clock_set_back_keeps_no_dead_member_alive() {
    let place = Place::new();
    let (clock, storage) = open(&place).await;
    let partition = partition(&storage).await;
    let stream = storage.find_stream(&partition.stream).await.unwrap().unwrap();
    let group = GroupName::new("g").unwrap();
    storage.open_group(&stream, &group, "count:1", Start::Earliest).await.unwrap();
    let owner = storage.join(TTL).await.unwrap();
    storage.acquire(&partition, &group, &owner).await.unwrap();

    clock.set(START.minus(HOUR));
    let heir = storage.join(TTL).await.unwrap();
    assert!(matches!(storage.acquire(&partition, &group, &heir).await.unwrap(), Acquired::Owner(_)));
}
