//! Writes to a user's own tables or collections that take place with a commit.

use std::fmt;

use bson::Document;

use crate::{Cause, Error};

/// A write beside minibatch's own data, in the same database, as plain data: it takes place with the
/// [`Commit`](super::Commit) that it is part of, or not at all.
///
/// A storage takes those of its own kind and refuses the others.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// One statement of SQL, with a value for each of its parameters.
    #[non_exhaustive]
    Sql {
        /// The statement. What comes from outside belongs among the parameters, never into this text.
        statement: String,
        /// The values of `?1`, `?2`, … in this order.
        parameters: Vec<SqlValue>,
    },
    /// Inserts a document into a collection.
    #[non_exhaustive]
    Insert {
        /// The collection's name.
        collection: String,
        /// The document; one without an `_id` gets one.
        document: Document,
    },
    /// Puts a document in place of the first that matches, or inserts it where none does.
    #[non_exhaustive]
    Replace {
        /// The collection's name.
        collection: String,
        /// Which document, in MongoDB's language.
        filter: Document,
        /// What takes its place.
        document: Document,
    },
    /// Changes the documents that match.
    #[non_exhaustive]
    Update {
        /// The collection's name.
        collection: String,
        /// Which documents, in MongoDB's language.
        filter: Document,
        /// How, by MongoDB's update operators.
        update: Document,
        /// Whether to insert a document where none matches.
        upsert: bool,
    },
    /// Deletes the documents that match.
    #[non_exhaustive]
    Delete {
        /// The collection's name.
        collection: String,
        /// Which documents, in MongoDB's language.
        filter: Document,
    },
}

impl Effect {
    /// See [`Effect::Sql`].
    ///
    /// ```
    /// use minibatch_core::{params, storage::Effect};
    ///
    /// let (place, magnitude) = ("Ridgecrest", 7.1);
    /// let effect = Effect::sql("INSERT INTO strongest (place, mag) VALUES (?1, ?2)", params![place, magnitude]);
    /// # assert!(matches!(effect, Effect::Sql { parameters, .. } if parameters.len() == 2));
    /// ```
    pub fn sql(statement: impl Into<String>, parameters: impl IntoIterator<Item = SqlValue>) -> Self {
        Self::Sql { statement: statement.into(), parameters: parameters.into_iter().collect() }
    }

    /// See [`Effect::Insert`].
    pub fn insert(collection: impl Into<String>, document: Document) -> Self {
        Self::Insert { collection: collection.into(), document }
    }

    /// See [`Effect::Replace`].
    pub fn replace(collection: impl Into<String>, filter: Document, document: Document) -> Self {
        Self::Replace { collection: collection.into(), filter, document }
    }

    /// See [`Effect::Update`]; changes what there is.
    pub fn update(collection: impl Into<String>, filter: Document, update: Document) -> Self {
        Self::Update { collection: collection.into(), filter, update, upsert: false }
    }

    /// See [`Effect::Update`]; inserts a document where none matches.
    pub fn upsert(collection: impl Into<String>, filter: Document, update: Document) -> Self {
        Self::Update { collection: collection.into(), filter, update, upsert: true }
    }

    /// See [`Effect::Delete`].
    pub fn delete(collection: impl Into<String>, filter: Document) -> Self {
        Self::Delete { collection: collection.into(), filter }
    }

    /// What a storage without effects says: from `transactional`, and to a commit that has some.
    #[must_use]
    pub fn unsupported() -> Error {
        let reason = "it takes no writes of your own with a commit: use sqlite, or mongodb as a replica set";
        Cause::misconfigured(reason).into()
    }

    /// About how many bytes it has.
    #[must_use]
    pub fn size(&self) -> usize {
        // a document that is not bson is refused later, whatever its size
        let bytes = |document: &Document| bson::serialize_to_vec(document).map_or(0, |bytes| bytes.len());
        match self {
            Self::Sql { statement, parameters } => {
                statement.len() + parameters.iter().map(SqlValue::size).sum::<usize>()
            }
            Self::Insert { collection, document } => collection.len() + bytes(document),
            Self::Replace { collection, filter, document } => collection.len() + bytes(filter) + bytes(document),
            Self::Update { collection, filter, update, .. } => collection.len() + bytes(filter) + bytes(update),
            Self::Delete { collection, filter } => collection.len() + bytes(filter),
        }
    }
}

impl fmt::Debug for Effect {
    /// Never the values: they are the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, collection) = match self {
            Self::Sql { parameters, .. } => {
                return f.debug_struct("Sql").field("parameters", &parameters.len()).finish_non_exhaustive();
            }
            Self::Insert { collection, .. } => ("Insert", collection),
            Self::Replace { collection, .. } => ("Replace", collection),
            Self::Update { collection, .. } => ("Update", collection),
            Self::Delete { collection, .. } => ("Delete", collection),
        };
        f.debug_struct(name).field("collection", collection).finish_non_exhaustive()
    }
}

/// A value as SQL has it.
#[derive(Clone, PartialEq)]
pub enum SqlValue {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl SqlValue {
    fn size(&self) -> usize {
        match self {
            Self::Null => 1,
            Self::Integer(_) | Self::Real(_) => 8,
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
        }
    }
}

impl fmt::Debug for SqlValue {
    /// Never the value: it is the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Integer(_) => "Integer",
            Self::Real(_) => "Real",
            Self::Text(_) => "Text",
            Self::Blob(_) => "Blob",
        })
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),* $(,)?) => {
        $(impl From<$type> for SqlValue {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}
from! {
    bool => Integer, i8 => Integer, i16 => Integer, i32 => Integer, i64 => Integer, u8 => Integer, u16 => Integer,
    u32 => Integer, f32 => Real, f64 => Real, &str => Text, &String => Text, String => Text, &[u8] => Blob,
    Vec<u8> => Blob,
}

impl<T: Into<SqlValue>> From<Option<T>> for SqlValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The values of an [`Effect::Sql`]'s parameters, of any types that a [`SqlValue`] can be made from.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        ::std::vec::Vec::<$crate::storage::SqlValue>::from([$($crate::storage::SqlValue::from($value)),*])
    };
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    const CANARY: &str = "canary";

    #[test]
    fn no_value_is_shown() {
        let document = || doc! { CANARY: CANARY };
        for effect in [
            Effect::sql(CANARY, params![CANARY, 7, 0.5, None::<i64>, vec![1_u8]]),
            Effect::insert("places", document()),
            Effect::replace("places", document(), document()),
            Effect::update("places", document(), document()),
            Effect::upsert("places", document(), document()),
            Effect::delete("places", document()),
        ] {
            assert!(effect.size() > CANARY.len());
            assert!(!format!("{effect:?}").contains(CANARY), "{effect:?}");
        }
        assert!(params![].is_empty());
        assert!(!format!("{:?}", params![CANARY, CANARY.as_bytes()]).contains(CANARY));
    }
}
