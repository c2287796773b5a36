//! A user's writes as commands.

use bson::{Document, doc};
use minibatch_core::storage::Effect;

use super::Collection;

/// The most writes in one command.
const BATCH: usize = 1_000;

/// Writes of one kind to one collection, that follow each other.
pub(super) struct Batch {
    /// Which effect the first one is.
    pub(super) first: usize,
    pub(super) command: Document,
}

/// One command for as many effects as possible, in order.
pub(super) fn batches(effects: &[Effect]) -> impl Iterator<Item = Batch> {
    let mut first = 0;
    effects.chunk_by(|one, next| kind(one) == kind(next)).flat_map(|same| same.chunks(BATCH)).filter_map(move |same| {
        let (command, field, target) = same.first().and_then(kind)?;
        let batch = Batch {
            first,
            command: doc! { command: target, field: same.iter().map(part).collect::<Vec<_>>(), "ordered": true },
        };
        first += same.len();
        Some(batch)
    })
}

/// The command of an effect, the field that such effects are listed in, and the collection.
fn kind(effect: &Effect) -> Option<(&'static str, &'static str, &str)> {
    match effect {
        Effect::Insert { collection, .. } => Some(("insert", "documents", collection)),
        Effect::Replace { collection, .. } | Effect::Update { collection, .. } => {
            Some(("update", "updates", collection))
        }
        Effect::Delete { collection, .. } => Some(("delete", "deletes", collection)),
        _ => None,
    }
}

fn part(effect: &Effect) -> Document {
    match effect {
        Effect::Insert { document, .. } => document.clone(),
        Effect::Replace { filter, document, .. } => doc! { "q": filter, "u": document, "upsert": true },
        Effect::Update { filter, update, upsert, .. } => {
            doc! { "q": filter, "u": update, "upsert": *upsert, "multi": true }
        }
        Effect::Delete { filter, .. } => doc! { "q": filter, "limit": 0 },
        _ => Document::new(),
    }
}

/// The collection that an effect writes to.
pub(crate) fn target(effect: &Effect) -> Option<&str> {
    kind(effect).map(|(_, _, target)| target)
}

/// The first effect that no server need be asked about, and what is wrong with it.
pub(crate) fn impossible(effects: &[Effect], prefix: &str) -> Option<(usize, &'static str)> {
    effects.iter().enumerate().find_map(|(index, effect)| {
        let wrong = match target(effect) {
            None => "NotDocuments",
            Some(name) if !is_free(name, prefix) => "InvalidNamespace",
            Some(_) if is_replaced_by_operators(effect) => "FailedToParse",
            Some(_) => return None,
        };
        Some((index, wrong))
    })
}

/// Whether a collection may be a user's: it is none of the server's, and none of minibatch's now or later.
fn is_free(name: &str, prefix: &str) -> bool {
    let ours = |collection: &Collection| name.strip_prefix(prefix) == Some(collection.name());
    !name.is_empty()
        && !name.starts_with("system.")
        && !name.contains(['$', '\0'])
        && (prefix.is_empty() || !name.starts_with(prefix))
        && !Collection::ALL.iter().any(ours)
}

/// The server would read such a document as changes to the one that it replaces, and the other way round.
fn is_replaced_by_operators(effect: &Effect) -> bool {
    let operators = |document: &Document| document.keys().next().is_some_and(|name| name.starts_with('$'));
    match effect {
        Effect::Replace { document, .. } => operators(document),
        Effect::Update { update, .. } => !operators(update),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_alike_shares_a_command() {
        let one = |name: &str| Effect::insert(name, doc! { "a": 1 });
        let mut effects = vec![one("a"), one("a"), one("b")];
        effects.extend((0..BATCH + 1).map(|_| Effect::delete("b", doc! {})));
        effects.extend([Effect::upsert("b", doc! {}, doc! { "$set": {} }), Effect::replace("b", doc! {}, doc! {})]);
        let found: Vec<_> = batches(&effects)
            .map(|batch| {
                let (command, target) = batch.command.iter().next().unwrap();
                let (_, list) = batch.command.iter().nth(1).unwrap();
                (batch.first, format!("{command} {}", target.as_str().unwrap()), list.as_array().unwrap().len())
            })
            .collect();
        let expected = [
            (0, "insert a", 2),
            (2, "insert b", 1),
            (3, "delete b", BATCH),
            (3 + BATCH, "delete b", 1),
            (4 + BATCH, "update b", 2),
        ];
        assert_eq!(found, expected.map(|(first, what, count)| (first, what.to_owned(), count)));
    }

    #[test]
    fn only_collections_of_the_users_own_are_written_to() {
        let check = |prefix: &str, name: &str, wrong: Option<&'static str>| {
            let effects = [Effect::insert("good", doc! {}), Effect::insert(name, doc! {})];
            assert_eq!(impossible(&effects, prefix), wrong.map(|wrong| (1, wrong)), "{prefix:?} {name:?}");
        };
        for name in ["minibatch_chunks", "minibatch_later", "system.users", "", "$cmd", "a\0b"] {
            check("minibatch_", name, Some("InvalidNamespace"));
        }
        check("minibatch_", "chunks", None);
        check("", "chunks", Some("InvalidNamespace"));
        check("", "totals", None);
        let effects = [Effect::sql("DELETE FROM totals", [])];
        assert_eq!(impossible(&effects, ""), Some((0, "NotDocuments")));
        let effects = [Effect::replace("a", doc! {}, doc! { "$set": {} })];
        assert_eq!(impossible(&effects, ""), Some((0, "FailedToParse")));
        let effects = [Effect::upsert("a", doc! {}, doc! { "b": 1 })];
        assert_eq!(impossible(&effects, ""), Some((0, "FailedToParse")));
    }
}
