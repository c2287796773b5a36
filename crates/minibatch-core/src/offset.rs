//! Where a message is: the slot of its chunk and its index there, packed.

use std::fmt;

use crate::{Cause, Error};

const INDEX_BITS: u32 = 20;

/// The number of a record in its partition: 1, 2, 3, … without holes. 0 comes before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u64);

impl Slot {
    /// Before the first record.
    pub const ZERO: Self = Self(0);
    /// The first record.
    pub const FIRST: Self = Self(1);
    /// The last slot that an [`Offset`] can name: 2^44 - 1.
    pub const MAX: Self = Self((1 << (64 - INDEX_BITS)) - 1);

    /// A slot by its number.
    ///
    /// # Errors
    /// [`Cause::OutOfRange`] above [`Slot::MAX`].
    pub fn new(number: u64) -> Result<Self, Error> {
        if number > Self::MAX.0 {
            return Err(Cause::out_of_range("a slot is at most 2^44 - 1").into());
        }
        Ok(Self(number))
    }

    /// The number, as 64 bits signed: what databases store.
    #[must_use]
    #[expect(clippy::cast_possible_wrap, reason = "a slot has 44 bits")]
    pub fn to_i64(self) -> i64 {
        self.0 as i64
    }

    /// A slot as stored.
    ///
    /// # Errors
    /// [`Cause::OutOfRange`] when negative or above [`Slot::MAX`].
    pub fn from_i64(number: i64) -> Result<Self, Error> {
        u64::try_from(number).map_or_else(|_| Err(Cause::out_of_range("a slot is not negative").into()), Self::new)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    /// The slot after this one, [`Slot::MAX`] being its own.
    #[must_use]
    pub fn next(self) -> Self {
        Self((self.0 + 1).min(Self::MAX.0))
    }

    /// The slot before this one, [`Slot::ZERO`] being its own.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a message is in its partition: totally ordered, not dense.
///
/// The slot of its chunk is in the upper 44 bits, its index in the chunk in the lower 20.
///
/// ```
/// use minibatch_core::{Offset, Slot};
///
/// let offset = Offset::new(Slot::new(7)?, 3)?;
/// assert_eq!(offset.to_string(), "7:3");
/// assert!(offset < Offset::first_of(Slot::new(8)?));
/// # Ok::<(), minibatch_core::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(u64);

impl Offset {
    /// Before every message.
    pub const ZERO: Self = Self(0);
    /// The first place a message can have.
    pub const FIRST: Self = Self::first_of(Slot::FIRST);
    /// The greatest index in a chunk: 2^20 - 1.
    pub const MAX_INDEX: u32 = (1 << INDEX_BITS) - 1;

    /// The place of message `index` of the chunk in `slot`.
    ///
    /// # Errors
    /// [`Cause::OutOfRange`] for an index above [`Offset::MAX_INDEX`].
    pub fn new(slot: Slot, index: u32) -> Result<Self, Error> {
        if index > Self::MAX_INDEX {
            return Err(Cause::out_of_range("an index in a chunk is at most 2^20 - 1").into());
        }
        Ok(Self::packed(slot, index))
    }

    pub(crate) const fn packed(slot: Slot, index: u32) -> Self {
        Self(slot.0 << INDEX_BITS | index as u64)
    }

    /// The place of the first message in `slot`.
    #[must_use]
    pub const fn first_of(slot: Slot) -> Self {
        Self(slot.0 << INDEX_BITS)
    }

    /// An offset from its packed form.
    #[must_use]
    pub const fn from_u64(packed: u64) -> Self {
        Self(packed)
    }

    /// The packed form.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// The slot of the chunk.
    #[must_use]
    pub const fn slot(self) -> Slot {
        Slot(self.0 >> INDEX_BITS)
    }

    /// The index in the chunk.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "masked to 20 bits")]
    pub const fn index(self) -> u32 {
        (self.0 & Self::MAX_INDEX as u64) as u32
    }

    /// The next place in the same chunk, or past its last.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.slot(), self.index())
    }
}

impl fmt::Debug for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Offset({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packs_and_orders(a in 0u64..1 << 44, i in 0u32..1 << 20, b in 0u64..1 << 44, j in 0u32..1 << 20) {
            let left = Offset::new(Slot::new(a).unwrap(), i).unwrap();
            let right = Offset::new(Slot::new(b).unwrap(), j).unwrap();
            prop_assert_eq!((left.slot().get(), left.index()), (a, i));
            prop_assert_eq!(left.cmp(&right), (a, i).cmp(&(b, j)));
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        assert!(Slot::new(1 << 44).is_err());
        assert!(Slot::from_i64(-1).is_err());
        assert!(Offset::new(Slot::FIRST, 1 << 20).is_err());
    }
}
