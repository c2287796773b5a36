//! Writes of a function that take place when its window is done.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bson::Document;
use minibatch_core::{
    Cause, Error,
    storage::{Effect, SqlValue},
};

/// How many bytes of writes a window may have.
pub(crate) const MAX_BYTES: usize = 8 << 20;

/// The writes of one attempt at a window, for a consumer that is [transactional](crate::Streaming::transactional): they are
/// kept until the function has returned, and take place in their order with the commit that marks the window done. Of an
/// attempt that fails there is none. Nothing reads back what is not done yet.
///
/// Cheap to clone. A window has at most 8 MiB of writes; windows that share a commit have so many together.
///
/// # How long they may take
/// On MongoDB a transaction is given up 10 s after it was begun and begun again, long before the server's own limit
/// (`transactionLifetimeLimitSeconds`, 60 s) would end it; where that was set lower, the server ends it, with the same
/// outcome. The function is not called again for that, and no attempt is counted: nobody says that the writes are wrong.
/// So writes that always take longer never take place, and their group goes no further: it logs `storage gave no
/// verdict, repeating`, and [`GroupStatus::committed`](crate::GroupStatus::committed) stays where it is. Make the windows
/// smaller, or give the collection the index that the writes look for.
///
/// # Errors
/// Every method gives [`Misconfigured`](Cause::Misconfigured) where the consumer is not transactional, and
/// [`OutOfRange`](Cause::OutOfRange) for a write too many. What the database says of a write is heard at the commit only.
#[derive(Clone)]
pub struct Effects(Option<Arc<Mutex<Kept>>>);

#[derive(Default)]
struct Kept {
    effects: Vec<Effect>,
    bytes: usize,
}

impl Effects {
    pub(crate) fn new(transactional: bool) -> Self {
        Self(transactional.then(Arc::default))
    }

    /// One statement of SQL on a table of your own, with a value for each parameter; see [`Effect::Sql`].
    ///
    /// # Errors
    /// See [`Effects`].
    pub fn sql(
        &self,
        statement: impl Into<String>,
        parameters: impl IntoIterator<Item = SqlValue>,
    ) -> Result<(), Error> {
        self.push(Effect::sql(statement, parameters))
    }

    /// Inserts a document into a collection of your own; see [`Effect::Insert`].
    ///
    /// # Errors
    /// See [`Effects`].
    pub fn insert(&self, collection: impl Into<String>, document: Document) -> Result<(), Error> {
        self.push(Effect::insert(collection, document))
    }

    /// Puts a document in place of one that matches, or inserts it; see [`Effect::Replace`].
    ///
    /// # Errors
    /// See [`Effects`].
    pub fn replace(&self, collection: impl Into<String>, filter: Document, document: Document) -> Result<(), Error> {
        self.push(Effect::replace(collection, filter, document))
    }

    /// Changes the documents that match; see [`Effect::Update`].
    ///
    /// # Errors
    /// See [`Effects`].
    pub fn update(&self, collection: impl Into<String>, filter: Document, update: Document) -> Result<(), Error> {
        self.push(Effect::update(collection, filter, update))
    }

    /// Changes the documents that match, or inserts one; see [`Effect::Update`].
    ///
    /// # Errors
    /// See [`Effects`].
    pub fn upsert(&self, collection: impl Into<String>, filter: Document, update: Document) -> Result<(), Error> {
        self.push(Effect::upsert(collection, filter, update))
    }

    /// Deletes the documents that match; see [`Effect::Delete`].
    ///
    /// # Errors
    /// See [`Effects`].
    pub fn delete(&self, collection: impl Into<String>, filter: Document) -> Result<(), Error> {
        self.push(Effect::delete(collection, filter))
    }

    /// A write that was made elsewhere.
    ///
    /// # Errors
    /// See [`Effects`].
    pub fn push(&self, effect: Effect) -> Result<(), Error> {
        let refused = |cause| Err(Error::new(cause).during("keep effect"));
        let Some(kept) = &self.0 else {
            return refused(Cause::misconfigured("the consumer is not transactional, build it with transactional()"));
        };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = kept.bytes.saturating_add(effect.size());
        if bytes > MAX_BYTES {
            return refused(Cause::out_of_range("a window has at most 8 MiB of effects"));
        }
        kept.bytes = bytes;
        kept.effects.push(effect);
        Ok(())
    }

    /// What was kept.
    pub(crate) fn take(&self) -> Vec<Effect> {
        self.0.as_ref().map_or_else(Vec::new, |kept| {
            std::mem::take(&mut kept.lock().unwrap_or_else(PoisonError::into_inner).effects)
        })
    }
}

impl fmt::Debug for Effects {
    /// Never the writes: they are the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effects").field("transactional", &self.0.is_some()).finish_non_exhaustive()
    }
}
