//! Several clients that append to one partition at once, and slots that a dead one had reserved.

use std::collections::HashMap;

use minibatch_core::{
    Slot,
    chunk::{Chunk, Record, RecordKind},
    storage::{ChunkLog, Partition, ReadLimit},
};
use minibatch_mongo::MongoStorage;
use mongodb::bson::{Document, doc};
use tokio::task::JoinSet;

use crate::server::{Producing, with_server};

const CLIENTS: usize = 8;
const CHUNKS: u64 = 40;

/// Reads so many chunks with messages, and what is between them.
async fn read(storage: &MongoStorage, partition: &Partition, chunks: usize) -> Vec<Record> {
    let limit = ReadLimit { messages: 50, bytes: 1 << 20 };
    let mut records: Vec<Record> = Vec::new();
    while records.iter().filter(|record| record.kind == RecordKind::Data).count() < chunks {
        let last = records.last().map_or(Slot::ZERO, |last| last.slot);
        storage.wait(partition, last).await.unwrap();
        records.extend(storage.read(partition, last.next(), limit).await.unwrap());
    }
    records
}

fn text(record: &Record) -> String {
    Chunk::open(record, record.time).unwrap().message(0).unwrap().decode().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_is_served_in_its_order() {
    with_server(async |server| {
        let reader = server.connect().await.unwrap();
        let mut clients = JoinSet::new();
        let mut partition = None;
        for number in 0..CLIENTS {
            let producing = Producing::named(server.connect().await.unwrap(), &format!("p{number}")).await;
            partition = Some(producing.partition.clone());
            clients.spawn(async move {
                let mut told = Vec::new();
                for sequence in 1..=CHUNKS {
                    let text = format!("{number}/{sequence}");
                    told.push((producing.append(sequence, &text).await.unwrap(), text));
                }
                told
            });
        }
        let partition = partition.unwrap();
        let chunks = CLIENTS * usize::try_from(CHUNKS).unwrap();
        let (told, records) = tokio::join!(clients.join_all(), read(&reader, &partition, chunks));

        let mut texts = HashMap::new();
        for (record, slot) in records.iter().zip(1_u64..) {
            assert_eq!((record.slot.get(), record.kind), (slot, RecordKind::Data), "no slot is left empty");
            texts.insert(record.slot, text(record));
        }
        assert_eq!(texts.len(), chunks, "nothing twice");
        for told in told {
            assert!(told.is_sorted(), "in its order");
            for (slot, text) in told {
                assert_eq!(texts[&slot], text);
            }
        }
        assert_eq!(reader.gap_repairs(), 0);
    })
    .await;
}

#[tokio::test]
async fn slots_of_the_dead_are_filled() {
    with_server(async |server| {
        let producing = Producing::new(server.connect().await.unwrap()).await;
        producing.append(1, "a").await.unwrap();
        let partitions = server.database().collection::<Document>("minibatch_partitions");
        for (head, sequence, text) in [(3_i64, 2, "b"), (5, 3, "c")] {
            // reserved, and never filled
            partitions.update_one(doc! {}, doc! { "$set": { "head": head } }).await.unwrap();
            // a client that finds it so
            let other = Producing { storage: server.connect().await.unwrap(), ..producing.clone() };
            assert_eq!(other.append(sequence, text).await.unwrap().get(), u64::try_from(head).unwrap() + 1);
        }
        let reader = server.connect().await.unwrap();
        let records = read(&reader, &producing.partition, 3).await;
        let shown = records.iter().map(|record| match record.kind {
            RecordKind::Data => text(record),
            kind => kind.name().to_owned(),
        });
        assert_eq!(shown.collect::<Vec<_>>(), ["a", "tomb", "tomb", "b", "tomb", "c"]);
        assert_eq!(reader.gap_repairs(), 3);
    })
    .await;
}
