//! Commands that the server fails on purpose: every operation comes to its verdict, and has its effect once.

use std::time::Duration;

use bytes::Bytes;
use minibatch_core::{
    GroupName, Offset, ProducerId, StreamName,
    storage::{Acquired, ChunkLog, Commit, Counters, Fence, GroupStore, Start, StreamStore},
};
use mongodb::bson::{Document, doc};

use crate::server::{Producing, with_server};

fn closed() -> Document {
    doc! { "closeConnection": true }
}

fn unsatisfied(code: i32) -> Document {
    doc! { "writeConcernError": { "code": code, "errmsg": "canary" } }
}

fn every_fault() -> Vec<(i32, Document)> {
    let mut faults = vec![(1, closed()), (2, closed()), (1, unsatisfied(64)), (2, unsatisfied(91))];
    for code in [91, 189, 10_107, 11_600, 11_602, 50, 112] {
        faults.push((2, doc! { "errorCode": code }));
        faults.push((2, doc! { "errorCode": code, "errorLabels": ["RetryableWriteError"] }));
    }
    faults
}

#[tokio::test]
async fn append_is_done_once() {
    with_server(async |server| {
        let producing = Producing::new(server.connect().await.unwrap()).await;
        let mut expected = Vec::new();
        for (sequence, (times, fault)) in (1..).zip(every_fault()) {
            let text = fault.to_string();
            let fail_point = server.fail(&["insert"], times, fault).await;
            let slot = producing.append(sequence, &text).await;
            fail_point.off().await;
            assert_eq!(slot.unwrap().get(), sequence, "{text}");
            expected.push(text);
        }
        assert_eq!(producing.texts().await, expected);
    })
    .await;
}

#[tokio::test]
async fn commit_is_done_once() {
    with_server(async |server| {
        let storage = server.connect().await.unwrap();
        let stream = storage.open_stream(&StreamName::new("q").unwrap(), 1).await.unwrap();
        let (partition, group) = (stream.partition(0), GroupName::new("g").unwrap());
        storage.open_group(&stream, &group, "strategy", Start::Earliest).await.unwrap();
        let member = storage.join(Duration::from_secs(60)).await.unwrap();
        let Acquired::Owner(state) = storage.acquire(&partition, &group, &member).await.unwrap() else { panic!() };
        let mut fence = state.fence;
        for (times, fault) in every_fault() {
            let checkpoint = Bytes::from(fault.to_string());
            let commit =
                Commit { checkpoint, keep_from: Offset::FIRST, counters: Counters::default(), effects: Vec::new() };
            let fail_point = server.fail(&["update"], times, fault).await;
            let next = storage.commit(&partition, &group, fence, commit.clone()).await;
            fail_point.off().await;
            assert_eq!(next.unwrap(), Fence { epoch: fence.epoch, version: fence.version + 1 });
            let stored = storage.groups(&partition).await.unwrap().remove(0).1;
            assert_eq!(stored.checkpoint, Some(commit.checkpoint));
            fence = stored.fence;
        }
    })
    .await;
}

#[tokio::test]
async fn owner_and_producer_get_their_epochs() {
    with_server(async |server| {
        let storage = server.connect().await.unwrap();
        let stream = storage.open_stream(&StreamName::new("q").unwrap(), 1).await.unwrap();
        let (partition, group) = (stream.partition(0), GroupName::new("g").unwrap());
        let producer = ProducerId::new("p").unwrap();
        storage.open_group(&stream, &group, "strategy", Start::Earliest).await.unwrap();
        let (mut owned, mut registered) = (0, 0);
        for (times, fault) in every_fault() {
            let fail_point = server.fail(&["findAndModify"], times, fault.clone()).await;
            let member = storage.join(Duration::from_secs(60)).await;
            fail_point.off().await;
            let member = member.unwrap();
            let fail_point = server.fail(&["findAndModify"], times, fault.clone()).await;
            let acquired = storage.acquire(&partition, &group, &member).await;
            fail_point.off().await;
            let Acquired::Owner(state) = acquired.unwrap() else { panic!("{fault}") };
            assert!(state.owner.as_ref() == Some(&member) && state.fence.epoch > owned, "{fault}: {state:?}");
            owned = state.fence.epoch;
            storage.release(&partition, &group, owned).await.unwrap();
            let fail_point = server.fail(&["findAndModify"], times, fault.clone()).await;
            let grant = storage.register_producer(&partition, &producer).await;
            fail_point.off().await;
            let grant = grant.unwrap();
            assert!(grant.epoch > registered && grant.next_sequence == 1, "{fault}: {grant:?}");
            registered = grant.epoch;
        }
    })
    .await;
}

#[tokio::test]
async fn readers_ask_again() {
    with_server(async |server| {
        let producing = Producing::new(server.connect().await.unwrap()).await;
        producing.append(1, "text").await.unwrap();
        for fault in [closed(), doc! { "errorCode": 11_600 }, doc! { "errorCode": 50 }] {
            let fail_point = server.fail(&["find"], 3, fault).await;
            let texts = producing.texts().await;
            fail_point.off().await;
            assert_eq!(texts, ["text"]);
        }
    })
    .await;
}
