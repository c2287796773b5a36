//! The documents, every version of them, and the few operators that the protocol uses.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use bson::{Bson, DateTime, Document, RawBsonRef, RawDocument, RawDocumentBuf, oid::ObjectId};
use minibatch_core::{Timestamp, storage::Effect};

use super::super::{
    Change, Collection, Failure, Filter, Find, Found, Index, Order, SERVER_STAMP, Test, Transacted, Update,
    schema::IndexKind,
};

/// All documents at one time.
type Snapshot = BTreeMap<Collection, Vec<Arc<RawDocumentBuf>>>;

/// How many versions are kept for reads from the past.
const HISTORY: u64 = 4_000;

#[derive(Debug, Default)]
pub(super) struct Store {
    current: Snapshot,
    version: u64,
    past: BTreeMap<u64, (Timestamp, Arc<Snapshot>)>,
    stamps: u32,
    /// The `_id`s of a user's documents, of whatever collection.
    inserted: Vec<Bson>,
}

impl Store {
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// One of the versions from `seen` on that were the latest after `since`.
    pub(super) fn some_version(&self, seen: u64, since: Timestamp, which: u64) -> u64 {
        let versions: Vec<u64> = self
            .past
            .range(seen..)
            .filter(|(_, (replaced, _))| *replaced >= since)
            .map(|(version, _)| *version)
            .collect();
        match versions.len() as u64 {
            0 => self.version,
            count => versions[usize::try_from(which % count).unwrap()],
        }
    }

    /// Something is about to change: keeps what was.
    fn keep(&mut self, now: Timestamp) {
        self.past.insert(self.version, (now, Arc::new(self.current.clone())));
        self.version += 1;
        while self.past.first_key_value().is_some_and(|(version, _)| *version + HISTORY < self.version) {
            self.past.pop_first();
        }
    }

    fn all(&mut self, collection: Collection) -> &mut Vec<Arc<RawDocumentBuf>> {
        self.current.entry(collection).or_default()
    }

    pub(super) fn find(&self, version: u64, find: &Find, now: Timestamp) -> Found {
        let snapshot = self.past.get(&version).map_or(&self.current, |(_, snapshot)| snapshot);
        let all = snapshot.get(&find.collection).map(Vec::as_slice).unwrap_or_default();
        let mut found: Vec<_> = all.iter().filter(|document| matches(document, &find.filter, now)).collect();
        if let Some((field, order)) = find.sort {
            found.sort_by(|a, b| {
                let upwards = compare(&value(a, field), &value(b, field)).unwrap_or(Ordering::Equal);
                if order == Order::Up { upwards } else { upwards.reverse() }
            });
        }
        found.truncate(find.limit as usize);
        Found { documents: found.into_iter().map(|document| project(document, find.fields)).collect(), cut: false }
    }

    pub(super) fn insert(
        &mut self,
        collection: Collection,
        document: &RawDocument,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let mut stamped = RawDocumentBuf::new();
        for element in document {
            let (name, value) = element.unwrap();
            match value {
                RawBsonRef::Timestamp(SERVER_STAMP) => {
                    self.stamps += 1;
                    let time = u32::try_from(now.as_millis() / 1_000).unwrap();
                    stamped.append(name, bson::Timestamp { time, increment: self.stamps });
                }
                value => stamped.append(name, value),
            }
        }
        self.add(collection, stamped, now)
    }

    fn add(&mut self, collection: Collection, document: RawDocumentBuf, now: Timestamp) -> Result<(), Failure> {
        let id: &[&str] = &["_id"];
        let unique =
            Index::ALL.iter().filter(|index| index.collection == collection && index.kind == IndexKind::Unique);
        for fields in unique.map(|index| index.fields).chain([id]) {
            let same =
                |other: &Arc<RawDocumentBuf>| fields.iter().all(|field| value(other, field) == value(&document, field));
            if self.all(collection).iter().any(same) {
                return Err(Failure::Duplicate(fields.iter().map(|field| (*field).to_owned()).collect()));
            }
        }
        self.keep(now);
        self.all(collection).push(Arc::new(document));
        Ok(())
    }

    /// How many it changed, and one of them as it is then.
    pub(super) fn update(
        &mut self,
        collection: Collection,
        filter: &Filter,
        update: &Update,
        now: Timestamp,
    ) -> (u64, Option<RawDocumentBuf>) {
        if !self.all(collection).iter().any(|document| matches(document, filter, now)) {
            return (0, None);
        }
        self.keep(now);
        let (mut count, mut last) = (0, None);
        for document in self.all(collection).iter_mut().filter(|document| matches(document, filter, now)) {
            let changed = apply(Document::try_from(&***document).unwrap(), update, now);
            *document = Arc::new(RawDocumentBuf::try_from(&changed).unwrap());
            count += 1;
            last = Some(RawDocumentBuf::clone(document));
        }
        (count, last)
    }

    pub(super) fn upsert(
        &mut self,
        collection: Collection,
        filter: &Filter,
        update: &Update,
        now: Timestamp,
    ) -> Result<RawDocumentBuf, Failure> {
        let mut new = Document::new();
        for (field, test) in &filter.0 {
            if let Test::Eq(value) = test {
                new.insert(*field, value.clone());
            }
        }
        new.entry("_id".to_owned()).or_insert(ObjectId::new().into());
        let new = RawDocumentBuf::try_from(&apply(new, update, now)).unwrap();
        self.add(collection, new.clone(), now).map(|()| new)
    }

    /// Of effects it knows inserts of documents with an `_id`.
    pub(super) fn transact(
        &mut self,
        collection: Collection,
        filter: &Filter,
        update: &Update,
        effects: &[Effect],
        now: Timestamp,
    ) -> Transacted {
        if !self.all(collection).iter().any(|document| matches(document, filter, now)) {
            return Transacted::Unmatched;
        }
        let mut inserted = self.inserted.clone();
        for (index, effect) in effects.iter().enumerate() {
            let Effect::Insert { document, .. } = effect else { panic!("the model inserts, and no more") };
            let id = document.get("_id").unwrap();
            if inserted.contains(id) {
                return Transacted::Refused { index, code: "DuplicateKey".to_owned() };
            }
            inserted.push(id.clone());
        }
        self.update(collection, filter, update, now);
        self.inserted = inserted;
        Transacted::Done
    }

    pub(super) fn inserted(&self) -> &[Bson] {
        &self.inserted
    }

    pub(super) fn delete(&mut self, collection: Collection, filter: &Filter, now: Timestamp) -> u64 {
        if !self.all(collection).iter().any(|document| matches(document, filter, now)) {
            return 0;
        }
        self.keep(now);
        let before = self.all(collection).len();
        self.all(collection).retain(|document| !matches(document, filter, now));
        (before - self.all(collection).len()) as u64
    }
}

/// The field, which may be one of a document's within; null where it is missing.
fn value(document: &RawDocument, field: &str) -> Bson {
    let (outer, inner) = field.split_once('.').map_or((field, None), |(outer, inner)| (outer, Some(inner)));
    match (document.get(outer).unwrap(), inner) {
        (Some(RawBsonRef::Document(within)), Some(inner)) => value(within, inner),
        (Some(found), None) => Bson::try_from(found).unwrap(),
        _ => Bson::Null,
    }
}

/// As MongoDB compares values of one type; others are not compared.
fn compare(a: &Bson, b: &Bson) -> Option<Ordering> {
    match (a, b) {
        (Bson::Int64(a), Bson::Int64(b)) => Some(a.cmp(b)),
        (Bson::String(a), Bson::String(b)) => Some(a.cmp(b)),
        (Bson::DateTime(a), Bson::DateTime(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn matches(document: &RawDocument, filter: &Filter, now: Timestamp) -> bool {
    filter.0.iter().all(|(field, test)| {
        let found = value(document, field);
        let is =
            |other: &Bson, wanted: &[Ordering]| compare(&found, other).is_some_and(|order| wanted.contains(&order));
        let now: Bson = DateTime::from_millis(now.as_millis()).into();
        match test {
            Test::Eq(other) => found == *other,
            Test::Lt(other) => is(other, &[Ordering::Less]),
            Test::Lte(other) => is(other, &[Ordering::Less, Ordering::Equal]),
            Test::Gte(other) => is(other, &[Ordering::Greater, Ordering::Equal]),
            Test::Gt(other) => is(other, &[Ordering::Greater]),
            Test::Past => is(&now, &[Ordering::Less, Ordering::Equal]),
            Test::Future => is(&now, &[Ordering::Greater]),
        }
    })
}

fn apply(mut document: Document, update: &Update, now: Timestamp) -> Document {
    let before = RawDocumentBuf::try_from(&document).unwrap();
    for (field, change) in &update.0 {
        let old = value(&before, field);
        let new = match change {
            Change::Set(new) => new.clone(),
            Change::Default(new) => {
                if old == Bson::Null {
                    new.clone()
                } else {
                    old
                }
            }
            Change::Add(number) => Bson::Int64(old.as_i64().unwrap_or(0) + number),
            Change::Max(new) => {
                if compare(&old, new) == Some(Ordering::Greater) {
                    old
                } else {
                    new.clone()
                }
            }
            Change::NowPlus(duration) => DateTime::from_millis(now.plus(*duration).as_millis()).into(),
        };
        match field.split_once('.') {
            Some((outer, inner)) => drop(document.get_document_mut(outer).unwrap().insert(inner, new)),
            None => drop(document.insert(*field, new)),
        }
    }
    document
}

fn project(document: &RawDocument, fields: &[&str]) -> RawDocumentBuf {
    if fields.is_empty() {
        return document.to_owned();
    }
    let mut projected = RawDocumentBuf::new();
    for element in document {
        let (name, value) = element.unwrap();
        if fields.contains(&name.as_str()) {
            projected.append(name, value);
        }
    }
    projected
}
