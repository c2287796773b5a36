//! The storage that is measured.

use minibatch::{Cause, Error, Minibatch, Result};
use tempfile::TempDir;

/// A storage by its URL; a file of its own unless the environment names another.
#[derive(Debug)]
pub(crate) struct Target {
    url: String,
    name: &'static str,
    durability: &'static str,
    _directory: Option<TempDir>,
}

impl Target {
    pub(crate) fn from_env() -> Result<Self> {
        match std::env::var("MINIBATCH_URL") {
            Ok(url) => {
                let (name, durability) = match url.split_once(':').map_or("", |(scheme, _)| scheme) {
                    "mongodb" | "mongodb+srv" => ("mongo", "majority"),
                    "memory" => ("memory", "none"),
                    _ => ("sqlite", "full"),
                };
                Ok(Self { url, name, durability, _directory: None })
            }
            Err(_) => {
                let directory = tempfile::tempdir()
                    .map_err(|error| Error::from(Cause::misconfigured("no temporary directory")).with_source(error))?;
                let url = format!("sqlite://{}", directory.path().join("bench.db").display());
                Ok(Self { url, name: "sqlite", durability: "full", _directory: Some(directory) })
            }
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn durability(&self) -> &'static str {
        self.durability
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn connect(&self) -> Result<Minibatch> {
        Minibatch::connect(&self.url).await
    }
}
