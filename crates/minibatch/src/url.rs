//! From a URL to the storage that it names.

#[cfg(not(all(feature = "mongodb", feature = "sqlite")))]
use std::future::{Ready, ready};
use std::sync::Arc;

use minibatch_core::{Cause, Error, storage::Storage};
use minibatch_memory::MemoryStorage;

/// Opens the storage. The errors are fixed texts: a URL may hold a password.
pub(crate) async fn open(url: &str) -> Result<Arc<dyn Storage>, Error> {
    match url.split_once(':') {
        Some(("sqlite", _)) => sqlite(url).await,
        Some(("mongodb" | "mongodb+srv", _)) => mongodb(url).await,
        Some(("memory", name)) => memory(name),
        _ => invalid("it begins with none of sqlite://, mongodb://, mongodb+srv:// and memory:"),
    }
}

fn memory(name: &str) -> Result<Arc<dyn Storage>, Error> {
    match name {
        "" => Ok(Arc::new(MemoryStorage::new())),
        name if name.starts_with('/') => invalid("it names a place and memory has none, write memory: or memory:name"),
        name => Ok(Arc::new(MemoryStorage::named(name))),
    }
}

#[cfg(feature = "sqlite")]
async fn sqlite(url: &str) -> Result<Arc<dyn Storage>, Error> {
    Ok(Arc::new(minibatch_sqlite::SqliteStorage::connect(url).await?))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_url: &str) -> Ready<Result<Arc<dyn Storage>, Error>> {
    ready(invalid("this program was built without SQLite, turn on the feature `sqlite` of the crate minibatch"))
}

#[cfg(feature = "mongodb")]
async fn mongodb(url: &str) -> Result<Arc<dyn Storage>, Error> {
    let options = minibatch_mongo::MongoOptions::default();
    Ok(Arc::new(minibatch_mongo::MongoStorage::connect(url, options).await?))
}

#[cfg(not(feature = "mongodb"))]
fn mongodb(_url: &str) -> Ready<Result<Arc<dyn Storage>, Error>> {
    ready(invalid(
        "this program was built without MongoDB, turn on the feature `mongodb` of the crate minibatch: \
         cargo add minibatch --features mongodb, or cargo run --features mongodb",
    ))
}

fn invalid(reason: &'static str) -> Result<Arc<dyn Storage>, Error> {
    Err(Cause::invalid_url(reason).into())
}
