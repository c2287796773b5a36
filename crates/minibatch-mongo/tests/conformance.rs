//! The storage on a real server against every clause of the contract.
//!
//! The server is the one of `MINIBATCH_TEST_MONGO_URL`; without it every case is reported as skipped, or as failed where
//! `MINIBATCH_REQUIRE` names `mongo`.

use std::{process::ExitCode, sync::Arc, time::Duration};

use minibatch_core::{
    Cause, Error, Slot,
    storage::{Effect, Partition, Storage},
};
use minibatch_mongo::{MongoOptions, MongoStorage};
use minibatch_testkit::storage::Suite;
use mongodb::{
    Client, Database, IndexModel,
    bson::{Document, doc, oid::ObjectId},
    options::IndexOptions,
};

const VARIABLE: &str = "MINIBATCH_TEST_MONGO_URL";
/// A collection of a user's.
const EFFECTS: &str = "effects";

fn url() -> String {
    std::env::var(VARIABLE).unwrap_or_default()
}

async fn open(namespace: String) -> Result<Arc<dyn Storage>, Error> {
    let options = MongoOptions::default().with_database(&namespace).with_trim_grace(Duration::ZERO);
    let unique = IndexModel::builder().keys(doc! { "text": 1 }).options(IndexOptions::builder().unique(true).build());
    let effects = database(&namespace).await?.collection::<Document>(EFFECTS);
    effects.create_index(unique.build()).await.map_err(failed)?;
    Ok(Arc::new(MongoStorage::connect(&url(), options).await?))
}

/// The database as any other program sees it.
async fn database(namespace: &str) -> Result<Database, Error> {
    let client = Client::with_uri_str(url()).await.map_err(failed)?;
    Ok(client.database(namespace))
}

fn failed(error: mongodb::error::Error) -> Error {
    Error::new(Cause::unavailable("the suite's own access failed")).with_source(error)
}

async fn remove(namespace: String) -> Result<(), Error> {
    database(&namespace).await?.drop().await.map_err(failed)
}

async fn damage(namespace: String, partition: Partition, slot: Slot) -> Result<(), Error> {
    let chunks = database(&namespace).await?.collection::<Document>("minibatch_chunks");
    let this = doc! {
        "s": partition.stream.as_str(),
        "p": i64::from(partition.index),
        "inc": partition.incarnation.get(),
        "slot": slot.to_i64(),
    };
    let changed = chunks.update_one(this, doc! { "$set": { "data": ["changed"] } }).await.map_err(failed)?;
    match changed.matched_count {
        1 => Ok(()),
        _ => Err(Cause::bug("there is no such record").into()),
    }
}

async fn texts(namespace: String) -> Result<Vec<String>, Error> {
    let effects = database(&namespace).await?.collection::<Document>(EFFECTS);
    let mut found = effects.find(doc! {}).sort(doc! { "_id": 1 }).await.map_err(failed)?;
    let mut texts = Vec::new();
    while found.advance().await.map_err(failed)? {
        let document = found.deserialize_current().map_err(failed)?;
        texts.extend(document.get_str("text").map(ToOwned::to_owned));
    }
    Ok(texts)
}

fn main() -> ExitCode {
    Suite::new(open)
        .with_remove(remove)
        .with_damage(damage)
        .with_effects(|text| Effect::insert(EFFECTS, doc! { "_id": ObjectId::new(), "text": text }), texts)
        .durable()
        .with_patience(Duration::from_secs(30))
        .requires("mongo", !url().is_empty())
        .main()
}
