//! What is remembered of keys, as a checkpoint keeps it.

use std::borrow::Cow;

use minibatch_core::{EmitterState, Offset, Timestamp};
use serde::{Deserialize, Serialize};

use super::group::Group;
use crate::inner_state;

/// What is remembered of one key.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<Cow<'a, str>>,
    born: u64,
    seen: i64,
    /// How many messages its emitter remembers in the form of a value.
    #[serde(default, skip_serializing_if = "inner_state::is_none")]
    pub(super) folded: u64,
    #[serde(default, with = "inner_state", skip_serializing_if = "inner_state::is_nothing")]
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
