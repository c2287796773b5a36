//! What a chunk holds, as stored: a BSON array of values, or of envelopes around them.

use std::fmt;

use bytes::Bytes;

use crate::{Cause, Error, Slot};

/// How the messages lie in a [`Payload`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// A BSON array of the bare values.
    Values,
    /// A BSON array of documents `{v: value, k: key, h: [{k, v}, …]}`, where a message has a key or headers.
    Envelopes,
}

impl Codec {
    /// The name that storages keep.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Values => "values",
            Self::Envelopes => "envelopes",
        }
    }

    /// The codec of that name, unless a newer version wrote it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Values, Self::Envelopes].into_iter().find(|codec| codec.name() == name)
    }
}

/// The messages of one chunk as storages carry them: opaque bytes, how many messages, and a checksum.
///
/// The bytes are one BSON array, so that a document database can keep them readable.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    codec: Codec,
    count: u32,
    crc: u32,
    bytes: Bytes,
}

impl Payload {
    pub(crate) fn new(codec: Codec, count: u32, bytes: Bytes) -> Self {
        let crc = crc32fast::hash(&bytes);
        Self { codec, count, crc, bytes }
    }

    /// The payload of a record without messages.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(Codec::Values, 0, Bytes::from_static(&[5, 0, 0, 0, 0]))
    }

    /// A payload read back from a storage.
    ///
    /// # Errors
    /// [`Cause::CorruptRecord`] where the checksum or the codec is wrong.
    pub fn stored(slot: Slot, codec: &str, count: i64, crc: i64, bytes: Bytes) -> Result<Self, Error> {
        let codec = Codec::from_name(codec)
            .ok_or_else(|| Cause::corrupt_record(slot, "its codec is unknown, is this program too old?"))?;
        let count = u32::try_from(count).map_err(|_| Cause::corrupt_record(slot, "its count is impossible"))?;
        if i64::from(crc32fast::hash(&bytes)) != crc {
            return Err(Cause::corrupt_record(slot, "its checksum is wrong").into());
        }
        Ok(Self { codec, count, crc: crc32fast::hash(&bytes), bytes })
    }

    /// How the messages lie in the bytes.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// How many messages there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// CRC-32 (IEEE) of the bytes.
    #[must_use]
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// The BSON array.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl fmt::Debug for Payload {
    /// Never the bytes: they are the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload")
            .field("codec", &self.codec)
            .field("count", &self.count)
            .field("crc", &self.crc)
            .field("len", &self.bytes.len())
            .finish()
    }
}
