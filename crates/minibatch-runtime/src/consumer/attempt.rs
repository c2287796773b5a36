//! One attempt at a window: the function is called, and what it says is put down.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use minibatch_core::Clock;
use serde::de::DeserializeOwned;

use super::{Consumer, Delivery, Failure, Passed, Settlement, serve::Function};
use crate::{Window, window::WindowSource};

/// Calls a consumer's function on windows, any number at a time.
pub(super) struct Attempts<T, F> {
    source: WindowSource,
    clock: Arc<dyn Clock>,
    timeout: Option<Duration>,
    in_order: bool,
    function: F,
    messages: PhantomData<fn() -> T>,
}

impl<T, F> Attempts<T, F>
where
    T: DeserializeOwned + Send + 'static,
    F: Function<T, ()>,
{
    pub(super) fn of(consumer: &Consumer<T>, function: F) -> Self {
        Self {
            source: consumer.source.clone(),
            clock: Arc::clone(consumer.client.clock()),
            timeout: consumer.options.timeout,
            in_order: consumer.options.workers <= 1,
            function,
            messages: PhantomData,
        }
    }

    /// Calls the function on a window, or on a piece of one.
    pub(super) async fn at(&self, delivery: Delivery) -> Settlement {
        let window: Window<T> = Window::open(&self.source, delivery.clone(), None);
        let (verdicts, effects) = (window.verdicts(), window.effects());
        let called = !window.is_rejected();
        let begun = self.clock.elapsed();
        match if called { self.call(window).await } else { Ok(()) } {
            Ok(()) => {
                let took = called.then(|| self.clock.elapsed().saturating_sub(begun));
                let passed = Passed { effects: effects.take(), took, ..verdicts.passed(called) };
                Settlement::Done { delivery, passed, durable: None }
            }
            Err(failure) => Settlement::Failed { delivery, failure, in_order: self.in_order },
        }
    }

    async fn call(&self, window: Window<T>) -> Result<(), Failure> {
        let call = self.function.call(window);
        let Some(timeout) = self.timeout else { return call.await };
        tokio::select! {
            verdict = call => verdict,
            () = self.clock.sleep(timeout) => Err(Failure::timeout(timeout)),
        }
    }
}
