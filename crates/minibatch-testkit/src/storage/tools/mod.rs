//! What the cases are written with.

mod derived;
mod groups;
mod producer;
mod reading;
mod tasks;

pub(crate) use derived::derived;
pub(crate) use groups::{
    LONG_LIFE, STRATEGY, commit_at, die_owning, finish_below, group, member, open_group, own, state, stream_of,
    take_over,
};
use minibatch_core::{Offset, Slot};
pub(crate) use producer::{Producer, chunk_of, payload};
pub(crate) use reading::{ALL, Identity, check_run, identity, read_all, read_from, trim_until_deleted};
pub(crate) use tasks::{at_once, turns};

use super::failure::Verdict;

pub(crate) fn slot(number: u64) -> Verdict<Slot> {
    Ok(Slot::new(number)?)
}

/// The offset of the first message in slot `number`.
pub(crate) fn offset(number: u64) -> Verdict<Offset> {
    Ok(Offset::first_of(slot(number)?))
}
