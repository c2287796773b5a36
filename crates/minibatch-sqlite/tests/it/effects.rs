//! A user's own statements with a commit: what they may do, and that they harm nobody else's work.

use std::time::Duration;

use bytes::Bytes;
use minibatch_core::{
    Cause, Error, GroupName, Offset, params,
    storage::{Acquired, Commit, Counters, Effect, Fence, GroupStore, Partition, Start, StreamStore},
};
use minibatch_sqlite::SqliteStorage;
use rusqlite::Connection;

use crate::support::{Place, Producer, partition, read_all, stream_name};

/// A group that commits.
struct Committing {
    place: Place,
    storage: SqliteStorage,
    partition: Partition,
    group: GroupName,
    fence: Fence,
}

impl Committing {
    /// The tables are a user's, made by a connection of its own.
    async fn new(tables: &str) -> Self {
        let place = Place::new();
        let storage = place.open().await;
        let partition = partition(&storage).await;
        let group = GroupName::new("g").unwrap();
        let stream = storage.find_stream(&stream_name()).await.unwrap().unwrap();
        storage.open_group(&stream, &group, "count:1", Start::Earliest).await.unwrap();
        let member = storage.join(Duration::from_secs(60)).await.unwrap();
        let Acquired::Owner(state) = storage.acquire(&partition, &group, &member).await.unwrap() else {
            panic!("held")
        };
        Connection::open(place.file()).unwrap().execute_batch(tables).unwrap();
        Self { place, storage, partition, group, fence: state.fence }
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
    async fn refused(&self, effect: Effect) -> String {
        let before = self.texts();
        let error = self.commit(vec![Effect::sql("INSERT INTO t VALUES ('good')", []), effect]).await.unwrap_err();
        assert_eq!(self.texts(), before);
        let stored = self.storage.groups(&self.partition).await.unwrap().remove(0).1;
        assert_eq!(stored.fence, self.fence);
        match error.cause() {
            Cause::EffectRefused { index: 1, code, .. } => code.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn texts(&self) -> Vec<String> {
        let conn = Connection::open(self.place.file()).unwrap();
        let mut select = conn.prepare("SELECT text FROM t ORDER BY rowid").unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

#[tokio::test]
async fn values_arrive_as_they_are() {
    let mut this = Committing::new("CREATE TABLE v (a, b, c, d, e)").await;
    let values = params![7, 0.5, "'); DROP TABLE v; --", None::<i64>, vec![0_u8, 255]];
    this.fence = this.commit(vec![Effect::sql("INSERT INTO v VALUES (?1, ?2, ?3, ?4, ?5)", values)]).await.unwrap();
    let conn = Connection::open(this.place.file()).unwrap();
    let row = conn.query_row("SELECT a, b, c, d, e FROM v", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, f64>(1)?, row.get::<_, String>(2)?, row.get(3)?, row.get(4)?))
    });
    let expected = (7, 0.5, "'); DROP TABLE v; --".to_owned(), None::<i64>, vec![0_u8, 255]);
    assert_eq!(row.unwrap(), expected);
}

#[tokio::test]
async fn tables_can_be_made_and_rows_changed() {
    let mut this = Committing::new("CREATE TABLE t (text TEXT UNIQUE)").await;
    let effects = [
        "CREATE TABLE IF NOT EXISTS totals (key TEXT PRIMARY KEY, n INTEGER) STRICT",
        "CREATE INDEX IF NOT EXISTS by_n ON totals (n)",
        "INSERT INTO totals VALUES ('a', 1) ON CONFLICT (key) DO UPDATE SET n = n + excluded.n",
        "INSERT INTO totals VALUES ('a', 2) ON CONFLICT (key) DO UPDATE SET n = n + excluded.n RETURNING n",
        "INSERT INTO t SELECT key || n FROM totals",
        "DELETE FROM totals",
    ];
    for _ in 0..2 {
        let effects = effects.map(|statement| Effect::sql(statement, [])).to_vec();
        this.fence = this.commit(effects).await.unwrap();
        assert_eq!(this.texts(), ["a3"]);
        this.fence = this.commit(vec![Effect::sql("UPDATE t SET text = 'former'", [])]).await.unwrap();
        assert_eq!(this.texts(), ["former"]);
        this.fence = this.commit(vec![Effect::sql("DELETE FROM t", [])]).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_minibatchs_is_out_of_reach() {
    let this = Committing::new("CREATE TABLE t (text TEXT UNIQUE)").await;
    for statement in [
        "DELETE FROM chunks",
        "UPDATE Groups SET version = 0",
        "INSERT INTO t SELECT name FROM main.streams",
        "INSERT INTO t SELECT stream FROM records",
        "CREATE TABLE x AS SELECT * FROM members",
        "CREATE INDEX x ON chunks (ts)",
        "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM chunks; END",
        "CREATE TEMP TABLE chunks (id)",
        "DROP TABLE chunks",
        "DROP TABLE t",
        "ALTER TABLE groups RENAME TO g",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT x",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA user_version = 7",
        "ATTACH '/tmp/x' AS x",
    ] {
        let code = this.refused(Effect::sql(statement, [])).await;
        assert!(["AuthorizationForStatementDenied", "SqlError"].contains(&code.as_str()), "{statement}: {code}");
    }
    for statement in ["VACUUM", "UPDATE sqlite_schema SET sql = ''"] {
        assert_eq!(this.refused(Effect::sql(statement, [])).await, "SqlError", "{statement}");
    }
    this.place.assert_intact();
}

#[tokio::test]
async fn a_wrong_statement_is_named_without_its_words() {
    let this = Committing::new("CREATE TABLE t (text TEXT UNIQUE)").await;
    for (statement, code) in [
        ("INSERT INTO t VALUES ('good')", "ConstraintViolation"),
        ("INSERT OR ROLLBACK INTO t VALUES ('good')", "ConstraintViolation"),
        ("INSERT INTO canary VALUES (1)", "SqlError"),
        ("canary", "SqlError"),
        ("DELETE FROM t; DELETE FROM t", "MultipleStatement"),
        ("SELECT * FROM t", "WritesNothing"),
        ("", "WritesNothing"),
        ("INSERT INTO t VALUES (?1)", "InvalidParameterCount"),
    ] {
        assert_eq!(this.refused(Effect::sql(statement, [])).await, code, "{statement}");
    }
    assert_eq!(this.refused(Effect::insert("t", bson::doc! {})).await, "NotSql");
}

#[tokio::test]
async fn rules_checked_at_the_end_refuse_the_last() {
    let this = Committing::new(
        "CREATE TABLE t (text TEXT UNIQUE);
         CREATE TABLE child (t TEXT REFERENCES t (text) DEFERRABLE INITIALLY DEFERRED)",
    )
    .await;
    let orphan = Effect::sql("INSERT INTO child VALUES ('nobody')", []);
    assert_eq!(this.refused(orphan.clone()).await, "ConstraintViolation");
    this.commit(vec![orphan, Effect::sql("INSERT INTO t VALUES ('nobody')", [])]).await.unwrap();
}

#[tokio::test]
async fn refused_effects_spoil_nothing_that_waits_beside_them() {
    let this = Committing::new("CREATE TABLE t (text TEXT UNIQUE)").await;
    let mut producer = Producer::register(&this.storage, "p").await;
    let lock = Connection::open(this.place.file()).unwrap();
    for _ in 0..10 {
        // while the file is locked all calls gather in the queue
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let rolling = || this.commit(vec![Effect::sql("INSERT OR ROLLBACK INTO t VALUES ('a'), ('a')", [])]);
        let calls = async { tokio::join!(rolling(), producer.try_append("yes"), rolling()) };
        let unlock = async {
            tokio::task::yield_now().await;
            lock.execute_batch("ROLLBACK").unwrap();
        };
        let ((first, appended, last), ()) = tokio::join!(calls, unlock);
        for refused in [first, last] {
            assert!(matches!(refused.unwrap_err().cause(), Cause::EffectRefused { index: 0, .. }));
        }
        appended.unwrap();
        producer.stamp.sequence += 1;
    }
    assert_eq!(read_all(&this.storage, &this.partition).await.len(), 10);
    assert!(this.texts().is_empty());
}
