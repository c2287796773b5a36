//! The documents in every version that may still be read, and which versions a majority has.
//!
//! Versions are the oplog: each change makes one, on the branch of the primary. What a majority has not got yet may be cut
//! off by an election; what it has, never is.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::RangeInclusive,
    sync::Arc,
};

use bson::{Bson, Document, RawBsonRef, RawDocument, RawDocumentBuf, oid::ObjectId};
use minibatch_core::{Timestamp, storage::Effect};

use super::{
    super::{
        Collection, Failure, Filter, Find, Found, Index, Order, SERVER_STAMP, Test, Transacted, Update,
        schema::IndexKind,
    },
    operators::{apply, compare, matches, project, value},
};

/// How many former versions of a majority are kept for reads from the past.
const PAST: usize = 24;

/// A document from one version on until before another.
#[derive(Debug)]
struct Entry {
    document: Arc<RawDocumentBuf>,
    /// Its slot, by which chunks are in order.
    slot: i64,
    since: u64,
    until: u64,
}

impl Entry {
    fn is_in(&self, version: u64) -> bool {
        self.since <= version && version < self.until
    }

    /// True as long as nothing later on the branch has replaced it.
    fn is_last(&self) -> bool {
        self.until == u64::MAX
    }
}

#[derive(Debug, Default)]
pub(super) struct Store {
    collections: BTreeMap<Collection, Vec<Entry>>,
    /// The last version of the branch.
    tip: u64,
    /// The last version that a majority has.
    majority: u64,
    /// Versions that elections cut off.
    lost: Vec<RangeInclusive<u64>>,
    /// Former last versions of a majority, and until when they were.
    past: VecDeque<(u64, Timestamp)>,
    /// The cluster's time in seconds, which never goes back, and the stamps given out.
    seconds: u32,
    stamps: u32,
    /// The `_id`s of a user's documents, of whatever collection, and the versions that they came with.
    inserted: Vec<(u64, Bson)>,
}

impl Store {
    pub(super) fn tip(&self) -> u64 {
        self.tip
    }

    pub(super) fn majority(&self) -> u64 {
        self.majority
    }

    /// The cluster's time.
    pub(super) fn time(&self) -> Timestamp {
        Timestamp::from_millis(i64::from(self.seconds) * 1_000)
    }

    /// A majority gets everything up to that version, unless it was cut off.
    pub(super) fn replicate(&mut self, version: u64, now: Timestamp) {
        if version > self.majority && !self.is_lost(version) {
            self.past.push_back((self.majority, now));
            if self.past.len() > PAST {
                // not always the oldest: some from long ago are to be kept as well
                self.past.remove(usize::try_from(version).unwrap_or(0) % PAST);
            }
            self.majority = version;
        }
    }

    pub(super) fn is_lost(&self, version: u64) -> bool {
        self.lost.iter().any(|lost| lost.contains(&version))
    }

    /// Another primary, which may have more than a majority: what it has not got is rolled back.
    pub(super) fn elect(&mut self, draw: u64) {
        let kept = self.majority + draw % (self.tip - self.majority + 1);
        for entries in self.collections.values_mut() {
            entries.retain(|entry| entry.since <= kept);
            for entry in entries.iter_mut().filter(|entry| !entry.is_last() && entry.until > kept) {
                entry.until = u64::MAX;
            }
        }
        self.lost.push(kept + 1..=self.tip);
        // the new primary begins with an entry of its own
        self.tip += 1;
    }

    /// One of the majority's versions from `seen` on that were the latest after `since`.
    pub(super) fn some_version(&self, seen: u64, since: Timestamp, which: u64) -> u64 {
        let readable = |(version, until): &&(u64, Timestamp)| *version >= seen && *until >= since;
        let versions: Vec<u64> = self.past.iter().filter(readable).map(|(version, _)| *version).collect();
        match versions.len() as u64 {
            0 => self.majority,
            count => versions[usize::try_from(which % count).unwrap()],
        }
    }

    fn entries(&mut self, collection: Collection) -> &mut Vec<Entry> {
        self.collections.entry(collection).or_default()
    }

    /// The next version, in which what nobody can read any more is forgotten.
    fn next_version(&mut self, collection: Collection) -> u64 {
        self.tip += 1;
        let (majority, past) = (self.majority, &self.past);
        let entries = self.collections.entry(collection).or_default();
        if entries.len() > 32 && self.tip.is_multiple_of(32) {
            entries.retain(|entry| entry.until > majority || past.iter().any(|(version, _)| entry.is_in(*version)));
        }
        self.tip
    }

    pub(super) fn find(&self, version: u64, find: &Find, now: Timestamp) -> Found {
        let all = self.collections.get(&find.collection).map(Vec::as_slice).unwrap_or_default();
        let within = &all[slots(all, &find.filter)];
        let found = |entry: &&Entry| entry.is_in(version) && matches(&entry.document, &find.filter, now);
        let limit = find.limit as usize;
        let found: Vec<&Entry> = match find.sort {
            Some(("slot", Order::Up)) => within.iter().filter(found).take(limit).collect(),
            Some(("slot", Order::Down)) => within.iter().rev().filter(found).take(limit).collect(),
            Some((field, order)) => {
                let mut found: Vec<_> =
                    within.iter().filter(found).map(|entry| (value(&entry.document, field), entry)).collect();
                found.sort_by(|(a, _), (b, _)| {
                    let upwards = compare(a, b).unwrap_or(std::cmp::Ordering::Equal);
                    if order == Order::Up { upwards } else { upwards.reverse() }
                });
                found.into_iter().map(|(_, entry)| entry).take(limit).collect()
            }
            None => within.iter().filter(found).take(limit).collect(),
        };
        Found { documents: found.into_iter().map(|entry| project(&entry.document, find.fields)).collect(), cut: false }
    }

    pub(super) fn insert(
        &mut self,
        collection: Collection,
        document: &RawDocument,
        unique: &[Index],
        now: Timestamp,
    ) -> Result<(), Failure> {
        let mut stamped = RawDocumentBuf::new();
        for element in document {
            let (name, value) = element.unwrap();
            match value {
                RawBsonRef::Timestamp(SERVER_STAMP) => {
                    self.stamps += 1;
                    self.seconds = self.seconds.max(u32::try_from(now.as_millis() / 1_000).unwrap());
                    stamped.append(name, bson::Timestamp { time: self.seconds, increment: self.stamps });
                }
                value => stamped.append(name, value),
            }
        }
        self.add(collection, stamped, unique)
    }

    fn add(&mut self, collection: Collection, document: RawDocumentBuf, unique: &[Index]) -> Result<(), Failure> {
        let slot = document.get_i64("slot").unwrap_or(0);
        let id: &[&str] = &["_id"];
        let unique = unique.iter().filter(|index| index.collection == collection && index.kind == IndexKind::Unique);
        for fields in unique.map(|index| index.fields).chain([id]) {
            // the last fields differ most
            let key: Vec<_> = fields.iter().rev().map(|field| (*field, value(&document, field))).collect();
            let same = |entry: &Entry| {
                entry.is_last() && key.iter().all(|(field, wanted)| value(&entry.document, field) == *wanted)
            };
            let all = self.entries(collection);
            let at = if fields.contains(&"slot") { at_slot(all, slot) } else { 0..all.len() };
            if all[at].iter().any(same) {
                return Err(Failure::Duplicate(fields.iter().map(|field| (*field).to_owned()).collect()));
            }
        }
        let since = self.next_version(collection);
        let all = self.entries(collection);
        let at = at_slot(all, slot).end;
        all.insert(at, Entry { document: Arc::new(document), slot, since, until: u64::MAX });
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
        let (replaced, version) = self.end(collection, filter, now);
        let mut last = None;
        for document in &replaced {
            let changed = apply(Document::try_from(&***document).unwrap(), update, now);
            let changed = RawDocumentBuf::try_from(&changed).unwrap();
            last = Some(changed.clone());
            let slot = changed.get_i64("slot").unwrap_or(0);
            let all = self.entries(collection);
            let at = at_slot(all, slot).end;
            all.insert(at, Entry { document: Arc::new(changed), slot, since: version, until: u64::MAX });
        }
        (replaced.len() as u64, last)
    }

    /// A document as it would be after a change of a former version.
    pub(super) fn changed_in(
        &self,
        version: u64,
        collection: Collection,
        filter: &Filter,
        update: &Update,
        now: Timestamp,
    ) -> Option<RawDocumentBuf> {
        let found = self.find(version, &Find::one(collection, filter.clone()), now).documents.pop()?;
        let changed = apply(Document::try_from(&*found).unwrap(), update, now);
        Some(RawDocumentBuf::try_from(&changed).unwrap())
    }

    pub(super) fn upsert(
        &mut self,
        collection: Collection,
        filter: &Filter,
        update: &Update,
        unique: &[Index],
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
        self.add(collection, new.clone(), unique).map(|()| new)
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
        if !self.entries(collection).iter().any(|entry| entry.is_last() && matches(&entry.document, filter, now)) {
            return Transacted::Unmatched;
        }
        let mut ids = self.inserted();
        for (index, effect) in effects.iter().enumerate() {
            let Effect::Insert { document, .. } = effect else { panic!("the model inserts, and no more") };
            let id = document.get("_id").unwrap();
            if ids.contains(id) {
                return Transacted::Refused { index, code: "DuplicateKey".to_owned() };
            }
            ids.push(id.clone());
        }
        let known = self.inserted().len();
        self.update(collection, filter, update, now);
        let version = self.tip;
        self.inserted.extend(ids.into_iter().skip(known).map(|id| (version, id)));
        Transacted::Done
    }

    /// What was inserted and not rolled back.
    pub(super) fn inserted(&self) -> Vec<Bson> {
        let kept = self.inserted.iter().filter(|(version, _)| !self.is_lost(*version));
        kept.map(|(_, id)| id.clone()).collect()
    }

    pub(super) fn delete(&mut self, collection: Collection, filter: &Filter, now: Timestamp) -> u64 {
        self.end(collection, filter, now).0.len() as u64
    }

    /// Ends the documents that match, in the version that is returned.
    fn end(&mut self, collection: Collection, filter: &Filter, now: Timestamp) -> (Vec<Arc<RawDocumentBuf>>, u64) {
        let any = {
            let all = self.entries(collection);
            let at = slots(all, filter);
            all[at].iter().any(|entry| entry.is_last() && matches(&entry.document, filter, now))
        };
        if !any {
            return (Vec::new(), self.tip);
        }
        let version = self.next_version(collection);
        let all = self.entries(collection);
        let at = slots(all, filter);
        let ended = all[at].iter_mut().filter(|entry| entry.is_last() && matches(&entry.document, filter, now));
        let ended = ended.map(|entry| {
            entry.until = version;
            Arc::clone(&entry.document)
        });
        (ended.collect(), version)
    }
}

fn at_slot(all: &[Entry], slot: i64) -> std::ops::Range<usize> {
    all.partition_point(|entry| entry.slot < slot)..all.partition_point(|entry| entry.slot <= slot)
}

/// Where the entries are that can match by their slot.
fn slots(all: &[Entry], filter: &Filter) -> std::ops::Range<usize> {
    let mut range = 0..all.len();
    for (field, test) in &filter.0 {
        let slot = |value: &Bson| value.as_i64().unwrap_or(0);
        if *field == "slot" {
            let within = match test {
                Test::Eq(value) => at_slot(all, slot(value)),
                Test::Gte(value) => at_slot(all, slot(value)).start..all.len(),
                Test::Gt(value) => at_slot(all, slot(value)).end..all.len(),
                Test::Lt(value) => 0..at_slot(all, slot(value)).start,
                Test::Lte(value) => 0..at_slot(all, slot(value)).end,
                Test::Past | Test::Future => continue,
            };
            range = range.start.max(within.start)..range.end.min(within.end);
        }
    }
    range.start.min(range.end)..range.end
}
