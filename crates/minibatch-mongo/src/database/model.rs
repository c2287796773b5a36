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
use bson::RawDocumentBuf;
pub(crate) use faults::{Faults, Random};
use futures::stream::BoxStream;
use minibatch_core::{Cause, Timestamp};
use store::Store;
use tokio::time::Instant;

use self::faults::Fate;
use super::{Collection, Database, Failure, Filter, Find, Found, Hint, Update};

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
    held_write: Mutex<Option<Held>>,
    /// How long the next write is under way after its client has given it up.
    late: Mutex<Option<Duration>>,
    held_find: Mutex<Option<(Collection, Held)>>,
}

/// An operation that waits on its way to the server.
#[derive(Debug)]
struct Held {
    /// How many of its kind come before it.
    before: usize,
    duration: Duration,
}

impl Held {
    /// How long this one waits, after which nothing is held any more.
    fn count(held: &mut Option<Self>) -> Duration {
        match held {
            Some(Self { before: before @ 1.., .. }) => {
                *before -= 1;
                Duration::ZERO
            }
            _ => held.take().map_or(Duration::ZERO, |held| held.duration),
        }
    }
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
            held_write: Mutex::default(),
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

    /// A write, after so many `before` it, reaches the server only after so long.
    pub(crate) fn hold_write(&self, before: usize, duration: Duration) {
        *self.held_write.lock().unwrap() = Some(Held { before, duration });
    }

    /// The next write is given up at once, and reaches the server only after so long.
    pub(crate) fn delay_next_write(&self, duration: Duration) {
        *self.late.lock().unwrap() = Some(duration);
    }

    /// A find on the collection, after so many `before` it, reaches the server only after so long.
    pub(crate) fn hold_find(&self, collection: Collection, before: usize, duration: Duration) {
        *self.held_find.lock().unwrap() = Some((collection, Held { before, duration }));
    }

    fn held_find(&self, find: &Find) -> Duration {
        let mut held = self.held_find.lock().unwrap();
        match held.take() {
            Some((collection, next)) if collection == find.collection => {
                let mut next = Some(next);
                let duration = Held::count(&mut next);
                *held = next.map(|next| (collection, next));
                duration
            }
            other => {
                *held = other;
                Duration::ZERO
            }
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
        let held = Held::count(&mut self.held_write.lock().unwrap());
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

    async fn now(&self) -> Result<Timestamp, Failure> {
        Ok(self.server.now())
    }

    async fn watch(&self, _: Vec<String>) -> Result<BoxStream<'static, Result<Hint, Failure>>, Failure> {
        Err(Failure::Refused(Cause::misconfigured("change streams need a replica set")))
    }
}
