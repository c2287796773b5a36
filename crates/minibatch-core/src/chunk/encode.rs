//! From values to a payload: each message is encoded by its caller, chunks are joined from what callers encoded.

use std::{borrow::Cow, fmt};

use bson::RawDocument;
use bytes::Bytes;
use serde::Serialize;

use super::{
    element::{Malformed, check_depth},
    payload::{Codec, Payload},
};
use crate::{Cause, Error, Message};

/// The size at which a chunk is closed, in bytes of its messages.
pub const CHUNK_TARGET_BYTES: usize = 1 << 20;
/// The number of messages at which a chunk is closed.
pub const CHUNK_MAX_MESSAGES: usize = 4_096;
/// The greatest encoded size of one message in bytes: it then has a chunk of its own.
pub const MESSAGE_MAX_BYTES: usize = 8 << 20;

/// The document `{v: value}` around a message: its bytes before the value are 4 of length, 1 of kind and `v\0`.
const WRAPPER_HEAD: usize = 7;

#[derive(Serialize)]
struct Wrapper<T> {
    v: T,
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    v: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    h: Vec<HeaderDocument<'a>>,
}

#[derive(Serialize)]
struct HeaderDocument<'a> {
    k: &'a str,
    v: &'a str,
}

/// What may come with a message beside its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Groups messages that belong together, as a device or an account.
    pub key: Option<String>,
    /// Names and values for whoever reads the message: any text, in this order, repeats allowed.
    pub headers: Vec<(String, String)>,
}

/// Messages encoded and not yet in a chunk, in order.
#[derive(Clone, Default)]
pub struct Encoded {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    envelopes: bool,
}

/// What a value's kind and bytes must pass.
type Check = fn(u8, &[u8]) -> Result<(), Malformed>;

#[derive(Clone, Copy)]
struct Entry {
    kind: u8,
    start: usize,
    end: usize,
}

impl Encoded {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Encodes values.
    ///
    /// # Errors
    /// As [`Encoded::push`], for the first value that fails.
    pub fn values<'a, T: Serialize + 'a>(values: impl IntoIterator<Item = &'a T>) -> Result<Self, Error> {
        let mut encoded = Self::new();
        for value in values {
            encoded.push(value)?;
        }
        Ok(encoded)
    }

    /// Encodes one value with a key or headers, where it has any.
    ///
    /// # Errors
    /// As [`Encoded::push`].
    pub fn with_extras<T: Serialize + ?Sized>(value: &T, extras: &Extras) -> Result<Self, Error> {
        if *extras == Extras::default() {
            let mut encoded = Self::new();
            encoded.push(value)?;
            return Ok(encoded);
        }
        let mut encoded = Self { envelopes: true, ..Self::default() };
        encoded.push_enveloped(value, extras)?;
        Ok(encoded)
    }

    /// Encodes values, each with a key or headers.
    ///
    /// # Errors
    /// As [`Encoded::push`], for the first value that fails.
    pub fn values_with_extras<'a, T: Serialize + 'a>(
        values: impl IntoIterator<Item = (&'a T, &'a Extras)>,
    ) -> Result<Self, Error> {
        let mut encoded = Self { envelopes: true, ..Self::default() };
        for (value, extras) in values {
            encoded.push_enveloped(value, extras)?;
        }
        Ok(encoded)
    }

    /// One value by itself: its kind and its bytes.
    ///
    /// # Errors
    /// As [`Encoded::push`].
    pub(crate) fn alone<T: Serialize + ?Sized>(value: &T) -> Result<(u8, Bytes), Error> {
        let mut encoded = Self::new();
        encoded.push(value)?;
        let Entry { kind, start, end } = *encoded.entries.first().ok_or(Cause::Encode)?;
        Ok((kind, Bytes::from(encoded.bytes).slice(start..end)))
    }

    /// Encodes one more value. On an error nothing has changed.
    ///
    /// # Errors
    /// [`Cause::Encode`] for what BSON cannot say, [`Cause::MessageTooLarge`] above [`MESSAGE_MAX_BYTES`],
    /// [`Cause::OutOfRange`] when it is nested deeper than 64 levels.
    pub fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        if self.envelopes {
            return self.push_raw(&Envelope { v: value, k: None, h: Vec::new() }, check_depth);
        }
        self.push_raw(value, check_depth)
    }

    /// Copies messages that lie in a log, values and keys as they are, each with these headers in place of its own.
    ///
    /// # Errors
    /// [`Cause::MessageTooLarge`] when headers take one above [`MESSAGE_MAX_BYTES`], [`Cause::CorruptRecord`] when one
    /// is damaged.
    pub fn copies<'a>(
        messages: impl IntoIterator<Item = (Message<'a>, Vec<(&'a str, Cow<'a, str>)>)>,
    ) -> Result<Self, Error> {
        let mut encoded = Self { envelopes: true, ..Self::default() };
        for (message, headers) in messages {
            let damaged = || Cause::corrupt_record(message.offset().slot(), "a message in it has no value");
            let wrapped = message.wrapped_value().ok_or_else(damaged)?;
            let document = RawDocument::from_bytes(&wrapped).map_err(|_| damaged())?;
            let value = document.get("v").ok().flatten().ok_or_else(damaged)?;
            let h = headers.iter().map(|(k, v)| HeaderDocument { k, v }).collect();
            // as deep as it lies there: it is copied, not decoded
            encoded.push_raw(&Envelope { v: value, k: message.key(), h }, |_, _| Ok(()))?;
        }
        Ok(encoded)
    }

    fn push_enveloped<T: Serialize + ?Sized>(&mut self, value: &T, extras: &Extras) -> Result<(), Error> {
        let h = extras.headers.iter().map(|(k, v)| HeaderDocument { k, v }).collect();
        self.push_raw(&Envelope { v: value, k: extras.key.as_deref(), h }, check_depth)
    }

    fn push_raw<T: Serialize + ?Sized>(&mut self, value: &T, check: Check) -> Result<(), Error> {
        let before = self.bytes.len();
        let entry = self.encode(value, check, before);
        match entry {
            Ok(entry) => self.entries.push(entry),
            Err(_) => self.bytes.truncate(before),
        }
        entry.map(drop)
    }

    fn encode<T: Serialize + ?Sized>(&mut self, value: &T, check: Check, before: usize) -> Result<Entry, Error> {
        bson::serialize_to_buffer(&Wrapper { v: value }, &mut self.bytes).map_err(|_| Cause::Encode)?;
        let (start, end) = (before + WRAPPER_HEAD, self.bytes.len() - 1);
        let size = end - start;
        if size > MESSAGE_MAX_BYTES {
            return Err(Cause::message_too_large(size, MESSAGE_MAX_BYTES).into());
        }
        let kind = *self.bytes.get(before + 4).ok_or(Cause::Encode)?;
        match check(kind, self.bytes.get(start..end).ok_or(Cause::Encode)?) {
            Ok(()) => Ok(Entry { kind, start, end }),
            Err(Malformed::TooDeep) => Err(Cause::out_of_range("a message is nested 64 levels deep at most").into()),
            Err(Malformed::NotBson) => Err(Cause::Encode.into()),
        }
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes of the values.
    #[must_use]
    pub fn size(&self) -> usize {
        self.entries.iter().map(|entry| entry.end - entry.start).sum()
    }

    fn codec(&self) -> Codec {
        if self.envelopes { Codec::Envelopes } else { Codec::Values }
    }
}

impl fmt::Debug for Encoded {
    /// Never the bytes: they are the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded").field("len", &self.len()).field("envelopes", &self.envelopes).finish()
    }
}

/// Joins encoded messages to the payload of one chunk.
///
/// ```
/// use minibatch_core::chunk::{ChunkBuilder, Encoded};
///
/// let encoded = Encoded::values(&[1, 2, 3])?;
/// let mut chunk = ChunkBuilder::new();
/// assert_eq!(chunk.fill(&encoded, 0), 3);
/// assert_eq!(chunk.finish().count(), 3);
/// # Ok::<(), minibatch_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct ChunkBuilder {
    bytes: Vec<u8>,
    codec: Option<Codec>,
    count: u32,
}

impl ChunkBuilder {
    /// An empty chunk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many messages are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// True without messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes messages of `encoded` from number `from` on until the chunk is full, and says how many it took.
    ///
    /// 0 means that the chunk is full, or that `encoded` must start a chunk of its own because the messages in this
    /// one are stored otherwise (with or without keys and headers). An empty chunk takes at least one.
    pub fn fill(&mut self, encoded: &Encoded, from: usize) -> usize {
        if self.codec.is_some_and(|codec| codec != encoded.codec()) {
            return 0;
        }
        self.codec = Some(encoded.codec());
        if self.bytes.is_empty() {
            self.bytes.extend([0; 4]);
        }
        let mut taken = 0;
        for entry in encoded.entries.iter().skip(from) {
            let Some(value) = encoded.bytes.get(entry.start..entry.end) else { break };
            let full = self.len() == CHUNK_MAX_MESSAGES || self.bytes.len() + value.len() > CHUNK_TARGET_BYTES;
            if full && !self.is_empty() {
                break;
            }
            self.bytes.push(entry.kind);
            push_decimal(&mut self.bytes, self.count);
            self.bytes.push(0);
            self.bytes.extend_from_slice(value);
            self.count += 1;
            taken += 1;
        }
        taken
    }

    /// The payload, with its checksum.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a chunk is bounded by one message of 8 MiB or 1 MiB in all")]
    pub fn finish(mut self) -> Payload {
        if self.is_empty() {
            return Payload::empty();
        }
        self.bytes.push(0);
        let len = (self.bytes.len() as u32).to_le_bytes();
        if let Some(head) = self.bytes.first_chunk_mut() {
            *head = len;
        }
        Payload::new(self.codec.unwrap_or(Codec::Values), self.count, Bytes::from(self.bytes))
    }
}

pub(super) fn push_decimal(bytes: &mut Vec<u8>, number: u32) {
    let mut digits = [0; 10];
    let mut rest = number;
    let mut at = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        at -= 1;
        if rest == 0 {
            break;
        }
    }
    bytes.extend(digits.iter().skip(at));
}
