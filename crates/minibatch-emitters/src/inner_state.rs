//! The state of an emitter that another one is around, as the bytes that it is, and how many messages it remembers: for
//! `#[serde(with)]` and `skip_serializing_if`.

use minibatch_core::EmitterState;
use serde::{Deserializer, Serializer};

use crate::bytes;

pub(crate) fn is_nothing(state: &EmitterState) -> bool {
    state.bytes().is_empty()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
pub(crate) fn is_none(folded: &u64) -> bool {
    *folded == 0
}

pub(crate) fn serialize<S: Serializer>(state: &EmitterState, serializer: S) -> Result<S::Ok, S::Error> {
    bytes::serialize(state.bytes(), serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EmitterState, D::Error> {
    bytes::deserialize(deserializer).map(|bytes| EmitterState::stored(bytes.into()))
}
