//! A checkpoint as storages keep it: a BSON document of its own version, and pieces for what is too big to be inline.

use bson::{Binary, spec::BinarySubtype};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Base, Checkpoint, Crashes, Decision, DecisionKind, DoneRange, DoneRanges, open, runs};
use crate::{
    Cause, EmitterState, Error, Offset, Timestamp,
    chunk::decode_document,
    storage::{PieceId, Position},
    window::WindowChain,
};

const FORMAT: i64 = 1;
/// A snapshot, or open windows, above this many bytes go to pieces.
const INLINE_MAX: usize = 64 << 10;
/// The greatest size of a piece in bytes: under 1 MiB, with room for what the storage adds.
const PIECE_MAX: usize = (1 << 20) - (4 << 10);

#[derive(Serialize, Deserialize)]
struct Stored {
    format: i64,
    offset: i64,
    time: i64,
    count: i64,
    log_time: i64,
    ordinal: i64,
    decision: i64,
    chain: i64,
    dropped: i64,
    left: i64,
    #[serde(default, skip_serializing_if = "is_none")]
    folded: i64,
    #[serde(default, skip_serializing_if = "is_none")]
    kept: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshot: Option<Binary>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pieces: Vec<StoredPiece>,
    #[serde(default)]
    decisions: Vec<StoredDecision>,
    #[serde(default)]
    done: Vec<StoredRange>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open: Option<Binary>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    open_pieces: Vec<StoredPiece>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crashes: Option<StoredCrashes>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_none(count: &i64) -> bool {
    *count == 0
}

#[derive(Serialize, Deserialize)]
struct StoredCrashes {
    at: i64,
    count: i64,
}

/// The parts of a base that may be big.
#[derive(Serialize, Deserialize)]
struct Snapshot {
    buffered: Binary,
    state: Binary,
}

#[derive(Serialize, Deserialize)]
struct StoredPiece {
    epoch: i64,
    number: i64,
}

#[derive(Serialize, Deserialize)]
struct StoredDecision {
    number: i64,
    next: i64,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct StoredRange {
    first: i64,
    last: i64,
    chain: i64,
    next: i64,
    left_before: i64,
    left: i64,
}

/// A checkpoint ready to be committed.
#[derive(Clone, Debug)]
pub struct EncodedCheckpoint {
    /// What the commit stores.
    pub inline: Bytes,
    /// What must be written before the commit, and has not been.
    pub new_pieces: Vec<(PieceId, Bytes)>,
    /// The pieces that the checkpoint needs, new or not: others may be deleted after the commit.
    pub pieces: Vec<PieceId>,
}

/// Numbers the pieces of one owner, and remembers those of the checkpoint that it encoded last: others may be deleted.
#[derive(Debug)]
pub struct PieceWriter {
    epoch: u64,
    next: u64,
    /// Those of the base, and which one it is.
    base: Option<((u64, Offset), Vec<PieceId>)>,
    /// Those of the open windows, and what they hold.
    open: Option<(Vec<u8>, Vec<PieceId>)>,
}

impl PieceWriter {
    /// For the owner of that epoch.
    #[must_use]
    pub fn new(epoch: u64) -> Self {
        Self { epoch, next: 1, base: None, open: None }
    }

    /// The piece that will be written next.
    #[must_use]
    pub fn next(&self) -> PieceId {
        PieceId { epoch: self.epoch, number: self.next }
    }

    /// Cuts into pieces that are added to `new`; returns which ones.
    fn cut(&mut self, bytes: &[u8], new: &mut Vec<(PieceId, Bytes)>) -> Vec<PieceId> {
        let piece = |bytes: &[u8]| {
            let id = self.next();
            self.next += 1;
            new.push((id, Bytes::copy_from_slice(bytes)));
            id
        };
        bytes.chunks(PIECE_MAX).map(piece).collect()
    }
}

impl Checkpoint {
    /// Encodes the checkpoint for a commit.
    ///
    /// # Errors
    /// [`Cause::OutOfRange`] when a count has outgrown 63 bits.
    pub fn encode(&self, writer: &mut PieceWriter) -> Result<EncodedCheckpoint, Error> {
        let base = &self.base;
        let mut stored = Stored {
            format: FORMAT,
            offset: offset_bits(base.position.offset),
            time: base.position.time.as_millis(),
            count: number(base.position.count)?,
            log_time: base.log_time.as_millis(),
            ordinal: number(base.ordinal)?,
            decision: number(base.decision)?,
            chain: base.chain.to_i64(),
            dropped: number(base.dropped)?,
            left: number(base.left)?,
            folded: number(base.folded)?,
            kept: number(base.kept)?,
            snapshot: None,
            pieces: Vec::new(),
            decisions: self.decisions.iter().map(store_decision).collect::<Result<_, _>>()?,
            done: self.done.as_slice().iter().map(store_range).collect::<Result<_, _>>()?,
            open: None,
            open_pieces: Vec::new(),
            crashes: match self.crashes {
                Crashes { count: 0, .. } => None,
                Crashes { at, count } => Some(StoredCrashes { at: number(at)?, count: i64::from(count) }),
            },
        };
        let (last_base, last_open) = (writer.base.take(), writer.open.take());
        let (mut new_pieces, mut pieces) = (Vec::new(), Vec::new());
        let which = (base.decision, base.position.offset);
        if let Some((_, ids)) = last_base.filter(|(last, _)| *last == which) {
            pieces.extend(&ids);
            writer.base = Some((which, ids));
        } else {
            let snapshot =
                Snapshot { buffered: binary(runs::encode(&base.buffered)), state: binary(base.state.bytes().to_vec()) };
            let snapshot = to_bson(&snapshot)?;
            if snapshot.len() > INLINE_MAX {
                let ids = writer.cut(&snapshot, &mut new_pieces);
                pieces.extend(&ids);
                writer.base = Some((which, ids));
            } else {
                stored.snapshot = Some(binary(snapshot));
            }
        }
        stored.pieces = store_pieces(&pieces)?;
        if !self.open.is_empty() {
            let open = open::encode(self.open.values())?;
            if open.len() > INLINE_MAX {
                let ids = match last_open.filter(|(last, _)| *last == open) {
                    Some((_, ids)) => ids,
                    None => writer.cut(&open, &mut new_pieces),
                };
                stored.open_pieces = store_pieces(&ids)?;
                pieces.extend(&ids);
                writer.open = Some((open, ids));
            } else {
                stored.open = Some(binary(open));
            }
        }
        Ok(EncodedCheckpoint { inline: to_bson(&stored)?.into(), new_pieces, pieces })
    }

    /// The pieces that [`Checkpoint::decode`] needs, in order.
    ///
    /// # Errors
    /// As [`Checkpoint::decode`].
    pub fn pieces_of(inline: &[u8]) -> Result<Vec<PieceId>, Error> {
        let stored = read_stored(inline)?;
        let pieces = stored.pieces.iter().chain(&stored.open_pieces);
        pieces.map(|piece| Ok(PieceId { epoch: count(piece.epoch)?, number: count(piece.number)? })).collect()
    }

    /// Reads a checkpoint back; `pieces` are the bytes of [`Checkpoint::pieces_of`], in order.
    ///
    /// # Errors
    /// [`Cause::NewerFormat`] when a newer version wrote it, [`Cause::CorruptState`] when it is damaged.
    pub fn decode(inline: &[u8], pieces: &[Bytes]) -> Result<Self, Error> {
        let stored = read_stored(inline)?;
        let (base, open) =
            pieces.split_at_checked(stored.pieces.len()).ok_or_else(|| damaged("a piece of it is missing"))?;
        let whole = |inline: &Option<Binary>, pieces: &[Bytes]| match inline {
            Some(inline) => inline.bytes.clone(),
            None => pieces.concat(),
        };
        let open = match (&stored.open, stored.open_pieces.is_empty()) {
            (None, true) => Vec::new(),
            (inline, _) => open::decode(&whole(inline, open))?,
        };
        let crashes = stored.crashes.as_ref().map_or(Ok(Crashes::default()), load_crashes)?;
        let snapshot: Snapshot =
            decode_document(&whole(&stored.snapshot, base)).ok_or_else(|| damaged("its snapshot is missing"))?;
        Ok(Self {
            base: Base {
                position: Position {
                    offset: offset(stored.offset),
                    time: Timestamp::from_millis(stored.time),
                    count: count(stored.count)?,
                },
                log_time: Timestamp::from_millis(stored.log_time),
                ordinal: count(stored.ordinal)?,
                decision: count(stored.decision)?,
                chain: WindowChain::stored(stored.chain),
                dropped: count(stored.dropped)?,
                left: count(stored.left)?,
                folded: count(stored.folded)?,
                kept: count(stored.kept)?,
                buffered: runs::decode(&snapshot.buffered.bytes)
                    .ok_or_else(|| damaged("its buffer does not decode"))?,
                state: EmitterState::stored(snapshot.state.bytes.into()),
            },
            decisions: stored.decisions.iter().map(load_decision).collect::<Result<_, _>>()?,
            done: DoneRanges::stored(stored.done.iter().map(load_range).collect::<Result<_, _>>()?)
                .ok_or_else(|| damaged("its done windows are not in order"))?,
            open: open.into_iter().map(|window| (window.ordinal, window)).collect(),
            crashes,
        })
    }
}

fn store_pieces(ids: &[PieceId]) -> Result<Vec<StoredPiece>, Error> {
    ids.iter().map(|id| Ok(StoredPiece { epoch: number(id.epoch)?, number: number(id.number)? })).collect()
}

fn load_crashes(stored: &StoredCrashes) -> Result<Crashes, Error> {
    let crashes = u32::try_from(stored.count).map_err(|_| damaged("crashes are not counted"))?;
    Ok(Crashes { at: count(stored.at)?, count: crashes })
}

fn read_stored(inline: &[u8]) -> Result<Stored, Error> {
    #[derive(Deserialize)]
    struct Format {
        format: i64,
    }
    let format: Format = decode_document(inline).ok_or_else(|| damaged("it has no format number"))?;
    if format.format > FORMAT {
        return Err(Cause::newer_format("checkpoint", format.format, FORMAT).into());
    }
    decode_document(inline).ok_or_else(|| damaged("a field is missing"))
}

fn store_decision(decision: &Decision) -> Result<StoredDecision, Error> {
    let (kind, at) = match decision.kind {
        DecisionKind::Grant(at) => ("grant", Some(at.as_millis())),
        DecisionKind::Drain => ("drain", None),
        DecisionKind::Shutdown => ("shutdown", None),
        DecisionKind::BufferFull => ("buffer_full", None),
        DecisionKind::Resize(size) => ("resize", Some(number(size)?)),
    };
    Ok(StoredDecision { number: number(decision.number)?, next: offset_bits(decision.next), kind: kind.to_owned(), at })
}

fn load_decision(stored: &StoredDecision) -> Result<Decision, Error> {
    let kind = match (stored.kind.as_str(), stored.at) {
        ("grant", Some(at)) => DecisionKind::Grant(Timestamp::from_millis(at)),
        ("drain", _) => DecisionKind::Drain,
        ("shutdown", _) => DecisionKind::Shutdown,
        ("buffer_full", _) => DecisionKind::BufferFull,
        ("resize", Some(size)) => DecisionKind::Resize(count(size)?),
        _ => return Err(damaged("a decision is of an unknown kind")),
    };
    Ok(Decision { number: count(stored.number)?, next: offset(stored.next), kind })
}

fn store_range(range: &DoneRange) -> Result<StoredRange, Error> {
    Ok(StoredRange {
        first: number(range.first)?,
        last: number(range.last)?,
        chain: range.chain.to_i64(),
        next: offset_bits(range.next),
        left_before: number(range.left_before)?,
        left: number(range.left)?,
    })
}

fn load_range(stored: &StoredRange) -> Result<DoneRange, Error> {
    Ok(DoneRange {
        first: count(stored.first)?,
        last: count(stored.last)?,
        chain: WindowChain::stored(stored.chain),
        next: offset(stored.next),
        left_before: count(stored.left_before)?,
        left: count(stored.left)?,
    })
}

pub(super) fn to_bson<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    bson::serialize_to_vec(value).map_err(|_| Cause::bug("a checkpoint is not BSON").into())
}

pub(super) fn binary(bytes: Vec<u8>) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes }
}

pub(super) fn damaged(reason: &'static str) -> Error {
    Cause::corrupt_state("checkpoint", reason).into()
}

pub(super) fn number(count: u64) -> Result<i64, Error> {
    i64::try_from(count).map_err(|_| Cause::out_of_range("a count has 63 bits").into())
}

pub(super) fn count(number: i64) -> Result<u64, Error> {
    u64::try_from(number).map_err(|_| damaged("a count is negative"))
}

fn offset_bits(offset: Offset) -> i64 {
    offset.to_u64().cast_signed()
}

fn offset(bits: i64) -> Offset {
    Offset::from_u64(bits.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        BufferedSlot, Slot,
        checkpoint::{MemberRun, MemberRuns, OpenPiece, OpenWindow},
        chunk::nested,
        window::{Bounds, Places, Reason},
    };

    /// An open window of so many messages, each of which is left and was elsewhere.
    fn open(messages: u32) -> OpenWindow {
        let run = |number| MemberRun {
            first: Offset::first_of(Slot::new(u64::from(messages - number)).unwrap()),
            len: 1,
            time: Timestamp::from_millis(i64::from(number) << 40),
        };
        OpenWindow {
            ordinal: 9,
            bounds: Bounds::new(Timestamp::EPOCH, Timestamp::MAX),
            key: Some("key".to_owned()),
            reason: Reason::Gap,
            leaving: 7,
            members: MemberRuns::stored((0..messages).map(run).collect()).unwrap(),
            folded: None,
            dead: Places::from(1..2),
            skipped: Places::default(),
            left: vec![OpenPiece { places: Places::first(1), attempt: 3, split: true, ..OpenPiece::default() }],
        }
    }

    fn checkpoint(state: usize) -> Checkpoint {
        let mut checkpoint = Checkpoint::start(Position { offset: Offset::from_u64(u64::MAX), ..Position::START });
        checkpoint.base.state = EmitterState::stored(vec![7; state].into());
        checkpoint.base.kept = 2;
        checkpoint.base.buffered =
            vec![BufferedSlot { slot: Slot::FIRST, time: Timestamp::EPOCH, runs: vec![(0, 3), (5, 6)] }];
        let kinds = [
            DecisionKind::Grant(Timestamp::from_millis(-5)),
            DecisionKind::Drain,
            DecisionKind::Shutdown,
            DecisionKind::BufferFull,
            DecisionKind::Resize(17),
        ];
        checkpoint.decisions =
            kinds.into_iter().zip(1..).map(|(kind, number)| Decision { number, next: Offset::FIRST, kind }).collect();
        let range = DoneRange {
            first: 2,
            last: 3,
            chain: WindowChain::stored(-1),
            next: Offset::FIRST,
            left_before: 4,
            left: 9,
        };
        checkpoint.done = DoneRanges::stored(vec![range]).unwrap();
        checkpoint.open.insert(9, open(3));
        checkpoint.crashes = Crashes { at: 9, count: 2 };
        checkpoint
    }

    #[test]
    fn small_ones_are_inline() {
        let checkpoint = checkpoint(100);
        let encoded = checkpoint.encode(&mut PieceWriter::new(1)).unwrap();
        assert!(encoded.pieces.is_empty());
        assert_eq!(Checkpoint::decode(&encoded.inline, &[]).unwrap(), checkpoint);
    }

    #[test]
    fn big_ones_go_to_pieces_once() {
        let mut writer = PieceWriter::new(3);
        let mut checkpoint = checkpoint(2_500_000);
        let first = checkpoint.encode(&mut writer).unwrap();
        assert_eq!(first.new_pieces.len(), 3);
        assert!(first.inline.len() < INLINE_MAX && first.new_pieces.iter().all(|(_, bytes)| bytes.len() < 1 << 20));
        let bytes: Vec<Bytes> = first.new_pieces.iter().map(|(_, bytes)| bytes.clone()).collect();
        assert_eq!(Checkpoint::pieces_of(&first.inline).unwrap(), first.pieces);
        assert_eq!(Checkpoint::decode(&first.inline, &bytes).unwrap(), checkpoint);

        let again = checkpoint.encode(&mut writer).unwrap();
        assert!(again.new_pieces.is_empty());
        assert_eq!(again.pieces, first.pieces);

        checkpoint.base.decision += 1;
        assert_eq!(checkpoint.encode(&mut writer).unwrap().new_pieces.len(), 3);
    }

    #[test]
    fn open_windows_that_are_big_go_to_pieces_too() {
        for state in [100, 100_000] {
            let mut writer = PieceWriter::new(3);
            let mut checkpoint = checkpoint(state);
            checkpoint.open.insert(10, OpenWindow { ordinal: 10, ..open(200_000) });
            let first = checkpoint.encode(&mut writer).unwrap();
            assert!(first.inline.len() < INLINE_MAX && first.new_pieces.len() > 1);
            let bytes: Vec<Bytes> = first.new_pieces.iter().map(|(_, bytes)| bytes.clone()).collect();
            assert_eq!(Checkpoint::pieces_of(&first.inline).unwrap(), first.pieces);
            assert_eq!(Checkpoint::decode(&first.inline, &bytes).unwrap(), checkpoint);
            assert!(Checkpoint::decode(&first.inline, &bytes[1..]).is_err());
            assert!(checkpoint.encode(&mut writer).unwrap().new_pieces.is_empty(), "they are there already");
            checkpoint.open.remove(&10);
            assert!(checkpoint.encode(&mut writer).unwrap().pieces.len() < first.pieces.len());
        }
    }

    #[test]
    fn pieces_that_the_checkpoint_before_did_not_name_are_not_named_again() {
        for (state, messages) in [(100_000, 3), (100, 20_000)] {
            let mut writer = PieceWriter::new(3);
            let (mut big, mut small) = (checkpoint(state), checkpoint(100));
            big.open.insert(9, open(messages));
            small.base.decision += 1;
            let first = big.encode(&mut writer).unwrap();
            assert!(small.encode(&mut writer).unwrap().pieces.is_empty());
            // those of the first may be deleted by now
            let again = big.encode(&mut writer).unwrap();
            assert!(!again.pieces.is_empty() && again.pieces.iter().all(|piece| !first.pieces.contains(piece)));
            assert_eq!(again.new_pieces.iter().map(|&(id, _)| id).collect::<Vec<_>>(), again.pieces);
        }
    }

    #[test]
    fn damage_and_newer_formats_are_told_apart() {
        assert!(matches!(Checkpoint::decode(b"", &[]).unwrap_err().cause(), Cause::CorruptState { .. }));
        let newer = bson::serialize_to_vec(&bson::doc! { "format": FORMAT + 1 }).unwrap();
        assert!(matches!(Checkpoint::decode(&newer, &[]).unwrap_err().cause(), Cause::NewerFormat { .. }));
    }

    #[test]
    fn what_is_too_deep_to_decode_is_damaged() {
        let deep = nested(2_000_000);
        let damaged = |error: Error| matches!(error.cause(), Cause::CorruptState { .. });
        assert!(damaged(Checkpoint::decode(&deep, &[]).unwrap_err()));
        assert!(damaged(Checkpoint::pieces_of(&deep).unwrap_err()));
        let mut big = PieceWriter::new(1);
        let inline = checkpoint(2_500_000).encode(&mut big).unwrap().inline;
        assert!(damaged(Checkpoint::decode(&inline, &[deep.clone().into()]).unwrap_err()));
        let mut windows = checkpoint(100);
        windows.open.insert(9, open(20_000));
        let inline = windows.encode(&mut PieceWriter::new(2)).unwrap().inline;
        assert!(damaged(Checkpoint::decode(&inline, &[deep.into()]).unwrap_err()));
    }
}
