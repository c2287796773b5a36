//! A client that dies or is slow while it makes a group or removes one: whoever opens the group next finds it ready to be
//! read, and where it is gone nothing of it is left.

use std::time::Duration;

use minibatch_core::{
    GroupName, ProducerId, StreamName,
    storage::{ChunkLog, Fence, Generation, GroupState, GroupStore, Start, StreamInfo, StreamStore, Trim},
};
use tokio::task::JoinHandle;

use super::world::{Reader, STRATEGY, chunk, client, pass, stream};
use crate::{
    MongoStorage,
    database::model::{Faults, Server},
};

/// A trimmer lists the groups, a group is written and not counted yet, and the trimmer raises the floor over its start.
#[tokio::test(start_paused = true)]
async fn group_that_was_not_counted() {
    let server = Server::start();
    let [(calm, _), (trimmer, slow), (maker, dying)] = [1, 2, 3].map(|seed| client(&server, Faults::NONE, seed));
    let (info, readers) = stream(&calm).await;
    let partition = info.partition(0);
    let id = ProducerId::new("p").unwrap();
    let epoch = calm.register_producer(&partition, &id).await.unwrap().epoch;
    for sequence in 1..=5 {
        calm.append(&partition, chunk(&id, epoch, sequence, "text")).await.unwrap();
    }
    Reader::new(&calm, &partition, &readers).await.unwrap().catch_up().await.unwrap();

    // of its writes the first folds the producer, the second raises the floor
    slow.hold_write(1, Duration::from_secs(10));
    let trimmed = tokio::spawn({
        let partition = partition.clone();
        async move { trimmer.trim(&partition, Trim::Finished).await.unwrap() }
    });
    pass(Duration::from_secs(1)).await;
    let late = GroupName::new("late").unwrap();
    // of its writes the first is the group, the second counts it
    dying.hold_write(1, Duration::from_secs(1_000));
    let made = tokio::spawn({
        let (info, late) = (info.clone(), late.clone());
        async move { maker.open_group(&info, &late, STRATEGY, Start::Earliest).await }
    });
    pass(Duration::from_secs(1)).await;
    made.abort();
    assert_eq!(trimmed.await.unwrap().floor.get(), 5);

    calm.open_group(&info, &late, STRATEGY, Start::Earliest).await.unwrap();
    let mut reader = Reader::new(&calm, &partition, &late).await.unwrap();
    reader.catch_up().await.unwrap();
    assert_eq!(reader.records.first().unwrap().slot.get(), 5);
}

/// One begins a group anew and is slow; another does so after it, and has done it for all partitions before the first
/// comes to the second.
#[tokio::test(start_paused = true)]
async fn group_that_was_restarted_twice() {
    let server = Server::start();
    let [(calm, _), (late, slow)] = [1, 2].map(|seed| client(&server, Faults::NONE, seed));
    let info = two_partitions(&calm).await;
    calm.open_group(&info, &readers(), STRATEGY, Start::Earliest).await.unwrap();

    // its writes: the first partition's document, its pieces, two that count it, the second partition's document
    slow.hold_write(4, Duration::from_secs(10));
    let slowly = tokio::spawn({
        let info = info.clone();
        async move { late.restart_group(&info, &readers(), STRATEGY, Start::Earliest).await }
    });
    pass(Duration::from_secs(1)).await;
    calm.restart_group(&info, &readers(), STRATEGY, Start::Earliest).await.unwrap();
    slowly.await.unwrap().unwrap();

    let generations = generations(&calm, &info).await;
    assert_eq!(generations.len(), 2);
    assert_eq!(generations.first(), generations.last());
}

fn readers() -> GroupName {
    GroupName::new("readers").unwrap()
}

async fn two_partitions(storage: &MongoStorage) -> StreamInfo {
    storage.open_stream(&StreamName::new("events").unwrap(), 2).await.unwrap()
}

/// The group's states in the partitions that have it.
async fn states(storage: &MongoStorage, info: &StreamInfo) -> Vec<GroupState> {
    let mut states = Vec::new();
    for index in 0..info.partitions {
        let groups = storage.groups(&info.partition(index)).await.unwrap();
        states.extend(groups.into_iter().map(|(_, state)| state));
    }
    states
}

async fn generations(storage: &MongoStorage, info: &StreamInfo) -> Vec<Generation> {
    states(storage, info).await.into_iter().map(|state| state.generation).collect()
}

async fn fences(storage: &MongoStorage, info: &StreamInfo) -> Vec<Fence> {
    states(storage, info).await.into_iter().map(|state| state.fence).collect()
}

/// Opens the group beside whatever the test does.
fn opens(storage: MongoStorage, info: &StreamInfo) -> JoinHandle<()> {
    let info = info.clone();
    tokio::spawn(async move { storage.open_group(&info, &readers(), STRATEGY, Start::Earliest).await.unwrap() })
}

/// Removes the group as it is seen now, beside whatever the test does.
async fn removes(storage: MongoStorage, info: &StreamInfo) -> JoinHandle<bool> {
    let (info, seen) = (info.clone(), fences(&storage, info).await);
    tokio::spawn(async move { storage.remove_group(&info, &readers(), Some(&seen)).await.unwrap() })
}

/// The writes that make a group's document: itself, and two that count it.
const MAKING: usize = 3;

#[tokio::test(start_paused = true)]
async fn removal_that_was_interrupted() {
    let server = Server::start();
    let [(calm, _), (remover, dying)] = [1, 2].map(|seed| client(&server, Faults::NONE, seed));
    let info = two_partitions(&calm).await;
    calm.open_group(&info, &readers(), STRATEGY, Start::Earliest).await.unwrap();

    // its writes: two that fence each partition, the first one's document
    dying.hold_write(5, Duration::from_secs(1_000));
    let removed = removes(remover, &info).await;
    pass(Duration::from_secs(1)).await;
    removed.abort();
    assert!(calm.groups(&info.partition(0)).await.unwrap().is_empty());
    let left = fences(&calm, &info).await;
    assert_eq!(left.len(), 1);

    assert!(!calm.remove_group(&info, &readers(), Some(&left)).await.unwrap());
    assert_eq!(fences(&calm, &info).await, []);
    // the epochs of the next one follow
    calm.open_group(&info, &readers(), STRATEGY, Start::Earliest).await.unwrap();
    let fences = fences(&calm, &info).await;
    assert!(fences.len() == 2 && fences.iter().all(|fence| fence.epoch > left[0].epoch), "{fences:?}");
}

/// Somebody is about to make the second partition's document when the group is removed.
#[tokio::test(start_paused = true)]
async fn group_that_was_removed_while_it_was_made() {
    let server = Server::start();
    let [(calm, _), (maker, slow)] = [1, 2].map(|seed| client(&server, Faults::NONE, seed));
    let info = two_partitions(&calm).await;
    slow.hold_write(MAKING, Duration::from_secs(10));
    let made = opens(maker, &info);
    pass(Duration::from_secs(1)).await;
    assert!(removes(calm.clone(), &info).await.await.unwrap());
    made.await.unwrap();
    let generations = generations(&calm, &info).await;
    assert_eq!(generations.len(), 2);
    assert_eq!(generations.first(), generations.last());
}

/// Somebody makes the second partition's document after a remover saw that there is none.
#[tokio::test(start_paused = true)]
async fn group_that_was_completed_while_it_was_removed() {
    let server = Server::start();
    let [(calm, _), (maker, dying), (remover, slow)] = [1, 2, 3].map(|seed| client(&server, Faults::NONE, seed));
    let info = two_partitions(&calm).await;
    dying.hold_write(MAKING, Duration::from_secs(1_000));
    let made = opens(maker, &info);
    pass(Duration::from_secs(1)).await;
    made.abort();
    slow.hold_write(0, Duration::from_secs(10));
    let removed = removes(remover, &info).await;
    pass(Duration::from_secs(1)).await;
    opens(calm.clone(), &info).await.unwrap();
    assert_eq!(fences(&calm, &info).await.len(), 2);
    assert!(removed.await.unwrap());
    assert_eq!(fences(&calm, &info).await, []);
}
