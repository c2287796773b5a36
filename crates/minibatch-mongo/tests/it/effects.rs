//! A user's own documents with a commit, while the server fails and replies are lost.

use std::time::Duration;

use bytes::Bytes;
use minibatch_core::{
    Cause, Error, GroupName, Offset, StreamName,
    storage::{Acquired, Commit, Counters, Effect, Fence, GroupStore, Partition, Start, StreamStore},
};
use minibatch_mongo::MongoStorage;
use mongodb::bson::{Bson, DateTime, Document, doc};

use crate::server::{Server, with_server};

/// A group that commits.
struct Committing {
    storage: MongoStorage,
    partition: Partition,
    group: GroupName,
    fence: Fence,
}

impl Committing {
    async fn new(server: &Server) -> Self {
        Self::for_so_long(server, Duration::from_secs(600)).await
    }

    /// One that dies after so long.
    async fn for_so_long(server: &Server, ttl: Duration) -> Self {
        let storage = server.connect().await.unwrap();
        let stream = storage.open_stream(&StreamName::new("q").unwrap(), 1).await.unwrap();
        let (partition, group) = (stream.partition(0), GroupName::new("g").unwrap());
        storage.open_group(&stream, &group, "strategy", Start::Earliest).await.unwrap();
        let member = storage.join(ttl).await.unwrap();
        let Acquired::Owner(state) = storage.acquire(&partition, &group, &member).await.unwrap() else {
            panic!("held")
        };
        Self { storage, partition, group, fence: state.fence }
    }

    async fn commit(&self, effects: Vec<Effect>) -> Result<Fence, Error> {
        let commit = Commit {
            checkpoint: Bytes::from_static(b"c"),
            keep_from: Offset::FIRST,
            counters: Counters::default(),
            effects,
        };
        self.storage.commit(&self.partition, &self.group, self.fence, commit).await
    }

    /// Why an effect is refused, after one that is not; nothing of both is left.
    async fn refused(&self, server: &Server, effect: Effect) -> String {
        let before = server.documents("mine").await;
        let error = self.commit(vec![Effect::insert("mine", doc! { "good": 1 }), effect]).await.unwrap_err();
        assert_eq!(server.documents("mine").await, before);
        assert_eq!(self.storage.groups(&self.partition).await.unwrap().remove(0).1.fence, self.fence);
        match error.cause() {
            Cause::EffectRefused { index: 1, code, .. } => code.clone(),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn documents_are_inserted_replaced_changed_and_deleted() {
    with_server(async |server| {
        let mut this = Committing::new(&server).await;
        let effects = vec![
            Effect::insert("mine", doc! { "_id": 1, "n": "$n" }),
            Effect::insert("mine", doc! { "_id": 2, "n": 2 }),
            Effect::insert("other", doc! { "_id": 1 }),
            Effect::replace("mine", doc! { "_id": 2 }, doc! { "m": 3 }),
            Effect::replace("mine", doc! { "_id": 3 }, doc! { "m": 4 }),
            Effect::update("mine", doc! { "m": { "$gt": 0 } }, doc! { "$inc": { "m": 10 } }),
            Effect::upsert("mine", doc! { "_id": 4 }, doc! { "$inc": { "n": 7 } }),
            Effect::update("mine", doc! { "_id": 5 }, doc! { "$inc": { "n": 7 } }),
            Effect::delete("mine", doc! { "_id": 3 }),
        ];
        this.fence = this.commit(effects).await.unwrap();
        let expected = [doc! { "_id": 1, "n": "$n" }, doc! { "_id": 2, "m": 13 }, doc! { "_id": 4, "n": 7 }];
        assert_eq!(server.documents("mine").await, expected);
        assert_eq!(server.documents("other").await, [doc! { "_id": 1 }]);
        let many = (0..2_500).map(|number| Effect::insert("many", doc! { "_id": number })).collect();
        this.commit(many).await.unwrap();
        assert_eq!(server.documents("many").await.len(), 2_500);
    })
    .await;
}

#[tokio::test]
async fn a_wrong_effect_is_named_without_its_values() {
    with_server(async |server| {
        let this = Committing::new(&server).await;
        server.database().collection::<Document>("mine").insert_one(doc! { "_id": "canary" }).await.unwrap();
        for (effect, code) in [
            (Effect::insert("mine", doc! { "_id": "canary" }), "DuplicateKey"),
            (Effect::update("mine", doc! {}, doc! { "$inc": { "_id": 1 } }), "TypeMismatch"),
            (Effect::update("mine", doc! {}, doc! { "$canary": { "a": 1 } }), "FailedToParse"),
            (Effect::delete("mine", doc! { "$canary": 1 }), "BadValue"),
            (Effect::insert("minibatch_groups", doc! {}), "InvalidNamespace"),
            (Effect::sql("DELETE FROM mine", []), "NotDocuments"),
        ] {
            let found = this.refused(&server, effect.clone()).await;
            assert!(!found.contains("canary"), "{found}");
            // the server puts no name beside the code of a part of a command
            assert!(found == code || found.starts_with("server error "), "{effect:?}: {found}");
        }
    })
    .await;
}

#[tokio::test]
async fn failures_of_the_server_repeat_nothing() {
    with_server(async |server| {
        let mut this = Committing::new(&server).await;
        let mut expected = Vec::new();
        let write_conflict = doc! { "errorCode": 112, "errorLabels": ["TransientTransactionError"] };
        let concern = doc! { "writeConcernError": { "code": 91, "errmsg": "shutting down" } };
        let faults = [
            ("insert", write_conflict),
            ("insert", doc! { "closeConnection": true }),
            ("update", doc! { "closeConnection": true }),
            ("commitTransaction", doc! { "closeConnection": true }),
            ("commitTransaction", doc! { "errorCode": 11_602 }),
            ("commitTransaction", concern),
        ];
        for (number, (command, fault)) in (0..).zip(faults) {
            for times in [1, 3] {
                let id = number * 10 + times;
                let effects = vec![
                    Effect::insert("mine", doc! { "_id": id }),
                    Effect::upsert("total", doc! { "_id": 0 }, doc! { "$inc": { "n": 1 } }),
                ];
                let fail_point = server.fail(&[command], times, fault.clone()).await;
                let next = this.commit(effects).await;
                fail_point.off().await;
                let next = next.unwrap_or_else(|error| panic!("{command} {fault} {times}: {error:?}"));
                assert_eq!(next, Fence { version: this.fence.version + 1, ..this.fence });
                this.fence = next;
                expected.push(doc! { "_id": id });
            }
        }
        assert_eq!(server.documents("mine").await, expected);
        let total = i32::try_from(expected.len()).unwrap();
        assert_eq!(server.documents("total").await, [doc! { "_id": 0, "n": total }]);
    })
    .await;
}

/// A transaction that nobody ends holds what it has changed for a minute: who takes over has it ended.
#[tokio::test]
async fn what_the_dead_are_in_the_middle_of_is_broken_off() {
    with_server(async |server| {
        let dead = Committing::for_so_long(&server, Duration::from_secs(2)).await;
        let heir = server.connect().await.unwrap();
        let member = heir.join(Duration::from_secs(600)).await.unwrap();
        let (partition, group) = (dead.partition.clone(), dead.group.clone());
        let block = doc! { "blockConnection": true, "blockTimeMS": 60_000 };
        let fail_point = server.fail(&["commitTransaction"], 1, block).await;
        let commit = tokio::spawn(async move { dead.commit(vec![Effect::insert("mine", doc! { "_id": 1 })]).await });
        fail_point.struck().await;
        commit.abort();
        let take_over =
            async { while !matches!(heir.acquire(&partition, &group, &member).await.unwrap(), Acquired::Owner(_)) {} };
        tokio::time::timeout(Duration::from_secs(7), take_over).await.unwrap();
        fail_point.off().await;
        assert_eq!(server.documents("mine").await, Vec::<Document>::new());
    })
    .await;
}

/// A dead member that names no sessions, as on a standalone server, does not mean those of all others.
#[tokio::test]
async fn who_names_no_session_has_none_broken_off() {
    with_server(async |server| {
        let this = Committing::new(&server).await;
        let dead = doc! { "_id": "dead", "sessions": Bson::Array(Vec::new()), "seen_until": DateTime::from_millis(0) };
        server.database().collection("minibatch_members").insert_one(dead).await.unwrap();
        let groups = server.database().collection::<Document>("minibatch_groups");
        groups.update_one(doc! {}, doc! { "$set": { "owner": "dead" } }).await.unwrap();

        let database = server.database();
        database.create_collection("mine").await.unwrap();
        let mut session = database.client().start_session().await.unwrap();
        session.start_transaction().await.unwrap();
        let mine = database.collection("mine");
        mine.insert_one(doc! { "_id": 1 }).session(&mut session).await.unwrap();
        let heir = this.storage.join(Duration::from_secs(600)).await.unwrap();
        let acquired = this.storage.acquire(&this.partition, &this.group, &heir).await.unwrap();
        assert!(matches!(acquired, Acquired::Owner(_)));
        session.commit_transaction().await.unwrap();
        assert_eq!(server.documents("mine").await, [doc! { "_id": 1 }]);
    })
    .await;
}
