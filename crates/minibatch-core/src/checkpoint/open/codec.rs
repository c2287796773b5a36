//! Open windows as bytes: BSON, with members and places in LEB128 as differences.

use bson::Binary;
use serde::{Deserialize, Serialize};

use super::{MemberRun, MemberRuns, OpenPiece, OpenWindow};
use crate::{
    Error, Offset, Timestamp,
    checkpoint::codec::{binary, count, damaged, number, to_bson},
    chunk::{decode_document, value_len},
    leb128::{read, write},
    window::{Bounds, Folded, FoldedValue, Places, Reason},
};

#[derive(Serialize, Deserialize)]
struct Stored {
    windows: Vec<StoredWindow>,
}

#[derive(Serialize, Deserialize)]
struct StoredWindow {
    ordinal: i64,
    start: i64,
    end: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    reason: String,
    leaving: i64,
    members: Binary,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    folded: Option<StoredFolded>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dead: Option<Binary>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    skipped: Option<Binary>,
    left: Vec<StoredPiece>,
}

/// A value in the place of the first member.
#[derive(Serialize, Deserialize)]
struct StoredFolded {
    kind: i32,
    value: Binary,
    messages: i64,
}

#[derive(Serialize, Deserialize)]
struct StoredPiece {
    places: Binary,
    attempt: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<i64>,
    #[serde(default, skip_serializing_if = "is_false")]
    split: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    retry: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    failed: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    proven: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    begun: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(flag: &bool) -> bool {
    !flag
}

pub(in super::super) fn encode<'a>(windows: impl Iterator<Item = &'a OpenWindow>) -> Result<Vec<u8>, Error> {
    to_bson(&Stored { windows: windows.map(store).collect::<Result<_, _>>()? })
}

pub(in super::super) fn decode(bytes: &[u8]) -> Result<Vec<OpenWindow>, Error> {
    let stored: Stored = decode_document(bytes).ok_or_else(|| damaged("its open windows are missing"))?;
    stored.windows.iter().map(load).collect()
}

fn store(window: &OpenWindow) -> Result<StoredWindow, Error> {
    let some = |places: &Places| (!places.is_empty()).then(|| binary(places_to_bytes(places)));
    Ok(StoredWindow {
        ordinal: number(window.ordinal)?,
        start: window.bounds.start.as_millis(),
        end: window.bounds.end.as_millis(),
        key: window.key.clone(),
        reason: window.reason.name().to_owned(),
        leaving: number(window.leaving)?,
        members: binary(runs_to_bytes(&window.members)),
        folded: window.folded.as_ref().map(store_folded).transpose()?,
        dead: some(&window.dead),
        skipped: some(&window.skipped),
        left: window.left.iter().map(store_piece).collect(),
    })
}

fn load(stored: &StoredWindow) -> Result<OpenWindow, Error> {
    let some = |bytes: &Option<Binary>| bytes.as_ref().map_or(Ok(Places::default()), |bytes| load_places(&bytes.bytes));
    let (start, end) = (Timestamp::from_millis(stored.start), Timestamp::from_millis(stored.end));
    let members =
        runs_from_bytes(&stored.members.bytes).ok_or_else(|| damaged("the members of an open window do not decode"))?;
    let window = OpenWindow {
        ordinal: count(stored.ordinal)?,
        bounds: Bounds::new(start, end),
        key: stored.key.clone(),
        reason: Reason::named(&stored.reason).ok_or_else(|| damaged("a window is open for an unknown reason"))?,
        leaving: count(stored.leaving)?,
        folded: stored.folded.as_ref().map(|folded| load_folded(folded, &members)).transpose()?,
        members,
        dead: some(&stored.dead)?,
        skipped: some(&stored.skipped)?,
        left: stored.left.iter().map(load_piece).collect::<Result<_, _>>()?,
    };
    if is_sound(&window) {
        Ok(window)
    } else {
        Err(damaged("a place of an open window is no member's, or stands twice"))
    }
}

fn store_folded(folded: &Folded) -> Result<StoredFolded, Error> {
    let FoldedValue { kind, bytes } = folded.value()?;
    let messages = number(folded.messages())?;
    Ok(StoredFolded { kind: i32::from(*kind), value: binary(bytes.to_vec()), messages })
}

fn load_folded(stored: &StoredFolded, members: &MemberRuns) -> Result<Folded, Error> {
    let unsound = || damaged("the value of an open window is of no kind, or in no place");
    let first = members.as_slice().first().filter(|run| run.len == 1).ok_or_else(unsound)?;
    let (kind, bytes) = (u8::try_from(stored.kind).map_err(|_| unsound())?, stored.value.bytes.clone().into());
    if value_len(kind, &stored.value.bytes) != Some(stored.value.bytes.len()) {
        return Err(unsound());
    }
    Ok(Folded::stored(FoldedValue { kind, bytes }, count(stored.messages)?, first.first, first.time))
}

fn is_sound(window: &OpenWindow) -> bool {
    let places = window.left.iter().map(|piece| &piece.places).chain([&window.dead, &window.skipped]);
    let mut ranges: Vec<_> = places.flat_map(Places::ranges).collect();
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.is_sorted_by(|a, b| a.end <= b.start) && ranges.last().is_none_or(|last| last.end <= window.members.len())
}

fn store_piece(piece: &OpenPiece) -> StoredPiece {
    StoredPiece {
        places: binary(places_to_bytes(&piece.places)),
        attempt: i64::from(piece.attempt),
        not_before: piece.not_before.map(Timestamp::as_millis),
        split: piece.split,
        retry: piece.retry,
        failed: piece.failed,
        proven: piece.proven,
        begun: piece.begun,
    }
}

fn load_piece(stored: &StoredPiece) -> Result<OpenPiece, Error> {
    Ok(OpenPiece {
        places: load_places(&stored.places.bytes)?,
        attempt: u32::try_from(stored.attempt).map_err(|_| damaged("an attempt has no number"))?,
        not_before: stored.not_before.map(Timestamp::from_millis),
        split: stored.split,
        retry: stored.retry,
        failed: stored.failed,
        proven: stored.proven,
        begun: stored.begun,
    })
}

fn load_places(bytes: &[u8]) -> Result<Places, Error> {
    places_from_bytes(bytes).ok_or_else(|| damaged("the places of an open window do not decode"))
}

fn places_to_bytes(places: &Places) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut before = 0;
    for range in places.ranges() {
        write(&mut bytes, (range.start - before) as u64);
        write(&mut bytes, range.len() as u64);
        before = range.end;
    }
    bytes
}

fn places_from_bytes(mut bytes: &[u8]) -> Option<Places> {
    let mut ranges = Vec::new();
    let mut before = 0_usize;
    while !bytes.is_empty() {
        let start = before.checked_add(usize::try_from(read(&mut bytes)?).ok()?)?;
        let end = start.checked_add(usize::try_from(read(&mut bytes)?).ok()?)?;
        ranges.push(start..end);
        before = end;
    }
    Some(ranges.into_iter().collect())
}

/// Members may be in any order, so the differences have signs.
fn runs_to_bytes(runs: &MemberRuns) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut offset_before, mut time_before) = (0_u64, 0_i64);
    for run in runs.as_slice() {
        write(&mut bytes, zigzag(run.first.to_u64().wrapping_sub(offset_before).cast_signed()));
        write(&mut bytes, u64::from(run.len));
        write(&mut bytes, zigzag(run.time.as_millis().wrapping_sub(time_before)));
        (offset_before, time_before) = (run.first.to_u64(), run.time.as_millis());
    }
    bytes
}

fn runs_from_bytes(mut bytes: &[u8]) -> Option<MemberRuns> {
    let mut runs = Vec::new();
    let (mut offset_before, mut time_before) = (0_u64, 0_i64);
    while !bytes.is_empty() {
        let offset = offset_before.wrapping_add(unzigzag(read(&mut bytes)?).cast_unsigned());
        let len = u32::try_from(read(&mut bytes)?).ok()?;
        let time = time_before.wrapping_add(unzigzag(read(&mut bytes)?));
        runs.push(MemberRun { first: Offset::from_u64(offset), len, time: Timestamp::from_millis(time) });
        (offset_before, time_before) = (offset, time);
    }
    MemberRuns::stored(runs)
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// The places to which that lot fell.
    fn drawn(lots: &[usize], lot: usize) -> Places {
        lots.iter().enumerate().filter(|(_, drawn)| **drawn == lot).map(|(place, _)| place).collect()
    }

    prop_compose! {
        fn piece()(
            attempt in 0u32..9,
            not_before in any::<Option<i64>>(),
            [split, retry, failed, proven, begun] in any::<[bool; 5]>(),
        ) -> OpenPiece {
            let not_before = not_before.map(Timestamp::from_millis);
            OpenPiece { places: Places::default(), attempt, not_before, split, retry, failed, proven, begun }
        }
    }

    prop_compose! {
        fn window()(
            ordinal in 0..i64::MAX.cast_unsigned(),
            times in any::<[i64; 2]>(),
            key in any::<Option<String>>(),
            runs in vec((any::<u64>(), 1u32..20, any::<i64>()), 0..10),
            lots in vec(0usize..9, 200),
            left in vec(piece(), 0..4),
            value in any::<Option<(i64, u32)>>(),
        ) -> OpenWindow {
            let run = |(first, len, time)| MemberRun {
                first: Offset::from_u64(first & !0xF_FFFF),
                len,
                time: Timestamp::from_millis(time),
            };
            let mut runs: Vec<MemberRun> = runs.into_iter().map(run).collect();
            let folded = value.zip(runs.first_mut()).map(|((value, messages), first)| {
                first.len = 1;
                Folded::new(&value, messages.into(), first.first, first.time)
            });
            let members = MemberRuns(runs.into());
            let lots = &lots[..members.len()];
            let left = left.into_iter().zip(2..).map(|(piece, lot)| OpenPiece { places: drawn(lots, lot), ..piece });
            OpenWindow {
                ordinal,
                bounds: Bounds::new(Timestamp::from_millis(times[0]), Timestamp::from_millis(times[1])),
                key,
                reason: Reason::MaxWait,
                leaving: ordinal / 2,
                members,
                folded,
                dead: drawn(lots, 0),
                skipped: drawn(lots, 1),
                left: left.collect(),
            }
        }
    }

    proptest! {
        #[test]
        fn round_trip(windows in vec(window(), 0..4)) {
            prop_assert_eq!(decode(&encode(windows.iter()).unwrap()).unwrap(), windows);
        }

        #[test]
        fn places_that_are_no_members_or_stand_twice_are_damage(window in window(), at in 0usize..200) {
            let len = window.members.len();
            let twice = Places::from(at % len.max(1)..at % len.max(1) + 1);
            let piece = |places: &Places| OpenPiece { places: places.clone(), ..OpenPiece::default() };
            for places in [Places::from(len..len + 1), Places::from(at..usize::MAX), twice.clone()] {
                let mut left = window.left.clone();
                left.extend([piece(&places), piece(&twice)]);
                let (dead, skipped) = (window.dead.and(&places), window.skipped.and(&twice));
                for window in [OpenWindow { left, ..window.clone() }, OpenWindow { dead, skipped, ..window.clone() }] {
                    prop_assert!(decode(&encode(std::iter::once(&window)).unwrap()).is_err());
                }
            }
        }

        #[test]
        fn a_value_in_no_place_or_of_no_kind_is_damage(window in window(), kind in 0i32..300, bytes in vec(any::<u8>(), 0..9)) {
            let mut stored = store(&window).unwrap();
            stored.folded = Some(StoredFolded { kind, value: binary(bytes.clone()), messages: 1 });
            let has_place = window.members.as_slice().first().is_some_and(|run| run.len == 1);
            let is_value = u8::try_from(kind).is_ok_and(|kind| value_len(kind, &bytes) == Some(bytes.len()));
            prop_assert_eq!(load(&stored).is_ok(), has_place && is_value);
        }

        #[test]
        fn any_bytes_are_judged(bytes in vec(any::<u8>(), 0..64)) {
            let _ = (places_from_bytes(&bytes), runs_from_bytes(&bytes));
        }
    }
}
