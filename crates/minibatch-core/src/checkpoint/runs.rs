//! Buffered messages as bytes: a slot, its time and its runs, each as the difference to the one before, in LEB128.

use crate::{
    BufferedSlot, Offset, Slot, Timestamp,
    leb128::{read, write},
};

pub(super) fn encode(slots: &[BufferedSlot]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut slot_before, mut time_before) = (0, 0);
    for slot in slots {
        write(&mut bytes, slot.slot.get() - slot_before);
        // a running maximum never goes back, but its first value may lie before the epoch
        write(&mut bytes, slot.time.as_millis().wrapping_sub(time_before).cast_unsigned());
        write(&mut bytes, slot.runs.len() as u64);
        let mut end_before = 0;
        for &(from, to) in &slot.runs {
            write(&mut bytes, u64::from(from - end_before));
            write(&mut bytes, u64::from(to - from));
            end_before = to;
        }
        (slot_before, time_before) = (slot.slot.get(), slot.time.as_millis());
    }
    bytes
}

/// `None` when the bytes are not what [`encode`] writes.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Vec<BufferedSlot>> {
    let mut slots = Vec::new();
    let (mut slot_before, mut time_before) = (0_u64, 0_i64);
    while !bytes.is_empty() {
        let slot = slot_before.checked_add(read(&mut bytes)?)?;
        let time = time_before.wrapping_add(read(&mut bytes)?.cast_signed());
        let count = read(&mut bytes)?;
        let mut runs = Vec::new();
        let mut end_before = 0_u32;
        for _ in 0..count {
            let from = end_before.checked_add(read(&mut bytes)?.try_into().ok()?)?;
            let to = from.checked_add(read(&mut bytes)?.try_into().ok()?)?;
            (to <= Offset::MAX_INDEX + 1).then_some(())?;
            runs.push((from, to));
            end_before = to;
        }
        slots.push(BufferedSlot { slot: Slot::new(slot).ok()?, time: Timestamp::from_millis(time), runs });
        (slot_before, time_before) = (slot, time);
    }
    Some(slots)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slots() -> impl Strategy<Value = Vec<BufferedSlot>> {
        let runs = proptest::collection::vec((0u32..50, 1u32..50), 0..8).prop_map(|gaps| {
            let mut at = 0;
            gaps.into_iter()
                .map(|(gap, len)| {
                    let run = (at + gap, at + gap + len);
                    at = run.1;
                    run
                })
                .collect()
        });
        proptest::collection::vec((1u64..1000, any::<i64>(), runs), 0..8).prop_map(|parts| {
            let mut at = 0;
            parts
                .into_iter()
                .map(|(gap, time, runs)| {
                    at += gap;
                    BufferedSlot { slot: Slot::new(at).unwrap(), time: Timestamp::from_millis(time), runs }
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn round_trip(slots in slots()) {
            prop_assert_eq!(decode(&encode(&slots)), Some(slots));
        }

        #[test]
        fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
        }
    }
}
