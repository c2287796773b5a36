//! BSON made to harm whoever decodes it.

use minibatch_core::{Error, Slot, chunk::Payload};

/// Documents in documents, so many levels deep: a decoder that recurses without a limit overflows its stack. Each level
/// takes eight bytes.
///
/// ```
/// assert_eq!(minibatch_testkit::hostile::nested(1), [5, 0, 0, 0, 0]);
/// ```
#[must_use]
pub fn nested(levels: usize) -> Vec<u8> {
    // from the outside in, for whoever makes it has a stack too
    let mut bytes = Vec::with_capacity(levels * 8);
    for inside in (0..levels).rev() {
        bytes.extend(length(5 + 8 * inside));
        if inside > 0 {
            bytes.extend([DOCUMENT, b'a', 0]);
        }
    }
    bytes.resize(bytes.len() + levels, 0);
    bytes
}

/// A chunk's payload, with the right checksum, whose only message is [`nested`].
///
/// # Errors
/// None, as long as the checksum is the one that [`Payload::stored`] checks.
pub fn nested_payload(levels: usize) -> Result<Payload, Error> {
    let message = nested(levels);
    let mut bytes = length(4 + 3 + message.len() + 1).to_vec();
    bytes.extend([DOCUMENT, b'0', 0]);
    bytes.extend(message);
    bytes.push(0);
    Payload::stored(Slot::FIRST, "values", 1, i64::from(crc32fast::hash(&bytes)), bytes.into())
}

/// The kind of an element that is a document, <https://bsonspec.org/spec.html>.
const DOCUMENT: u8 = 0x03;

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}
