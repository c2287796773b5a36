//! What all handles of one storage share: the database, the clock, and what is known of the partitions in use.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bson::RawDocumentBuf;
use minibatch_core::{Clock, Error, storage::Partition};

use crate::{
    MongoOptions,
    database::{Collection, Database, Filter, Find, Found},
    hints::Hints,
    partition::PartitionState,
};

pub(crate) struct Client {
    database: Arc<dyn Database>,
    clock: Arc<dyn Clock>,
    options: MongoOptions,
    partitions: Arc<Partitions>,
    /// Draws the lengths of pauses.
    seeds: AtomicU64,
    pub(crate) hints: Hints,
    gap_repairs: AtomicU64,
}

/// What is known of the partitions in use.
#[derive(Default)]
pub(crate) struct Partitions(Mutex<HashMap<Partition, Arc<PartitionState>>>);

impl Partitions {
    pub(crate) fn find_or_insert(&self, partition: &Partition) -> Arc<PartitionState> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(partition) {
            Some(state) => Arc::clone(state),
            None => Arc::clone(known.entry(partition.clone()).or_default()),
        }
    }

    pub(crate) fn find(&self, partition: &Partition) -> Option<Arc<PartitionState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(partition).cloned()
    }

    pub(crate) fn forget_one(&self, partition: &Partition) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(partition);
    }

    /// Forgets the partitions of the stream that one of them belongs to.
    pub(crate) fn forget_stream(&self, one: &Partition) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|partition, _| partition.incarnation != one.incarnation || partition.stream != one.stream);
    }
}

impl Client {
    pub(crate) fn new(database: Arc<dyn Database>, clock: Arc<dyn Clock>, options: MongoOptions, seed: u64) -> Self {
        let partitions = Arc::<Partitions>::default();
        let hints = Hints::new(Arc::clone(&database), Arc::clone(&clock), Arc::clone(&partitions));
        Self {
            database,
            clock,
            options,
            partitions,
            seeds: AtomicU64::new(seed),
            hints,
            gap_repairs: AtomicU64::new(0),
        }
    }

    pub(crate) fn database(&self) -> &dyn Database {
        &*self.database
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) fn options(&self) -> &MongoOptions {
        &self.options
    }

    /// A number that no earlier call gave.
    pub(crate) fn seed(&self) -> u64 {
        self.seeds.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
    }

    pub(crate) fn gap_repairs(&self) -> u64 {
        self.gap_repairs.load(Ordering::Relaxed)
    }

    pub(crate) fn count_gap_repair(&self) {
        self.gap_repairs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn partitions(&self) -> &Partitions {
        &self.partitions
    }

    pub(crate) async fn find(&self, find: Find) -> Result<Found, Error> {
        Ok(self.settle(|| self.database.find(find.clone())).await?)
    }

    pub(crate) async fn find_one(&self, find: Find) -> Result<Option<RawDocumentBuf>, Error> {
        Ok(self.find(find.at_most(1)).await?.documents.pop())
    }

    /// Deletes what matches; unclear attempts count only what the last one found.
    pub(crate) async fn delete(&self, collection: Collection, filter: Filter) -> Result<u64, Error> {
        Ok(self.settle(|| self.database.delete(collection, filter.clone())).await?)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("database", &self.database)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
