//! Punctuations among producers that are slow, and logs that are trimmed meanwhile.

use std::time::Duration;

use minibatch_core::{
    Slot,
    chunk::{Record, RecordKind},
    storage::{ChunkLog, Punctuated, StreamStore, Trim},
};

use super::world::{Reader, Writer, client, pass, stream, text, verdict};
use crate::database::model::{Faults, Server};

const MINUTE: Duration = Duration::from_secs(60);

async fn punctuate(writer: &Writer, after: u64) -> Punctuated {
    let Writer { storage, partition, .. } = writer;
    let (after, time) = (Slot::new(after).unwrap(), storage.now().await.unwrap());
    verdict(|| storage.punctuate(partition, after, time)).await.unwrap()
}

fn kinds(records: &[Record]) -> Vec<String> {
    let show = |record: &Record| match record.kind {
        RecordKind::Data => text(record),
        kind => kind.name().to_owned(),
    };
    records.iter().map(show).collect()
}

/// What is reserved is no place in the log yet: the log can say how late it is before a producer that died comes back.
#[tokio::test(start_paused = true)]
async fn a_reserved_slot_is_not_waited_for() {
    let server = Server::start();
    let (calm, _) = client(&server, Faults::NONE, 9);
    let (stream, group) = stream(&calm).await;
    let partition = stream.partition(0);
    let (reader, slow) =
        (Writer::new(&server, &partition, "reader", 1).await, Writer::new(&server, &partition, "slow", 2).await);
    assert_eq!(slow.append(1, "a").await.get(), 1);
    // the insert into the slot that it reserves stands still
    slow.reserve().await;
    pass(Duration::from_secs(3)).await;
    slow.connection.hold_write(1, 10 * Duration::from_secs(1));
    let late = tokio::spawn({
        let slow = slow.clone();
        async move { slow.append(2, "late").await }
    });
    pass(Duration::from_secs(2)).await;
    assert_eq!(punctuate(&reader, 1).await, Punctuated::Appended);
    assert_eq!(punctuate(&reader, 1).await, Punctuated::Elsewhere);
    let slot = late.await.unwrap();
    let mut all = Reader::new(&calm, &partition, &group).await.unwrap();
    all.catch_up().await.unwrap();
    let found = all.records.iter().find(|record| record.slot == slot).unwrap();
    assert_eq!((text(found), kinds(&all.records)[1].as_str()), ("late".to_owned(), "punct"));
}

/// A punctuation stands still on its way while the log goes on and is trimmed; it arrives in a slot that is free again.
#[tokio::test(start_paused = true)]
async fn one_that_comes_after_a_trim_is_nowhere() {
    let server = Server::start();
    let (calm, _) = client(&server, Faults::NONE, 9);
    let (stream, group) = stream(&calm).await;
    let partition = stream.partition(0);
    let (slow, quick) =
        (Writer::new(&server, &partition, "slow", 1).await, Writer::new(&server, &partition, "quick", 2).await);
    quick.append(1, "1").await;
    slow.connection.hold_write(0, 5 * MINUTE);
    let held = tokio::spawn({
        let slow = slow.clone();
        async move { punctuate(&slow, 1).await }
    });
    pass(Duration::from_secs(1)).await;
    for sequence in 2..=5 {
        quick.append(sequence, &sequence.to_string()).await;
    }
    let mut reader = Reader::new(&calm, &partition, &group).await.unwrap();
    reader.catch_up().await.unwrap();
    calm.trim(&partition, Trim::Finished).await.unwrap();
    pass(MINUTE).await;
    assert_eq!(calm.trim(&partition, Trim::Finished).await.unwrap().deleted, 4);
    assert_eq!(held.await.unwrap(), Punctuated::Elsewhere);
    assert_eq!(punctuate(&slow, 5).await, Punctuated::Appended);
    quick.append(6, "6").await;
    reader.catch_up().await.unwrap();
    assert_eq!(kinds(&reader.records), ["1", "2", "3", "4", "5", "punct", "6"]);
    // what had arrived below the floor is deleted with what follows it
    calm.trim(&partition, Trim::Finished).await.unwrap();
    pass(MINUTE).await;
    assert_eq!(calm.trim(&partition, Trim::Finished).await.unwrap().deleted, 3);
}
