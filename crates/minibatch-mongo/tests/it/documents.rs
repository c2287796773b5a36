//! What is stored, as any other program sees it, and what becomes of it when another program changes it.

use minibatch_core::{
    Cause, ErrorKind, GroupName, ProducerId, Slot, StreamName, Timestamp,
    chunk::{ChunkBuilder, Encoded, NewChunk, ProducerStamp},
    storage::{ChunkLog, GroupStore, ReadLimit, Start, StreamStore},
};
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};

use crate::server::{Producing, with_server};

const ONE: ReadLimit = ReadLimit { messages: 1, bytes: 1 };

#[tokio::test]
async fn chunks_are_readable() {
    with_server(async |server| {
        let producing = Producing::new(server.connect().await.unwrap()).await;
        producing.append(1, "text").await.unwrap();
        let chunk = server.documents("minibatch_chunks").await.remove(0);
        let expected = [
            "_id", "s", "p", "inc", "slot", "kind", "n", "pid", "pe", "ps", "ts", "sts", "codec", "crc", "bytes",
            "data",
        ];
        assert_eq!(chunk.keys().collect::<Vec<_>>(), expected);
        assert_eq!(chunk.get_array("data").unwrap(), &[Bson::from("text")]);
        assert_eq!((chunk.get_str("kind").unwrap(), chunk.get_i64("slot").unwrap()), ("data", 1));
        assert!(chunk.get_timestamp("sts").unwrap().time > 0, "the server fills in its own time");
    })
    .await;
}

#[tokio::test]
async fn users_text_is_never_a_path_or_an_operator() {
    with_server(async |server| {
        let storage = server.connect().await.unwrap();
        let stream = storage.open_stream(&StreamName::new("q").unwrap(), 1).await.unwrap();
        let partition = stream.partition(0);
        for text in ["$epoch", "$$ROOT", "$$NOW", "{\"$ne\": null}", "a.b"] {
            let id = ProducerId::stored(text);
            storage.register_producer(&partition, &id).await.unwrap();
            let group = GroupName::new("g").unwrap();
            storage.open_group(&stream, &group, text, Start::Earliest).await.unwrap();
            let stored = server.documents("minibatch_groups").await.remove(0);
            assert_eq!(stored.get_str("fingerprint").unwrap(), text);
            storage.remove_group(&stream, &group, None).await.unwrap();
            let producers = server.documents("minibatch_producers").await;
            assert_eq!(producers.iter().filter(|row| row.get_str("pid").unwrap() == text).count(), 1);
            assert!(producers.iter().all(|row| row.get_i64("epoch").unwrap() == 1), "{text} touched another's row");
        }
    })
    .await;
}

/// A document whose bytes no decoder of strings takes: invalid UTF-8, the same key twice, keys that look like operators.
fn strange() -> RawDocumentBuf {
    let mut bytes = vec![0; 4];
    for (key, text) in [("$set", b"\xFF\xFE\0\x80"), ("a.b", b"abcd"), ("a.b", b"efgh"), ("", b"\0\0\0\0")] {
        bytes.push(2);
        bytes.extend(key.as_bytes());
        bytes.extend([0, 5, 0, 0, 0]);
        bytes.extend(text);
        bytes.push(0);
    }
    bytes.push(0);
    let length = u32::try_from(bytes.len()).unwrap();
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    RawDocumentBuf::from_bytes(bytes).unwrap()
}

#[tokio::test]
async fn any_bytes_come_back() {
    with_server(async |server| {
        let producing = Producing::new(server.connect().await.unwrap()).await;
        let mut builder = ChunkBuilder::new();
        builder.fill(&Encoded::values(&[strange(), strange()]).unwrap(), 0);
        let payload = builder.finish();
        let producer = ProducerStamp { id: producing.id.clone(), epoch: producing.grant.epoch, sequence: 1 };
        let chunk = NewChunk { producer, time: Timestamp::EPOCH, payload: payload.clone() };
        producing.storage.append(&producing.partition, chunk).await.unwrap();
        let records = producing.storage.read(&producing.partition, Slot::FIRST, ONE).await.unwrap();
        assert_eq!(records[0].payload, payload);
    })
    .await;
}

#[tokio::test]
async fn hole_is_waited_for_and_not_skipped() {
    with_server(async |server| {
        let producing = Producing::new(server.connect().await.unwrap()).await;
        for sequence in 1..=4 {
            producing.append(sequence, "text").await.unwrap();
        }
        let chunks = server.database().collection::<Document>("minibatch_chunks");
        chunks.delete_one(doc! { "slot": 3_i64 }).await.unwrap();
        assert_eq!(producing.texts().await.len(), 2);
        let after = producing.storage.read(&producing.partition, Slot::new(3).unwrap(), ONE).await.unwrap();
        assert!(after.is_empty());
    })
    .await;
}

#[tokio::test]
async fn what_was_changed_by_hand_is_named() {
    with_server(async |server| {
        let producing = Producing::new(server.connect().await.unwrap()).await;
        for sequence in 1..=3 {
            producing.append(sequence, "text").await.unwrap();
        }
        let chunks = server.database().collection::<Document>("minibatch_chunks");
        for change in [doc! { "n": "one" }, doc! { "n": 7_i64, "crc": 1.5 }, doc! { "pid": 5 }, doc! { "data": "text" }]
        {
            chunks.update_one(doc! { "slot": 2_i64 }, doc! { "$set": change }).await.unwrap();
            let second = Slot::new(2).unwrap();
            let error = producing.storage.read(&producing.partition, second, ONE).await.unwrap_err();
            assert!(matches!(error.cause(), Cause::CorruptRecord { slot, .. } if *slot == second), "{error}");
        }
        let partitions = server.database().collection::<Document>("minibatch_partitions");
        partitions.update_one(doc! {}, doc! { "$set": { "format": 2_i64 } }).await.unwrap();
        let other = server.connect().await.unwrap();
        let error = other.bounds(&producing.partition).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    })
    .await;
}
