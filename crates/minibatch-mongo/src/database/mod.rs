//! What the protocol asks of MongoDB: operations with typed outcomes.
//!
//! The protocol stands over [`Database`] alone, so that it runs against the real server ([`driver`]) and, in tests,
//! against a model of one that loses replies.

pub(crate) mod driver;
pub(crate) mod effects;
#[cfg(test)]
pub(crate) mod model;
mod probe;
mod query;
mod schema;

use std::fmt;

use async_trait::async_trait;
use bson::{Document, RawDocumentBuf, Timestamp as Stamp};
use futures::stream::BoxStream;
use minibatch_core::{Cause, Timestamp, storage::Effect};
pub(crate) use query::{Change, Filter, Find, Order, Test, Update};
pub(crate) use schema::{Collection, FORMAT, Index, PRODUCER_KEY, SLOT_KEY};

/// The operations. Writes are acknowledged by a majority; reads see what a majority has, on the primary, and never
/// less than what this client was told before (causal consistency over all its operations).
///
/// # Cancel safety
/// A dropped write may still take effect.
#[async_trait]
pub(crate) trait Database: fmt::Debug + Send + Sync + 'static {
    /// Finds documents.
    async fn find(&self, find: Find) -> Result<Found, Failure>;

    /// Inserts one document, which has an `_id`.
    async fn insert(&self, collection: Collection, document: RawDocumentBuf) -> Result<(), Failure>;

    /// Changes one document and returns it as it is afterwards; `upsert` makes it of the filter where there is none.
    async fn find_and_update(
        &self,
        collection: Collection,
        filter: Filter,
        update: Update,
        upsert: bool,
    ) -> Result<Option<RawDocumentBuf>, Failure>;

    /// Changes one document and returns it as it is afterwards, by the word of one server, which no majority has confirmed: it
    /// may be rolled back, or told by a primary that was deposed long ago. For what is a hint and no promise.
    async fn hint_update(
        &self,
        collection: Collection,
        filter: Filter,
        update: Update,
    ) -> Result<Option<RawDocumentBuf>, Failure>;

    /// Changes every document that matches; returns how many did.
    async fn update(&self, collection: Collection, filter: Filter, update: Update) -> Result<u64, Failure>;

    /// Deletes every document that matches; returns how many did.
    async fn delete(&self, collection: Collection, filter: Filter) -> Result<u64, Failure>;

    /// Changes the one document that matches, and does what the effects say in their order: all of it, or nothing. The
    /// collections that they write to are made before where they are missing.
    async fn transact(
        &self,
        collection: Collection,
        filter: Filter,
        update: Update,
        effects: Vec<Effect>,
    ) -> Result<Transacted, Failure>;

    /// Whether the server has transactions.
    fn is_transactional(&self) -> bool;

    /// The sessions that this client's transactions are in, for others to break them off.
    fn sessions(&self) -> Vec<Document>;

    /// Undoes the transactions in those sessions that are not done yet, and frees what they have locked.
    async fn break_off(&self, sessions: Vec<Document>) -> Result<(), Failure>;

    /// The server's clock, not before any stamp it has given out.
    async fn now(&self) -> Result<Timestamp, Failure>;

    /// Hints of chunks inserted into these streams from now on. It ends when the server says so.
    async fn watch(&self, streams: Vec<String>) -> Result<BoxStream<'static, Result<Hint, Failure>>, Failure>;
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) documents: Vec<RawDocumentBuf>,
    /// True when there may be more that fit the limit: the answer was too big.
    pub(crate) cut: bool,
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transacted {
    /// All of it took place.
    Done,
    /// No document matches: nothing took place.
    Unmatched,
    /// The server refuses one of the effects: nothing took place.
    Refused { index: usize, code: String },
}

/// Says that a slot was filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hint {
    pub(crate) stream: String,
    pub(crate) incarnation: i64,
    pub(crate) partition: i64,
}

/// Why an operation has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Certainly without effect; it may do better later.
    NotApplied(String),
    /// It may have taken effect or not, now or later, and if it has, may be rolled back.
    Indeterminate(String),
    /// Another document has the same key in a unique index, whose fields these are. A majority has that document.
    Duplicate(Vec<String>),
    /// It will never do better.
    Refused(Cause),
}

impl Failure {
    /// What to tell the caller when there is no time left for another attempt.
    pub(crate) fn into_cause(self) -> Cause {
        match self {
            Self::NotApplied(reason) | Self::Indeterminate(reason) => Cause::unavailable(reason),
            Self::Duplicate(_) => Cause::bug("a duplicate key where there can be none"),
            Self::Refused(cause) => cause,
        }
    }
}

/// The stamp that the server replaces by its own time when it stands in an inserted document's own field.
pub(crate) const SERVER_STAMP: Stamp = Stamp { time: 0, increment: 0 };
