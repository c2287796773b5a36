//! Notes beside logs and groups.

use async_trait::async_trait;
use minibatch_core::{
    Cause, Error,
    storage::{Note, NotePlace, NoteStore},
};

use crate::CustomStorage;

#[async_trait]
impl NoteStore for CustomStorage {
    async fn put_notes(&self, place: &NotePlace, notes: Vec<Note>) -> Result<(), Error> {
        notes.iter().try_for_each(Note::check)?;
        let mut state = self.state();
        let log = state.partition(&place.partition)?;
        if place.group.as_ref().is_some_and(|group| !log.groups.contains_key(group)) {
            return Err(Cause::GroupRemoved.into());
        }
        log.notes.extend(notes.into_iter().map(|note| ((place.group.clone(), place.kind, note.key), note.bytes)));
        Ok(())
    }

    async fn notes(&self, place: &NotePlace, from: &str, limit: usize) -> Result<Vec<Note>, Error> {
        let mut state = self.state();
        let notes = &state.partition(&place.partition)?.notes;
        let these = notes
            .iter()
            .filter(|((group, kind, key), _)| *group == place.group && *kind == place.kind && key.as_str() >= from);
        Ok(these.take(limit.max(1)).map(|((.., key), bytes)| Note { key: key.clone(), bytes: bytes.clone() }).collect())
    }

    async fn delete_notes(&self, place: &NotePlace, from: &str, until: Option<&str>) -> Result<(), Error> {
        let mut state = self.state();
        state.partition(&place.partition)?.notes.retain(|(group, kind, key), _| {
            let outside = key.as_str() < from || until.is_some_and(|until| key.as_str() >= until);
            outside || *group != place.group || *kind != place.kind
        });
        Ok(())
    }
}
