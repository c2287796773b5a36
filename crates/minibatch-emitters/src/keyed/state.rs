//! What is remembered of keys, as a checkpoint keeps it.

use std::{borrow::Cow, fmt};

use minibatch_core::{EmitterState, Offset, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::group::Group;

/// What is remembered of one key.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Cow<'a, str>>,
    born: u64,
    seen: i64,
    #[serde(default, with = "bytes", skip_serializing_if = "is_nothing")]
    pub(super) state: EmitterState,
}

impl<'a> Kept<'a> {
    pub(super) fn of(group: &'a Group) -> Result<Self, minibatch_core::Error> {
        Ok(Self {
            key: group.key.as_deref().map(Cow::Borrowed),
            born: group.born.to_u64(),
            seen: group.seen.as_millis(),
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

fn is_nothing(state: &EmitterState) -> bool {
    state.bytes().is_empty()
}

/// A state as the bytes that it is.
mod bytes {
    use super::{Bytes, Deserializer, EmitterState, Serializer};

    pub(super) fn serialize<S: Serializer>(state: &EmitterState, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(state.bytes())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EmitterState, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }
}

struct Bytes;

impl de::Visitor<'_> for Bytes {
    type Value = EmitterState;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<EmitterState, E> {
        self.visit_byte_buf(bytes.to_vec())
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<EmitterState, E> {
        Ok(EmitterState::stored(bytes.into()))
    }
}
