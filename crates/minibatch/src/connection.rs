//! [`Minibatch`]: a client, and how to get one from a URL or the environment.

use std::{ops::Deref, sync::Arc};

use minibatch_core::{Error, storage::Storage};
use minibatch_runtime::{Client, ClientOptions, SystemClock};

use crate::{environment, url};

/// A connection to a storage: opens streams, and keeps this process alive for the others that share their work.
///
/// Cheap to clone; all clones are one connection. Everything that a [`Client`] does is here as well.
///
/// ```
/// use minibatch::prelude::*;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> minibatch::Result<()> {
/// let mb = Minibatch::connect("memory:").await?;
/// let words = mb.stream::<String>("words").await?;
/// words.append(&"mini".to_owned()).await?;
/// mb.shutdown().await;
/// # Ok(())
/// # }
/// ```
///
/// [`shutdown`](Client::shutdown) finishes what is under way and tells the other members. Without it nothing is lost
/// either: they find out by themselves, in [`member_ttl`](ClientOptions::member_ttl).
#[derive(Clone, Debug)]
pub struct Minibatch(Client);

impl Minibatch {
    /// Connects to the storage that `url` names:
    ///
    /// | URL | storage | feature |
    /// |---|---|---|
    /// | `sqlite://quakes.db`, `sqlite:///var/lib/quakes.db` | one SQLite file, created where there is none; several processes may share it | `sqlite` (default) |
    /// | `mongodb://host/database`, `mongodb+srv://…` | MongoDB 6.0 or newer, best a replica set; any number of machines | `mongodb` |
    /// | `memory:` | memory, for this connection alone | |
    /// | `memory:name` | memory, shared by all of this process who use that name | |
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> minibatch::Result<()> {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("quakes.db");
    /// # let path = path.display();
    /// let mb = minibatch::Minibatch::connect(&format!("sqlite://{path}")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Of kind [`Misconfigured`](crate::ErrorKind::Misconfigured): [`InvalidUrl`](crate::Cause::InvalidUrl) when this build
    /// cannot open such a URL, with what to do; and what the storage says when it is opened. No error shows the URL, which
    /// may hold a password.
    ///
    /// # Cancel safety
    /// Dropped, the storage may have been created all the same.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::connect_with(url, ClientOptions::default()).await
    }

    /// Connects as [`Minibatch::connect`] does, with other options.
    ///
    /// # Errors
    /// As [`Minibatch::connect`].
    ///
    /// # Cancel safety
    /// As [`Minibatch::connect`].
    pub async fn connect_with(url: &str, options: ClientOptions) -> Result<Self, Error> {
        let storage = url::open(url).await.map_err(|error| error.during("connect"))?;
        Ok(Self(Client::with_options(storage, Arc::new(SystemClock::new()), options)))
    }

    /// Connects to the URL in the environment: that of the first variable that is set and not empty of `MINIBATCH_URL`,
    /// `MINIBATCH_MONGO_URL`, `MONGO_URL`.
    ///
    /// # Errors
    /// [`Misconfigured`](crate::Cause::Misconfigured) when none is set, and as [`Minibatch::connect`].
    ///
    /// # Cancel safety
    /// As [`Minibatch::connect`].
    pub async fn connect_from_env() -> Result<Self, Error> {
        match environment::url()? {
            Some(found) => found.connect().await,
            None => Err(environment::nothing_set()),
        }
    }

    /// Connects to the URL in the environment as [`Minibatch::connect_from_env`] does, to `url` where there is none.
    ///
    /// # Errors
    /// As [`Minibatch::connect`].
    ///
    /// # Cancel safety
    /// As [`Minibatch::connect`].
    pub async fn connect_from_env_or(url: &str) -> Result<Self, Error> {
        match environment::url()? {
            Some(found) => found.connect().await,
            None => Self::connect(url).await,
        }
    }

    /// A connection to a storage that is already open, as one of your own.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use minibatch::{Minibatch, memory::MemoryStorage};
    ///
    /// let mb = Minibatch::new(Arc::new(MemoryStorage::new()));
    /// ```
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self(Client::new(storage))
    }
}

impl Deref for Minibatch {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

impl From<Client> for Minibatch {
    /// For a client with a clock of one's own.
    fn from(client: Client) -> Self {
        Self(client)
    }
}
