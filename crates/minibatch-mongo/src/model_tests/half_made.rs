//! A client that dies or is slow while it makes a group: whoever opens the group next finds it ready to be read.

use std::time::Duration;

use minibatch_core::{
    GroupName, ProducerId, StreamName,
    storage::{ChunkLog, GroupStore, Start, StreamStore, Trim},
};

use super::world::{Reader, STRATEGY, chunk, client, pass, stream};
use crate::database::model::{Faults, Server};

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
    let info = calm.open_stream(&StreamName::new("events").unwrap(), 2).await.unwrap();
    let readers = GroupName::new("readers").unwrap();
    calm.open_group(&info, &readers, STRATEGY, Start::Earliest).await.unwrap();

    // its writes: the first partition's document, its pieces, two that count it, the second partition's document
    slow.hold_write(4, Duration::from_secs(10));
    let slowly = tokio::spawn({
        let (info, readers) = (info.clone(), readers.clone());
        async move { late.restart_group(&info, &readers, STRATEGY, Start::Earliest).await }
    });
    pass(Duration::from_secs(1)).await;
    calm.restart_group(&info, &readers, STRATEGY, Start::Earliest).await.unwrap();
    slowly.await.unwrap().unwrap();

    let mut generations = Vec::new();
    for index in 0..2 {
        let groups = calm.groups(&info.partition(index)).await.unwrap();
        generations.extend(groups.into_iter().map(|(_, state)| state.generation));
    }
    assert_eq!(generations.len(), 2);
    assert_eq!(generations.first(), generations.last());
}
