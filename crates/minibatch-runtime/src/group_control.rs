//! Pausing a group: a note beside it that all its consumers look at.

use bytes::Bytes;
use minibatch_core::{
    Error, GroupName,
    storage::{Note, NotePlace, Partition, Storage},
};

use crate::Stream;

const KIND: &str = "control";
const PAUSED: &str = "paused";

impl<T> Stream<T> {
    /// Pauses a group in all processes, until [`Stream::resume_group`]: within a second nothing more is handed out, what
    /// is out is finished, and partitions stay where they are. Consumers that start later are paused too.
    ///
    /// # Errors
    /// [`InvalidName`](minibatch_core::Cause::InvalidName), [`GroupRemoved`](minibatch_core::Cause::GroupRemoved) where
    /// there is no such group, and what the storage says.
    pub async fn pause_group(&self, group: &str) -> Result<(), Error> {
        let note = Note { key: PAUSED.to_owned(), bytes: Bytes::new() };
        let put = self.client().storage().put_notes(&self.control(group)?, vec![note]).await;
        put.map_err(|error| error.during("pause group"))
    }

    /// Lets a paused group go on, within a second; does nothing where it is not paused.
    ///
    /// # Errors
    /// [`InvalidName`](minibatch_core::Cause::InvalidName), and what the storage says.
    pub async fn resume_group(&self, group: &str) -> Result<(), Error> {
        let delete = self.client().storage().delete_notes(&self.control(group)?, PAUSED, None).await;
        delete.map_err(|error| error.during("resume group"))
    }

    /// Whether a group is paused.
    ///
    /// # Errors
    /// As [`Stream::resume_group`].
    pub async fn is_group_paused(&self, group: &str) -> Result<bool, Error> {
        let paused = is_paused(&**self.client().storage(), &self.control(group)?).await;
        paused.map_err(|error| error.during("is group paused"))
    }

    fn control(&self, group: &str) -> Result<NotePlace, Error> {
        Ok(place(&self.info().partition(0), &GroupName::new(group)?))
    }
}

/// Where the group of a partition is told what to do: beside its first partition, for all of them.
pub(crate) fn place(partition: &Partition, group: &GroupName) -> NotePlace {
    NotePlace { partition: Partition { index: 0, ..partition.clone() }, group: Some(group.clone()), kind: KIND }
}

pub(crate) async fn is_paused(storage: &dyn Storage, place: &NotePlace) -> Result<bool, Error> {
    let notes = storage.notes(place, PAUSED, 1).await?;
    Ok(notes.iter().any(|note| note.key == PAUSED))
}
