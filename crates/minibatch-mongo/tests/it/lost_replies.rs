//! Writes that the server has done and whose reply never came: found by their keys, and not done again.

use std::time::Duration;

use bytes::Bytes;
use minibatch_core::{
    GroupName, Offset, StreamName,
    storage::{Acquired, Commit, Counters, Fence, GroupStore, Start, StreamStore},
};
use minibatch_mongo::MongoStorage;

use crate::{
    proxy::Proxy,
    server::{Producing, Server, with_server},
};

async fn through(server: &Server, proxy: &Proxy) -> MongoStorage {
    let url = format!("mongodb://127.0.0.1:{}/?directConnection=true", proxy.port);
    MongoStorage::connect(&url, server.options()).await.unwrap()
}

#[tokio::test]
async fn of_appends() {
    with_server(async |server| {
        let proxy = Proxy::start(server.host()).await;
        let producing = Producing::new(through(&server, &proxy).await).await;
        let mut expected = Vec::new();
        for sequence in 1..=9 {
            let text = sequence.to_string();
            let times = usize::try_from(sequence % 3).unwrap();
            proxy.lose_replies("insert", times);
            assert_eq!(producing.append(sequence, &text).await.unwrap().get(), sequence);
            // the first lost reply leaves the record, so there is nothing left to lose
            assert_eq!(proxy.lose_replies("insert", 0), times.min(1));
            expected.push(text);
        }
        assert_eq!(producing.texts().await, expected);
    })
    .await;
}

#[tokio::test]
async fn of_commits_and_owners() {
    with_server(async |server| {
        let proxy = Proxy::start(server.host()).await;
        let storage = through(&server, &proxy).await;
        let stream = storage.open_stream(&StreamName::new("q").unwrap(), 1).await.unwrap();
        let (partition, group) = (stream.partition(0), GroupName::new("g").unwrap());
        proxy.lose_replies("insert", 1);
        storage.open_group(&stream, &group, "strategy", Start::Earliest).await.unwrap();
        let member = storage.join(Duration::from_secs(60)).await.unwrap();
        assert_eq!(proxy.lose_replies("findAndModify", 2), 1);
        let Acquired::Owner(state) = storage.acquire(&partition, &group, &member).await.unwrap() else { panic!() };
        assert_eq!(proxy.lose_replies("update", 3), 2);
        assert_eq!(state.fence.epoch, 3, "each lost answer drew an epoch");
        let commit = Commit {
            checkpoint: Bytes::from("one"),
            keep_from: Offset::FIRST,
            counters: Counters::default(),
            effects: Vec::new(),
        };
        let next = storage.commit(&partition, &group, state.fence, commit).await.unwrap();
        assert_eq!(proxy.lose_replies("update", 0), 3);
        assert_eq!(next, Fence { epoch: 3, version: 1 });
        assert_eq!(storage.groups(&partition).await.unwrap().remove(0).1.fence, next);
    })
    .await;
}
