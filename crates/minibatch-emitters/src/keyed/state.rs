//! What is remembered of keys, as a checkpoint keeps it.

use std::borrow::Cow;

use minibatch_core::{EmitterState, Offset, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::group::Group;
use crate::bytes;

/// What is remembered of one key.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Cow<'a, str>>,
    born: u64,
    seen: i64,
    /// How many messages its emitter remembers in the form of a value.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) folded: u64,
    #[serde(default, with = "state_bytes", skip_serializing_if = "is_nothing")]
    pub(super) state: EmitterState,
}

impl<'a> Kept<'a> {
    pub(super) fn of(group: &'a Group) -> Result<Self, minibatch_core::Error> {
        Ok(Self {
            key: group.key.as_deref().map(Cow::Borrowed),
            born: group.born.to_u64(),
            seen: group.seen.as_millis(),
            folded: group.folded,
            state: group.emitter.snapshot()?,
        })
    }

    pub(super) fn born(&self) -> Offset {
        Offset::from_u64(self.born)
    }

    pub(super) fn seen(&self) -> Timestamp {
        Timestamp::from_millis(self.seen)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

fn is_nothing(state: &EmitterState) -> bool {
    state.bytes().is_empty()
}

/// A state as the bytes that it is.
mod state_bytes {
    use super::{Deserializer, EmitterState, Serializer, bytes};

    pub(super) fn serialize<S: Serializer>(state: &EmitterState, serializer: S) -> Result<S::Ok, S::Error> {
        bytes::serialize(state.bytes(), serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EmitterState, D::Error> {
        bytes::deserialize(deserializer).map(|bytes| EmitterState::stored(bytes.into()))
    }
}
