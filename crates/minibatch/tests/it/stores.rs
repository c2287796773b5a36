//! The storages that every test runs over.

use minibatch::Minibatch;
use tempfile::TempDir;

#[cfg(feature = "mongodb")]
use crate::server::mongo_url;

/// A connection, and the directory that lives as long.
pub(crate) struct Store {
    pub(crate) mb: Minibatch,
    _directory: Option<TempDir>,
}

/// One connection to each storage that needs no server, all empty.
pub(crate) async fn all() -> Vec<Store> {
    let mut stores = Vec::new();
    for kind in ["memory", "sqlite"] {
        let directory = tempfile::tempdir().unwrap();
        let url = match kind {
            "memory" => "memory:".to_owned(),
            _ => format!("sqlite://{}", directory.path().join("test.db").display()),
        };
        let mb = Minibatch::connect(&url).await.unwrap();
        stores.push(Store { mb, _directory: Some(directory) });
    }
    stores
}

/// A connection to a database of a test's own on the test server, where there is one.
#[cfg(feature = "mongodb")]
pub(crate) async fn mongo(test: &str) -> Option<Store> {
    let url = mongo_url(test)?;
    Some(Store { mb: Minibatch::connect(&url).await.unwrap(), _directory: None })
}

/// The numbers from 1 on, in the stream `numbers`.
pub(crate) async fn count_to(mb: &Minibatch, last: u32) {
    let numbers = mb.stream("numbers").await.unwrap();
    numbers.append_many(&(1..=last).collect::<Vec<_>>()).await.unwrap();
}
