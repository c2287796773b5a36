//! The groups of all keys, by their key, by their deadlines, and by when they may be forgotten.

use std::{collections::BTreeMap, hash::BuildHasher, hint::black_box};

use hashbrown::{DefaultHashBuilder, HashTable};
use minibatch_core::{Deadline, Offset, Timestamp};
use smol_str::SmolStr;

use super::group::Group;

/// Where a group is, as long as it is known.
pub(super) type Index = usize;

/// Instants, each of a group; those of the same instant in the order in which their keys came.
type Agenda = BTreeMap<(Timestamp, Offset), Index>;

/// A key with its hash.
pub(super) struct Hashed {
    pub(super) key: SmolStr,
    hash: u64,
}

/// The groups of all keys.
#[derive(Default)]
pub(super) struct Groups {
    /// Boxed: of a million keys that were there once only a pointer's place each stays.
    places: Vec<Option<Box<Group>>>,
    free: Vec<Index>,
    /// Those with a key, by its hash. Never gone through: its order is random.
    named: HashTable<Index>,
    hasher: DefaultHashBuilder,
    unnamed: Option<Index>,
    /// By when they are looked at: at their deadline or before, as most deadlines are moved on before they come. The first is
    /// at its deadline.
    deadlines: Agenda,
    /// By the time of their last message.
    idle: Agenda,
}

impl Groups {
    pub(super) fn len(&self) -> usize {
        self.named.len() + usize::from(self.unnamed.is_some())
    }

    /// How many do not just wait to be forgotten.
    pub(super) fn open(&self) -> usize {
        self.len() - self.idle.len()
    }

    pub(super) fn hashed(&self, key: &str) -> Hashed {
        Hashed { key: SmolStr::new(key), hash: self.hasher.hash_one(key) }
    }

    pub(super) fn find(&self, key: Option<&Hashed>) -> Option<Index> {
        match key {
            Some(Hashed { key, hash }) => self.named.find(*hash, |at| self.has_key(*at, key)).copied(),
            None => self.unnamed,
        }
    }

    /// Reads what will be needed of the groups of these keys: one kind of thing after the other, for what does not depend on
    /// another the processor fetches at the same time.
    pub(super) fn warm<'a>(&self, keys: impl Iterator<Item = &'a Hashed>) {
        // a few have another key with the same bits of its hash
        let places: Vec<Index> = keys.filter_map(|key| self.named.find(key.hash, |_| true).copied()).collect();
        let groups: Vec<&Group> = places.into_iter().filter_map(|at| self.get(at)).collect();
        black_box(groups.iter().filter(|group| group.key.is_none() || group.is_to_be_asked()).count());
        black_box(groups.iter().filter(|group| group.buffer.last().is_none()).count());
    }

    fn has_key(&self, at: Index, key: &str) -> bool {
        self.get(at).is_some_and(|group| group.key.as_deref() == Some(key))
    }

    pub(super) fn get(&self, at: Index) -> Option<&Group> {
        self.places.get(at)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, at: Index) -> Option<&mut Group> {
        self.places.get_mut(at)?.as_deref_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.places.iter().filter_map(|group| group.as_deref())
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Group> {
        self.places.iter_mut().filter_map(|group| group.as_deref_mut())
    }

    /// All, the first by `order` last.
    pub(super) fn stack_by<O: Ord>(&self, order: impl Fn(&Group) -> O) -> Vec<Index> {
        let mut all: Vec<(O, Index)> =
            (0..).zip(&self.places).filter_map(|(at, group)| Some((order(group.as_deref()?), at))).collect();
        all.sort_unstable_by(|one, other| other.cmp(one));
        all.into_iter().map(|(_, at)| at).collect()
    }

    pub(super) fn insert(&mut self, group: Group) -> Index {
        let hash = group.key.as_deref().map(|key| self.hasher.hash_one(key));
        let at = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        if let Some(place) = self.places.get_mut(at) {
            *place = Some(Box::new(group));
        }
        let Self { places, named, hasher, .. } = self;
        match hash {
            Some(hash) => drop(named.insert_unique(hash, at, |at| hash_of(places, hasher, *at))),
            None => self.unnamed = Some(at),
        }
        at
    }

    /// Forgets a group.
    pub(super) fn remove(&mut self, at: Index) {
        self.look_at(at, None);
        self.settle();
        self.set_idle(at, false);
        let Some(group) = self.places.get_mut(at).and_then(Option::take) else { return };
        self.free.push(at);
        let Self { places, named, hasher, .. } = self;
        match &group.key {
            Some(key) => {
                if let Ok(entry) = named.find_entry(hasher.hash_one(&**key), |named| *named == at) {
                    entry.remove();
                }
            }
            None => self.unnamed = None,
        }
        if named.len() < named.capacity() / 8 {
            named.shrink_to(named.len() * 2, |at| hash_of(places, hasher, *at));
        }
    }

    pub(super) fn set_deadline(&mut self, at: Index, deadline: Option<Deadline>) {
        let Some(group) = self.places.get_mut(at).and_then(Option::as_mut) else { return };
        group.deadline = deadline;
        let is_sooner = |deadline: &Deadline| group.looked_at.is_none_or(|before| deadline.at < before);
        if let Some(sooner) = deadline.filter(is_sooner) {
            self.look_at(at, Some(sooner.at));
        }
        self.settle();
    }

    /// Looks at the first until one is at its deadline.
    fn settle(&mut self) {
        while let Some((&(time, _), &at)) = self.deadlines.first_key_value() {
            let deadline = self.get(at).and_then(|group| Some(group.deadline?.at));
            if deadline == Some(time) {
                return;
            }
            self.look_at(at, deadline);
        }
    }

    fn look_at(&mut self, at: Index, time: Option<Timestamp>) {
        let Some(group) = self.places.get_mut(at).and_then(Option::as_mut) else { return };
        if let Some(before) = group.looked_at {
            self.deadlines.remove(&(before, group.born));
        }
        self.deadlines.extend(time.map(|time| ((time, group.born), at)));
        group.looked_at = time;
    }

    pub(super) fn set_idle(&mut self, at: Index, is_idle: bool) {
        let Some(group) = self.places.get_mut(at).and_then(Option::as_mut) else { return };
        match (group.is_idle, is_idle) {
            (false, true) => drop(self.idle.insert((group.seen, group.born), at)),
            (true, false) => drop(self.idle.remove(&(group.seen, group.born))),
            _ => {}
        }
        group.is_idle = is_idle;
    }

    /// The group with the next deadline.
    pub(super) fn next(&self) -> Option<(Deadline, Index)> {
        let (_, &at) = self.deadlines.first_key_value()?;
        Some((self.get(at)?.deadline?, at))
    }

    /// Forgets the groups that are idle and whose last message is not after `seen`.
    pub(super) fn forget(&mut self, seen: Timestamp) {
        while let Some((_, &at)) = self.idle.first_key_value().filter(|((last, _), _)| *last <= seen) {
            self.remove(at);
        }
    }
}

/// The hash of the key of a group that has one.
fn hash_of(places: &[Option<Box<Group>>], hasher: &DefaultHashBuilder, at: Index) -> u64 {
    let key = places.get(at).and_then(|group| group.as_ref()?.key.as_deref());
    hasher.hash_one(key.unwrap_or_default())
}
