//! What users store is in no error and no log, whatever the server says of it.

use std::time::Duration;

use bytes::Bytes;
use minibatch_core::{
    Error, ErrorKind, GroupName, Offset, Slot,
    storage::{Acquired, ChunkLog, Commit, Counters, GroupStore, ReadLimit, Start, StreamStore},
};
use minibatch_mongo::MongoStorage;
use mongodb::bson::{Document, doc};

use crate::{
    server::{Producing, Server, with_server},
    words::{Log, words},
};

/// In every value, id and checkpoint that is stored here.
const CANARY: &str = "c4n4ry";

/// A storage that soon gives up.
async fn impatient(server: &Server) -> MongoStorage {
    let options = server.options().with_patience(Duration::from_millis(300));
    MongoStorage::connect(&server.url(), options).await.unwrap()
}

fn every_failure() -> [Document; 6] {
    [
        doc! { "closeConnection": true },
        doc! { "writeConcernError": { "code": 64, "errmsg": CANARY } },
        doc! { "errorCode": 11_600 },
        doc! { "errorCode": 50 },
        doc! { "errorCode": 10_334 },
        doc! { "errorCode": 13 },
    ]
}

#[tokio::test]
async fn what_is_stored_is_nowhere_said() {
    with_server(async |server| {
        let log = Log::listen();
        let mut said = Vec::new();
        let storage = impatient(&server).await;
        let producing = Producing::named(storage.clone(), CANARY).await;
        producing.append(1, CANARY).await.unwrap();

        // the key of a duplicate holds the producer's id; here its number and then its slot are taken
        said.push(producing.append(1, "other").await.unwrap_err());
        let mut taken = server.documents("minibatch_chunks").await.remove(0);
        taken.extend(doc! { "_id": CANARY, "slot": 2_i64, "ps": 77_i64 });
        server.database().collection("minibatch_chunks").insert_one(taken).await.unwrap();
        let lost = Producing::named(storage.clone(), "other").await.append(1, CANARY).await;
        assert_eq!(lost.unwrap().get(), 3);

        for failure in every_failure() {
            let fail_point = server.fail(&["insert"], 1_000, failure).await;
            let failing = Producing::named(storage.clone(), "failing").await;
            // an unclear one may be found out to be done
            said.extend(failing.append(failing.grant.next_sequence, CANARY).await.err());
            fail_point.off().await;
        }
        assert!(said.len() > 4, "{said:?}");
        said.extend(commits(&server, &storage, &producing).await);

        let damaged = doc! { "$set": { "data": [CANARY, CANARY] } };
        server.database().collection::<Document>("minibatch_chunks").update_many(doc! {}, damaged).await.unwrap();
        let all = ReadLimit { messages: usize::MAX, bytes: usize::MAX };
        let error = storage.read(&producing.partition, Slot::ZERO, all).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        said.push(error);

        let said: Vec<String> = said.iter().map(words).chain([format!("{storage:?}"), log.text()]).collect();
        assert!(said.iter().all(|text| !text.contains(CANARY)), "{said:#?}");
    })
    .await;
}

/// The errors of commits that fail.
async fn commits(server: &Server, storage: &MongoStorage, producing: &Producing) -> Vec<Error> {
    let stream = storage.open_stream(&producing.partition.stream, 1).await.unwrap();
    let group = GroupName::new("g").unwrap();
    storage.open_group(&stream, &group, "strategy", Start::Earliest).await.unwrap();
    let mut errors = Vec::new();
    let member = storage.join(Duration::from_secs(60)).await.unwrap();
    let Acquired::Owner(state) = storage.acquire(&producing.partition, &group, &member).await.unwrap() else {
        panic!()
    };
    let checkpoint = Bytes::from_static(CANARY.as_bytes());
    let commit = Commit { checkpoint, keep_from: Offset::FIRST, counters: Counters::default() };
    for failure in every_failure() {
        let fail_point = server.fail(&["update"], 1_000, failure).await;
        let refused = storage.commit(&producing.partition, &group, state.fence, commit.clone()).await;
        fail_point.off().await;
        errors.extend(refused.err());
    }
    assert!(errors.len() > 3, "{errors:?}");
    errors
}
