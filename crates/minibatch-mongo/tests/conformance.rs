//! The storage on a real server against every clause of the contract.
//!
//! The server is the one of `MINIBATCH_TEST_MONGO_URL`; without it every case is reported as skipped, or as failed where
//! `MINIBATCH_REQUIRE` names `mongo`.

use std::{process::ExitCode, sync::Arc, time::Duration};

use minibatch_core::{
    Error, Slot,
    storage::{Partition, Storage},
};
use minibatch_mongo::{MongoOptions, MongoStorage};
use minibatch_testkit::storage::Suite;
use mongodb::{
    Client,
    bson::{Document, doc},
};

const VARIABLE: &str = "MINIBATCH_TEST_MONGO_URL";

fn url() -> String {
    std::env::var(VARIABLE).unwrap_or_default()
}

async fn open(namespace: String) -> Result<Arc<dyn Storage>, Error> {
    let options = MongoOptions::default().with_database(namespace).with_trim_grace(Duration::ZERO);
    Ok(Arc::new(MongoStorage::connect(&url(), options).await?))
}

async fn remove(namespace: String) -> Result<(), Error> {
    let client = Client::with_uri_str(url()).await.unwrap();
    client.database(&namespace).drop().await.unwrap();
    Ok(())
}

async fn damage(namespace: String, partition: Partition, slot: Slot) -> Result<(), Error> {
    let client = Client::with_uri_str(url()).await.unwrap();
    let chunks = client.database(&namespace).collection::<Document>("minibatch_chunks");
    let this = doc! {
        "s": partition.stream.as_str(),
        "p": i64::from(partition.index),
        "inc": partition.incarnation.get(),
        "slot": slot.to_i64(),
    };
    let changed = chunks.update_one(this, doc! { "$set": { "data": ["changed"] } }).await.unwrap();
    assert_eq!(changed.matched_count, 1);
    Ok(())
}

fn main() -> ExitCode {
    if url().is_empty() {
        println!("skipped: set {VARIABLE} to the url of a replica set to run these tests on it");
    }
    Suite::new(open)
        .with_remove(remove)
        .with_damage(damage)
        .with_patience(Duration::from_secs(30))
        .requires("mongo", !url().is_empty())
        .main()
}
