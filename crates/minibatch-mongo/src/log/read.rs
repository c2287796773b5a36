//! Reading: whole chunks in slot order without holes, as many as a limit asks for in one round trip or few.

use std::sync::PoisonError;

use bson::RawDocumentBuf;
use minibatch_core::{
    Cause, Error, Slot,
    chunk::Record,
    storage::{Partition, ReadLimit},
};

use super::{chunk, slots::SLOT_AGE};
use crate::{
    client::Client,
    database::{Collection, Filter, Find, Order, Test},
    partition::PartitionState,
};

/// How many documents to ask for while nothing is known of their size.
const FIRST_GUESS: u32 = 8;
/// How many documents to ask for at most: the server's answer ends at 16 MiB in any case.
const MOST: u32 = 1_000;

/// How big a partition's chunks are of late.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChunkSize {
    bytes: usize,
    messages: usize,
}

impl ChunkSize {
    /// Follows what was read, half new and half old.
    fn saw(&mut self, documents: usize, bytes: usize, messages: usize) {
        let (Some(bytes), Some(messages)) = (bytes.checked_div(documents), messages.checked_div(documents)) else {
            return;
        };
        let half = |old: usize, new: usize| if old == 0 { new } else { (old + new) / 2 };
        self.bytes = half(self.bytes, bytes).max(1);
        self.messages = half(self.messages, messages).max(1);
    }

    /// How many documents reach the limit, likely.
    fn documents_for(self, messages: usize, bytes: usize) -> u32 {
        if self.bytes == 0 {
            return FIRST_GUESS;
        }
        let documents = (bytes / self.bytes).min(messages / self.messages.max(1)).saturating_add(1);
        u32::try_from(documents).map_or(MOST, |documents| documents.min(MOST))
    }
}

/// What a read has gathered.
struct Gathered {
    records: Vec<Record>,
    next: Slot,
    messages: usize,
    bytes: usize,
    limit: ReadLimit,
}

/// Why gathering goes on, or does not.
enum More {
    /// The limit is reached, or what follows cannot be returned now.
    Enough,
    /// The documents were used up.
    Wanted,
    /// A slot is missing, with later ones after it.
    Hole,
}

impl Gathered {
    fn is_full(&self) -> bool {
        self.messages >= self.limit.messages || self.bytes >= self.limit.bytes
    }

    /// What there is; what should come next was trimmed.
    fn or_trimmed(self, floor: Slot) -> Result<Vec<Record>, Error> {
        match self.records.is_empty() {
            true => Err(Cause::offset_trimmed(floor).into()),
            false => Ok(self.records),
        }
    }

    /// Takes documents while they are contiguous and the limit is not reached. A damaged one is an error when it is the
    /// first, and else left for the next call.
    fn take(&mut self, documents: Vec<RawDocumentBuf>) -> Result<More, Error> {
        for document in documents {
            let found = chunk::slot(&document)
                .ok_or_else(|| Cause::corrupt_record(self.next, "it has no slot, was it changed by hand?"))?;
            if found != self.next {
                return Ok(More::Hole);
            }
            let record = match chunk::decode(found, document) {
                Ok(record) => record,
                Err(damaged) if self.records.is_empty() => return Err(damaged),
                Err(_) => return Ok(More::Enough),
            };
            self.messages += record.payload.count() as usize;
            self.bytes += record.payload.bytes().len();
            self.records.push(record);
            self.next = found.next();
            if self.is_full() {
                return Ok(More::Enough);
            }
        }
        Ok(More::Wanted)
    }
}

impl Client {
    pub(super) async fn read(&self, partition: &Partition, from: Slot, limit: ReadLimit) -> Result<Vec<Record>, Error> {
        let mut since = self.clock().elapsed();
        let (state, mut document) = self.check(partition).await?;
        let next = from.max(Slot::FIRST);
        let mut gathered = Gathered { records: Vec::new(), next, messages: 0, bytes: 0, limit };
        loop {
            let size = *state.size.lock().unwrap_or_else(PoisonError::into_inner);
            let (messages, bytes) = (limit.messages - gathered.messages, limit.bytes - gathered.bytes);
            let wanted = size.documents_for(messages, bytes);
            let filter = Filter::of(partition).and("slot", Test::Gte(gathered.next.to_i64().into()));
            let find = Find::one(Collection::Chunks, filter).sorted("slot", Order::Up).at_most(wanted);
            let found = self.find(find).await?;
            if self.clock().elapsed().saturating_sub(since) > SLOT_AGE {
                // long enough for what lies here to be deleted, and for a slow client to write there
                since = self.clock().elapsed();
                document = self.read_partition(partition).await?;
            }
            if gathered.next < document.floor {
                return gathered.or_trimmed(document.floor);
            }
            let last = !found.cut && found.documents.len() < wanted as usize;
            let before = (gathered.records.len(), gathered.bytes, gathered.messages);
            let more = gathered.take(found.documents)?;
            self.note_read(&state, &gathered, before);
            match more {
                More::Wanted if !last => {}
                More::Hole => {
                    // the floor first: what is trimmed is no hole
                    document = self.read_partition(partition).await?;
                    if gathered.next < document.floor {
                        return gathered.or_trimmed(document.floor);
                    }
                    if !self.mend(partition, &state, gathered.next).await? {
                        return Ok(gathered.records);
                    }
                }
                More::Wanted | More::Enough => return Ok(gathered.records),
            }
        }
    }

    fn note_read(&self, state: &PartitionState, gathered: &Gathered, before: (usize, usize, usize)) {
        let (documents, bytes, messages) = before;
        let mut size = state.size.lock().unwrap_or_else(PoisonError::into_inner);
        size.saw(gathered.records.len() - documents, gathered.bytes - bytes, gathered.messages - messages);
        drop(size);
        state.saw_tail(gathered.next.previous());
        state.holes.filled_before(gathered.next);
    }
}
