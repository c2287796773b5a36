//! The state of an emitter that another one is around, as the bytes that it is: for `#[serde(with)]`.

use std::fmt;

use minibatch_core::EmitterState;
use serde::{Deserializer, Serializer, de};

pub(crate) fn is_nothing(state: &EmitterState) -> bool {
    state.bytes().is_empty()
}

pub(crate) fn serialize<S: Serializer>(state: &EmitterState, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(state.bytes())
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EmitterState, D::Error> {
    deserializer.deserialize_byte_buf(Bytes)
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
