//! The server: its branch of the oplog, what a majority has of it, its clock, and the trouble it gets into.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bson::Bson;
use minibatch_core::Timestamp;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{
    super::{Collection, Failure, Filter, Index, Update},
    connection::Connection,
    faults::{Faults, Random},
    pass,
    store::Store,
    write::{Outcome, Write},
};

/// The wall clock when a model starts: any will do.
const EPOCH: i64 = 1_700_000_000_000;

/// How long a client waits for a majority to have its write.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the server keeps the rules, all of them unless a test breaks one.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) indexes: Vec<Index>,
    /// Writes are acknowledged when a majority has them.
    pub(crate) majority_writes: bool,
    /// Reads see what a majority has.
    pub(crate) majority_reads: bool,
    /// Reads see what their client was told before.
    pub(crate) causal: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { indexes: Index::ALL.to_vec(), majority_writes: true, majority_reads: true, causal: true }
    }
}

/// The server.
#[derive(Debug)]
pub(crate) struct Server {
    started: Instant,
    pub(super) rules: Rules,
    store: Mutex<Store>,
    /// True while no majority can be reached.
    alone: watch::Sender<bool>,
    /// How far the wall clock is off, in milliseconds.
    skew: Mutex<i64>,
}

/// Things happen to the server as long as this lives.
#[derive(Debug)]
pub(crate) struct Trouble {
    server: Arc<Server>,
    task: JoinHandle<()>,
}

impl Drop for Trouble {
    fn drop(&mut self) {
        self.task.abort();
        self.server.alone.send_replace(false);
    }
}

impl Server {
    pub(crate) fn start() -> Arc<Self> {
        Self::with_rules(Rules::default())
    }

    pub(crate) fn with_rules(rules: Rules) -> Arc<Self> {
        let (store, skew, alone) = (Mutex::default(), Mutex::default(), watch::Sender::new(false));
        Arc::new(Self { started: Instant::now(), rules, store, alone, skew })
    }

    pub(crate) fn connect(self: &Arc<Self>, faults: Faults, seed: u64) -> Arc<Connection> {
        Arc::new(Connection::new(Arc::clone(self), faults, seed))
    }

    /// Lets elections, losses of the majority and jumps of the clock come over the server, by a seed.
    pub(crate) fn trouble(self: &Arc<Self>, seed: u64) -> Trouble {
        let (server, mut random) = (Arc::clone(self), Random::new(seed));
        let task = tokio::spawn(async move {
            loop {
                pass(Duration::from_millis(random.below(20_000))).await;
                match random.below(5) {
                    0 => server.set_clock(i64::try_from(random.below(7_200_000)).unwrap() - 3_600_000),
                    1 => server.elect(random.next()),
                    _ => {
                        server.alone.send_replace(true);
                        pass(Duration::from_millis(random.below(15_000))).await;
                        if random.chance(700) {
                            server.elect(random.next());
                        }
                        server.alone.send_replace(false);
                    }
                }
            }
        });
        Trouble { server: Arc::clone(self), task }
    }

    /// Sets the wall clock so many milliseconds after where it would be.
    pub(crate) fn set_clock(&self, ahead: i64) {
        *self.skew.lock().unwrap() = ahead;
    }

    fn elect(&self, draw: u64) {
        self.with_store(|store, _| store.elect(draw));
        // those who wait for a majority look again
        self.alone.send_modify(|_| {});
    }

    /// The wall clock.
    fn wall(&self) -> Timestamp {
        let skewed = EPOCH + *self.skew.lock().unwrap_or_else(PoisonError::into_inner);
        Timestamp::from_millis(skewed).plus(self.started.elapsed())
    }

    /// The clock that stamps are given out by: never before one of them.
    pub(crate) fn now(&self) -> Timestamp {
        self.with_store(|store, now| store.time().max(now))
    }

    /// What passed since the start: a clock that nobody puts back.
    pub(super) fn steady(&self) -> Timestamp {
        Timestamp::from_millis(EPOCH).plus(self.started.elapsed())
    }

    pub(super) fn with_store<T>(&self, use_it: impl FnOnce(&mut Store, Timestamp) -> T) -> T {
        use_it(&mut self.store.lock().unwrap_or_else(PoisonError::into_inner), self.wall())
    }

    /// Does a write; returns the version it saw or made.
    pub(super) fn apply(&self, write: &Write) -> (Result<Outcome, Failure>, u64) {
        self.with_store(|store, now| (write.apply(store, &self.rules.indexes, now), store.tip()))
    }

    /// A majority has everything, if one can be reached.
    pub(super) fn catch_up(&self) {
        if !*self.alone.borrow() {
            let steady = self.steady();
            self.with_store(|store, _| store.replicate(store.tip(), steady));
        }
    }

    /// Waits until a majority has a version.
    pub(super) async fn majority(&self, version: u64) -> Result<(), Failure> {
        let mut alone = self.alone.subscribe();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.with_store(|store, _| store.is_lost(version)) {
                return Err(Failure::Indeterminate("no primary any more".to_owned()));
            }
            if !*alone.borrow_and_update() {
                let steady = self.steady();
                self.with_store(|store, _| store.replicate(version, steady));
                return Ok(());
            }
            if timeout_at(deadline, alone.changed()).await.is_err() {
                return Err(Failure::Indeterminate("no answer".to_owned()));
            }
        }
    }

    /// The `_id`s of the documents that effects inserted, in order.
    pub(crate) fn inserted(&self) -> Vec<Bson> {
        self.with_store(|store, _| store.inserted())
    }

    /// Changes a stored document behind the protocol's back.
    pub(crate) fn tamper(&self, collection: Collection, filter: &Filter, update: &Update) -> u64 {
        let steady = self.steady();
        self.with_store(|store, now| {
            let changed = store.update(collection, filter, update, now).0;
            store.replicate(store.tip(), steady);
            changed
        })
    }
}
