//! Pausing a group: a note beside it that all its consumers look at.

use bytes::Bytes;
use minibatch_core::{
    Error, GroupName,
    storage::{Note, NotePlace, Partition, Storage},
};

use super::Group;

const KIND: &str = "control";
const PAUSED: &str = "paused";

impl Group {
    /// Pauses it in all processes, until [`Group::resume`]: within a second nothing more is handed out, what is out is
    /// finished, and partitions stay where they are. Consumers that start later are paused too.
    ///
    /// # Errors
    /// [`GroupRemoved`](minibatch_core::Cause::GroupRemoved) when nobody has opened it, and what the storage says.
    pub async fn pause(&self) -> Result<(), Error> {
        let note = Note { key: PAUSED.to_owned(), bytes: Bytes::new() };
        let put = self.client.storage().put_notes(&self.control(), vec![note]).await;
        put.map_err(|error| error.during("pause group"))
    }

    /// Lets it go on, within a second; does nothing where it is not paused.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn resume(&self) -> Result<(), Error> {
        let delete = self.client.storage().delete_notes(&self.control(), PAUSED, None).await;
        delete.map_err(|error| error.during("resume group"))
    }

    /// Whether it is paused.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn is_paused(&self) -> Result<bool, Error> {
        let paused = is_paused(&**self.client.storage(), &self.control()).await;
        paused.map_err(|error| error.during("is group paused"))
    }

    fn control(&self) -> NotePlace {
        place(&self.stream.partition(0), &self.name)
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
