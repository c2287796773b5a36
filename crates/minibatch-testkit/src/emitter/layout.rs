//! A script as log entries: its messages encoded and cut into chunks.

use std::sync::Arc;

use minibatch_core::{
    Error, Message, ProducerId, Slot, Timestamp,
    checkpoint::DecisionKind,
    chunk::{Chunk, ChunkBuilder, Encoded, Payload, ProducerStamp, Record, RecordKind},
    driver::{EntryReader, LogEntry},
};

use super::script::{Script, Step};

/// Encodes the value of a number.
pub(super) type Encode = dyn Fn(u32, &mut Encoded) -> Result<(), Error>;

/// Whether message number so and so begins a chunk, given whether the script says so.
pub(super) type Cut<'a> = dyn Fn(usize, bool) -> bool + 'a;

/// What a consumer does next.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Read(LogEntry),
    Idle(Timestamp),
    Decide(DecisionKind),
}

/// A script cut into chunks.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) actions: Vec<Action>,
    /// For slots 1, 2, 3, …: how many messages come before.
    firsts: Vec<usize>,
    messages: usize,
}

impl Layout {
    /// Messages that follow each other directly and have the same time share a chunk, unless cut.
    pub(super) fn new(script: &Script, encode: &Encode, cut: &Cut<'_>) -> Result<Self, Error> {
        let mut layout = Self::default();
        let mut reader = EntryReader::new(Timestamp::MIN);
        let mut steps = script.0.iter().peekable();
        while let Some(step) = steps.next() {
            match *step {
                Step::Message { seed, time, .. } => {
                    let mut encoded = Encoded::new();
                    encode(seed, &mut encoded)?;
                    let number = layout.messages;
                    while let Some(seed) = steps.next_if_map(|step| match step {
                        &Step::Message { seed, time: next, opens } => {
                            let same = next == time && !cut(number + encoded.len(), opens);
                            if same { Ok(seed) } else { Err(step) }
                        }
                        _ => Err(step),
                    }) {
                        encode(seed, &mut encoded)?;
                    }
                    let mut builder = ChunkBuilder::new();
                    builder.fill(&encoded, 0);
                    layout.read(&mut reader, RecordKind::Data, time, builder.finish())?;
                }
                Step::Control { kind, time } => layout.read(&mut reader, kind, time, Payload::empty())?,
                Step::Idle { until } => layout.actions.push(Action::Idle(until)),
                Step::Decide(kind) => layout.actions.push(Action::Decide(kind)),
            }
        }
        Ok(layout)
    }

    /// Cut as the script says.
    pub(super) fn as_written(script: &Script, encode: &Encode) -> Result<Self, Error> {
        Self::new(script, encode, &|_, opens| opens)
    }

    fn read(
        &mut self,
        reader: &mut EntryReader,
        kind: RecordKind,
        time: Timestamp,
        payload: Payload,
    ) -> Result<(), Error> {
        self.firsts.push(self.messages);
        self.messages += payload.count() as usize;
        let number = self.firsts.len() as u64;
        let producer = ProducerStamp { id: ProducerId::new("script")?, epoch: 1, sequence: number };
        let record = Record { slot: Slot::new(number)?, kind, producer, time, payload };
        self.actions.push(Action::Read(reader.open(&record)?));
        Ok(())
    }

    /// The number of a message in the script.
    pub(super) fn number(&self, message: &Message<'_>) -> usize {
        let offset = message.offset();
        let slot = usize::try_from(offset.slot().previous().get()).unwrap_or(usize::MAX);
        self.firsts.get(slot).map_or(usize::MAX, |first| first + offset.index() as usize)
    }

    pub(super) fn messages(&self) -> usize {
        self.messages
    }

    /// The records read by then.
    pub(super) fn entries(&self, actions: usize) -> impl Iterator<Item = &LogEntry> {
        self.actions.iter().take(actions).filter_map(|action| match action {
            Action::Read(entry) => Some(entry),
            _ => None,
        })
    }

    /// The chunk in that slot.
    pub(super) fn chunk(&self, slot: Slot) -> Option<Arc<Chunk>> {
        self.entries(self.actions.len()).find(|entry| entry.slot() == slot).and_then(|entry| match entry {
            LogEntry::Messages(chunk) => Some(Arc::clone(chunk)),
            LogEntry::Control { .. } => None,
        })
    }
}
