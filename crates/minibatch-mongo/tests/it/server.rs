//! The server under test, a database of its own for each test, and producers and readers to use it with.

use std::{fs::File, future::Future};

use minibatch_core::{
    Error, ProducerId, Slot, StreamName, Timestamp,
    chunk::{Chunk, ChunkBuilder, Encoded, NewChunk, ProducerStamp},
    storage::{ChunkLog, Partition, ProducerGrant, ReadLimit, StreamStore},
};
use minibatch_mongo::{MongoOptions, MongoStorage};
use mongodb::{
    Client, Database,
    bson::{Document, doc, oid::ObjectId},
};

const VARIABLE: &str = "MINIBATCH_TEST_MONGO_URL";

/// The server's URL, or why the test does not run.
fn url() -> Option<String> {
    if let Ok(url) = std::env::var(VARIABLE) {
        return Some(url);
    }
    let required = std::env::var("MINIBATCH_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|name| name.trim() == "mongo"), "mongo is required: set {VARIABLE}");
    println!("skipped: set {VARIABLE} to the url of a replica set to run this test on it");
    None
}

/// A database of a test's own.
pub(crate) struct Server {
    url: String,
    pub(crate) name: String,
    client: Client,
}

/// Runs a test on a database that is gone afterwards; without a server, skips it.
pub(crate) async fn with_server<F: Future<Output = ()>>(test: impl FnOnce(std::sync::Arc<Server>) -> F) {
    let Some(url) = url() else { return };
    let client = Client::with_uri_str(&url).await.unwrap();
    let name = format!("it{}", ObjectId::new());
    let server = std::sync::Arc::new(Server { url, name, client });
    test(std::sync::Arc::clone(&server)).await;
    server.database().drop().await.unwrap();
}

impl Server {
    /// The URL with the application's name that tells this test's clients from others. The driver takes a server that
    /// says it shuts down for gone until it hears of it again: let that be soon.
    pub(crate) fn url(&self) -> String {
        let joint = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{joint}appName={}&heartbeatFrequencyMS=500", self.url, self.name)
    }

    /// The server's host and port.
    pub(crate) fn host(&self) -> &str {
        let rest = self.url.split_once("://").unwrap().1;
        rest.split(['/', '?', ',']).next().unwrap()
    }

    pub(crate) fn options(&self) -> MongoOptions {
        MongoOptions::default().with_database(&self.name)
    }

    pub(crate) async fn connect(&self) -> Result<MongoStorage, Error> {
        MongoStorage::connect(&self.url(), self.options()).await
    }

    /// The database as any other program sees it.
    pub(crate) fn database(&self) -> Database {
        self.client.database(&self.name)
    }

    pub(crate) async fn documents(&self, collection: &str) -> Vec<Document> {
        let mut cursor = self.database().collection::<Document>(collection).find(doc! {}).await.unwrap();
        let mut documents = Vec::new();
        while cursor.advance().await.unwrap() {
            documents.push(cursor.deserialize_current().unwrap());
        }
        documents
    }

    /// Lets commands of this test's clients fail. There is one such thing a server: tests take turns.
    pub(crate) async fn fail(&self, commands: &[&str], times: i32, how: Document) -> FailPoint {
        let turn = File::create(std::env::temp_dir().join("minibatch-mongo-fail-point")).unwrap();
        let turn = tokio::task::spawn_blocking(move || turn.lock().map(|()| turn)).await.unwrap().unwrap();
        let mut data = doc! { "failCommands": commands, "appName": &self.name };
        data.extend(how);
        let on = doc! { "configureFailPoint": "failCommand", "mode": { "times": times }, "data": data };
        let admin = self.client.database("admin");
        let entered = count(&admin.run_command(on).await.unwrap());
        FailPoint { admin, entered, turn }
    }
}

/// How often a fail point was entered since the server began.
fn count(reply: &Document) -> i64 {
    reply.get_i64("count").unwrap_or_else(|_| i64::from(reply.get_i32("count").unwrap()))
}

/// Commands fail as long as this lives.
pub(crate) struct FailPoint {
    admin: Database,
    entered: i64,
    turn: File,
}

impl FailPoint {
    /// Waits until something fails.
    pub(crate) async fn struck(&self) {
        let wait = doc! { "waitForFailPoint": "failCommand", "timesEntered": self.entered + 1, "maxTimeMS": 20_000 };
        self.admin.run_command(wait).await.unwrap();
    }

    /// Ends it, and checks that something did fail.
    pub(crate) async fn off(self) {
        let off = doc! { "configureFailPoint": "failCommand", "mode": "off" };
        let entered = count(&self.admin.run_command(off).await.unwrap());
        assert!(entered > self.entered, "nothing failed");
        self.turn.unlock().unwrap();
    }
}

/// A stream's only partition, and a producer of it.
#[derive(Clone)]
pub(crate) struct Producing {
    pub(crate) storage: MongoStorage,
    pub(crate) partition: Partition,
    pub(crate) id: ProducerId,
    pub(crate) grant: ProducerGrant,
}

impl Producing {
    pub(crate) async fn new(storage: MongoStorage) -> Self {
        Self::named(storage, "p").await
    }

    pub(crate) async fn named(storage: MongoStorage, id: &str) -> Self {
        let id = ProducerId::new(id).unwrap();
        let partition = storage.open_stream(&StreamName::new("q").unwrap(), 1).await.unwrap().partition(0);
        let grant = storage.register_producer(&partition, &id).await.unwrap();
        Self { storage, partition, id, grant }
    }

    pub(crate) async fn append(&self, sequence: u64, text: &str) -> Result<Slot, Error> {
        let mut builder = ChunkBuilder::new();
        builder.fill(&Encoded::values(&[text]).unwrap(), 0);
        let producer = ProducerStamp { id: self.id.clone(), epoch: self.grant.epoch, sequence };
        let time = Timestamp::from_millis(0);
        self.storage.append(&self.partition, NewChunk { producer, time, payload: builder.finish() }).await
    }

    /// The texts in the log.
    pub(crate) async fn texts(&self) -> Vec<String> {
        let all = ReadLimit { messages: usize::MAX, bytes: usize::MAX };
        let records = self.storage.read(&self.partition, Slot::ZERO, all).await.unwrap();
        let text = |record| Chunk::open(record, Timestamp::EPOCH).unwrap().message(0).unwrap().decode().unwrap();
        records.iter().map(text).collect()
    }
}
