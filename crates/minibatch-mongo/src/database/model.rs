//! A model of MongoDB in memory that loses replies, fails, dawdles and answers from the past, by a seed.
//!
//! One [`Server`] holds the documents; each [`Connection`] is one client's [`Database`]. What the model promises is what
//! MongoDB promises to majority writes and causally consistent majority reads, and no more: a read may be answered by a
//! primary that does not know yet that it is deposed, but never from before what the client was told.

mod faults;
mod store;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bson::{Bson, RawDocumentBuf};
pub(crate) use faults::{Faults, Random};
use futures::stream::BoxStream;
use minibatch_core::{Cause, Timestamp, storage::Effect};
use store::Store;
use tokio::time::Instant;

use self::faults::Fate;
use super::{Collection, Database, Failure, Filter, Find, Found, Hint, Transacted, Update};

/// The wall clock when a model starts: any will do.
const EPOCH: i64 = 1_700_000_000_000;

/// How far a deposed primary may lag behind.
const STALENESS: Duration = Duration::from_secs(12);

/// The server.
#[derive(Debug)]
pub(crate) struct Server {
    started: Instant,
    store: Mutex<Store>,
}

/// One client's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    server: Arc<Server>,
    faults: Mutex<Faults>,
    random: Mutex<Random>,
    /// The version of the latest thing that this client was told.
    seen: Mutex<u64>,
    /// How long the next write waits on its way to the server.
    held: Mutex<Duration>,
    /// How long the next write is under way after its client has given it up.
    late: Mutex<Option<Duration>>,
    held_find: Mutex<Option<HeldFind>>,
}

/// A find that waits on its way to the server.
#[derive(Debug)]
struct HeldFind {
    collection: Collection,
    /// How many finds on the collection come before it.
    before: usize,
    duration: Duration,
}

impl Server {
    pub(crate) fn start() -> Arc<Self> {
        Arc::new(Self { started: Instant::now(), store: Mutex::default() })
    }

    pub(crate) fn connect(self: &Arc<Self>, faults: Faults, seed: u64) -> Arc<Connection> {
        let (faults, random) = (Mutex::new(faults), Mutex::new(Random::new(seed)));
        Arc::new(Connection {
            server: Arc::clone(self),
            faults,
            random,
            seen: Mutex::new(0),
            held: Mutex::default(),
            late: Mutex::default(),
            held_find: Mutex::default(),
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(EPOCH).plus(self.started.elapsed())
    }

    fn with_store<T>(&self, use_it: impl FnOnce(&mut Store, Timestamp) -> T) -> T {
        use_it(&mut self.store.lock().unwrap_or_else(PoisonError::into_inner), self.now())
    }

    /// The `_id`s of the documents that effects inserted, in order.
    pub(crate) fn inserted(&self) -> Vec<Bson> {
        self.with_store(|store, _| store.inserted().to_vec())
    }

    /// Changes a stored document behind the protocol's back.
    pub(crate) fn tamper(&self, collection: Collection, filter: &Filter, update: &Update) -> u64 {
        self.with_store(|store, now| store.update(collection, filter, update, now).0)
    }
}

/// Lets virtual time pass.
#[expect(clippy::disallowed_methods, reason = "virtual time")]
async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
}

impl Connection {
    /// From now on nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        *self.faults.lock().unwrap() = Faults::NONE;
    }

    /// The next write reaches the server only after so long.
    pub(crate) fn hold_next_write(&self, duration: Duration) {
        *self.held.lock().unwrap() = duration;
    }

    /// The next write is given up at once, and reaches the server only after so long.
    pub(crate) fn delay_next_write(&self, duration: Duration) {
        *self.late.lock().unwrap() = Some(duration);
    }

    /// A find on the collection, after so many `before` it, reaches the server only after so long.
    pub(crate) fn hold_find(&self, collection: Collection, before: usize, duration: Duration) {
        *self.held_find.lock().unwrap() = Some(HeldFind { collection, before, duration });
    }

    fn held_find(&self, find: &Find) -> Duration {
        let mut held = self.held_find.lock().unwrap();
        let Some(next) = held.as_mut().filter(|next| next.collection == find.collection) else { return Duration::ZERO };
        match next.before.checked_sub(1) {
            Some(before) => {
                next.before = before;
                Duration::ZERO
            }
            None => held.take().map_or(Duration::ZERO, |held| held.duration),
        }
    }

    fn fate(&self) -> Fate {
        let faults = *self.faults.lock().unwrap();
        faults.draw(&mut self.random.lock().unwrap())
    }

    fn told(&self, version: u64) {
        let mut seen = self.seen.lock().unwrap();
        *seen = version.max(*seen);
    }

    /// Lets a write take effect or not, now or later, and its reply arrive or not.
    async fn write<T: Send + 'static>(
        &self,
        apply: impl FnOnce(&mut Store, Timestamp) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let mut fate = self.fate();
        fate.delayed = self.late.lock().unwrap().take().or(fate.delayed);
        let held = std::mem::take(&mut *self.held.lock().unwrap());
        pass(fate.before + held).await;
        let lost = || Err(Failure::Indeterminate("connection lost".to_owned()));
        if fate.refused {
            return Err(Failure::NotApplied("no primary".to_owned()));
        }
        if fate.dropped {
            return lost();
        }
        if let Some(delay) = fate.delayed {
            // it is still under way when the client has long given up
            let server = Arc::clone(&self.server);
            tokio::spawn(async move {
                pass(delay).await;
                server.with_store(apply).ok();
            });
            return lost();
        }
        let (result, version) = self.server.with_store(|store, now| (apply(store, now), store.version()));
        pass(fate.after).await;
        if fate.reply_lost {
            return lost();
        }
        self.told(version);
        result
    }
}

#[async_trait]
impl Database for Connection {
    async fn find(&self, find: Find) -> Result<Found, Failure> {
        let fate = self.fate();
        let held = self.held_find(&find);
        pass(fate.before + held).await;
        if fate.refused || fate.dropped || fate.reply_lost {
            return Err(Failure::NotApplied("connection lost".to_owned()));
        }
        let seen = *self.seen.lock().unwrap();
        let (found, version) = self.server.with_store(|store, now| {
            let version = match fate.stale {
                Some(how) => store.some_version(seen, now.minus(STALENESS), how),
                None => store.version(),
            };
            (store.find(version, &find, now), version)
        });
        pass(fate.after).await;
        self.told(version);
        Ok(found)
    }

    async fn insert(&self, collection: Collection, document: RawDocumentBuf) -> Result<(), Failure> {
        self.write(move |store, now| store.insert(collection, &document, now)).await
    }

    async fn find_and_update(
        &self,
        collection: Collection,
        filter: Filter,
        update: Update,
        upsert: bool,
    ) -> Result<Option<RawDocumentBuf>, Failure> {
        self.write(move |store, now| match store.update(collection, &filter, &update, now) {
            (0, _) if upsert => store.upsert(collection, &filter, &update, now).map(Some),
            (_, after) => Ok(after),
        })
        .await
    }

    async fn update(&self, collection: Collection, filter: Filter, update: Update) -> Result<u64, Failure> {
        self.write(move |store, now| Ok(store.update(collection, &filter, &update, now).0)).await
    }

    async fn delete(&self, collection: Collection, filter: Filter) -> Result<u64, Failure> {
        self.write(move |store, now| Ok(store.delete(collection, &filter, now))).await
    }

    async fn transact(
        &self,
        collection: Collection,
        filter: Filter,
        update: Update,
        effects: Vec<Effect>,
    ) -> Result<Transacted, Failure> {
        self.write(move |store, now| Ok(store.transact(collection, &filter, &update, &effects, now))).await
    }

    fn is_transactional(&self) -> bool {
        true
    }

    async fn now(&self) -> Result<Timestamp, Failure> {
        Ok(self.server.now())
    }

    async fn watch(&self, _: Vec<String>) -> Result<BoxStream<'static, Result<Hint, Failure>>, Failure> {
        Err(Failure::Refused(Cause::misconfigured("change streams need a replica set")))
    }
}
