//! The BSON element: how long one is, and how deep it is nested, without recursion.
//!
//! Lengths by kind are those of the BSON specification 1.1, <https://bsonspec.org/spec.html>.

use serde::de::DeserializeOwned;
use smallvec::SmallVec;

/// The deepest nesting of documents and arrays that a message may have.
pub(crate) const MAX_DEPTH: usize = 64;

pub(crate) const DOCUMENT: u8 = 0x03;
pub(crate) const ARRAY: u8 = 0x04;
pub(crate) const STRING: u8 = 0x02;
/// JavaScript code with a document of variables.
const SCOPED_CODE: u8 = 0x0F;

/// What is wrong with a value's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// The bytes are not BSON.
    NotBson,
    /// Documents are nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

fn length_prefix(bytes: &[u8]) -> Option<usize> {
    let prefix = bytes.first_chunk::<4>()?;
    usize::try_from(i32::from_le_bytes(*prefix)).ok()
}

fn cstring(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&b| b == 0).map(|at| at + 1)
}

/// The length of the value of `kind` that `bytes` begins with; `None` when it is not there whole.
pub(crate) fn value_len(kind: u8, bytes: &[u8]) -> Option<usize> {
    let len = match kind {
        0x01 | 0x09 | 0x11 | 0x12 => 8,
        0x02 | 0x0D | 0x0E => length_prefix(bytes)?.checked_add(4)?,
        0x03 | 0x04 | 0x0F => length_prefix(bytes)?,
        0x05 => length_prefix(bytes)?.checked_add(5)?,
        0x06 | 0x0A | 0x7F | 0xFF => 0,
        0x07 => 12,
        0x08 => 1,
        0x0B => {
            let pattern = cstring(bytes)?;
            pattern + cstring(bytes.get(pattern..)?)?
        }
        0x0C => length_prefix(bytes)?.checked_add(16)?,
        0x10 => 4,
        0x13 => 16,
        _ => return None,
    };
    (len <= bytes.len()).then_some(len)
}

/// Checks that a value of `kind` is well-formed down to [`MAX_DEPTH`] levels and no deeper.
///
/// A decoder that recurses is safe on what passes: the stack is bounded.
pub(crate) fn check_depth(kind: u8, value: &[u8]) -> Result<(), Malformed> {
    let mut ends = SmallVec::<[usize; 8]>::new();
    let mut at = pass(kind, value, 0, value.len(), &mut ends)?;
    while let Some(&end) = ends.last() {
        if at + 1 == end {
            ends.pop();
            at = end;
            continue;
        }
        let kind = *value.get(at).ok_or(Malformed::NotBson)?;
        let body = value.get(at + 1..end).ok_or(Malformed::NotBson)?;
        at += 1 + cstring(body).ok_or(Malformed::NotBson)?;
        at = pass(kind, value, at, end - 1, &mut ends)?;
    }
    Ok(())
}

/// Decodes a stored document whose depth nobody has checked; `None` when it is nested deeper than 64 levels, or no `T`.
pub fn decode_document<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    check_depth(DOCUMENT, bytes).ok()?;
    bson::deserialize_from_slice(bytes).ok()
}

/// Passes the value of `kind` at `at`, which must end by `limit`, or goes into the document that it is or holds; returns
/// where to go on.
fn pass(kind: u8, value: &[u8], at: usize, limit: usize, ends: &mut SmallVec<[usize; 8]>) -> Result<usize, Malformed> {
    if kind == DOCUMENT || kind == ARRAY {
        return enter(value, at, limit, ends);
    }
    let rest = value.get(at..limit).ok_or(Malformed::NotBson)?;
    let len = value_len(kind, rest).ok_or(Malformed::NotBson)?;
    if kind != SCOPED_CODE {
        return Ok(at + len);
    }
    let code = rest.get(4..len).and_then(|code| value_len(STRING, code)).ok_or(Malformed::NotBson)?;
    let inside = enter(value, at + 4 + code, at + len, ends)?;
    // the document is the last part of the value, or the two disagree on where it ends
    if ends.last() == Some(&(at + len)) { Ok(inside) } else { Err(Malformed::NotBson) }
}

/// Goes into the document at `at`, which must end by `limit`; returns where its first element is.
fn enter(value: &[u8], at: usize, limit: usize, ends: &mut SmallVec<[usize; 8]>) -> Result<usize, Malformed> {
    if ends.len() == MAX_DEPTH {
        return Err(Malformed::TooDeep);
    }
    let bytes = value.get(at..limit).ok_or(Malformed::NotBson)?;
    let len = length_prefix(bytes).filter(|&len| len >= 5 && len <= bytes.len()).ok_or(Malformed::NotBson)?;
    if bytes.get(len - 1) != Some(&0) {
        return Err(Malformed::NotBson);
    }
    ends.push(at + len);
    Ok(at + 4)
}

#[cfg(test)]
pub(super) mod tests {
    use bson::{Bson, doc, rawdoc};
    use proptest::prelude::*;

    use super::*;

    /// Documents in documents, written from the outside in: not even the test recurses.
    pub(crate) fn nested(levels: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for inside in (0..levels).rev() {
            bytes.extend(u32::try_from(5 + 8 * inside).unwrap().to_le_bytes());
            bytes.extend((inside > 0).then_some([DOCUMENT, b'a', 0]).into_iter().flatten());
        }
        bytes.extend(vec![0; levels]);
        bytes
    }

    /// A document of code whose variables are `scope`.
    fn scoped(scope: &[u8]) -> Vec<u8> {
        let value = 4 + 4 + 1 + scope.len();
        let mut bytes = u32::try_from(4 + 3 + value + 1).unwrap().to_le_bytes().to_vec();
        bytes.extend([SCOPED_CODE, b'a', 0]);
        bytes.extend(u32::try_from(value).unwrap().to_le_bytes());
        bytes.extend([1, 0, 0, 0, 0]);
        bytes.extend(scope);
        bytes.push(0);
        bytes
    }

    #[test]
    fn depth_has_a_limit() {
        assert_eq!(check_depth(DOCUMENT, &nested(MAX_DEPTH)), Ok(()));
        assert_eq!(check_depth(DOCUMENT, &nested(MAX_DEPTH + 1)), Err(Malformed::TooDeep));
        assert_eq!(check_depth(DOCUMENT, &nested(2_000_000)), Err(Malformed::TooDeep));
    }

    #[test]
    fn variables_of_code_count_too() {
        assert_eq!(check_depth(DOCUMENT, &scoped(&nested(MAX_DEPTH - 1))), Ok(()));
        assert_eq!(check_depth(DOCUMENT, &scoped(&nested(MAX_DEPTH))), Err(Malformed::TooDeep));
        let bare = scoped(&nested(MAX_DEPTH))[7..].to_vec();
        assert_eq!(check_depth(SCOPED_CODE, &bare[..bare.len() - 1]), Ok(()));
        let mut longer = scoped(&nested(1));
        longer[7] += 1;
        assert_eq!(check_depth(DOCUMENT, &longer), Err(Malformed::NotBson));
    }

    #[test]
    fn knows_every_kind() {
        let document = doc! {
            "double": 1.5, "string": "s", "document": {"a": [1, 2]}, "bool": true, "null": null, "int": 1_i32,
            "long": 1_i64, "date": bson::DateTime::from_millis(0), "oid": bson::oid::ObjectId::from_bytes([7; 12]),
            "binary": bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![0, 1] },
            "regex": Bson::RegularExpression(bson::Regex { pattern: "a".try_into().unwrap(), options: "i".try_into().unwrap() }),
            "code": Bson::JavaScriptCode("f".into()), "symbol": Bson::Symbol("s".into()),
            "scope": Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope { code: "f".into(), scope: doc! {"x": 1} }),
            "timestamp": Bson::Timestamp(bson::Timestamp { time: 1, increment: 2 }), "min": Bson::MinKey, "max": Bson::MaxKey,
            "undefined": Bson::Undefined, "decimal": Bson::Decimal128(bson::Decimal128::from_bytes([0; 16])),
        };
        let bytes = bson::serialize_to_vec(&document).unwrap();
        assert_eq!(check_depth(DOCUMENT, &bytes), Ok(()));
    }

    #[test]
    fn cut_short_is_not_bson() {
        let bytes = rawdoc! { "a": { "b": "text" } }.into_bytes();
        for end in 0..bytes.len() {
            assert_eq!(check_depth(DOCUMENT, &bytes[..end]), Err(Malformed::NotBson), "{end}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = check_depth(DOCUMENT, &bytes);
        }
    }
}
