//! The roles of `docs/security.md`: each can do its work, and nothing of another's.

#![cfg(unix)]

use std::time::Duration;

use bytes::Bytes;
use minibatch_core::{
    Error, ErrorKind, GroupName, Offset, Slot, StreamName,
    storage::{
        Acquired, ChunkLog, Commit, Counters, Fence, GroupStore, PieceId, Punctuated, ReadLimit, Start, StreamInfo,
        StreamStore, Trim,
    },
};
use minibatch_mongo::MongoStorage;
use mongodb::bson::{Document, serialize_to_document};

use crate::{
    mongod::{Mongod, options},
    server::Producing,
};

const GUIDE: &str = include_str!("../../../../docs/security.md");
const ALL: ReadLimit = ReadLimit { messages: usize::MAX, bytes: usize::MAX };

/// The documents that the guide tells users to run.
fn roles() -> Vec<Document> {
    let blocks = GUIDE.split("```json").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks
        .map(|block| serde_json::from_str::<serde_json::Value>(block).unwrap())
        .map(|role| serialize_to_document(&role).unwrap())
        .collect()
}

/// A server with the guide's roles, and a user of each.
async fn server() -> Option<Mongod> {
    let server = Mongod::start().await?;
    let database = server.database().await;
    for role in roles() {
        let name = role.get_str("createRole").unwrap().to_owned();
        database.run_command(role).await.unwrap();
        server.add_user(&name, &name).await;
    }
    Some(server)
}

async fn connect(server: &Mongod, role: &str) -> Result<MongoStorage, Error> {
    MongoStorage::connect(&server.url(role, role, ""), options()).await
}

/// Refused, by the names of an action and a collection, and of nothing else.
#[track_caller]
fn check_lacks<T: std::fmt::Debug>(result: Result<T, Error>, action: &str, collection: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
    let text = error.to_string();
    assert!(text.contains(action) && text.contains(&format!("collection=`minibatch_{collection}`")), "{text}");
    assert!(text.contains("database=`plant`") && !text.contains("not authorized"), "{text}");
}

fn name(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

fn group(name: &str) -> GroupName {
    GroupName::new(name).unwrap()
}

async fn join_and_own(storage: &MongoStorage, stream: &StreamInfo) -> Result<Fence, Error> {
    let member = storage.join(Duration::from_secs(60)).await?;
    storage.heartbeat(&member, Duration::from_secs(60)).await?;
    match storage.acquire(&stream.partition(0), &group("g"), &member).await? {
        Acquired::Owner(state) => Ok(state.fence),
        Acquired::Held(_) => panic!("nobody else owns it"),
    }
}

fn done(keep_from: Slot) -> Commit {
    let checkpoint = Bytes::from_static(b"checkpoint");
    Commit { checkpoint, keep_from: Offset::first_of(keep_from), counters: Counters::default(), effects: Vec::new() }
}

#[tokio::test]
async fn each_does_its_work_and_no_other() {
    let Some(server) = server().await else { return };
    // nothing is there yet: only an admin can make it
    check_lacks(connect(&server, "minibatchProducer").await, "createCollection", "streams");
    let url = server.url("minibatchProducer", "minibatchProducer", "");
    let plan = MongoStorage::plan_migration(&url, options()).await.unwrap();
    assert!(!plan.changes.is_empty());
    let admin = connect(&server, "minibatchAdmin").await.unwrap();
    let stream = admin.open_stream(&name("q"), 1).await.unwrap();
    let partition = stream.partition(0);

    let producer = connect(&server, "minibatchProducer").await.unwrap();
    let producing = Producing::new(producer.clone()).await;
    for sequence in 1..=3 {
        producing.append(sequence, "text").await.unwrap();
    }
    producer.bounds(&partition).await.unwrap();
    producer.now().await.unwrap();
    check_lacks(producer.open_stream(&name("new"), 1).await, "insert", "partitions");
    check_lacks(producer.drop_stream(&name("q")).await, "update", "streams");
    check_lacks(producer.open_group(&stream, &group("g"), "count", Start::Earliest).await, "find", "groups");
    check_lacks(producer.groups(&partition).await, "find", "groups");
    check_lacks(producer.join(Duration::from_secs(1)).await, "insert", "members");
    check_lacks(producer.trim(&partition, Trim::Finished).await, "find", "groups");

    let consumer = connect(&server, "minibatchConsumer").await.unwrap();
    consumer.open_group(&stream, &group("g"), "count", Start::Earliest).await.unwrap();
    let fence = join_and_own(&consumer, &stream).await.unwrap();
    consumer.wait(&partition, Slot::ZERO).await.unwrap();
    assert_eq!(consumer.read(&partition, Slot::ZERO, ALL).await.unwrap().len(), 3);
    let piece = PieceId { epoch: fence.epoch, number: 1 };
    consumer.write_piece(&partition, &group("g"), piece, Bytes::from_static(b"piece")).await.unwrap();
    consumer.write_piece(&partition, &group("g"), piece, Bytes::from_static(b"piece")).await.unwrap();
    assert!(consumer.read_piece(&partition, &group("g"), piece).await.unwrap().is_some());
    let after = PieceId { number: 2, ..piece };
    consumer.retain_pieces(&partition, &group("g"), &[], after).await.unwrap();
    let last = Slot::new(3).unwrap();
    consumer.commit(&partition, &group("g"), fence, done(last)).await.unwrap();
    consumer.release(&partition, &group("g"), fence.epoch).await.unwrap();
    Producing::new(consumer.clone()).await.append(4, "a consumer appends too").await.unwrap();
    let (fourth, now) = (Slot::new(4).unwrap(), consumer.now().await.unwrap());
    assert_eq!(consumer.punctuate(&partition, fourth, now).await.unwrap(), Punctuated::Appended);
    check_lacks(consumer.remove_group(&stream, &group("g"), None).await, "remove", "groups");
    check_lacks(consumer.drop_stream(&name("q")).await, "update", "streams");
    check_lacks(consumer.open_stream(&name("new"), 1).await, "insert", "partitions");

    let trimmer = connect(&server, "minibatchTrimmer").await.unwrap();
    assert_eq!(trimmer.open_stream(&name("q"), 1).await.unwrap(), stream);
    check_lacks(Producing::new(trimmer.clone()).await.append(5, "text").await, "insert", "chunks");
    let punctuated = trimmer.punctuate(&partition, fourth.next(), now).await;
    assert_eq!(punctuated.unwrap(), Punctuated::Unsupported, "then a group decides for itself");
    check_lacks(join_and_own(&trimmer, &stream).await, "insert", "members");
    check_lacks(trimmer.drop_stream(&name("q")).await, "update", "streams");
    // the floor may rise by whoever trims; deleting is another right, and comes after the grace
    trimmer.trim(&partition, Trim::Finished).await.unwrap();
    let refused = loop {
        let trimmed = consumer.trim(&partition, Trim::Finished).await;
        if !trimmed.as_ref().is_ok_and(|trimmed| trimmed.deleted == 0) {
            break trimmed;
        }
    };
    check_lacks(refused, "remove", "chunks");
    while trimmer.trim(&partition, Trim::Finished).await.unwrap().deleted == 0 {}

    assert!(admin.remove_group(&stream, &group("g"), None).await.unwrap());
    assert!(admin.drop_stream(&name("q")).await.unwrap());
    let elsewhere = options().with_database("other");
    let url = server.url("minibatchAdmin", "minibatchAdmin", "");
    let error = MongoStorage::connect(&url, elsewhere).await.unwrap_err();
    assert!(error.to_string().contains("listIndexes") && error.to_string().contains("database=`other`"), "{error}");
}
