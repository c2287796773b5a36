//! What is wrong with a URL or a server is said once, in time, and without the password.

use std::time::Duration;

use minibatch_core::{Cause, Error, ErrorKind, StreamName, storage::StreamStore};
use minibatch_mongo::{MongoOptions, MongoStorage};
use mongodb::{
    IndexModel,
    bson::{Document, doc},
    options::IndexOptions,
};
use tokio::time::timeout;

use crate::{server::with_server, words::words};

/// Never to be seen in any text.
const CANARY: &str = "c4n4ry";

fn check_silent(error: &Error) {
    let words = words(error);
    assert!(!words.contains(CANARY), "{words}");
}

#[tokio::test]
async fn bad_urls_are_refused_without_their_secrets() {
    for url in [
        format!("postgres://u:{CANARY}@host/db"),
        format!("mongodb://u:{CANARY}"),
        format!("mongodb://u:{CANARY}@@host/db"),
        format!("mongodb://u:{CANARY}/{CANARY}@host/db"),
        format!("mongodb://u:{CANARY}@host/db?{CANARY}"),
        format!("mongodb://u:{CANARY}@host/db?authMechanism={CANARY}"),
        format!("mongodb://u:{CANARY}@host:{CANARY}/db"),
        format!("mongodb://u:{CANARY}@host/d.b"),
        format!("mongodb://u:{CANARY}@host/db?tls=true&tlsInsecure=true"),
    ] {
        let error = MongoStorage::connect(&url, MongoOptions::default()).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::InvalidUrl { .. }), "{url}: {error}");
        check_silent(&error);
    }
}

#[tokio::test]
async fn host_without_a_server_is_said_in_time() {
    for (options, longest) in [("", 7), ("?serverSelectionTimeoutMS=300&replicaSet=rs0", 3)] {
        let url = format!("mongodb://u:{CANARY}@127.0.0.1:1/{options}");
        let connect = MongoStorage::connect(&url, MongoOptions::default());
        let error = timeout(Duration::from_secs(longest), connect).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Retry, "{error}");
        check_silent(&error);
    }
}

#[tokio::test]
async fn unknown_user_is_refused() {
    with_server(async |server| {
        let url = format!("mongodb://nobody:{CANARY}@{}/?directConnection=true", server.host());
        let error = MongoStorage::connect(&url, server.options()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
        check_silent(&error);
    })
    .await;
}

#[tokio::test]
async fn wrong_replica_set_is_named() {
    with_server(async |server| {
        let url = format!("mongodb://{}/?replicaSet=other&serverSelectionTimeoutMS=500", server.host());
        let error = MongoStorage::connect(&url, server.options()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
        assert!(error.to_string().contains("replicaSet=`other`"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn user_without_permission_is_told() {
    with_server(async |server| {
        for command in ["createIndexes", "create", "listIndexes"] {
            let fail_point = server.fail(&[command], 1, doc! { "errorCode": 13 }).await;
            let connected = server.connect().await;
            fail_point.off().await;
            let error = connected.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{command}: {error}");
        }
        let storage = server.connect().await.unwrap();
        let fail_point = server.fail(&["insert"], 1, doc! { "errorCode": 13 }).await;
        let opened = storage.open_stream(&StreamName::new("q").unwrap(), 1).await;
        fail_point.off().await;
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::Misconfigured);
    })
    .await;
}

#[tokio::test]
async fn missing_index_is_made_again() {
    with_server(async |server| {
        server.connect().await.unwrap();
        let chunks = server.database().collection::<Document>("minibatch_chunks");
        let before = chunks.list_index_names().await.unwrap();
        chunks.drop_index("s_1_p_1_inc_1_slot_1").await.unwrap();
        server.connect().await.unwrap();
        assert_eq!(chunks.list_index_names().await.unwrap().len(), before.len());
    })
    .await;
}

#[tokio::test]
async fn a_plan_says_what_is_missing_and_makes_nothing() {
    with_server(async |server| {
        let plan = async || MongoStorage::plan_migration(&server.url(), server.options()).await;
        let all = plan().await.unwrap();
        assert_eq!((all.from, all.to), (1, 1));
        let of = |kind: &str| all.changes.iter().filter(|change| change.starts_with(kind)).count();
        assert_eq!((of("create collection"), of("create index"), all.changes.len()), (8, 8, 16));
        assert_eq!(server.database().list_collection_names().await.unwrap(), Vec::<String>::new());

        let storage = server.connect().await.unwrap();
        storage.open_stream(&StreamName::new("q").unwrap(), 1).await.unwrap();
        assert_eq!(plan().await.unwrap().changes, Vec::<String>::new());
        let database = server.database();
        database.collection::<Document>("minibatch_notes").drop().await.unwrap();
        database.collection::<Document>("minibatch_chunks").drop_index("s_1_p_1_inc_1_slot_1").await.unwrap();
        let words = "unique, not sparse, not partial, without collation";
        let missing = [
            format!("create index `s, p, inc, slot` of collection `minibatch_chunks` ({words})"),
            "create collection `minibatch_notes`".to_owned(),
            format!("create index `s, p, inc, g, kind, key` of collection `minibatch_notes` ({words})"),
        ];
        assert_eq!(plan().await.unwrap().changes, missing);
        server.connect().await.unwrap();
        assert_eq!(plan().await.unwrap().changes, Vec::<String>::new());

        let newer = doc! { "$set": { "format": 2_i64 } };
        database.collection::<Document>("minibatch_partitions").update_one(doc! {}, newer).await.unwrap();
        let error = plan().await.unwrap_err();
        assert!(matches!(error.cause(), Cause::NewerFormat { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn index_that_guards_nothing_is_refused() {
    with_server(async |server| {
        server.connect().await.unwrap();
        let chunks = server.database().collection::<Document>("minibatch_chunks");
        let keys = doc! { "s": 1, "p": 1, "inc": 1, "slot": 1 };
        let filter = doc! { "n": { "$gt": 0 } };
        for options in [
            IndexOptions::builder().build(),
            IndexOptions::builder().unique(true).partial_filter_expression(filter).build(),
            IndexOptions::builder().unique(true).sparse(true).build(),
        ] {
            chunks.drop_indexes().await.unwrap();
            let wrong = IndexModel::builder().keys(keys.clone()).options(options).build();
            chunks.create_index(wrong).await.unwrap();
            let error = server.connect().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
            assert!(error.to_string().contains("drop the index"), "{error}");
        }
    })
    .await;
}

#[tokio::test]
async fn foreign_collection_is_left_alone() {
    with_server(async |server| {
        let theirs = server.database().collection::<Document>("minibatch_chunks");
        theirs.insert_many([doc! { "a": 1 }, doc! { "a": 2 }]).await.unwrap();
        let error = server.connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
        assert_eq!(server.documents("minibatch_chunks").await.len(), 2);
        let beside = server.options().with_prefix("ours.");
        MongoStorage::connect(&server.url(), beside).await.unwrap();
    })
    .await;
}
