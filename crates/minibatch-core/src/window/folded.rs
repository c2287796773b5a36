//! One value in place of many messages.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use serde::Serialize;

use crate::{
    Cause, Error, Members, Offset, Run, Timestamp,
    chunk::{Chunk, Encoded},
};

/// One value in place of many messages: what a strategy that answers [`Observed::Fold`](crate::Observed::Fold) made of them.
///
/// It is the first member of its window, in the place of the last message that was folded into it. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Folded(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    value: Result<FoldedValue, Cause>,
    messages: u64,
    place: Offset,
    time: Timestamp,
}

/// The value as BSON stores it.
#[derive(PartialEq, Eq)]
pub(crate) struct FoldedValue {
    pub(crate) kind: u8,
    pub(crate) bytes: Bytes,
}

impl Folded {
    /// `value` in place of so many messages, of which the last one is at `place` and has this append time.
    ///
    /// A value that cannot be encoded, or is larger than a message may be, ends its consumer when the window is formed.
    pub fn new<A: Serialize + ?Sized>(value: &A, messages: u64, place: Offset, time: Timestamp) -> Self {
        let value = Encoded::alone(value).map(|(kind, bytes)| FoldedValue { kind, bytes });
        Self(Arc::new(Inner { value: value.map_err(|error| error.cause().clone()), messages, place, time }))
    }

    pub(crate) fn stored(value: FoldedValue, messages: u64, place: Offset, time: Timestamp) -> Self {
        Self(Arc::new(Inner { value: Ok(value), messages, place, time }))
    }

    /// How many messages were folded into it.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.0.messages
    }

    pub(crate) fn value(&self) -> Result<&FoldedValue, Error> {
        self.0.value.as_ref().map_err(|cause| cause.clone().into())
    }

    /// The members of its window: the value, and after it those that could not be folded.
    pub(crate) fn before(&self, others: &Members) -> Result<Members, Error> {
        let chunk = Chunk::folded(self.0.place, self.0.time, self.value()?);
        let index = self.0.place.index();
        let value = Run::new(chunk, index, index + 1);
        Ok(std::iter::once(value).chain(others.runs().iter().cloned()).collect())
    }
}

impl fmt::Debug for Folded {
    /// Never the value: it is the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { messages, place, time, .. } = &*self.0;
        f.debug_struct("Folded")
            .field("messages", messages)
            .field("place", place)
            .field("time", time)
            .finish_non_exhaustive()
    }
}
