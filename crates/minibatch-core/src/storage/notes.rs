//! Notes: small documents beside a partition's log, or beside a group of it.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use super::Partition;
use crate::{Error, GroupName};

/// The greatest note in bytes.
pub const NOTE_MAX_BYTES: usize = 256 << 10;

/// Where notes stand: those of one place are ordered by their keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NotePlace {
    /// Beside the log of this partition,
    pub partition: Partition,
    /// or beside this group of it.
    pub group: Option<GroupName>,
    /// What the notes are, as `status`: ASCII letters and digits.
    pub kind: &'static str,
}

/// A small document with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its key in its place: up to 120 bytes.
    pub key: String,
    /// What it says: opaque to the storage, at most [`NOTE_MAX_BYTES`].
    pub bytes: Bytes,
}

/// Keeps notes: what consumers tell of themselves and of windows they have done, and what they are told.
///
/// # Contract
/// 1. `put_notes` stores every note whole, each in the place of the one with the same key; not all at once.
/// 2. `notes` returns those whose key is `from` or greater, in the order of the keys' bytes: at most `limit`, perhaps
///    fewer, and at least one when there is one.
/// 3. `delete_notes` deletes those from `from` on that are less than `until`, or all from there without `until`.
/// 4. Places share nothing.
/// 5. A group's notes go with [`remove_group`](super::GroupStore::remove_group), and outlive
///    [`restart_group`](super::GroupStore::restart_group). All go with the stream. To put one beside a group that does not
///    exist gives [`GroupRemoved`](crate::Cause::GroupRemoved); it has none to read or delete.
/// 6. A note above [`NOTE_MAX_BYTES`] gives [`MessageTooLarge`](crate::Cause::MessageTooLarge), a longer key
///    [`OutOfRange`](crate::Cause::OutOfRange).
///
/// # Errors
/// Besides those named, [`Retry`](crate::ErrorKind::Retry) without a verdict, and
/// [`StreamDropped`](crate::Cause::StreamDropped).
///
/// # Cancel safety
/// A dropped call may take effect in part; the same call again makes it whole.
#[async_trait]
pub trait NoteStore: fmt::Debug + Send + Sync + 'static {
    /// Stores notes.
    async fn put_notes(&self, place: &NotePlace, notes: Vec<Note>) -> Result<(), Error>;

    /// Reads notes in the order of their keys.
    async fn notes(&self, place: &NotePlace, from: &str, limit: usize) -> Result<Vec<Note>, Error>;

    /// Deletes notes.
    async fn delete_notes(&self, place: &NotePlace, from: &str, until: Option<&str>) -> Result<(), Error>;
}

impl Note {
    /// The most bytes of a key.
    pub const KEY_MAX_BYTES: usize = 120;

    /// Checks the sizes, for storages.
    ///
    /// # Errors
    /// As [`NoteStore`]'s clause 6 says.
    pub fn check(&self) -> Result<(), Error> {
        if self.key.len() > Self::KEY_MAX_BYTES {
            return Err(crate::Cause::out_of_range("a note's key has at most 120 bytes").into());
        }
        if self.bytes.len() > NOTE_MAX_BYTES {
            return Err(crate::Cause::message_too_large(self.bytes.len(), NOTE_MAX_BYTES).into());
        }
        Ok(())
    }
}
