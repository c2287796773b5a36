//! A producer whose id survives it: nothing that it began stays unclear for good.
//!
//! Each of its calls is one chunk under the next sequence. Killed, it finds in its own history the call without a verdict
//! and learns from the storage whether that sequence was appended; if not, it appends it again under the same.

use std::sync::Arc;

use anyhow::Result;
use minibatch::{
    ClientOptions, Error, ErrorKind, Offset, StreamName, Timestamp,
    storage::{Partition, Storage},
};
use minibatch_core::{
    ProducerId,
    chunk::{ChunkBuilder, Encoded, NewChunk, ProducerStamp},
};
use minibatch_testkit::history::{Event, History, Key};

use super::{Producer, Recorder, STREAM, Said, connect, tell, tell_error, told_to_end, until_verdict};
use crate::{
    clock::{millis, pause},
    message::Note,
};

pub(super) async fn run(producer: &Producer, id: &str) -> Result<()> {
    let (recorder, before) = Recorder::open(&producer.history)?;
    let mb = connect(&producer.url, ClientOptions::default()).await?;
    let (name, id) = (StreamName::new(STREAM)?, ProducerId::new(id)?);
    let partition = until_verdict(|| mb.storage().open_stream(&name, 1)).await?.partition(0);
    let grant = until_verdict(|| mb.storage().register_producer(&partition, &id)).await?;
    let begun = Begun::of(&before);
    let mut call = Call { lane: producer.first_lane, first: begun.next, count: 0 };
    if let Some(unclear) = begun.unclear {
        if grant.next_sequence > begun.calls {
            recorder.note(&unclear.acked(None))?;
        } else {
            call = unclear;
        }
    }
    let stamp = ProducerStamp { id, epoch: grant.epoch, sequence: grant.next_sequence };
    let mut appender = Appender { storage: Arc::clone(mb.storage()), partition, stamp, recorder };
    let mut random = fastrand::Rng::with_seed(producer.seed);
    let end = told_to_end();
    tokio::pin!(end);
    loop {
        if call.count == 0 {
            call.count = random.u32(1..=producer.batch);
        }
        tokio::select! {
            fenced = appender.append(call) => if fenced? { break },
            () = &mut end => break,
        }
        call = Call { first: call.first + u64::from(call.count), count: 0, ..call };
        pause(producer.pause).await;
    }
    mb.shutdown().await;
    Ok(())
}

/// An append of `count` messages.
#[derive(Clone, Copy)]
struct Call {
    lane: u32,
    first: u64,
    count: u32,
}

impl Call {
    fn invoked(self) -> Event {
        let Self { lane, first, count } = self;
        Event::Invoke { lane, first, count }
    }

    fn acked(self, at: Option<(u64, u64)>) -> Event {
        let Self { lane, first, count } = self;
        Event::Ack { lane, first, count, at }
    }

    fn indeterminate(self) -> Event {
        let Self { lane, first, count } = self;
        Event::Indeterminate { lane, first, count }
    }

    fn notes(self) -> Vec<Note> {
        let numbers = self.first..self.first + u64::from(self.count);
        numbers.map(|number| Note::new(Key { lane: self.lane, number }, 0)).collect()
    }
}

/// What earlier processes with this history began.
struct Begun {
    calls: u64,
    next: u64,
    unclear: Option<Call>,
}

impl Begun {
    fn of(history: &History) -> Self {
        let mut begun = Self { calls: 0, next: 0, unclear: None };
        for event in &history.events {
            match *event {
                Event::Invoke { lane, first, count } => {
                    begun.calls += u64::from(first >= begun.next);
                    begun.next = first + u64::from(count);
                    begun.unclear = Some(Call { lane, first, count });
                }
                Event::Ack { .. } => begun.unclear = None,
                _ => {}
            }
        }
        begun
    }
}

struct Appender {
    storage: Arc<dyn Storage>,
    partition: Partition,
    stamp: ProducerStamp,
    recorder: Recorder,
}

impl Appender {
    /// Appends until there is a verdict; `true` where this producer is fenced.
    async fn append(&mut self, call: Call) -> Result<bool> {
        let mut chunk = ChunkBuilder::new();
        chunk.fill(&Encoded::values(&call.notes())?, 0);
        let chunk = NewChunk { producer: self.stamp.clone(), time: Timestamp::EPOCH, payload: chunk.finish() };
        self.recorder.note(&call.invoked())?;
        match self.append_chunk(&chunk).await {
            Ok(first) => {
                let last = Offset::new(first.slot(), call.count - 1)?;
                self.recorder.note(&call.acked(Some((first.to_u64(), last.to_u64()))))?;
                self.stamp.sequence += 1;
                tell(Said::Acked);
                Ok(false)
            }
            Err(error) if error.kind() == ErrorKind::Fenced => {
                // an attempt before may have been in time
                self.recorder.note(&call.indeterminate())?;
                self.recorder.note(&Event::Fenced)?;
                tell(Said::Fenced);
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn append_chunk(&self, chunk: &NewChunk) -> Result<Offset, Error> {
        loop {
            match self.storage.append(&self.partition, chunk.clone()).await {
                Ok(slot) => return Ok(Offset::first_of(slot)),
                Err(error) if error.kind() == ErrorKind::Retry => tell_error(&error),
                Err(error) => {
                    tell_error(&error);
                    return Err(error);
                }
            }
            tell(Said::Unclear);
            pause(millis(20)).await;
        }
    }
}
