//! A piece of work for the writing thread, with its way back to whoever asked for it.

use std::{cell::RefCell, ops::Deref};

use minibatch_core::{Cause, Error, Timestamp};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::guard::Guard;
use crate::{
    error::{Failed, Failure},
    tails::News,
};

/// What a piece of work sees: the transaction, and the time of its beginning.
pub(crate) struct Tx<'a> {
    conn: &'a Connection,
    /// The wall clock, raw.
    pub(crate) now: Timestamp,
    news: RefCell<News>,
    guard: &'a Guard,
}

impl<'a> Tx<'a> {
    pub(super) fn new(conn: &'a Connection, now: Timestamp, guard: &'a Guard) -> Self {
        Self { conn, now, news: RefCell::default(), guard }
    }

    /// Runs statements of a user's, which may do no harm to what is minibatch's.
    pub(crate) fn as_user<T>(&self, run: impl FnOnce(&Connection) -> T) -> T {
        self.guard.watched(|| run(self.conn))
    }

    /// Has something told to those who wait, once it is committed.
    pub(crate) fn tell(&self, tell: impl FnOnce(&mut News)) {
        tell(&mut self.news.borrow_mut());
    }

    pub(super) fn into_news(self) -> News {
        self.news.into_inner()
    }
}

impl Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.conn
    }
}

pub(super) trait Work: Send {
    /// Whether it wants a transaction of its own.
    fn is_alone(&self) -> bool;

    /// Does it; `false` when it failed, and whatever it changed is to be undone.
    fn run(&mut self, tx: &Tx<'_>) -> bool;

    /// Says what came of it, or of the whole transaction.
    fn answer(self: Box<Self>, failure: Option<&Failure>);
}

pub(super) struct Job<T, F> {
    operation: &'static str,
    alone: bool,
    work: Option<F>,
    result: Option<Result<T, Failed>>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<T, F> Job<T, F> {
    pub(super) fn new(operation: &'static str, work: F, reply: oneshot::Sender<Result<T, Error>>) -> Self {
        Self { operation, alone: false, work: Some(work), result: None, reply }
    }

    /// In a transaction of its own.
    pub(super) fn alone(mut self) -> Self {
        self.alone = true;
        self
    }
}

impl<T, F> Work for Job<T, F>
where
    T: Send,
    F: FnOnce(&Tx<'_>) -> Result<T, Failed> + Send,
{
    fn is_alone(&self) -> bool {
        self.alone
    }

    fn run(&mut self, tx: &Tx<'_>) -> bool {
        let Some(work) = self.work.take() else { return false };
        let news = tx.news.borrow().len();
        let succeeded = self.result.insert(work(tx)).is_ok();
        if !succeeded {
            tx.tell(|all| all.truncate(news));
        }
        succeeded
    }

    fn answer(self: Box<Self>, failure: Option<&Failure>) {
        let answer = match (failure, self.result) {
            (None, Some(result)) => result.map_err(|failed| failed.during(self.operation)),
            (None, None) => Err(Error::new(Cause::bug("a transaction left out some of its work"))),
            (Some(failure), _) => Err(failure.during(self.operation)),
        };
        // whoever asked may have gone
        let _ = self.reply.send(answer);
    }
}
