//! What stands between a client and its connection, or its clock, and breaks a rule.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bson::{Document, RawDocumentBuf};
use futures::stream::BoxStream;
use minibatch_core::{Clock, Timestamp, chunk::RecordKind, storage::Effect};

use super::{super::world::pass, Mutant};
use crate::database::{Change, Collection, Database, Failure, Filter, Find, Found, Hint, Transacted, Update};

/// How long records stay where they expire.
const EXPIRY: Duration = Duration::from_secs(60);

/// A clock that stands still.
#[derive(Debug)]
pub(super) struct Standing(pub(super) Arc<dyn Clock>);

#[async_trait]
impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}

/// A database of which one thing is wrong.
#[derive(Debug)]
pub(super) struct Wrong {
    database: Arc<dyn Database>,
    mutant: Mutant,
    /// What was found first since this client changed it, or deleted because of it.
    believed: Mutex<Option<Vec<RawDocumentBuf>>>,
}

impl Wrong {
    pub(super) fn new(database: Arc<dyn Database>, mutant: Mutant) -> Self {
        Self { database, mutant, believed: Mutex::default() }
    }

    fn filter(&self, collection: Collection, mut filter: Filter) -> Filter {
        let ignored = match self.mutant {
            Mutant::NoEpoch => "epoch",
            Mutant::NoVersion => "ver",
            _ => return filter,
        };
        if collection == Collection::Groups {
            filter.forget(ignored);
        }
        filter
    }

    /// Whether it finds the same again without looking.
    fn believes(&self, find: &Find) -> bool {
        match self.mutant {
            Mutant::NoSecondListing => {
                find.collection == Collection::Groups && find.sort.is_some_and(|(by, _)| by == "keep_from")
            }
            Mutant::StaleNumbers => find.collection == Collection::Producers,
            _ => false,
        }
    }

    fn document(&self, document: RawDocumentBuf) -> RawDocumentBuf {
        let is_tombstone = document.get_str("kind").is_ok_and(|kind| kind == RecordKind::Tombstone.name());
        if self.mutant != Mutant::BareTombstones || !is_tombstone {
            return document;
        }
        changed(&document, "ps", 0)
    }

    /// A checksum that is right whatever the data is.
    fn checked(document: RawDocumentBuf) -> RawDocumentBuf {
        let Ok(data) = document.get_array("data") else { return document };
        let crc = crc32fast::hash(data.as_bytes());
        changed(&document, "crc", i64::from(crc))
    }

    fn expire(&self, document: &RawDocumentBuf) {
        let this = Filter::id(document.get_object_id("_id").unwrap());
        let database = Arc::clone(&self.database);
        tokio::spawn(async move {
            pass(EXPIRY).await;
            database.delete(Collection::Chunks, this).await.ok();
        });
    }
}

fn changed(document: &RawDocumentBuf, field: &str, value: i64) -> RawDocumentBuf {
    let mut changed = Document::try_from(&**document).unwrap();
    changed.insert(field, value);
    RawDocumentBuf::try_from(&changed).unwrap()
}

#[async_trait]
impl Database for Wrong {
    async fn find(&self, find: Find) -> Result<Found, Failure> {
        let is_believed = self.believes(&find);
        if is_believed && let Some(documents) = self.believed.lock().unwrap().clone() {
            return Ok(Found { documents, cut: false });
        }
        let mut found = self.database.find(find).await?;
        if is_believed && !found.documents.is_empty() {
            *self.believed.lock().unwrap() = Some(found.documents.clone());
        }
        if self.mutant == Mutant::NoChecksum {
            found.documents = found.documents.into_iter().map(Self::checked).collect();
        }
        Ok(found)
    }

    async fn insert(&self, collection: Collection, document: RawDocumentBuf) -> Result<(), Failure> {
        let document = self.document(document);
        if collection == Collection::Chunks && self.mutant == Mutant::ChunksExpire {
            self.expire(&document);
        }
        match self.database.insert(collection, document).await {
            Err(Failure::Indeterminate(_)) if self.mutant == Mutant::UnclearIsDone => Ok(()),
            outcome => outcome,
        }
    }

    async fn find_and_update(
        &self,
        collection: Collection,
        filter: Filter,
        mut update: Update,
        upsert: bool,
    ) -> Result<Option<RawDocumentBuf>, Failure> {
        if self.mutant == Mutant::PlainHead {
            update.replace("head", Change::Add(1));
        }
        if self.mutant == Mutant::HastyReservations && collection == Collection::Partitions && update.changes("head") {
            return self.database.hint_update(collection, filter, update).await;
        }
        let filter = self.filter(collection, filter);
        let found = self.database.find_and_update(collection, filter, update, upsert).await?;
        Ok(match self.mutant == Mutant::PlainHead && collection == Collection::Partitions {
            true => found.map(|document| changed(&document, "floor_slot", 0)),
            false => found,
        })
    }

    async fn hint_update(
        &self,
        collection: Collection,
        filter: Filter,
        mut update: Update,
    ) -> Result<Option<RawDocumentBuf>, Failure> {
        if self.mutant == Mutant::PlainHead {
            update.replace("head", Change::Add(1));
        }
        self.database.hint_update(collection, filter, update).await
    }

    async fn update(&self, collection: Collection, filter: Filter, update: Update) -> Result<u64, Failure> {
        if self.mutant == Mutant::ForgottenNumbers && update.changes("seen") {
            return Ok(1);
        }
        if collection == Collection::Producers {
            self.believed.lock().unwrap().take();
        }
        self.database.update(collection, self.filter(collection, filter), update).await
    }

    async fn delete(&self, collection: Collection, filter: Filter) -> Result<u64, Failure> {
        if collection == Collection::Chunks {
            self.believed.lock().unwrap().take();
        }
        self.database.delete(collection, filter).await
    }

    async fn transact(
        &self,
        collection: Collection,
        filter: Filter,
        update: Update,
        effects: Vec<Effect>,
    ) -> Result<Transacted, Failure> {
        self.database.transact(collection, filter, update, effects).await
    }

    fn is_transactional(&self) -> bool {
        self.database.is_transactional()
    }

    fn sessions(&self) -> Vec<Document> {
        self.database.sessions()
    }

    async fn break_off(&self, sessions: Vec<Document>) -> Result<(), Failure> {
        self.database.break_off(sessions).await
    }

    async fn now(&self) -> Result<Timestamp, Failure> {
        self.database.now().await
    }

    async fn watch(&self, streams: Vec<String>) -> Result<BoxStream<'static, Result<Hint, Failure>>, Failure> {
        self.database.watch(streams).await
    }
}
