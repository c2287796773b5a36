//! The storage, and how it is connected.

use std::{fmt, sync::Arc, time::Duration};

use minibatch_core::{Clock, Error};

use crate::{
    MongoOptions,
    client::Client,
    clock::SystemClock,
    database::{Database, driver},
    random,
};

/// Below this a slow client could write into a slot whose record is deleted already.
const SHORTEST_GRACE: Duration = Duration::from_secs(5);

/// A storage in MongoDB. Cheap to clone; all clones share the connections, which close with the last of them.
#[derive(Clone)]
pub struct MongoStorage {
    pub(crate) client: Arc<Client>,
}

impl MongoStorage {
    /// Connects to the server or replica set of a `mongodb://` or `mongodb+srv://` URL, checks it, and makes the
    /// collections and indexes that are missing.
    ///
    /// Takes no longer than the URL's `serverSelectionTimeoutMS` (5 s unless given) and a little. Write and read
    /// concerns of the URL are not used: everything is written and read with majority.
    ///
    /// # Errors
    /// [`InvalidUrl`](minibatch_core::Cause::InvalidUrl) for a URL that is not understood;
    /// [`Misconfigured`](minibatch_core::Cause::Misconfigured) where user, password, replica set, server version,
    /// permissions or an existing index are not right; [`Unavailable`](minibatch_core::Cause::Unavailable) where no
    /// server answers. None holds the password.
    ///
    /// # Cancel safety
    /// A dropped call may leave some of the collections made; call it again.
    pub async fn connect(url: &str, mut options: MongoOptions) -> Result<Self, Error> {
        options.trim_grace = options.trim_grace.max(SHORTEST_GRACE);
        let database = driver::connect(url, &options).await?;
        Ok(Self::over(Arc::new(database), Arc::new(SystemClock::new()), options, random::number()))
    }

    /// The protocol over any database and clock; the seed draws the lengths of its pauses.
    pub(crate) fn over(database: Arc<dyn Database>, clock: Arc<dyn Clock>, options: MongoOptions, seed: u64) -> Self {
        Self { client: Arc::new(Client::new(database, clock, options, seed)) }
    }
}

impl fmt::Debug for MongoStorage {
    /// Neither the data nor the URL: they are the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoStorage").field("client", &self.client).finish()
    }
}
