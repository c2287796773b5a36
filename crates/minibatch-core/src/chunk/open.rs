//! A record opened for reading: where each message begins.

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;

use super::{Codec, Payload, Record, element::value_len, encode::push_decimal};
use crate::{Cause, Error, Message, Offset, Slot, Timestamp, gallop::first_not, window::FoldedValue};

/// The messages of one record, found but not decoded.
pub struct Chunk {
    slot: Slot,
    time: Timestamp,
    codec: Codec,
    bytes: Bytes,
    /// Where each element begins (its kind byte), and where the last ends.
    starts: Box<[u32]>,
    /// Its only message stands for others.
    is_folded: bool,
}

impl Chunk {
    /// Finds the messages of `record`, whose append time is `time`.
    ///
    /// ```
    /// use minibatch_core::{chunk::*, ProducerId, Slot, Timestamp};
    ///
    /// let mut builder = ChunkBuilder::new();
    /// builder.fill(&Encoded::values(&["a", "b"])?, 0);
    /// let record = Record {
    ///     slot: Slot::FIRST,
    ///     kind: RecordKind::Data,
    ///     producer: ProducerStamp { id: ProducerId::new("p")?, epoch: 1, sequence: 1 },
    ///     time: Timestamp::EPOCH,
    ///     payload: builder.finish(),
    /// };
    /// let chunk = Chunk::open(&record, Timestamp::EPOCH)?;
    /// assert_eq!(chunk.message(1).unwrap().decode::<String>()?, "b");
    /// # Ok::<(), minibatch_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Cause::CorruptRecord`] where the payload is not an array of as many messages as it says.
    pub fn open(record: &Record, time: Timestamp) -> Result<Arc<Self>, Error> {
        let (slot, payload) = (record.slot, &record.payload);
        let starts = find_elements(payload)
            .ok_or_else(|| Cause::corrupt_record(slot, "it is not an array of as many messages as it says"))?;
        let (codec, bytes) = (payload.codec(), payload.bytes().clone());
        Ok(Arc::new(Self { slot, time, codec, bytes, starts, is_folded: false }))
    }

    /// One value in the place of a message; all before it read as nothing.
    #[expect(clippy::cast_possible_truncation, reason = "a value is no larger than a message may be")]
    pub(crate) fn folded(place: Offset, time: Timestamp, value: &FoldedValue) -> Arc<Self> {
        let index = place.index();
        let mut bytes = vec![value.kind];
        push_decimal(&mut bytes, index);
        bytes.push(0);
        bytes.extend_from_slice(&value.bytes);
        let mut starts = vec![0; index as usize + 1];
        starts.push(bytes.len() as u32);
        let (slot, starts) = (place.slot(), starts.into_boxed_slice());
        Arc::new(Self { slot, time, codec: Codec::Values, bytes: Bytes::from(bytes), starts, is_folded: true })
    }

    /// Whether its only message stands for others.
    pub(crate) fn is_folded(&self) -> bool {
        self.is_folded
    }

    /// Where the chunk is.
    #[must_use]
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// The append time of all its messages.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// How many messages it has.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "made from a count of 20 bits")]
    pub fn len(&self) -> u32 {
        self.starts.len().saturating_sub(1) as u32
    }

    /// True without messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that the chunk keeps in memory for its messages.
    #[must_use]
    pub fn pinned_bytes(&self) -> usize {
        self.bytes.len() + size_of_val(&*self.starts)
    }

    /// Message `index`, if there is one.
    #[must_use]
    pub fn message(self: &Arc<Self>, index: u32) -> Option<Message<'_>> {
        (index < self.len()).then(|| Message::new(self, index))
    }

    /// The place of message `index`.
    #[must_use]
    pub fn offset(&self, index: u32) -> Offset {
        Offset::packed(self.slot, index)
    }

    /// The bytes of messages `from..to`, each as [`Message::size`].
    #[must_use]
    pub fn size_between(&self, from: u32, to: u32) -> usize {
        self.stored_between(from, to).saturating_sub(digits_of(from..to))
    }

    /// The bytes of messages `from..to` with their indices, which are longer in a longer chunk.
    pub(crate) fn stored_between(&self, from: u32, to: u32) -> usize {
        let start = |index: u32| self.starts.get(index as usize).map_or(0, |&start| start as usize);
        start(to).saturating_sub(start(from))
    }

    /// Whether messages of `kept` bytes are less than a quarter of it, so that a copy of them gives back the most.
    pub(crate) fn is_mostly_gone(&self, kept: usize) -> bool {
        kept.saturating_mul(4) < self.stored_between(0, self.len())
    }

    /// The smallest end above `from` with which messages `from..end` have `bytes` bytes, at most `to`.
    #[expect(clippy::cast_possible_truncation, reason = "between two indices")]
    pub(crate) fn reaching(&self, from: u32, to: u32, bytes: usize) -> u32 {
        let ends = from.saturating_add(1).min(to) as usize..to as usize;
        first_not(ends, |end| self.size_between(from, end as u32) < bytes) as u32
    }

    /// The same chunk with the bytes of the messages in `runs` only; the others read as nothing.
    ///
    /// `runs` are `(from, to)`, ascending and apart.
    #[expect(clippy::cast_possible_truncation, reason = "no more bytes than before")]
    pub(crate) fn reduced_to(&self, runs: &[(u32, u32)]) -> Arc<Self> {
        let mut bytes = Vec::with_capacity(runs.iter().map(|&(from, to)| self.stored_between(from, to)).sum());
        let mut starts = Vec::with_capacity(self.starts.len());
        let mut runs = runs.iter().peekable();
        for index in 0..=self.len() {
            starts.push(bytes.len() as u32);
            while runs.next_if(|&&(_, to)| to <= index).is_some() {}
            if runs.peek().is_some_and(|&&(from, _)| from <= index) {
                let element = self.range(index).and_then(|range| self.bytes.get(range));
                bytes.extend_from_slice(element.unwrap_or_default());
            }
        }
        let starts = starts.into_boxed_slice();
        Arc::new(Self { bytes: Bytes::from(bytes), starts, ..*self })
    }

    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    /// Kind and value of element `index`.
    pub(crate) fn element(&self, index: u32) -> Option<(u8, &[u8])> {
        let (&kind, rest) = self.bytes.get(self.range(index)?)?.split_first()?;
        Some((kind, rest.get(digits(index) + 1..)?))
    }

    fn range(&self, index: u32) -> Option<Range<usize>> {
        let start = *self.starts.get(index as usize)? as usize;
        let end = *self.starts.get(index as usize + 1)? as usize;
        Some(start..end)
    }
}

fn digits(number: u32) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// The digits of all these numbers together.
fn digits_of(numbers: Range<u32>) -> usize {
    if numbers.len() == 1 {
        return digits(numbers.start);
    }
    digits_below(numbers.end).saturating_sub(digits_below(numbers.start))
}

/// The digits of all numbers below `number` together.
fn digits_below(number: u32) -> usize {
    let number = number as usize;
    let mut digits = number;
    let mut longer = 10;
    while longer < number {
        digits += number - longer;
        longer *= 10;
    }
    digits
}

/// Walks the array once; `None` when it is not one, or has another number of elements than it says.
fn find_elements(payload: &Payload) -> Option<Box<[u32]>> {
    let bytes: &[u8] = payload.bytes();
    let len = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    if len != bytes.len() || bytes.last() != Some(&0) || payload.count() > Offset::MAX_INDEX {
        return None;
    }
    // a count that lies costs no more memory than the bytes could hold
    let mut starts = Vec::with_capacity((payload.count() as usize + 1).min(len / 3 + 1));
    let end = len.checked_sub(1)?;
    let mut at = 4;
    for index in 0..payload.count() {
        starts.push(u32::try_from(at).ok()?);
        let kind = *bytes.get(at)?;
        let value = at + 1 + digits(index) + 1;
        if bytes.get(value - 1) != Some(&0) {
            return None;
        }
        at = value + value_len(kind, bytes.get(value..end)?)?;
    }
    starts.push(u32::try_from(at).ok()?);
    (at == end).then(|| starts.into_boxed_slice())
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk")
            .field("slot", &self.slot)
            .field("time", &self.time)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_add_up() {
        let mut sum = 0;
        for number in 0..12_345 {
            assert_eq!(digits_below(number), sum, "below {number}");
            sum += digits(number);
        }
    }

    /// A message is as long at the end of a long chunk as alone, and so are many together.
    #[test]
    fn sizes_do_not_depend_on_the_place() {
        let texts: Vec<String> = (0..1_500).map(|number| "-".repeat(number % 7)).collect();
        let chunk = crate::buffer::tests::chunk(1, 0, &texts);
        let size =
            |index: u32| crate::buffer::tests::chunk(1, 0, &texts[index as usize..=index as usize]).size_between(0, 1);
        let mut all = 0;
        for index in 0..chunk.len() {
            assert_eq!(chunk.message(index).unwrap().size(), size(index));
            all += size(index);
            assert_eq!(chunk.size_between(0, index + 1), all);
        }
        for from in (0..chunk.len()).step_by(97) {
            for bytes in (1..500).step_by(7).chain([all, all + 1]) {
                for to in [from + 1, from + 20, chunk.len()].map(|to| to.min(chunk.len())) {
                    let first = (from + 1..=to).find(|&end| chunk.size_between(from, end) >= bytes);
                    assert_eq!(chunk.reaching(from, to, bytes), first.unwrap_or(to), "{bytes} from {from} to {to}");
                }
            }
        }
    }
}
