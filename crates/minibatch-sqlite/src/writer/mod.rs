//! The connection that writes, and the way to the thread that owns it.

mod checkpoint;
mod guard;
mod thread;
mod work;

use std::sync::Arc;

use minibatch_core::{Cause, Error};
use rusqlite::Connection;
use thread::{Queue, Thread};
use tokio::sync::{mpsc, oneshot};
pub(crate) use work::Tx;
use work::{Job, Work};

use crate::{bell::Ringer, clock::Wall, connection::Opener, error::Failed, tails::Tails, threads::Threads};

/// How many pieces of work may wait before callers do, and so the most that share a transaction.
const QUEUE: usize = 64;

/// The way to the writing thread, which ends with the last of these.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Option<Box<dyn Work>>>,
}

/// What the writing thread works with, beside its queue.
pub(crate) struct Desk {
    pub(crate) wall: Arc<Wall>,
    pub(crate) tails: Arc<Tails>,
    pub(crate) ringer: Ringer,
    /// The threads whose connections are to be closed before the writing one.
    pub(crate) others: Threads,
}

impl Writer {
    /// Starts the thread with a connection that is already open.
    pub(crate) fn start(opener: Opener, conn: Connection, desk: Desk, threads: &Threads) -> Result<Self, Error> {
        let (queue, waiting): (_, Queue) = mpsc::channel(QUEUE);
        threads.spawn("sqlite-write", move || Thread::new(opener, desk, conn).serve(waiting))?;
        Ok(Self { queue })
    }

    /// Runs `work` inside a transaction of the writing thread; returns once that has been committed.
    ///
    /// Dropped before, it is run nevertheless, once it is in the queue.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(operation, Box::new(Job::new(operation, work, reply)), answer).await
    }

    /// Runs `work` inside a transaction that it shares with nobody, and may end itself: statements of a user's can roll back
    /// more than a savepoint holds, and be refused as late as at its end.
    ///
    /// Dropped before, it is run nevertheless, once it is in the queue.
    pub(crate) async fn run_alone<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Tx<'_>) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(operation, Box::new(Job::new(operation, work, reply).alone()), answer).await
    }

    async fn send<T>(
        &self,
        operation: &'static str,
        work: Box<dyn Work>,
        answer: oneshot::Receiver<Result<T, Error>>,
    ) -> Result<T, Error> {
        let closed = || Error::new(Cause::Closed).during(operation);
        self.queue.send(Some(work)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Lets the thread finish what waits, and end.
    pub(crate) async fn close(&self) {
        // an error says that it has ended
        let _ = self.queue.send(None).await;
    }
}
