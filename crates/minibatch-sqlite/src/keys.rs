//! How keys and counts of the contract lie in SQLite's signed 64 bits.
//!
//! A record's key is one integer, its partition's number above its slot: a table in key order is then each partition's
//! log in slot order, and appending goes to one place of one B-tree.

use minibatch_core::{Cause, Error, Offset, Slot};

const SLOT_BITS: u32 = 44;

/// The greatest number of a partition in a file: 2^19 - 1.
pub(crate) const MAX_PARTITION_ID: i64 = (1 << (63 - SLOT_BITS)) - 1;

/// The key of the record in `slot`.
pub(crate) fn record_id(partition: i64, slot: Slot) -> i64 {
    partition << SLOT_BITS | slot.to_i64()
}

/// The slot of the record of that key.
pub(crate) fn slot_of(record_id: i64) -> Result<Slot, Error> {
    Slot::from_i64(record_id & Slot::MAX.to_i64())
}

/// A count or an offset as SQLite keeps it.
pub(crate) fn to_i64(number: u64) -> Result<i64, Error> {
    i64::try_from(number).map_err(|_| Cause::out_of_range("sqlite keeps numbers up to 2^63 - 1").into())
}

/// A count as it was kept.
pub(crate) fn to_u64(number: i64, what: &'static str) -> Result<u64, Error> {
    u64::try_from(number).map_err(|_| Cause::corrupt_state(what, "a count is negative").into())
}

/// An offset as it was kept.
pub(crate) fn to_offset(number: i64, what: &'static str) -> Result<Offset, Error> {
    to_u64(number, what).map(Offset::from_u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_by_partition_and_slot() {
        let ids = [
            record_id(1, Slot::ZERO),
            record_id(1, Slot::FIRST),
            record_id(1, Slot::MAX),
            record_id(2, Slot::ZERO),
            record_id(MAX_PARTITION_ID, Slot::MAX),
        ];
        assert!(ids.is_sorted());
        assert_eq!(slot_of(record_id(7, Slot::MAX)).unwrap(), Slot::MAX);
        assert_eq!(record_id(MAX_PARTITION_ID, Slot::MAX), i64::MAX);
    }
}
