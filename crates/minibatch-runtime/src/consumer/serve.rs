//! Running a function on windows: one after the other, each until it is done or given up on.

use std::{marker::PhantomData, pin::Pin, sync::Arc};

use async_trait::async_trait;
use minibatch_core::Error;
use serde::de::DeserializeOwned;

use super::{Consumer, Failure, Outcome, Settlement, function, ladder::Ladder};
use crate::Window;

/// What a consumer did until it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// How many windows are done.
    pub windows: u64,
    /// How many messages they had.
    pub messages: u64,
    /// How many attempts failed.
    pub failures: u64,
    /// How many messages went to the dead letters.
    pub dead: u64,
}

/// A function of windows, async or blocking.
#[async_trait]
pub(super) trait Function<T>: Send {
    async fn call(&mut self, window: Window<T>) -> Result<(), Failure>;
}

pub(super) struct Async<F, Fut, R>(F, PhantomData<fn() -> (Fut, R)>);

impl<F, Fut, R> Async<F, Fut, R> {
    pub(super) fn new(function: F) -> Self {
        Self(function, PhantomData)
    }
}

#[async_trait]
impl<T, F, Fut, R> Function<T> for Async<F, Fut, R>
where
    T: Send + 'static,
    F: FnMut(Window<T>) -> Fut + Send,
    Fut: Future<Output = R> + Send,
    R: Outcome,
{
    async fn call(&mut self, window: Window<T>) -> Result<(), Failure> {
        function::call(|| (self.0)(window)).await
    }
}

pub(super) struct Blocking<F>(Arc<F>);

impl<F> Blocking<F> {
    pub(super) fn new(function: F) -> Self {
        Self(Arc::new(function))
    }
}

#[async_trait]
impl<T, F, R> Function<T> for Blocking<F>
where
    T: Send + 'static,
    F: Fn(Window<T>) -> R + Send + Sync + 'static,
    R: Outcome,
{
    async fn call(&mut self, window: Window<T>) -> Result<(), Failure> {
        let function = Arc::clone(&self.0);
        function::call_blocking(move || function(window)).await
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

/// Runs `function` on every window until the consumer ends, or `stop` resolves and the window at hand is settled.
pub(super) async fn run<T>(
    mut consumer: Consumer<T>,
    mut function: impl Function<T>,
    stop: Option<StopSignal>,
) -> Result<Summary, Error>
where
    T: DeserializeOwned + Send + 'static,
{
    let mut stop = stop.unwrap_or_else(|| Box::pin(std::future::pending()));
    let mut stopped = false;
    loop {
        let delivery = tokio::select! {
            biased;
            () = &mut stop, if !stopped => {
                stopped = true;
                consumer.stop();
                continue;
            }
            delivery = consumer.take() => delivery?,
        };
        let Some(delivery) = delivery else { return Ok(consumer.summary()) };
        let serving = Ladder { consumer: &consumer, function: &mut function }.climb(delivery);
        tokio::pin!(serving);
        let settlement = tokio::select! {
            settlement = &mut serving => Some(settlement),
            () = &mut stop, if !stopped => {
                stopped = true;
                consumer.stop();
                // the window at hand is finished, for as long as the consumer waits for it
                tokio::select! {
                    settlement = &mut serving => Some(settlement),
                    () = consumer.ended() => None,
                }
            }
        };
        if let Some(settlement) = settlement {
            // its followers wait for the next start
            let last = matches!(settlement, Settlement::Exhausted { .. });
            consumer.settle(settlement);
            if last {
                consumer.stop();
            }
        }
    }
}
