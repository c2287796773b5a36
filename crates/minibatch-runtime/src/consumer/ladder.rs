//! The failure ladder: a failing window is tried again, then split down to the messages at fault.
//!
//! A split in which nothing succeeds blames the function or what it depends on, and no message: the window is then tried
//! at the longest wait until something of it succeeds.

use std::{collections::VecDeque, marker::PhantomData, ops::Range, sync::Arc, time::Duration};

use minibatch_core::{Clock, storage::Effect};
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Consumer, ConsumerOptions, Delivery, Failure, OnExhausted, Settlement, serve::Function, stats::Stats};
use crate::{
    Window,
    window::{Rejected, WindowSource},
};

/// Takes windows through the ladder, any number at a time.
pub(super) struct Ladder<T, F> {
    source: WindowSource,
    options: ConsumerOptions,
    clock: Arc<dyn Clock>,
    stats: Arc<Stats>,
    /// As many as there are workers.
    turns: Semaphore,
    function: F,
    messages: PhantomData<fn() -> T>,
}

/// What a function made of a window, or of a piece.
struct Passed {
    /// What is given up on all the same, by its place in the whole window.
    rejected: Vec<Rejected>,
    /// What is to take place with it, by the place of its first message.
    effects: Vec<(usize, Vec<Effect>)>,
    /// False where nothing decoded, so that nothing is known of the function.
    called: bool,
}

impl Passed {
    /// Adds what became of a piece that is not split any further.
    fn take(&mut self, place: usize, verdict: Result<Self, Failure>) {
        match verdict {
            Ok(passed) => {
                self.called |= passed.called;
                self.rejected.extend(passed.rejected);
                self.effects.extend(passed.effects);
            }
            Err(failure) => self.rejected.push(Rejected { place, reason: failure.reason }),
        }
    }
}

/// The consumer is to stop before the end of the ladder.
struct Stopped;

impl<T, F> Ladder<T, F>
where
    T: DeserializeOwned + Send + 'static,
    F: Function<T>,
{
    /// The ladder of a consumer's windows.
    pub(super) fn of(consumer: &Consumer<T>, function: F) -> Self {
        Self {
            source: consumer.source.clone(),
            options: consumer.options.clone(),
            clock: Arc::clone(consumer.client.clock()),
            stats: Arc::clone(&consumer.stats),
            turns: Semaphore::new(consumer.options.workers.clamp(1, Semaphore::MAX_PERMITS)),
            function,
            messages: PhantomData,
        }
    }

    /// Returns what became of the window.
    pub(super) async fn climb(&self, mut delivery: Delivery) -> Settlement {
        match self.settle(&mut delivery).await {
            Ok(Ok(passed)) => {
                let effects = passed.effects.into_iter().flat_map(|(_, effects)| effects).collect();
                Settlement::Done { delivery, rejected: passed.rejected, effects, durable: None }
            }
            Ok(Err(reason)) => Settlement::Exhausted { delivery, reason },
            Err(Stopped) => Settlement::Returned { delivery },
        }
    }

    /// What became of the window, or why to stop.
    async fn settle(&self, delivery: &mut Delivery) -> Result<Result<Passed, String>, Stopped> {
        let reason = match self.try_whole(delivery).await? {
            Ok(passed) => return Ok(Ok(passed)),
            Err(failure) => failure.reason,
        };
        if self.options.on_exhausted == OnExhausted::Stop {
            return Ok(Err(reason));
        }
        let places = whole(delivery);
        if places.len() == 1 || (!places.is_empty() && self.options.on_exhausted == OnExhausted::DeadLetterWhole) {
            let rejected = places.map(|place| Rejected { place, reason: reason.clone() }).collect();
            return Ok(Ok(Passed { rejected, effects: Vec::new(), called: true }));
        }
        delivery.attempt += 1;
        loop {
            let split = self.split(delivery).await?;
            if split.called {
                return Ok(Ok(split));
            }
            if let Some(passed) = self.wait_for_function(delivery).await? {
                return Ok(Ok(passed));
            }
        }
    }

    /// Tries the window until it succeeds or its attempts are over.
    async fn try_whole(&self, delivery: &mut Delivery) -> Result<Result<Passed, Failure>, Stopped> {
        let options = &self.options;
        loop {
            match self.attempt(delivery, whole(delivery)).await? {
                Err(_) if delivery.attempt < options.max_attempts => {}
                verdict => return Ok(verdict),
            }
            delivery.attempt += 1;
            let wait = options.backoff.before(delivery.attempt);
            tracing::warn!(window = %delivery.id, attempt = delivery.attempt, ?wait, "function failed, trying again");
            self.pause(delivery, wait).await?;
        }
    }

    /// Tries the window's halves, and the halves of those that fail, down to the single messages at fault.
    async fn split(&self, delivery: &Delivery) -> Result<Passed, Stopped> {
        let mut split = Passed { rejected: Vec::new(), effects: Vec::new(), called: false };
        let mut pieces = VecDeque::from(halves(&whole(delivery)));
        pieces.retain(|piece| !piece.is_empty());
        // the function may have begun to work only after these
        let mut doubtful = Vec::new();
        while let Some(piece) = pieces.pop_front() {
            match self.attempt(delivery, piece.clone()).await? {
                Err(_) if piece.len() > 1 => pieces.extend(halves(&piece)),
                Err(_) if !split.called => doubtful.push(piece),
                verdict => split.take(piece.start, verdict),
            }
        }
        if split.called {
            for piece in doubtful {
                let verdict = self.attempt(delivery, piece.clone()).await?;
                split.take(piece.start, verdict);
            }
        }
        split.rejected.sort_by_key(|rejected| rejected.place);
        split.effects.sort_by_key(|(place, _)| *place);
        Ok(split)
    }

    /// Waits until the function works again: on the whole window, which is returned, or on one of its messages.
    async fn wait_for_function(&self, delivery: &Delivery) -> Result<Option<Passed>, Stopped> {
        let wait = self.options.backoff.max;
        tracing::warn!(window = %delivery.id, ?wait, "no piece of the window succeeds: failing, and giving up on no message");
        let mut places = whole(delivery).cycle();
        loop {
            self.pause(delivery, wait).await?;
            if let Ok(passed) = self.attempt(delivery, whole(delivery)).await? {
                return Ok(Some(passed));
            }
            // each of them in turn: the window may have one that never succeeds
            if let Some(place) = places.next()
                && self.attempt(delivery, place..place + 1).await?.is_ok_and(|passed| passed.called)
            {
                return Ok(None);
            }
        }
    }

    /// Calls the function on the window or a piece of it, again as long as it asks for that.
    async fn attempt(&self, delivery: &Delivery, places: Range<usize>) -> Result<Result<Passed, Failure>, Stopped> {
        loop {
            let turn = self.turn(delivery).await?;
            let window: Window<T> = Window::open(&self.source, delivery.piece(&places), None);
            let (rejections, effects) = (window.rejections(), window.effects());
            let called = !window.is_rejected();
            let verdict = if called { self.call(window).await } else { Ok(()) };
            drop(turn);
            match verdict {
                Err(Failure { retry_after: Some(wait), .. }) => self.pause(delivery, wait).await?,
                Err(failure) => {
                    self.stats.failed();
                    return Ok(Err(failure));
                }
                Ok(()) => {
                    let mut rejected = rejections.all();
                    rejected.iter_mut().for_each(|rejected| rejected.place += places.start);
                    return Ok(Ok(Passed { rejected, effects: vec![(places.start, effects.take())], called }));
                }
            }
        }
    }

    async fn call(&self, window: Window<T>) -> Result<(), Failure> {
        let call = self.function.call(window);
        let Some(timeout) = self.options.timeout else { return call.await };
        tokio::select! {
            verdict = call => verdict,
            () = self.clock.sleep(timeout) => Err(Failure::timeout(timeout)),
        }
    }

    async fn pause(&self, delivery: &Delivery, wait: Duration) -> Result<(), Stopped> {
        tokio::select! {
            () = self.clock.sleep(wait) => Ok(()),
            () = delivery.lane.ending.cancelled() => Err(Stopped),
        }
    }

    /// The right to call the function; at once where it is free, also when it is time to stop.
    async fn turn(&self, delivery: &Delivery) -> Result<SemaphorePermit<'_>, Stopped> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        let turn = delivery.lane.ending.run_until_cancelled(self.turns.acquire()).await;
        turn.and_then(Result::ok).ok_or(Stopped)
    }
}

fn whole(delivery: &Delivery) -> Range<usize> {
    0..delivery.formed.members.len()
}

fn halves(places: &Range<usize>) -> [Range<usize>; 2] {
    let middle = places.start + places.len() / 2;
    [places.start..middle, middle..places.end]
}
