//! The groups of all keys, by their key, by their deadlines, and by when they may be forgotten.

use std::collections::{BTreeMap, HashMap};

use minibatch_core::{Deadline, Offset, Timestamp};
use smol_str::SmolStr;

use super::group::Group;

/// Where a group is, as long as it is known.
pub(super) type Index = usize;

/// Instants, each of a group; those of the same instant in the order in which their keys came.
type Agenda = BTreeMap<(Timestamp, Offset), Index>;

/// The groups of all keys.
#[derive(Default)]
pub(super) struct Groups {
    /// Boxed: of a million keys that were there once only a pointer's place each stays.
    places: Vec<Option<Box<Group>>>,
    free: Vec<Index>,
    /// Never gone through: its order is random.
    named: HashMap<SmolStr, Index>,
    unnamed: Option<Index>,
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

    pub(super) fn find(&self, key: Option<&str>) -> Option<Index> {
        match key {
            Some(key) => self.named.get(key).copied(),
            None => self.unnamed,
        }
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
        let key = group.key.clone();
        let at = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        if let Some(place) = self.places.get_mut(at) {
            *place = Some(Box::new(group));
        }
        match key {
            Some(key) => drop(self.named.insert(key, at)),
            None => self.unnamed = Some(at),
        }
        at
    }

    /// Forgets a group.
    pub(super) fn remove(&mut self, at: Index) {
        self.set_deadline(at, None);
        self.set_idle(at, false);
        let Some(group) = self.places.get_mut(at).and_then(Option::take) else { return };
        self.free.push(at);
        match &group.key {
            Some(key) => drop(self.named.remove(key)),
            None => self.unnamed = None,
        }
        if self.named.len() < self.named.capacity() / 8 {
            self.named.shrink_to(self.named.len() * 2);
        }
    }

    pub(super) fn set_deadline(&mut self, at: Index, deadline: Option<Deadline>) {
        let Some(group) = self.places.get_mut(at).and_then(Option::as_mut) else { return };
        if group.deadline == deadline {
            return;
        }
        if let Some(before) = group.deadline {
            self.deadlines.remove(&(before.at, group.born));
        }
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline.at, group.born), at);
        }
        group.deadline = deadline;
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
