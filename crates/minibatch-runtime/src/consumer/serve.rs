//! Running a function on windows, each until it is done or given up on: one after the other, or some at a time.

use std::{
    marker::PhantomData,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures::{StreamExt, stream::FuturesUnordered};
use minibatch_core::Error;
use serde::de::DeserializeOwned;

use super::{Consumer, Failure, Settlement, attempt::Attempts, function};
use crate::Window;

/// What a consumer did until it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// How many windows are done.
    pub windows: u64,
    /// How many messages they had.
    pub messages: u64,
    /// How many of these were late, and in windows of their own.
    pub late: u64,
    /// How many attempts failed.
    pub failures: u64,
    /// How many messages went to the dead letters.
    pub dead: u64,
    /// How many messages were given up on and kept nowhere.
    pub skipped: u64,
    /// How many chunks of output a consumer [into another stream](crate::Streaming::into) did not append: the window had
    /// been run before, and the function gave another output then.
    pub discarded: u64,
}

/// A function of windows, async or blocking.
#[async_trait]
pub(super) trait Function<T, O>: Send + Sync {
    async fn call(&self, window: Window<T>) -> Result<O, Failure>;
}

/// What is made of that which a function returns.
type Read<R, O> = fn(R) -> Result<O, Failure>;

/// Locked while it makes a future, of which several may then be under way.
pub(super) struct Async<F, Fut, R, O>(Mutex<F>, Read<R, O>, PhantomData<fn() -> Fut>);

impl<F, Fut, R, O> Async<F, Fut, R, O> {
    pub(super) fn new(function: F, read: Read<R, O>) -> Self {
        Self(Mutex::new(function), read, PhantomData)
    }
}

#[async_trait]
impl<T, F, Fut, R, O> Function<T, O> for Async<F, Fut, R, O>
where
    T: Send + 'static,
    F: FnMut(Window<T>) -> Fut + Send,
    Fut: Future<Output = R> + Send,
{
    async fn call(&self, window: Window<T>) -> Result<O, Failure> {
        let returned = function::call(|| {
            // one that panicked is called again, as without a lock
            let mut function = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            function(window)
        });
        (self.1)(returned.await?)
    }
}

pub(super) struct Blocking<F, R, O>(Arc<F>, Read<R, O>);

impl<F, R, O> Blocking<F, R, O> {
    pub(super) fn new(function: F, read: Read<R, O>) -> Self {
        Self(Arc::new(function), read)
    }
}

#[async_trait]
impl<T, F, R, O> Function<T, O> for Blocking<F, R, O>
where
    T: Send + 'static,
    F: Fn(Window<T>) -> R + Send + Sync + 'static,
    R: 'static,
    O: Send + 'static,
{
    async fn call(&self, window: Window<T>) -> Result<O, Failure> {
        let (function, read) = (Arc::clone(&self.0), self.1);
        // what it returns may be bound to its thread
        function::call_blocking(move || read(function(window))).await?
    }
}

pub(super) type StopSignal = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Resolves at Ctrl-C; never where that cannot be listened for.
pub(super) fn ctrl_c() -> StopSignal {
    Box::pin(async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!(%error, "cannot listen for Ctrl-C");
            std::future::pending::<()>().await;
        }
    })
}

/// Runs `function` on every window until the consumer ends, or `stop` resolves and the windows at hand are settled.
pub(super) async fn run<T>(
    mut consumer: Consumer<T>,
    function: impl Function<T, ()>,
    stop: Option<StopSignal>,
) -> Result<Summary, Error>
where
    T: DeserializeOwned + Send + 'static,
{
    let mut stop = stop.unwrap_or_else(|| Box::pin(std::future::pending()));
    let mut stopped = false;
    // the client may stop it, too
    let stopping = consumer.stop.clone();
    let attempts = Attempts::of(&consumer, function);
    let workers = consumer.options.workers.max(1);
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            () = &mut stop, if !stopped => {
                stopped = true;
                consumer.stop();
            }
            () = stopping.cancelled(), if !stopped => stopped = true,
            Some(settlement) = under_way.next() => {
                let settlement: Settlement = settlement;
                let again = settlement.delivery().attempt > 1 || matches!(settlement, Settlement::Failed { .. });
                if again && workers == 1 {
                    // what follows may have to wait for the rest of this window
                    consumer.hold(&settlement.delivery().lane);
                }
                settlement.send();
            }
            // a stopped consumer ends when the windows at hand are settled, or it no longer waits for them
            delivery = consumer.next_delivery(), if stopped || under_way.len() < workers => match delivery? {
                Some(delivery) if stopped => Settlement::Returned { delivery }.send(),
                Some(delivery) => under_way.push(attempts.at(delivery)),
                None => return Ok(consumer.summary()),
            },
        }
    }
}
