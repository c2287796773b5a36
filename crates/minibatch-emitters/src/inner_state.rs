//! The state of an emitter that another one is around, as the bytes that it is: for `#[serde(with)]`.

use minibatch_core::EmitterState;
use serde::{Deserializer, Serializer};

use crate::bytes;

pub(crate) fn is_nothing(state: &EmitterState) -> bool {
    state.bytes().is_empty()
}

pub(crate) fn serialize<S: Serializer>(state: &EmitterState, serializer: S) -> Result<S::Ok, S::Error> {
    bytes::serialize(state.bytes(), serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EmitterState, D::Error> {
    bytes::deserialize(deserializer).map(|bytes| EmitterState::stored(bytes.into()))
}
