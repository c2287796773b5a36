//! Filters and updates as data: no value of a user's is ever read as an operator or a field path.

use std::time::Duration;

use bson::{Bson, Document, doc};
use minibatch_core::storage::Partition;

use super::Collection;

/// Conditions that a document must meet, all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter(pub(super) Vec<(&'static str, Test)>);

/// A condition on one field.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    Eq(Bson),
    Lt(Bson),
    Lte(Bson),
    Gte(Bson),
    Gt(Bson),
    /// The field is a time that the server's clock has reached, or is missing.
    Past,
    /// The field is a time that the server's clock has not reached.
    Future,
}

impl Filter {
    /// Every document.
    pub(crate) fn all() -> Self {
        Self::default()
    }

    /// The document of that id.
    pub(crate) fn id(id: impl Into<Bson>) -> Self {
        Self::all().eq("_id", id)
    }

    /// The documents of a partition: how every key but the streams' and members' begins.
    pub(crate) fn of(partition: &Partition) -> Self {
        Self::all()
            .eq("s", partition.stream.as_str())
            .eq("p", i64::from(partition.index))
            .eq("inc", partition.incarnation.get())
    }

    pub(crate) fn eq(self, field: &'static str, value: impl Into<Bson>) -> Self {
        self.and(field, Test::Eq(value.into()))
    }

    pub(crate) fn and(mut self, field: &'static str, test: Test) -> Self {
        self.0.push((field, test));
        self
    }

    /// As MongoDB reads it.
    pub(super) fn to_document(&self) -> Document {
        let mut tests = Vec::new();
        for (field, test) in &self.0 {
            tests.push(match test {
                Test::Eq(value) => doc! { *field: { "$eq": value } },
                Test::Lt(value) => doc! { *field: { "$lt": value } },
                Test::Lte(value) => doc! { *field: { "$lte": value } },
                Test::Gte(value) => doc! { *field: { "$gte": value } },
                Test::Gt(value) => doc! { *field: { "$gt": value } },
                Test::Past => doc! { "$expr": { "$lte": [format!("${field}"), "$$NOW"] } },
                Test::Future => doc! { "$expr": { "$gt": [format!("${field}"), "$$NOW"] } },
            });
        }
        match tests.len() {
            0 => doc! {},
            _ => doc! { "$and": tests },
        }
    }
}

#[cfg(test)]
impl Filter {
    /// Drops the conditions on a field.
    pub(crate) fn forget(&mut self, field: &str) {
        self.0.retain(|(name, _)| *name != field);
    }
}

/// Changes to a document, all at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Update(pub(super) Vec<(&'static str, Change)>);

/// A change to one field.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Set(Bson),
    /// Sets it where it is missing.
    Default(Bson),
    /// Adds, to 0 where it is missing.
    Add(i64),
    /// Raises it to the value.
    Max(Bson),
    /// Raises it to one more than the value, the other field and itself, unless that field has that value.
    Beyond {
        other: &'static str,
        value: i64,
        unless: (&'static str, i64),
    },
    /// The server's clock, and so much more.
    NowPlus(Duration),
    /// The server's clock, and so much less.
    NowMinus(Duration),
}

impl Update {
    pub(crate) fn set(field: &'static str, value: impl Into<Bson>) -> Self {
        Self::default().and(field, Change::Set(value.into()))
    }

    pub(crate) fn and(mut self, field: &'static str, change: Change) -> Self {
        self.0.push((field, change));
        self
    }

    pub(crate) fn and_set(self, field: &'static str, value: impl Into<Bson>) -> Self {
        self.and(field, Change::Set(value.into()))
    }

    /// As an aggregation pipeline: in one, a string that begins with `$` is a field path, unless it is a `$literal`.
    pub(super) fn to_pipeline(&self) -> Vec<Document> {
        let mut fields = Document::new();
        for (field, change) in &self.0 {
            let old = format!("${field}");
            let expression: Bson = match change {
                Change::Set(value) => doc! { "$literal": value }.into(),
                Change::Default(value) => doc! { "$ifNull": [old, { "$literal": value }] }.into(),
                Change::Add(number) => doc! { "$add": [{ "$ifNull": [old, 0_i64] }, *number] }.into(),
                Change::Max(value) => doc! { "$max": [old, { "$literal": value }] }.into(),
                Change::Beyond { other, value, unless: (field, done) } => {
                    let is_done = doc! { "$eq": [format!("${field}"), *done] };
                    let beyond = doc! { "$add": [{ "$max": [&old, format!("${other}"), *value] }, 1_i64] };
                    doc! { "$cond": [is_done, old, beyond] }.into()
                }
                Change::NowPlus(duration) => doc! { "$add": ["$$NOW", millis(*duration)] }.into(),
                Change::NowMinus(duration) => doc! { "$add": ["$$NOW", -millis(*duration)] }.into(),
            };
            fields.insert(*field, expression);
        }
        vec![doc! { "$set": fields }]
    }
}

#[cfg(test)]
impl Update {
    /// Whether it changes that field.
    pub(crate) fn changes(&self, field: &str) -> bool {
        self.0.iter().any(|(name, _)| *name == field)
    }

    /// Changes a field that is changed in another way.
    pub(crate) fn replace(&mut self, field: &str, change: Change) {
        if let Some((_, old)) = self.0.iter_mut().find(|(name, _)| *name == field) {
            *old = change;
        }
    }
}

/// A thousand years: far enough, and no date overflows.
const MAX_MILLIS: i64 = 1_000 * 366 * 86_400_000;

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(MAX_MILLIS).min(MAX_MILLIS)
}

/// Which documents to find, in which order, how many, and what of them.
#[derive(Clone, Debug)]
pub(crate) struct Find {
    pub(crate) collection: Collection,
    pub(crate) filter: Filter,
    pub(crate) sort: Option<(&'static str, Order)>,
    /// All fields when empty.
    pub(crate) fields: &'static [&'static str],
    pub(crate) limit: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Up,
    Down,
}

impl Find {
    /// One document, any that matches.
    pub(crate) fn one(collection: Collection, filter: Filter) -> Self {
        Self { collection, filter, sort: None, fields: &[], limit: 1 }
    }

    pub(crate) fn sorted(mut self, field: &'static str, order: Order) -> Self {
        self.sort = Some((field, order));
        self
    }

    pub(crate) fn only(mut self, fields: &'static [&'static str]) -> Self {
        self.fields = fields;
        self
    }

    pub(crate) fn at_most(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_strings_stay_strings() {
        let update = Update::set("owner", "$epoch").and("seen", Change::Default("$$NOW".into()));
        let expected = doc! { "$set": {
            "owner": { "$literal": "$epoch" },
            "seen": { "$ifNull": ["$seen", { "$literal": "$$NOW" }] },
        } };
        assert_eq!(update.to_pipeline(), [expected]);
        let filter = Filter::all().eq("s", "$where").and("seen", Test::Past);
        let expected = doc! { "$and": [
            { "s": { "$eq": "$where" } },
            { "$expr": { "$lte": ["$seen", "$$NOW"] } },
        ] };
        assert_eq!(filter.to_document(), expected);
    }
}
