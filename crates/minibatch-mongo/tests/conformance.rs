//! The storage on a real server against every clause of the contract.
//!
//! The server is the one of `MINIBATCH_TEST_MONGO_URL`; without it every case is reported as skipped, or as failed where
//! `MINIBATCH_REQUIRE` names `mongo`.

use std::{process::ExitCode, sync::Arc, time::Duration};

use minibatch_core::{
    Cause, Error, Slot,
    storage::{Partition, Storage},
};
use minibatch_mongo::{MongoOptions, MongoStorage};
use minibatch_testkit::storage::Suite;
use mongodb::{
    Client, Database,
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

fn main() -> ExitCode {
    Suite::new(open)
        .with_remove(remove)
        .with_damage(damage)
        .durable()
        .with_patience(Duration::from_secs(30))
        .requires("mongo", !url().is_empty())
        .main()
}
