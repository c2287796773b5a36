//! One client's connection: what it asks may be refused, dropped, delayed or done twice, and the answer may be lost.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bson::{Document, RawDocumentBuf};
use futures::stream::BoxStream;
use minibatch_core::{Cause, Timestamp, storage::Effect};

use super::{
    super::{Collection, Database, Failure, Filter, Find, Found, Hint, Transacted, Update},
    faults::{Fate, Faults, Random},
    pass,
    server::Server,
    write::{Outcome, Write},
};

/// How far a deposed primary may lag behind.
const STALENESS: Duration = Duration::from_secs(12);

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
    hints: AtomicU64,
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

impl Connection {
    pub(super) fn new(server: Arc<Server>, faults: Faults, seed: u64) -> Self {
        Self {
            server,
            faults: Mutex::new(faults),
            random: Mutex::new(Random::new(seed)),
            seen: Mutex::new(0),
            held_write: Mutex::default(),
            late: Mutex::default(),
            held_find: Mutex::default(),
            hints: AtomicU64::new(0),
        }
    }

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

    /// How many hints were asked for.
    pub(crate) fn hints(&self) -> u64 {
        self.hints.load(Relaxed)
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

    /// Does a write once more, when its client has long given it up or gone on.
    fn arrives_after(&self, write: &Write, delay: Duration) {
        let (server, write) = (Arc::clone(&self.server), write.clone());
        tokio::spawn(async move {
            pass(delay).await;
            let (_, version) = server.apply(&write);
            server.majority(version).await.ok();
        });
    }

    /// Lets a write take effect or not, now or later, once or twice, and its reply arrive or not.
    async fn write(&self, write: Write) -> Result<Outcome, Failure> {
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
            self.arrives_after(&write, delay);
            return lost();
        }
        if let Some(delay) = fate.repeated {
            self.arrives_after(&write, delay);
        }
        let (result, version) = self.server.apply(&write);
        if !self.server.rules.majority_writes {
            return result;
        }
        pass(fate.after).await;
        self.server.majority(version).await?;
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
        let rules = &self.server.rules;
        let seen = if rules.causal { *self.seen.lock().unwrap() } else { 0 };
        let since = self.server.steady().minus(STALENESS);
        self.server.catch_up();
        let (found, version) = self.server.with_store(|store, now| {
            let version = match fate.stale {
                _ if !rules.majority_reads => store.tip(),
                Some(how) => store.some_version(seen, since, how),
                None => store.majority(),
            };
            (store.find(version, &find, now), version)
        });
        pass(fate.after).await;
        self.told(version);
        Ok(found)
    }

    async fn insert(&self, collection: Collection, document: RawDocumentBuf) -> Result<(), Failure> {
        self.write(Write::Insert(collection, document)).await.map(drop)
    }

    async fn find_and_update(
        &self,
        collection: Collection,
        filter: Filter,
        update: Update,
        upsert: bool,
    ) -> Result<Option<RawDocumentBuf>, Failure> {
        match self.write(Write::FindAndUpdate { collection, filter, update, upsert }).await? {
            Outcome::Document(document) => Ok(document),
            outcome => panic!("{outcome:?}"),
        }
    }

    async fn hint_update(
        &self,
        collection: Collection,
        filter: Filter,
        update: Update,
    ) -> Result<Option<RawDocumentBuf>, Failure> {
        self.hints.fetch_add(1, Relaxed);
        let fate = self.fate();
        pass(fate.before).await;
        if fate.refused || fate.dropped {
            return Err(Failure::Indeterminate("connection lost".to_owned()));
        }
        let hint = match fate.stale {
            Some(how) => self.server.with_store(|store, now| {
                let version = store.some_version(0, Timestamp::MIN, how);
                store.changed_in(version, collection, &filter, &update, now)
            }),
            None => match self.server.apply(&Write::FindAndUpdate { collection, filter, update, upsert: false }).0? {
                Outcome::Document(document) => document,
                outcome => panic!("{outcome:?}"),
            },
        };
        pass(fate.after).await;
        match fate.reply_lost {
            true => Err(Failure::Indeterminate("connection lost".to_owned())),
            false => Ok(hint),
        }
    }

    async fn update(&self, collection: Collection, filter: Filter, update: Update) -> Result<u64, Failure> {
        self.write(Write::Update(collection, filter, update)).await.map(Outcome::count)
    }

    async fn delete(&self, collection: Collection, filter: Filter) -> Result<u64, Failure> {
        self.write(Write::Delete(collection, filter)).await.map(Outcome::count)
    }

    async fn transact(
        &self,
        collection: Collection,
        filter: Filter,
        update: Update,
        effects: Vec<Effect>,
    ) -> Result<Transacted, Failure> {
        match self.write(Write::Transact { collection, filter, update, effects }).await? {
            Outcome::Transacted(transacted) => Ok(transacted),
            outcome => panic!("{outcome:?}"),
        }
    }

    fn is_transactional(&self) -> bool {
        true
    }

    fn sessions(&self) -> Vec<Document> {
        Vec::new()
    }

    async fn break_off(&self, _: Vec<Document>) -> Result<(), Failure> {
        Ok(())
    }

    async fn now(&self) -> Result<Timestamp, Failure> {
        Ok(self.server.now())
    }

    async fn watch(&self, _: Vec<String>) -> Result<BoxStream<'static, Result<Hint, Failure>>, Failure> {
        Err(Failure::Refused(Cause::misconfigured("change streams need a replica set")))
    }
}
