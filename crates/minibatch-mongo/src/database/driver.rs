//! The operations by the real driver.
//!
//! Each runs in a task of its own, which a caller that goes away does not stop half way, and is waited for so long and
//! no longer: the driver has no timeout for sockets. Writes are plain commands: their whole reply is seen, which the
//! driver's own methods throw away in part (the key of a duplicate; a write concern's error beside it), and none is
//! repeated behind the protocol's back.

mod classify;
mod connect;
mod diagnosis;
mod prepare;
mod reply;
mod right;
mod server;
mod sessions;
mod transact;
mod watch;

use std::{
    collections::HashSet,
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bson::{Document, RawDocumentBuf, Timestamp as Stamp, rawdoc};
pub(crate) use connect::{connect, reach};
use futures::{StreamExt, stream::BoxStream};
use minibatch_core::{Timestamp, storage::Effect};
use mongodb::{
    Database as MongoDatabase,
    options::{CollectionOptions, ReadConcern, ReadPreference, SelectionCriteria},
};
use tokio::time::timeout;

pub(crate) use self::prepare::plan;
use self::{right::Right, sessions::Sessions};
use super::{Collection, Database, Failure, Filter, Find, Found, Hint, Order, Transacted, Update};

/// How long the server may work on a request.
const SERVER_TIME: Duration = Duration::from_secs(8);
/// How long a request may take until its outcome counts as unknown.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// Who has a write when it is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Majority,
    /// The primary alone, or who takes itself for it: what comes after does not have to be after that.
    Primary,
}

/// A connection to a database.
#[derive(Clone)]
pub(crate) struct Driver {
    database: MongoDatabase,
    prefix: Arc<str>,
    /// True when the URL names a user.
    as_user: bool,
    /// The server's time of the latest thing that this client was told: what later reads must not be before.
    seen: Arc<Mutex<Option<Stamp>>>,
    /// A replica set, or several behind routers.
    replicated: bool,
    sessions: Sessions,
    /// Users' collections that are known to be there.
    prepared: Arc<Mutex<HashSet<String>>>,
}

impl Driver {
    fn new(database: MongoDatabase, prefix: &str, as_user: bool) -> Self {
        let prefix = prefix.into();
        Self {
            database,
            prefix,
            as_user,
            seen: Arc::default(),
            replicated: false,
            sessions: Sessions::default(),
            prepared: Arc::default(),
        }
    }

    fn name(&self, collection: Collection) -> String {
        format!("{}{}", self.prefix, collection.name())
    }

    fn collection<T: Send + Sync>(&self, collection: Collection) -> mongodb::Collection<T> {
        let options = CollectionOptions::builder()
            .read_concern(ReadConcern::majority())
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .build();
        self.database.collection_with_options(&self.name(collection), options)
    }

    fn seen(&self) -> Option<Stamp> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_prepared(&self, collection: &str) -> bool {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).contains(collection)
    }

    fn saw_prepared(&self, collection: &str) {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(collection.to_owned());
    }

    fn saw(&self, time: Option<Stamp>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = time.max(*seen);
    }

    /// Runs a command that writes; its reply says `ok`.
    async fn write(&self, right: Right, mut command: RawDocumentBuf, by: By) -> Result<Document, Failure> {
        let concern = match by {
            // `j` for a standalone's sake: a replica set's majority is journaled anyway
            By::Majority => rawdoc! { "w": "majority", "j": true },
            By::Primary => rawdoc! { "w": 1 },
        };
        command.append(bson::raw::cstr!("writeConcern"), concern);
        command.append(bson::raw::cstr!("maxTimeMS"), millis(SERVER_TIME));
        let this = self.clone();
        in_time(async move {
            match this.database.run_raw_command(command).await {
                Ok(reply) => {
                    if by == By::Majority {
                        this.saw(reply.get_timestamp("operationTime").ok());
                    }
                    reply::outcome(reply)
                }
                Err(error) => Err(this.failed(right, &error)),
            }
        })
        .await
    }

    async fn find_and_modify(
        &self,
        collection: Collection,
        filter: &Filter,
        update: &Update,
        upsert: bool,
        by: By,
    ) -> Result<Option<RawDocumentBuf>, Failure> {
        let command = bson::doc! {
            "findAndModify": self.name(collection),
            "query": filter.to_document(),
            "update": update.to_pipeline(),
            "upsert": upsert,
            "new": true,
        };
        let actions = if upsert { "find, insert, update" } else { "find, update" };
        let reply = self.write(Right::new(actions, collection), reply::raw(&command)?, by).await?;
        reply.get_document("value").ok().map(reply::raw).transpose()
    }

    async fn find_now(&self, find: Find) -> Result<Found, Failure> {
        let right = Right::new("find", find.collection);
        let failed = |error: mongodb::error::Error| self.failed(right, &error);
        let mut session = self.database.client().start_session().causal_consistency(true).await.map_err(failed)?;
        if let Some(seen) = self.seen() {
            session.advance_operation_time(seen);
        }
        let collection = self.collection::<RawDocumentBuf>(find.collection);
        let mut action = collection
            .find(find.filter.to_document())
            .limit(i64::from(find.limit))
            .batch_size(find.limit)
            .max_time(SERVER_TIME);
        if let Some((field, order)) = find.sort {
            action = action.sort(bson::doc! { field: if order == Order::Up { 1 } else { -1 } });
        }
        if !find.fields.is_empty() {
            let mut projection: Document = find.fields.iter().map(|field| ((*field).to_owned(), 1.into())).collect();
            if !find.fields.contains(&"_id") {
                projection.insert("_id", 0);
            }
            action = action.projection(projection);
        }
        let mut cursor = action.session(&mut session).batch().await.map_err(failed)?;
        let batch = cursor.stream(&mut session).next().await.transpose().map_err(failed)?;
        self.saw(session.operation_time());
        let Some(batch) = batch else { return Ok(Found { documents: Vec::new(), cut: false }) };
        let unreadable = || Failure::NotApplied("the server's answer is not understood".to_owned());
        let documents = batch.doc_slices().map_err(|_| unreadable())?.into_iter().map(|element| {
            let document = element.ok()?.as_document()?;
            Some(document.to_owned())
        });
        let documents = documents.collect::<Option<Vec<_>>>().ok_or_else(unreadable)?;
        let cursor = batch.as_raw_document().get_document("cursor").and_then(|cursor| cursor.get_i64("id"));
        Ok(Found { documents, cut: cursor.is_ok_and(|id| id != 0) })
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Runs a request to its end, but waits for it only so long.
async fn in_time<T: Send + 'static>(
    request: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    match timeout(REQUEST_TIME, tokio::spawn(request)).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => {
            Err(Failure::Indeterminate("the request was broken off, is the runtime shutting down?".to_owned()))
        }
        Err(_) => Err(Failure::Indeterminate(format!("the server did not answer within {REQUEST_TIME:?}"))),
    }
}

#[async_trait]
impl Database for Driver {
    async fn find(&self, find: Find) -> Result<Found, Failure> {
        let this = self.clone();
        in_time(async move { this.find_now(find).await }).await
    }

    async fn insert(&self, collection: Collection, document: RawDocumentBuf) -> Result<(), Failure> {
        let mut documents = bson::RawArrayBuf::new();
        documents.push(document);
        let command = rawdoc! { "insert": self.name(collection), "documents": documents };
        self.write(Right::new("insert", collection), command, By::Majority).await.map(drop)
    }

    async fn find_and_update(
        &self,
        collection: Collection,
        filter: Filter,
        update: Update,
        upsert: bool,
    ) -> Result<Option<RawDocumentBuf>, Failure> {
        self.find_and_modify(collection, &filter, &update, upsert, By::Majority).await
    }

    async fn hint_update(
        &self,
        collection: Collection,
        filter: Filter,
        update: Update,
    ) -> Result<Option<RawDocumentBuf>, Failure> {
        self.find_and_modify(collection, &filter, &update, false, By::Primary).await
    }

    async fn update(&self, collection: Collection, filter: Filter, update: Update) -> Result<u64, Failure> {
        let update = bson::doc! { "q": filter.to_document(), "u": update.to_pipeline(), "multi": true };
        let command = bson::doc! { "update": self.name(collection), "updates": [update] };
        reply::count(&self.write(Right::new("update", collection), reply::raw(&command)?, By::Majority).await?)
    }

    async fn delete(&self, collection: Collection, filter: Filter) -> Result<u64, Failure> {
        let delete = bson::doc! { "q": filter.to_document(), "limit": 0 };
        let command = bson::doc! { "delete": self.name(collection), "deletes": [delete] };
        reply::count(&self.write(Right::new("remove", collection), reply::raw(&command)?, By::Majority).await?)
    }

    async fn transact(
        &self,
        collection: Collection,
        filter: Filter,
        update: Update,
        effects: Vec<Effect>,
    ) -> Result<Transacted, Failure> {
        let this = self.clone();
        in_time(async move { this.transact_now(collection, &filter, &update, &effects).await }).await
    }

    fn is_transactional(&self) -> bool {
        self.replicated
    }

    fn sessions(&self) -> Vec<Document> {
        self.sessions.ids()
    }

    async fn break_off(&self, sessions: Vec<Document>) -> Result<(), Failure> {
        if sessions.is_empty() {
            // to the server none would mean all
            return Ok(());
        }
        let this = self.clone();
        in_time(async move {
            // those of this user: for that it takes no right
            let killed = this.database.run_command(bson::doc! { "killSessions": sessions }).await;
            killed.map(drop).map_err(|error| classify::failure(&error))
        })
        .await
    }

    async fn now(&self) -> Result<Timestamp, Failure> {
        let this = self.clone();
        in_time(async move {
            let hello = this.database.run_command(bson::doc! { "hello": 1 }).await;
            reply::time(&hello.map_err(|error| classify::failure(&error))?)
        })
        .await
    }

    async fn watch(&self, streams: Vec<String>) -> Result<BoxStream<'static, Result<Hint, Failure>>, Failure> {
        in_time(watch::open(self.clone(), streams)).await
    }
}

impl fmt::Debug for Driver {
    /// Never the client: it holds the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("database", &self.database.name()).finish_non_exhaustive()
    }
}
