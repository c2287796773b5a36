//! The stable name of a window.

use std::fmt;

use twox_hash::XxHash3_128;

use super::Places;
use crate::storage::Generation;

/// Names a window for good: the same id, the same members in the same order with the same bounds.
///
/// It is the XXH3 hash of generation, partition and ordinal, 128 bits, so a sink can use it as the key under which it
/// replaces what an earlier attempt left.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowId(u128);

impl WindowId {
    /// The id of window `ordinal` of a group's run over a partition.
    #[must_use]
    pub fn new(generation: Generation, partition: u32, ordinal: u64) -> Self {
        let mut key = [0; 20];
        let parts =
            generation.get().to_le_bytes().into_iter().chain(partition.to_le_bytes()).chain(ordinal.to_le_bytes());
        for (byte, part) in key.iter_mut().zip(parts) {
            *byte = part;
        }
        Self(XxHash3_128::oneshot(&key))
    }

    /// The id of the piece of this window that has its members at these places, as where a failing window is split. The
    /// same for the same piece, at every attempt.
    #[must_use]
    pub fn piece(self, places: &Places) -> Self {
        let ends = places.ranges().iter().flat_map(|range| [range.start as u64, range.end as u64]);
        let key: Vec<u8> = self.0.to_le_bytes().into_iter().chain(ends.flat_map(u64::to_le_bytes)).collect();
        Self(XxHash3_128::oneshot(&key))
    }

    /// The 128 bits.
    #[must_use]
    pub fn to_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Display for WindowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for WindowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WindowId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The id is a stored format: sinks keep it.
    #[test]
    fn is_what_it_always_was() {
        let id = WindowId::new(Generation::new(7), 0, 1);
        assert_eq!(id.to_string().len(), 32);
        assert_ne!(id, WindowId::new(Generation::new(7), 0, 2));
        assert_ne!(id, WindowId::new(Generation::new(8), 0, 1));
        assert_ne!(id, WindowId::new(Generation::new(7), 1, 1));
        let piece = |places: &[usize]| id.piece(&places.iter().copied().collect());
        assert_eq!(piece(&[0, 1]), id.piece(&Places::first(2)));
        assert_eq!(piece(&[0, 1]).to_string(), "7100718e815a65cfb9e733d6b2bf8f56");
        assert!([id, piece(&[0]), piece(&[1]), piece(&[0, 1, 3])].iter().all(|other| *other != piece(&[0, 1])));
    }
}
