//! The task of a producer: joins what callers encoded to chunks, and appends one at a time.

use std::{collections::VecDeque, sync::Arc};

use minibatch_core::{
    Clock, Error, ProducerId, Slot,
    chunk::{ChunkBuilder, NewChunk, Payload, ProducerStamp},
    storage::{Partition, ProducerGrant, Storage},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{LINE, call::Call};
use crate::{Client, STOP_TIMEOUT, random, retry::until_verdict};

pub(super) struct ProducerTask {
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    linger: std::time::Duration,
    stop: CancellationToken,
    partition: Partition,
    id: ProducerId,
    grant: Option<ProducerGrant>,
    line: mpsc::Receiver<Call>,
    /// The calls whose messages are not all durable, in the order in which they came.
    waiting: VecDeque<Call>,
}

impl ProducerTask {
    pub(super) fn new(client: &Client, partition: Partition, line: mpsc::Receiver<Call>) -> Self {
        Self {
            storage: Arc::clone(client.storage()),
            clock: Arc::clone(client.clock()),
            linger: client.options().linger,
            stop: client.stopping().clone(),
            partition,
            id: random::producer_id(),
            grant: None,
            line,
            waiting: VecDeque::new(),
        }
    }

    /// Appends until nobody can call any more; after a stop for a bounded time.
    pub(super) async fn run(mut self) {
        let (stop, clock) = (self.stop.clone(), Arc::clone(&self.clock));
        tokio::select! {
            () = self.work() => {}
            () = async { stop.cancelled().await; clock.sleep(STOP_TIMEOUT).await } => {
                tracing::warn!(partition = %self.partition, "stopping without a verdict on the last appends");
            }
        }
    }

    async fn work(&mut self) {
        let mut arrived = Vec::with_capacity(LINE);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled(), if !self.line.is_closed() => {
                    self.line.close();
                    continue;
                }
                count = self.line.recv_many(&mut arrived, LINE) => if count == 0 { return },
            }
            if !self.linger.is_zero() {
                self.clock.sleep(self.linger).await;
            }
            self.waiting.extend(arrived.drain(..));
            while self.finish_done() {
                // whoever called meanwhile shares the next chunk
                while let Ok(call) = self.line.try_recv() {
                    self.waiting.push_back(call);
                }
                self.append_chunk().await;
            }
        }
    }

    /// Answers the first in line as far as they are done; says whether anyone is left.
    fn finish_done(&mut self) -> bool {
        while let Some(call) = self.waiting.pop_front_if(|call| call.is_done()) {
            call.finish();
        }
        !self.waiting.is_empty()
    }

    /// Appends one chunk of what waits; those in it learn if it is refused.
    async fn append_chunk(&mut self) {
        let mut chunk = ChunkBuilder::new();
        let mut taken = Vec::new();
        for call in &self.waiting {
            let index = chunk.len();
            let count = chunk.fill(&call.encoded, call.durable());
            if count == 0 {
                break;
            }
            taken.push((index, count));
            if call.durable() + count < call.encoded.len() {
                break;
            }
        }
        let verdict = self.append_payload(chunk.finish()).await;
        if let Err(error) = &verdict {
            tracing::debug!(partition = %self.partition, %error, "append refused");
        }
        let callers = taken.len();
        let accounted = verdict.and_then(|slot| self.account(slot, &taken));
        if let Err(error) = accounted {
            self.waiting.drain(..callers.min(self.waiting.len())).for_each(|call| call.fail(error.cause()));
        }
    }

    async fn append_payload(&mut self, payload: Payload) -> Result<Slot, Error> {
        let grant = match self.grant {
            Some(grant) => grant,
            None => self.register().await?,
        };
        let stamp = ProducerStamp { id: self.id.clone(), epoch: grant.epoch, sequence: grant.next_sequence };
        let chunk = NewChunk { producer: stamp, time: self.clock.now(), payload };
        let verdict =
            until_verdict(&*self.clock, "append", || self.storage.append(&self.partition, chunk.clone())).await;
        // a refused sequence may have been used by whoever fenced this producer: register again
        let next = ProducerGrant { next_sequence: grant.next_sequence + 1, ..grant };
        self.grant = verdict.is_ok().then_some(next);
        verdict
    }

    fn account(&mut self, slot: Slot, taken: &[(usize, usize)]) -> Result<(), Error> {
        for (call, &(index, count)) in self.waiting.iter_mut().zip(taken) {
            call.advance(slot, u32::try_from(index).unwrap_or(u32::MAX), count)?;
        }
        Ok(())
    }

    async fn register(&mut self) -> Result<ProducerGrant, Error> {
        until_verdict(&*self.clock, "register producer", || self.storage.register_producer(&self.partition, &self.id))
            .await
    }
}
