//! A kept window as notes: bounded ones, so a window of many runs takes several.

use std::ops::Range;

use minibatch_core::{
    Cause, Error, GroupName, Offset, Timestamp,
    storage::{Generation, Note, NotePlace, Partition},
    window::{Bounds, Reason, WindowId},
};
use serde::{Deserialize, Serialize};

use super::{KeptMembers, KeptWindow};
use crate::documents;

/// How many runs of members, and how many of dead letters and of what was skipped, one note has room for.
const RUNS: usize = 2_048;

pub(super) fn place(partition: &Partition, group: &GroupName) -> NotePlace {
    NotePlace { partition: partition.clone(), group: Some(group.clone()), kind: "window" }
}

/// The key of a window's first note; those that follow add to it, and so stand right behind.
pub(super) fn key(generation: Generation, ordinal: u64) -> String {
    format!("{:016x}-{ordinal:016x}", generation.get())
}

#[derive(Serialize, Deserialize)]
struct Facts {
    id: String,
    ordinal: u64,
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    start: i64,
    end: i64,
    attempts: u32,
    formed: i64,
    begun: i64,
    done: i64,
    /// How many notes there are in all.
    parts: u32,
    part: Part,
}

/// As much of the members, dead letters and skipped messages as one note has room for.
#[derive(Default, Serialize, Deserialize)]
struct Part {
    /// First offset, count, append time.
    members: Vec<(i64, u32, i64)>,
    /// From which place in the window up to which.
    dead: Vec<(u32, u32)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<(u32, u32)>,
}

/// The notes of a window that is done.
pub(in super::super) fn notes(generation: Generation, window: &KeptWindow) -> Result<Vec<Note>, Error> {
    let members = window.members.iter();
    let members: Vec<_> =
        members.map(|run| (run.first.to_u64().cast_signed(), run.len, run.time.as_millis())).collect();
    let (dead, skipped) = (pairs(&window.dead), pairs(&window.skipped));
    let parts = [members.len(), dead.len(), skipped.len()].map(|runs| runs.div_ceil(RUNS)).into_iter().max();
    let parts = parts.unwrap_or(0).max(1);
    let mut rest = (0..parts).map(|at| Part {
        members: share(&members, at),
        dead: share(&dead, at),
        skipped: share(&skipped, at),
    });
    let facts = Facts {
        id: window.id.to_string(),
        ordinal: window.ordinal,
        reason: window.reason.name().to_owned(),
        key: window.key.clone(),
        start: window.bounds.start.as_millis(),
        end: window.bounds.end.as_millis(),
        attempts: window.attempts,
        formed: window.formed.as_millis(),
        begun: window.begun.as_millis(),
        done: window.done.as_millis(),
        parts: u32::try_from(parts).unwrap_or(u32::MAX),
        part: rest.next().unwrap_or_default(),
    };
    let key = key(generation, window.ordinal);
    let mut notes = vec![documents::encode(key.clone(), &facts)?];
    for (number, part) in (1..).zip(rest) {
        notes.push(documents::encode(format!("{key}-{number:08x}"), &part)?);
    }
    Ok(notes)
}

/// Reads windows back, a note at a time.
#[derive(Default)]
pub(super) struct Reader {
    open: Option<(Facts, u32)>,
}

impl Reader {
    /// Takes the next note; returns the window that is whole with it.
    pub(super) fn take(
        &mut self,
        generation: Generation,
        partition: u32,
        note: &Note,
    ) -> Result<Option<KeptWindow>, Error> {
        let is_first = note.key.len() == key(generation, 0).len();
        let (facts, found) = match self.open.take() {
            Some((mut facts, found)) if !is_first => {
                let part: Part = documents::decode("kept window", note)?;
                facts.part.members.extend(part.members);
                facts.part.dead.extend(part.dead);
                facts.part.skipped.extend(part.skipped);
                (facts, found + 1)
            }
            // of a window whose notes are not all there: it is not done, and will be kept again
            _ if !is_first => return Ok(None),
            _ => (documents::decode::<Facts>("kept window", note)?, 1),
        };
        if found < facts.parts {
            self.open = Some((facts, found));
            return Ok(None);
        }
        window(facts, generation, partition).map(Some)
    }
}

fn window(facts: Facts, generation: Generation, partition: u32) -> Result<KeptWindow, Error> {
    let damaged = |reason| Error::from(Cause::corrupt_state("kept window", reason));
    let id = WindowId::new(generation, partition, facts.ordinal);
    if id.to_string() != facts.id {
        return Err(damaged("its id is that of another window"));
    }
    let at = Timestamp::from_millis;
    Ok(KeptWindow {
        id,
        partition,
        ordinal: facts.ordinal,
        bounds: Bounds::new(at(facts.start), at(facts.end)),
        key: facts.key,
        reason: Reason::named(&facts.reason).ok_or_else(|| damaged("its reason is of a newer version"))?,
        attempts: facts.attempts,
        members: facts.part.members.into_iter().map(members).collect(),
        dead: ranges(facts.part.dead),
        skipped: ranges(facts.part.skipped),
        formed: at(facts.formed),
        begun: at(facts.begun),
        done: at(facts.done),
    })
}

fn members((first, len, time): (i64, u32, i64)) -> KeptMembers {
    KeptMembers { first: Offset::from_u64(first.cast_unsigned()), len, time: Timestamp::from_millis(time) }
}

fn pairs(places: &[Range<u32>]) -> Vec<(u32, u32)> {
    places.iter().map(|range| (range.start, range.end)).collect()
}

fn ranges(pairs: Vec<(u32, u32)>) -> Vec<Range<u32>> {
    pairs.into_iter().map(|(from, to)| from..to).collect()
}

/// As much of it as the note at that place has room for.
fn share<T: Clone>(all: &[T], at: usize) -> Vec<T> {
    all.chunks(RUNS).nth(at).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use minibatch_core::{
        Slot, StreamName,
        checkpoint::{MemberRun, MemberRuns, OpenWindow},
        storage::Incarnation,
    };

    use super::*;

    /// A window of so many messages, no two of which are neighbours.
    fn window(runs: u32, dead: &[usize], skipped: &[usize]) -> KeptWindow {
        let run = |number: u32| MemberRun {
            first: Offset::new(Slot::FIRST, number * 2 % 4_096).unwrap(),
            len: 1,
            time: Timestamp::EPOCH,
        };
        let window = OpenWindow {
            ordinal: 7,
            bounds: Bounds::new(Timestamp::EPOCH, Timestamp::MAX),
            key: Some("key".to_owned()),
            reason: Reason::Predicate,
            leaving: 0,
            members: MemberRuns::stored((0..runs).map(run).collect()).unwrap(),
            folded: None,
            dead: dead.iter().copied().collect(),
            skipped: skipped.iter().copied().collect(),
            left: Vec::new(),
        };
        KeptWindow::new(WindowId::new(Generation::new(-1), 2, 7), 2, 3, window, [1, 2, 3].map(Timestamp::from_millis))
    }

    #[test]
    fn a_window_is_read_back_from_as_many_notes_as_it_takes() {
        let generation = Generation::new(-1);
        let odd: Vec<usize> = (1..10_000).step_by(2).collect();
        for (runs, dead, skipped, parts) in
            [(0, vec![], vec![], 1), (3, vec![0, 1, 2], vec![], 1), (3, vec![0], vec![2], 1), (5_000, vec![], odd, 3)]
        {
            let window = window(runs, &dead, &skipped);
            let notes = notes(generation, &window).unwrap();
            assert_eq!(notes.len(), parts, "{runs}");
            assert!(notes.is_sorted_by(|a, b| a.key < b.key) && notes.iter().all(|note| note.check().is_ok()));
            let mut reader = Reader::default();
            // what an attempt left that was cut short does not count
            assert!(notes.iter().skip(1).all(|rest| reader.take(generation, 2, rest).unwrap().is_none()));
            let whole: Vec<_> = notes.iter().filter_map(|note| reader.take(generation, 2, note).unwrap()).collect();
            assert_eq!(whole, [window]);
        }
    }

    #[test]
    fn a_note_of_another_place_is_not_taken_for_this_ones() {
        let notes = notes(Generation::new(-1), &window(1, &[], &[])).unwrap();
        let error = Reader::default().take(Generation::new(-1), 3, &notes[0]).unwrap_err();
        assert!(matches!(error.cause(), Cause::CorruptState { .. }), "{error:?}");
        let stream = StreamName::new("s").unwrap();
        let partition = Partition { stream, incarnation: Incarnation::new(1), index: 0 };
        assert_eq!(place(&partition, &GroupName::new("g").unwrap()).kind, "window");
    }
}
