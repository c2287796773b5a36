//! Several processes share one file: this test binary starts itself again as the others.

mod child;

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    time::{Duration, Instant},
};

use child::{Ack, Child};
use minibatch_core::{
    ErrorKind, ProducerId, Slot,
    chunk::ProducerStamp,
    storage::{ChunkLog, Partition},
};
use minibatch_sqlite::SqliteStorage;

use crate::support::{Place, Producer, partition, read_all, text_of};

/// Checks the log against what was acknowledged: all of it there, in its place, once, without gaps.
async fn check_log(storage: &SqliteStorage, partition: &Partition, acknowledged: &[Ack]) -> usize {
    let records = read_all(storage, partition).await;
    let mut stamps = HashSet::new();
    let mut texts = BTreeMap::new();
    for (record, slot) in records.iter().zip(1..) {
        assert_eq!(record.slot.get(), slot, "slots are dense");
        assert!(stamps.insert((record.producer.id.clone(), record.producer.sequence)), "a sequence is used once");
        texts.insert(slot, text_of(record));
    }
    for ack in acknowledged {
        assert_eq!(texts.get(&ack.slot), Some(&ack.text()), "what was acknowledged is there");
    }
    records.len()
}

#[tokio::test]
async fn what_a_killed_process_was_told_is_there() {
    let place = Place::new();
    let mut acknowledged = Vec::new();
    for lines in [1, 40, 7, 120, 23, 3, 64, 11, 90, 35] {
        let mut child = Child::start("append-a", &place.file());
        let mut acks: Vec<Ack> = (0..lines).map(|_| child.ack()).collect();
        acks.extend(child.kill());
        place.assert_intact();

        let storage = place.open().await;
        let partition = partition(&storage).await;
        acknowledged.extend(acks.iter().cloned());
        let before = check_log(&storage, &partition, &acknowledged).await;
        // each producer may not have heard of its last
        assert!(before <= acknowledged.len() + 4 * 10, "{before} records, {} acknowledged", acknowledged.len());

        let last: BTreeMap<_, _> = acks.iter().map(|ack| (ack.producer.clone(), ack)).collect();
        for ack in last.values() {
            let id = ProducerId::new(&ack.producer).unwrap();
            let stamp = ProducerStamp { id, epoch: ack.epoch, sequence: ack.sequence };
            let producer = Producer { storage: storage.clone(), partition: partition.clone(), stamp };
            assert_eq!(producer.try_append(&ack.text()).await.unwrap().get(), ack.slot, "again is no duplicate");
        }
        assert_eq!(check_log(&storage, &partition, &acknowledged).await, before);
        storage.close().await;
    }
    println!("10 kills, {} appends acknowledged, 0 lost, 0 twice", acknowledged.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_append_at_once_make_one_order() {
    const EACH: usize = 400;

    let place = Place::new();
    let storage = place.open().await;
    let mut producer = Producer::register(&storage, "here").await;
    let children = ["append-a", "append-b"].map(|role| Child::start(role, &place.file()));
    for n in 0..EACH {
        producer.append(&format!("here {n}")).await;
    }
    let mut acknowledged = Vec::new();
    for mut child in children {
        acknowledged.extend((0..EACH).map(|_| child.ack()));
        acknowledged.extend(child.kill());
    }
    check_log(&storage, &producer.partition, &acknowledged).await;
    let records = read_all(&storage, &producer.partition).await;
    let own: Vec<_> = records.iter().filter(|record| record.producer.id.as_str() == "here").map(text_of).collect();
    assert_eq!(own, (0..EACH).map(|n| format!("here {n}")).collect::<Vec<_>>());
}

/// How long waking up took, sorted.
async fn wake_ups(place: &Place) -> Vec<Duration> {
    let storage = place.open().await;
    let mut child = Child::start("append-when-told", &place.file());
    let mut tail = Slot::new(child.ack().slot).unwrap();
    let partition = partition(&storage).await;
    let mut took = Vec::new();
    for _ in 0..20 {
        let waiting = {
            let (storage, partition) = (storage.clone(), partition.clone());
            tokio::spawn(async move {
                storage.wait(&partition, tail).await.unwrap();
                Instant::now()
            })
        };
        tokio::task::yield_now().await;
        child.tell();
        tail = Slot::new(child.ack().slot).unwrap();
        let told = Instant::now();
        took.push(waiting.await.unwrap().saturating_duration_since(told));
    }
    took.sort();
    took
}

#[tokio::test]
async fn an_append_elsewhere_ends_a_wait() {
    let place = Place::new();
    let took = wake_ups(&place).await;
    println!("woken by the doorbell: median {:?}, longest {:?}", took[10], took[19]);
    assert!(took[19] < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn an_append_elsewhere_ends_a_wait_without_a_doorbell() {
    let place = Place::in_directory(&"long".repeat(30));
    let took = wake_ups(&place).await;
    println!("woken by polling: median {:?}, longest {:?}", took[10], took[19]);
    assert!(took[19] < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn the_doorbell_of_a_killed_process_is_removed() {
    let place = Place::new();
    let storage = place.open().await;
    let mut producer = Producer::register(&storage, "p").await;
    let child = Child::start("wait", &place.file());
    let doors = || fs::read_dir(place.directory().join("q.db-bell")).map_or(0, Iterator::count);
    while doors() == 0 {
        tokio::task::yield_now().await;
    }
    child.kill();
    assert_eq!(doors(), 1);
    while doors() > 0 {
        producer.append("x").await;
    }
}

/// A limit on the size of files stands for a full disk: what cannot be written is an error, nothing acknowledged is lost.
#[cfg(unix)]
#[tokio::test]
async fn a_full_disk_says_retry_and_loses_nothing() {
    let place = Place::new();
    let mut child = Child::start_with_file_limit("append-until-error", &place.file(), 2_000);
    let (acknowledged, error) = child.acks_and_error();
    child.kill();
    assert_eq!(error, format!("{:?}", ErrorKind::Retry));
    assert!(acknowledged.len() > 3, "{acknowledged:?}");
    place.assert_intact();
    let storage = place.open().await;
    let partition = partition(&storage).await;
    check_log(&storage, &partition, &acknowledged).await;
    Producer::register(&storage, "later").await.append("fine again").await;
}
