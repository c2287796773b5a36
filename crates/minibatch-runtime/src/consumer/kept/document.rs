//! A kept window as notes: bounded ones, so a window of many runs takes several.

use std::ops::Range;

use minibatch_core::{
    Cause, Error, GroupName, Offset, Timestamp,
    storage::{Generation, Note, NotePlace, Partition},
    window::{Bounds, Reason, WindowId},
};
use serde::{Deserialize, Serialize};

use super::{KeptMembers, KeptWindow};
use crate::{consumer::Delivery, documents};

/// How many runs of members, and how many runs of dead letters, one note has room for.
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

/// As much of the members and dead letters as one note has room for.
#[derive(Default, Serialize, Deserialize)]
struct Part {
    /// First offset, count, append time.
    members: Vec<(i64, u32, i64)>,
    /// From which place in the window up to which.
    dead: Vec<(u32, u32)>,
}

/// The notes of a window that is done, formed, begun and done at these times, with `dead` the places of its dead letters.
pub(in super::super) fn notes(
    generation: Generation,
    delivery: &Delivery,
    dead: &[usize],
    [formed, begun, done]: [Timestamp; 3],
) -> Result<Vec<Note>, Error> {
    let window = &delivery.formed;
    let runs = window.members.runs().iter();
    let members: Vec<_> =
        runs.map(|run| (run.first().to_u64().cast_signed(), narrow(run.len()), run.time().as_millis())).collect();
    let dead = joined(dead);
    let mut parts: Vec<Part> =
        members.chunks(RUNS).map(|members| Part { members: members.to_vec(), dead: Vec::new() }).collect();
    let dead = dead.chunks(RUNS).map(<[_]>::to_vec);
    for (at, dead) in dead.enumerate() {
        match parts.get_mut(at) {
            Some(part) => part.dead = dead,
            None => parts.push(Part { members: Vec::new(), dead }),
        }
    }
    let count = narrow(parts.len().max(1));
    let mut parts = parts.into_iter();
    let facts = Facts {
        id: delivery.id.to_string(),
        ordinal: window.ordinal,
        reason: window.reason.name().to_owned(),
        key: window.key.clone(),
        start: window.bounds.start.as_millis(),
        end: window.bounds.end.as_millis(),
        attempts: delivery.attempt,
        formed: formed.as_millis(),
        begun: begun.as_millis(),
        done: done.as_millis(),
        parts: count,
        part: parts.next().unwrap_or_default(),
    };
    let key = key(generation, window.ordinal);
    let mut notes = vec![documents::encode(key.clone(), &facts)?];
    for (number, part) in (1..).zip(parts) {
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
        dead: facts.part.dead.into_iter().map(|(from, to)| from..to).collect(),
        formed: at(facts.formed),
        begun: at(facts.begun),
        done: at(facts.done),
    })
}

fn members((first, len, time): (i64, u32, i64)) -> KeptMembers {
    KeptMembers { first: Offset::from_u64(first.cast_unsigned()), len, time: Timestamp::from_millis(time) }
}

/// Ascending places as ranges.
fn joined(places: &[usize]) -> Vec<(u32, u32)> {
    let mut ranges: Vec<Range<u32>> = Vec::new();
    for place in places.iter().map(|place| narrow(*place)) {
        match ranges.last_mut() {
            Some(last) if last.end == place => last.end += 1,
            _ => ranges.push(place..place + 1),
        }
    }
    ranges.into_iter().map(|range| (range.start, range.end)).collect()
}

fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use minibatch_core::{
        Members, Run, Slot, StreamName,
        chunk::{Chunk, ChunkBuilder, Encoded, ProducerStamp, Record, RecordKind},
        storage::Incarnation,
        window::{FormedWindow, WindowChain},
    };
    use std::sync::Arc;

    use super::*;
    use crate::consumer::handoff::Lane;

    /// A window of every second message of a chunk.
    fn delivery(runs: u32) -> Delivery {
        let mut builder = ChunkBuilder::new();
        builder.fill(&Encoded::values(&vec![0_u8; 4_096]).unwrap(), 0);
        let record = Record {
            slot: Slot::FIRST,
            kind: RecordKind::Data,
            producer: ProducerStamp { id: minibatch_core::ProducerId::new("p").unwrap(), epoch: 1, sequence: 1 },
            time: Timestamp::EPOCH,
            payload: builder.finish(),
        };
        let chunk = Arc::new(Chunk::open(&record, Timestamp::EPOCH).unwrap());
        let run = |number: u32| Run::of(&chunk, number * 2 % 4_096, number * 2 % 4_096 + 1).unwrap();
        let formed = FormedWindow {
            ordinal: 7,
            members: (0..runs).map(run).collect::<Members>(),
            bounds: Bounds::new(Timestamp::EPOCH, Timestamp::MAX),
            key: Some("key".to_owned()),
            reason: Reason::Predicate,
            next: Offset::FIRST,
            chain: WindowChain::default(),
            leaving: 0,
            left_before: 0,
        };
        Delivery { lane: Arc::new(Lane::of_none(2)), id: WindowId::new(Generation::new(-1), 2, 7), formed, attempt: 3 }
    }

    #[test]
    fn a_window_is_read_back_from_as_many_notes_as_it_takes() {
        let generation = Generation::new(-1);
        for (runs, dead, parts) in [(0, vec![], 1), (3, vec![0, 1, 2], 1), (5_000, (0..5_000).step_by(2).collect(), 3)]
        {
            let delivery = delivery(runs);
            let notes = notes(generation, &delivery, &dead, [Timestamp::EPOCH; 3]).unwrap();
            assert_eq!(notes.len(), parts, "{runs}");
            assert!(notes.is_sorted_by(|a, b| a.key < b.key) && notes.iter().all(|note| note.check().is_ok()));
            let mut reader = Reader::default();
            // what an attempt left that was cut short does not count
            assert!(notes.iter().skip(1).all(|rest| reader.take(generation, 2, rest).unwrap().is_none()));
            let whole: Vec<_> = notes.iter().filter_map(|note| reader.take(generation, 2, note).unwrap()).collect();
            let [kept] = &whole[..] else { panic!("{} windows", whole.len()) };
            let members = kept.members.iter().map(|run| (run.first, run.len as usize));
            assert!(members.eq(delivery.formed.members.runs().iter().map(|run| (run.first(), run.len()))));
            let listed: Vec<usize> = kept.dead.iter().cloned().flatten().map(|place| place as usize).collect();
            assert_eq!((listed, kept.id, kept.attempts), (dead, delivery.id, 3));
        }
    }

    #[test]
    fn a_note_of_another_place_is_not_taken_for_this_ones() {
        let notes = notes(Generation::new(-1), &delivery(1), &[], [Timestamp::EPOCH; 3]).unwrap();
        let error = Reader::default().take(Generation::new(-1), 3, &notes[0]).unwrap_err();
        assert!(matches!(error.cause(), Cause::CorruptState { .. }), "{error:?}");
        let stream = StreamName::new("s").unwrap();
        let partition = Partition { stream, incarnation: Incarnation::new(1), index: 0 };
        assert_eq!(place(&partition, &GroupName::new("g").unwrap()).kind, "window");
    }
}
