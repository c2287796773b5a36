//! The buffer against a plain list of messages.

use std::sync::Arc;

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::{
    Members, ProducerId,
    chunk::{ChunkBuilder, Encoded, ProducerStamp, Record, RecordKind},
    window::{Leaves, Picks},
};

/// A chunk of texts at `millis`.
pub(crate) fn chunk(slot: u64, millis: i64, texts: &[String]) -> Arc<Chunk> {
    let mut builder = ChunkBuilder::new();
    assert_eq!(builder.fill(&Encoded::values(texts).unwrap(), 0), texts.len());
    let (slot, time) = (Slot::new(slot).unwrap(), Timestamp::from_millis(millis));
    let producer = ProducerStamp { id: ProducerId::new("p").unwrap(), epoch: 1, sequence: slot.get() };
    let record = Record { slot, kind: RecordKind::Data, producer, time, payload: builder.finish() };
    Chunk::open(&record, time).unwrap()
}

#[derive(Clone, Debug)]
enum Op {
    /// A new chunk, of which the messages marked are pushed; in two calls, the first of so many messages.
    Push {
        kept: Vec<bool>,
        pad: usize,
        first_call: Index,
    },
    TakeFirst(usize),
    Remove(Vec<Index>),
    RemoveBefore(Index),
}

fn op() -> impl Strategy<Value = Op> {
    let kept = prop_oneof![vec(any::<bool>(), 1..20), vec(Just(true), 1..40), vec(prop::bool::weighted(0.1), 1..40)];
    prop_oneof![
        3 => (kept, 0usize..100, any::<Index>())
            .prop_map(|(kept, pad, first_call)| Op::Push { kept, pad, first_call }),
        1 => (0usize..30).prop_map(Op::TakeFirst),
        2 => vec(any::<Index>(), 0..30).prop_map(Op::Remove),
        1 => any::<Index>().prop_map(Op::RemoveBefore),
    ]
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    offset: Offset,
    text: String,
    size: usize,
}

fn entry(message: Message<'_>) -> Entry {
    Entry { offset: message.offset(), text: message.decode().unwrap(), size: message.size() }
}

#[derive(Default)]
struct Model {
    buffer: Buffer,
    list: Vec<Entry>,
    chunks: Vec<Arc<Chunk>>,
    /// What was taken out, which must stay readable.
    taken: Vec<(Members, Vec<Entry>)>,
}

impl Model {
    fn apply(&mut self, op: &Op) {
        match op {
            Op::Push { kept, pad, first_call } => self.push(kept, *pad, first_call.index(kept.len())),
            Op::TakeFirst(count) => {
                let expected: Vec<_> = self.list.drain(..*count.min(&self.list.len())).collect();
                assert_eq!(self.buffer.peek_first(*count).iter().map(entry).collect::<Vec<_>>(), expected);
                self.taken.push((self.buffer.take_first(*count), expected));
            }
            Op::Remove(picks) => {
                // any order, repeats, and places that are not buffered
                let picks: Vec<Offset> = picks.iter().map(|pick| self.place(pick)).collect();
                let mut expected = Vec::new();
                for &offset in &picks {
                    expected.extend(self.list.iter().find(|entry| entry.offset == offset).cloned());
                }
                self.taken.push((self.buffer.pick(&picks), expected));
                self.buffer.take(Picks::First(0), &Leaves::Offsets(picks.clone()));
                self.list.retain(|entry| !picks.contains(&entry.offset));
            }
            Op::RemoveBefore(place) => {
                let offset = self.place(place);
                self.buffer.remove_before(offset);
                self.list.retain(|entry| entry.offset >= offset);
            }
        }
    }

    fn push(&mut self, kept: &[bool], pad: usize, first_call: usize) {
        let slot = self.chunks.len() as u64 + 1;
        let texts: Vec<String> = (0..kept.len()).map(|index| format!("{slot}:{index}{}", "-".repeat(pad))).collect();
        let chunk = chunk(slot, 0, &texts);
        let kept = |index: u32| kept[index as usize];
        let calls = [0..u32::try_from(first_call).unwrap(), u32::try_from(first_call).unwrap()..chunk.len()];
        for call in calls {
            let mut from = call.start;
            for index in call.clone().filter(|&index| !kept(index)) {
                self.buffer.push(&chunk, from, index);
                from = index + 1;
            }
            self.buffer.push(&chunk, from, call.end);
        }
        self.list
            .extend((0..chunk.len()).filter(|&index| kept(index)).map(|index| entry(chunk.message(index).unwrap())));
        self.chunks.push(chunk);
    }

    /// A place in or near the chunks pushed so far.
    fn place(&self, index: &Index) -> Offset {
        let all: Vec<Offset> = self
            .chunks
            .iter()
            .flat_map(|chunk| (0..=chunk.len()).map(|index| chunk.offset(index)))
            .chain([Offset::ZERO, Offset::first_of(Slot::new(1_000).unwrap())])
            .collect();
        all[index.index(all.len())]
    }

    fn check(&self) {
        let Self { buffer, list, .. } = self;
        assert_eq!(buffer.iter().map(entry).collect::<Vec<_>>(), *list);
        assert_eq!((buffer.len(), buffer.is_empty()), (list.len(), list.is_empty()));
        assert_eq!(buffer.bytes(), list.iter().map(|entry| entry.size).sum::<usize>());
        assert_eq!(buffer.first().map(entry).as_ref(), list.first());
        assert_eq!(buffer.last().map(entry).as_ref(), list.last());
        for chunk in &self.chunks {
            for index in 0..=chunk.len() {
                let offset = chunk.offset(index);
                let expected = list.iter().find(|entry| entry.offset == offset);
                assert_eq!(buffer.get(offset).map(entry).as_ref(), expected);
            }
        }
        for (place, entry) in list.iter().enumerate() {
            assert_eq!(buffer.nth(place).map(|message| message.offset()), Some(entry.offset));
        }
        assert!(buffer.nth(list.len()).is_none());
        for chunk in &self.chunks {
            let middle = chunk.offset(chunk.len() / 2);
            let from = list.iter().map(|entry| entry.offset).filter(|offset| *offset >= middle);
            assert!(buffer.iter_from(middle).map(|message| message.offset()).eq(from));
        }
        let pinned = buffer.segments.iter().map(|segment| segment.chunk().pinned_bytes()).sum::<usize>();
        assert_eq!(buffer.pinned_bytes(), pinned);
        self.check_copied_out();
        self.check_slots();
        self.check_part();
        for (members, expected) in &self.taken {
            assert_eq!(members.iter().map(entry).collect::<Vec<_>>(), *expected);
            assert_eq!(members.len(), expected.len());
            assert_eq!(members.lowest(), expected.iter().map(|entry| entry.offset).min());
        }
    }

    /// All but the first and the last chunk hold a quarter of their bytes at least.
    fn check_copied_out(&self) {
        let count = self.buffer.segments.len();
        for segment in self.buffer.segments.iter().take(count.saturating_sub(1)).skip(1) {
            let all = segment.chunk().stored_between(0, segment.chunk().len());
            assert!(segment.live_bytes() * 4 >= all, "{} of {all} bytes", segment.live_bytes());
        }
    }

    /// Every second message, shared with a buffer of their own.
    fn check_part(&self) {
        let mut part = Buffer::new();
        let every_second: Vec<Entry> = self.list.iter().step_by(2).cloned().collect();
        for entry in &every_second {
            part.add(&self.buffer.get(entry.offset).unwrap());
        }
        assert_eq!(part.iter().map(entry).collect::<Vec<_>>(), every_second);
        assert_eq!(part.bytes(), every_second.iter().map(|entry| entry.size).sum::<usize>());
    }

    /// What a checkpoint keeps makes the same buffer again.
    fn check_slots(&self) {
        let mut again = Buffer::new();
        for slot in self.buffer.slots() {
            let chunk = self.chunks.iter().find(|chunk| chunk.slot() == slot.slot).unwrap();
            for (from, to) in slot.runs {
                again.push(chunk, from, to);
            }
        }
        assert_eq!(again.iter().map(entry).collect::<Vec<_>>(), self.list);
        assert_eq!(again.slots(), self.buffer.slots());
    }
}

proptest! {
    #[test]
    fn is_a_list(ops in vec(op(), 0..40)) {
        let mut model = Model::default();
        for op in &ops {
            model.apply(op);
            model.check();
        }
    }
}

/// What is done with the messages of one key, whatever lies between them.
#[derive(Clone, Debug)]
enum PartOp {
    TakeFirst(usize),
    Remove(Vec<Index>),
    RemoveBefore(Index),
}

fn part_op() -> impl Strategy<Value = PartOp> {
    prop_oneof![
        (0usize..10).prop_map(PartOp::TakeFirst),
        vec(any::<Index>(), 1..10).prop_map(PartOp::Remove),
        any::<Index>().prop_map(PartOp::RemoveBefore),
    ]
}

proptest! {
    /// Messages near one another and far apart, of a few chunks.
    #[test]
    fn a_part_is_a_list(gaps in vec(prop_oneof![1u32..4, 1u32..600], 1..40), ops in vec(part_op(), 0..8)) {
        let texts = vec![String::from("text"); 3_000];
        let chunks = [1, 2, 4].map(|slot| chunk(slot, 0, &texts));
        let places = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) });
        let at = |place: u32| chunks.get(place as usize / texts.len())?.message(place % 3_000);
        let messages: Vec<Message<'_>> = places.map_while(at).collect();
        let mut list: Vec<Offset> = messages.iter().map(Message::offset).collect();
        let all = list.clone();
        let mut part = Buffer::new();
        messages.iter().for_each(|message| part.add(message));
        for op in ops {
            match op {
                PartOp::TakeFirst(count) => {
                    let taken: Vec<_> = part.take_first(count).iter().map(|message| message.offset()).collect();
                    prop_assert_eq!(taken, list.drain(..count.min(list.len())).collect::<Vec<_>>());
                }
                PartOp::Remove(picks) => {
                    let picks: Vec<Offset> = picks.iter().filter_map(|pick| all.get(pick.index(all.len() + 1))).copied().collect();
                    let expected: Vec<Offset> = picks.iter().filter(|pick| list.contains(pick)).copied().collect();
                    let picked = part.peek(&Picks::Offsets(picks.clone()));
                    prop_assert_eq!(picked.iter().map(|message| message.offset()).collect::<Vec<_>>(), expected);
                    part.take(Picks::First(0), &Leaves::Offsets(picks.clone()));
                    list.retain(|offset| !picks.contains(offset));
                }
                PartOp::RemoveBefore(pick) => {
                    let before = *pick.get(&all);
                    part.remove_before(before);
                    list.retain(|offset| *offset >= before);
                }
            }
            prop_assert_eq!(part.iter().map(|message| message.offset()).collect::<Vec<_>>(), list.clone());
            prop_assert_eq!((part.len(), part.bytes()), (list.len(), part.iter().map(|message| message.size()).sum()));
            prop_assert!(all.iter().all(|offset| part.get(*offset).is_some() == list.contains(offset)));
            prop_assert!((0..=list.len()).all(|nth| part.nth(nth).map(|message| message.offset()) == list.get(nth).copied()));
            prop_assert_eq!(part.last().map(|message| message.offset()), list.last().copied());
            for from in &all {
                let after: Vec<_> = part.iter_from(*from).map(|message| message.offset()).collect();
                prop_assert_eq!(after, list.iter().filter(|offset| *offset >= from).copied().collect::<Vec<_>>());
            }
            let in_use = chunks.iter().filter(|chunk| list.iter().any(|offset| offset.slot() == chunk.slot()));
            prop_assert_eq!(part.pinned_bytes(), in_use.map(|chunk| chunk.pinned_bytes()).sum::<usize>());
        }
    }
}

/// Chunks of a thousand texts, of which ten stay: how they are pushed and taken out must not matter to memory.
fn check_pinned(fill: impl Fn(&mut Buffer, &Arc<Chunk>)) {
    let texts: Vec<String> = (0..1_000).map(|index| format!("{index:0>100}")).collect();
    let mut buffer = Buffer::new();
    for slot in 1..=20 {
        fill(&mut buffer, &chunk(slot, 0, &texts));
    }
    let expected: Vec<String> = (0..200).map(|index| texts[index % 10 * 100 + 50].clone()).collect();
    assert_eq!(buffer.iter().map(|message| message.decode::<String>().unwrap()).collect::<Vec<_>>(), expected);
    // the places of messages stay, four bytes each, and the first and the last chunk may
    let places = 20 * 4 * 1_001;
    let two_chunks = 2 * chunk(1, 0, &texts).pinned_bytes();
    assert!(buffer.pinned_bytes() < two_chunks + places + buffer.bytes(), "{buffer:?}");
}

#[test]
fn what_is_taken_out_keeps_no_chunk_in_memory() {
    check_pinned(|buffer, chunk| {
        buffer.push(chunk, 0, chunk.len());
        let leaving: Vec<Offset> =
            (0..chunk.len()).filter(|index| index % 100 != 50).map(|index| chunk.offset(index)).collect();
        buffer.take(Picks::First(0), &Leaves::Offsets(leaving));
    });
}

/// As when a strategy leaves messages out, or a checkpoint's buffer is filled again.
#[test]
fn what_never_entered_keeps_no_chunk_in_memory() {
    check_pinned(|buffer, chunk| {
        for index in (50..chunk.len()).step_by(100) {
            buffer.push(chunk, index, index + 1);
        }
    });
}

/// A buffer that shares chunks with another lets them go when that has.
#[test]
fn a_part_is_renewed() {
    let texts: Vec<String> = (0..1_000).map(|index| format!("{index:0>100}")).collect();
    let chunks = [1, 2, 3].map(|slot| chunk(slot, 0, &texts));
    let (mut buffer, mut part) = (Buffer::new(), Buffer::new());
    for chunk in &chunks {
        buffer.push(chunk, 0, chunk.len());
        part.add(&chunk.message(7).unwrap());
    }
    assert_eq!((buffer.let_go_bytes(), part.pinned_bytes()), (0, buffer.pinned_bytes()));
    let leaving: Vec<Offset> = (0..1_000).filter(|index| *index != 7).map(|index| chunks[1].offset(index)).collect();
    buffer.take(Picks::First(0), &Leaves::Offsets(leaving));
    let let_go = usize::try_from(buffer.let_go_bytes()).unwrap();
    assert!(let_go > 100_000, "{let_go}");
    part.renew(&buffer);
    assert_eq!(part.pinned_bytes(), buffer.pinned_bytes());
    let decoded = part.iter().map(|message| message.decode::<String>().unwrap());
    assert_eq!(decoded.collect::<Vec<_>>(), [7, 7, 7].map(|index| texts[index].clone()));
    assert_eq!(part.take(Picks::First(2), &Leaves::Members).len(), 2);
    assert_eq!(part.iter().map(|message| message.offset()).collect::<Vec<_>>(), [chunks[2].offset(7)]);
}
