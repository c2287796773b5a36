//! Appending: callers that append while an append is in flight share the next chunk.

mod appended;
mod call;
mod derived;
mod router;
mod stable;
mod task;

use std::sync::Arc;

use minibatch_core::{Cause, Clock, Error, chunk::Encoded, storage::Partition};
use tokio::sync::{mpsc, oneshot};

use crate::Client;
pub use appended::{Appended, AppendedShare, MessageId};
use call::{Call, Done};
pub(crate) use derived::Origin;
pub(crate) use router::{Routed, Router};
pub use stable::StableProducer;

/// How many calls wait in line before further ones wait for a place.
const LINE: usize = 1_024;

/// The producer of one partition: a task that owns the order of its chunks.
///
/// It ends when the last handle is dropped, after what was called is appended.
#[derive(Debug)]
struct Producer {
    calls: mpsc::Sender<Call>,
    clock: Arc<dyn Clock>,
    timeout: std::time::Duration,
}

impl Producer {
    fn start(client: &Client, partition: Partition) -> Self {
        let (calls, line) = mpsc::channel(LINE);
        let task = task::ProducerTask::new(client, partition, line);
        client.tasks().spawn(task.run());
        Self { calls, clock: Arc::clone(client.clock()), timeout: client.options().append_timeout }
    }

    /// Appends; returns once everything is durable.
    ///
    /// Dropped before, the messages may still be appended.
    async fn append(&self, encoded: Encoded) -> Result<Done, Error> {
        self.call(encoded).await
    }

    /// Returns once every call before this one has its answer.
    async fn flush(&self) -> Result<(), Error> {
        // a call without messages is answered in its turn
        self.call(Encoded::new()).await.map(drop)
    }

    async fn call(&self, encoded: Encoded) -> Result<Done, Error> {
        let (reply, verdict) = oneshot::channel();
        let append = async {
            let sent = self.calls.send(Call::new(encoded, reply)).await;
            sent.map_err(|_| Error::new(Cause::Closed).during("append"))?;
            let stopped = "the client was shut down meanwhile; the messages may be appended or not";
            verdict.await.map_err(|_| Error::new(Cause::unavailable(stopped)).during("append"))?
        };
        tokio::select! {
            verdict = append => verdict,
            () = self.clock.sleep(self.timeout) => {
                let reason = "the messages may still be appended; append_timeout says how long to wait";
                Err(Error::new(Cause::unavailable(reason)).during("append"))
            }
        }
    }
}
