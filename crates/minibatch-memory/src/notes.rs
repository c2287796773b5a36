//! Notes, kept by place and key.

use std::{collections::BTreeMap, ops::Bound};

use async_trait::async_trait;
use bytes::Bytes;
use minibatch_core::{
    Cause, Error,
    storage::{Note, NotePlace, NoteStore},
};

use crate::{state::State, storage::MemoryStorage};

/// The notes beside a log or a group, by kind and key.
#[derive(Default)]
pub(crate) struct Notes(BTreeMap<&'static str, BTreeMap<String, Bytes>>);

impl State {
    fn notes(&mut self, place: &NotePlace) -> Result<&mut Notes, Error> {
        let partition = self.streams.partition(&place.partition)?;
        let Some(group) = &place.group else { return Ok(&mut partition.notes) };
        partition.groups.notes(group).ok_or_else(|| Cause::GroupRemoved.into())
    }
}

#[async_trait]
impl NoteStore for MemoryStorage {
    async fn put_notes(&self, place: &NotePlace, notes: Vec<Note>) -> Result<(), Error> {
        let during = |error: Error| error.during("put_notes");
        notes.iter().try_for_each(Note::check).map_err(during)?;
        let mut state = self.state();
        let kind = state.notes(place).map_err(during)?.0.entry(place.kind).or_default();
        kind.extend(notes.into_iter().map(|note| (note.key, note.bytes)));
        Ok(())
    }

    async fn notes(&self, place: &NotePlace, from: &str, limit: usize) -> Result<Vec<Note>, Error> {
        let mut state = self.state();
        let notes = match state.notes(place) {
            Err(error) if matches!(error.cause(), Cause::GroupRemoved) => return Ok(Vec::new()),
            notes => notes.map_err(|error| error.during("notes"))?,
        };
        let Some(kind) = notes.0.get(place.kind) else { return Ok(Vec::new()) };
        let found = kind.range::<str, _>((Bound::Included(from), Bound::Unbounded)).take(limit.max(1));
        Ok(found.map(|(key, bytes)| Note { key: key.clone(), bytes: bytes.clone() }).collect())
    }

    async fn delete_notes(&self, place: &NotePlace, from: &str, until: Option<&str>) -> Result<(), Error> {
        let mut state = self.state();
        let notes = match state.notes(place) {
            Err(error) if matches!(error.cause(), Cause::GroupRemoved) => return Ok(()),
            notes => notes.map_err(|error| error.during("delete_notes"))?,
        };
        if let Some(kind) = notes.0.get_mut(place.kind) {
            kind.retain(|key, _| key.as_str() < from || until.is_some_and(|until| key.as_str() >= until));
        }
        Ok(())
    }
}
