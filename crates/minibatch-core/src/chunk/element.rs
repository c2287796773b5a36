//! The BSON element: how long one is, and how deep it is nested, without recursion.
//!
//! Lengths by kind are those of the BSON specification 1.1, <https://bsonspec.org/spec.html>.

use smallvec::SmallVec;

/// The deepest nesting of documents and arrays that a message may have.
pub(crate) const MAX_DEPTH: usize = 64;

pub(crate) const DOCUMENT: u8 = 0x03;
pub(crate) const ARRAY: u8 = 0x04;

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
    if kind != DOCUMENT && kind != ARRAY {
        return Ok(());
    }
    let mut ends = SmallVec::<[usize; 8]>::new();
    let mut at = enter(value, 0, value.len(), &mut ends)?;
    while let Some(&end) = ends.last() {
        if at + 1 == end {
            ends.pop();
            at = end;
            continue;
        }
        let kind = *value.get(at).ok_or(Malformed::NotBson)?;
        let body = value.get(at + 1..end).ok_or(Malformed::NotBson)?;
        at += 1 + cstring(body).ok_or(Malformed::NotBson)?;
        if kind == DOCUMENT || kind == ARRAY {
            at = enter(value, at, end - 1, &mut ends)?;
        } else {
            let rest = value.get(at..end - 1).ok_or(Malformed::NotBson)?;
            at += value_len(kind, rest).ok_or(Malformed::NotBson)?;
        }
    }
    Ok(())
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
mod tests {
    use bson::{Bson, doc, rawdoc};
    use proptest::prelude::*;

    use super::*;

    fn nested(levels: usize) -> Vec<u8> {
        // from the inside out, so that not even the test recurses
        let mut bytes = vec![5, 0, 0, 0, 0];
        for _ in 1..levels {
            let len = i32::try_from(bytes.len() + 8).unwrap();
            let mut outer = len.to_le_bytes().to_vec();
            outer.extend([DOCUMENT, b'a', 0]);
            outer.extend(bytes);
            outer.push(0);
            bytes = outer;
        }
        bytes
    }

    #[test]
    fn depth_has_a_limit() {
        assert_eq!(check_depth(DOCUMENT, &nested(MAX_DEPTH)), Ok(()));
        assert_eq!(check_depth(DOCUMENT, &nested(MAX_DEPTH + 1)), Err(Malformed::TooDeep));
        assert_eq!(check_depth(DOCUMENT, &nested(5_000)), Err(Malformed::TooDeep));
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
