//! A message as strategies see it: a handle into its chunk.

use std::{fmt, sync::Arc};

use bson::RawDocument;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    Cause, Error, Offset, Timestamp,
    chunk::{Chunk, Codec, DOCUMENT, STRING, check_depth, value_len},
};

/// One message of a chunk. Cheap to copy; nothing is decoded until asked.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    chunk: &'a Arc<Chunk>,
    index: u32,
}

#[derive(Deserialize)]
struct Wrapper<T> {
    v: T,
}

impl<'a> Message<'a> {
    pub(crate) fn new(chunk: &'a Arc<Chunk>, index: u32) -> Self {
        Self { chunk, index }
    }

    /// The chunk that it is in, and its index there.
    pub(crate) fn place(&self) -> (&'a Arc<Chunk>, u32) {
        (self.chunk, self.index)
    }

    /// It and those after it in its chunk, at most so many: the next to be offered, unless the log is read anew from elsewhere.
    ///
    /// To look up at once what they need. Where the chunk ends says nothing, so no window may depend on what is there.
    pub fn with_following(&self, count: u32) -> impl Iterator<Item = Self> + use<'a> {
        let chunk = self.chunk;
        (self.index..self.index.saturating_add(count)).map_while(move |index| chunk.message(index))
    }

    /// Where it is.
    #[must_use]
    pub fn offset(&self) -> Offset {
        self.chunk.offset(self.index)
    }

    /// Its append time: that of its chunk, never before an earlier message's.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.chunk.time()
    }

    /// Its bytes: those of its value (with key and headers) in the log and two more, whatever its place.
    #[must_use]
    pub fn size(&self) -> usize {
        self.chunk.size_between(self.index, self.index + 1)
    }

    /// Whether it is a value that stands for messages: see [`Folded`](crate::window::Folded).
    #[must_use]
    pub fn is_folded(&self) -> bool {
        self.chunk.is_folded()
    }

    /// The value as a `T`.
    ///
    /// # Errors
    /// [`Cause::Decode`] when it is not a `T`; the source names the field and never the value.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let failed = || Error::new(Cause::decode(self.offset())).during("decode");
        let (kind, value) = self.value().ok_or_else(failed)?;
        check_depth(kind, value).map_err(|_| failed())?;
        if kind == DOCUMENT {
            return bson::deserialize_from_slice(value).map_err(|error| failed().with_source(DecodeError::of(&error)));
        }
        let wrapper = wrap(kind, value);
        bson::deserialize_from_slice::<Wrapper<T>>(&wrapper)
            .map(|wrapper| wrapper.v)
            .map_err(|error| failed().with_source(DecodeError::of(&error)))
    }

    /// The key it was appended with.
    #[must_use]
    pub fn key(&self) -> Option<&'a str> {
        match self.after_value() {
            Some([STRING, b'k', 0, rest @ ..]) => {
                let text = rest.get(4..value_len(STRING, rest)?.checked_sub(1)?)?;
                str::from_utf8(text).ok()
            }
            // another writer may have another order
            _ => self.envelope()?.get_str("k").ok(),
        }
    }

    /// The headers it was appended with, in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let headers = self.envelope().and_then(|envelope| envelope.get_array("h").ok());
        headers.into_iter().flatten().filter_map(|header| {
            let header = header.ok()?.as_document()?;
            Some((header.get_str("k").ok()?, header.get_str("v").ok()?))
        })
    }

    /// The bytes of the message as they lie in the log, to compare messages without decoding them.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.chunk.element(self.index).map_or(&[], |(_, bytes)| bytes)
    }

    /// What follows on the value in its envelope.
    fn after_value(&self) -> Option<&'a [u8]> {
        let (_, bytes) = self.chunk.element(self.index).filter(|_| self.chunk.codec() == Codec::Envelopes)?;
        let (_, value) = self.value()?;
        bytes.get(7 + value.len()..)
    }

    fn envelope(&self) -> Option<&'a RawDocument> {
        let (_, bytes) = self.chunk.element(self.index)?;
        (self.chunk.codec() == Codec::Envelopes).then(|| RawDocument::from_bytes(bytes).ok())?
    }

    /// The document `{v: value}`.
    pub(crate) fn wrapped_value(&self) -> Option<Vec<u8>> {
        self.value().map(|(kind, value)| wrap(kind, value))
    }

    /// Kind and bytes of the value, out of its envelope where there is one.
    fn value(&self) -> Option<(u8, &'a [u8])> {
        let (kind, bytes) = self.chunk.element(self.index)?;
        match self.chunk.codec() {
            Codec::Values => Some((kind, bytes)),
            Codec::Envelopes => {
                let kind = *bytes.get(4)?;
                let rest = bytes.get(7..)?;
                (bytes.get(5..7)? == b"v\0").then_some(())?;
                Some((kind, rest.get(..value_len(kind, rest)?)?))
            }
        }
    }
}

/// The document `{v: value}`, which a decoder of documents can read.
#[expect(clippy::cast_possible_truncation, reason = "a value lies in a chunk, whose length has 32 bits")]
fn wrap(kind: u8, value: &[u8]) -> Vec<u8> {
    let len = value.len() + 8;
    let mut bytes = Vec::with_capacity(len);
    bytes.extend((len as u32).to_le_bytes());
    bytes.extend([kind, b'v', 0]);
    bytes.extend(value);
    bytes.push(0);
    bytes
}

/// Why a value is not a `T`: the kind of mismatch, without the value that serde would quote.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct DecodeError(String);

impl DecodeError {
    fn of(error: &bson::error::Error) -> Self {
        let text = error.to_string();
        // serde quotes names of fields in backticks; values stand in quotes or after "invalid value"/"invalid type"
        let safe = ["missing field `", "duplicate field `"]
            .iter()
            .find_map(|start| text.find(start).map(|at| (at, start.len())))
            .and_then(|(at, len)| {
                let end = text.get(at + len..)?.find('`')?;
                text.get(at..=at + len + end).map(ToOwned::to_owned)
            });
        Self(safe.unwrap_or_else(|| "a value has another type than the field".to_owned()))
    }
}

impl fmt::Debug for Message<'_> {
    /// Never the value: it is the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("offset", &self.offset()).field("time", &self.time()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;
    use crate::{
        ProducerId, Slot,
        chunk::{Payload, ProducerStamp, Record, RecordKind},
    };

    #[test]
    fn a_key_is_told_wherever_it_stands() {
        let envelopes = [
            (doc! { "v": "value", "k": "key" }, Some("key")),
            (doc! { "v": { "k": "other" }, "h": [], "k": "key" }, Some("key")),
            (doc! { "k": "key", "v": 1 }, Some("key")),
            (doc! { "v": 1 }, None),
            (doc! { "v": 1, "k": 1 }, None),
        ];
        for (envelope, key) in envelopes {
            let bytes = bson::serialize_to_vec(&doc! { "0": &envelope }).unwrap();
            let crc = crc32fast::hash(&bytes).into();
            let payload = Payload::stored(Slot::FIRST, Codec::Envelopes.name(), 1, crc, bytes.into()).unwrap();
            let producer = ProducerStamp { id: ProducerId::new("p").unwrap(), epoch: 1, sequence: 1 };
            let record =
                Record { slot: Slot::FIRST, kind: RecordKind::Data, producer, time: Timestamp::EPOCH, payload };
            let chunk = Chunk::open(&record, Timestamp::EPOCH).unwrap();
            assert_eq!(chunk.message(0).unwrap().key(), key, "{envelope}");
        }
    }
}
