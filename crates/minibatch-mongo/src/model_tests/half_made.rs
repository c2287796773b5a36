//! A client that dies while it makes a group: whoever opens the group next finds it ready to be read.

use std::time::Duration;

use minibatch_core::{
    GroupName, ProducerId,
    storage::{ChunkLog, GroupStore, Start, Trim},
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
