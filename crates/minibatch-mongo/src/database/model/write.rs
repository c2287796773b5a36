//! A write on its way to the server, where it may arrive late or more than once.

use bson::RawDocumentBuf;
use minibatch_core::Timestamp;

use super::{
    super::{Collection, Failure, Filter, Index, Update},
    store::Store,
};

#[derive(Clone, Debug)]
pub(super) enum Write {
    Insert(Collection, RawDocumentBuf),
    FindAndUpdate { collection: Collection, filter: Filter, update: Update, upsert: bool },
    Update(Collection, Filter, Update),
    Delete(Collection, Filter),
}

/// What one write came to.
#[derive(Debug)]
pub(super) enum Outcome {
    Inserted,
    Document(Option<RawDocumentBuf>),
    Count(u64),
}

impl Outcome {
    pub(super) fn count(self) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Inserted | Self::Document(_) => 0,
        }
    }
}

impl Write {
    pub(super) fn apply(&self, store: &mut Store, indexes: &[Index], now: Timestamp) -> Result<Outcome, Failure> {
        match self {
            Self::Insert(collection, document) => {
                store.insert(*collection, document, indexes, now).map(|()| Outcome::Inserted)
            }
            Self::FindAndUpdate { collection, filter, update, upsert } => {
                match store.update(*collection, filter, update, now) {
                    (0, _) if *upsert => store
                        .upsert(*collection, filter, update, indexes, now)
                        .map(|made| Outcome::Document(Some(made))),
                    (_, after) => Ok(Outcome::Document(after)),
                }
            }
            Self::Update(collection, filter, update) => {
                Ok(Outcome::Count(store.update(*collection, filter, update, now).0))
            }
            Self::Delete(collection, filter) => Ok(Outcome::Count(store.delete(*collection, filter, now))),
        }
    }
}
