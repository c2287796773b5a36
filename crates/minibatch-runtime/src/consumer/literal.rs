//! Windows that are written in a test, and what a function makes of them.

use std::{sync::Arc, time::Duration};

use minibatch_core::{
    Error, GroupName, Members, Offset, ProducerId, Run, Slot, StreamName, Timestamp,
    chunk::{Chunk, ChunkBuilder, Encoded, ProducerStamp, Record, RecordKind},
    storage::Effect,
    window::{Bounds, FormedWindow, Reason, WindowChain, WindowId},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{Delivery, Failure, GivenBack, GroupRun, Outcome, Passed, Rejected, function, handoff::Lane};
use crate::{Window, window::WindowSource};

/// A window of these messages, to call a function with.
///
/// The messages are encoded and decoded as those of a stream are, so they may be of another type than the function takes:
/// what is not one is rejected, as in a consumer.
///
/// ```
/// use std::time::Duration;
///
/// use minibatch_core::{Result, window::Reason};
/// use minibatch_runtime::{Window, testing::window};
///
/// async fn ship(window: Window<String>) -> Result<()> {
///     for (index, order) in window.data.iter().enumerate() {
///         match order.as_str() {
///             "nothing" => window.reject(index, "there is nothing to ship")?,
///             "out of stock" => window.retry(index, Duration::from_secs(600))?,
///             _ => {}
///         }
///     }
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let settled = window(["pens", "nothing", "out of stock"])?.reason(Reason::MaxWait).run(ship).await;
/// assert_eq!(settled.outcome, Ok(()));
/// assert_eq!(settled.rejected, [(1, "there is nothing to ship".to_owned())]);
/// assert_eq!(settled.retried, [(2, Duration::from_secs(600))]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Encode`](minibatch_core::Cause::Encode) and [`MessageTooLarge`](minibatch_core::Cause::MessageTooLarge), as of
/// [`Stream::append_many`](crate::Stream::append_many).
pub fn window<T: Serialize>(messages: impl IntoIterator<Item = T>) -> Result<WindowLiteral, Error> {
    let mut encoded = Encoded::new();
    messages.into_iter().try_for_each(|message| encoded.push(&message))?;
    Ok(WindowLiteral {
        encoded,
        stream: StreamName::new("literal")?,
        group: GroupName::new("test")?,
        producer: ProducerId::new("literal")?,
        time: Timestamp::EPOCH,
        bounds: None,
        reason: Reason::Count,
        key: None,
        attempt: 1,
        transactional: false,
    })
}

/// A window that is written in a test. It can be delivered any number of times: with the same id and the same members, as a
/// window that comes again is.
#[derive(Clone, Debug)]
#[must_use = "a window does nothing before it is delivered"]
pub struct WindowLiteral {
    encoded: Encoded,
    stream: StreamName,
    group: GroupName,
    producer: ProducerId,
    time: Timestamp,
    bounds: Option<Bounds>,
    reason: Reason,
    key: Option<String>,
    attempt: u32,
    transactional: bool,
}

/// What a function made of a window.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[must_use = "it may have failed"]
pub struct Settled {
    /// Whether it succeeded, and otherwise why not; a panic is a failure, as in a consumer.
    pub outcome: Result<(), Failure>,
    /// The messages that go to the dead letters, by their places in the literal, and why: those that the function
    /// [rejected](Window::reject), and those that it could not get because they are of another type. None where it failed.
    pub rejected: Vec<(usize, String)>,
    /// The messages that come again, by their places in the literal, and after how long: see [`Window::retry`]. None where
    /// it failed.
    pub retried: Vec<(usize, Duration)>,
    /// What is to be written with the window, where it is [transactional](WindowLiteral::transactional). None where it
    /// failed.
    pub effects: Vec<Effect>,
}

impl WindowLiteral {
    /// The messages' append time; the Unix epoch unless given.
    pub fn at(mut self, time: Timestamp) -> Self {
        self.time = time;
        self
    }

    /// The time it covers; that of its messages unless given.
    pub fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = Some(bounds);
        self
    }

    /// Why it was emitted; [`Reason::Count`] unless given.
    pub fn reason(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self
    }

    /// The key that its messages share; none unless given.
    pub fn keyed(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Which attempt it is; 1 unless given.
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// With [`Window::effects`], as from a consumer that is [transactional](crate::Streaming::transactional).
    pub fn transactional(mut self) -> Self {
        self.transactional = true;
        self
    }

    /// The window, as a function gets it.
    ///
    /// # Errors
    /// None but for a literal of more messages than a stream has room for.
    pub fn build<T: DeserializeOwned>(&self) -> Result<Window<T>, Error> {
        let (members, next) = self.members()?;
        let bounds = self.bounds.or_else(|| Bounds::around(members.first().map(|message| message.time())));
        let (run, ordinal) = (GroupRun::NONE, 1);
        let formed = FormedWindow {
            ordinal,
            leaving: members.len() as u64,
            members,
            folded: None,
            bounds: bounds.unwrap_or(Bounds::new(self.time, self.time)),
            key: self.key.clone(),
            reason: self.reason,
            next,
            chain: WindowChain::default(),
            left_before: 0,
        };
        let lane = Arc::new(Lane::of_none(0));
        let id = WindowId::new(run.generation, lane.partition, ordinal);
        let delivery = Delivery { lane, run, id, formed, attempt: self.attempt };
        let (stream, group) = (self.stream.clone(), self.group.clone());
        let source = WindowSource { stream, group, transactional: self.transactional, folds: false };
        Ok(Window::open(&source, delivery, None))
    }

    /// Calls a function with the window as a consumer does, and says what it made of it.
    pub async fn run<T, F, R>(&self, function: impl FnOnce(Window<T>) -> F) -> Settled
    where
        T: DeserializeOwned,
        F: Future<Output = R>,
        R: Outcome,
    {
        let window = match self.build() {
            Ok(window) => window,
            Err(error) => return Settled::failed(Failure::of(&error)),
        };
        let (verdicts, effects) = (window.verdicts(), window.effects());
        let called = !window.is_rejected();
        let outcome = match called {
            true => function::call(|| function(window)).await.and_then(Outcome::outcome),
            false => Ok(()),
        };
        match outcome {
            Ok(()) => Settled::passed(Passed { effects: effects.take(), ..verdicts.passed(called) }),
            Err(failure) => Settled::failed(failure),
        }
    }

    /// The messages in chunks, as they would be in a log, and where the next one would be.
    fn members(&self) -> Result<(Members, Offset), Error> {
        let (mut runs, mut slot, mut taken) = (Vec::new(), Slot::FIRST, 0);
        while taken < self.encoded.len() {
            let mut builder = ChunkBuilder::new();
            taken += builder.fill(&self.encoded, taken);
            let record = Record {
                slot,
                kind: RecordKind::Data,
                producer: ProducerStamp { id: self.producer.clone(), epoch: 1, sequence: slot.get() },
                time: self.time,
                payload: builder.finish(),
            };
            let chunk = Chunk::open(&record, self.time)?;
            runs.extend(Run::of(&chunk, 0, chunk.len()));
            slot = slot.next();
        }
        Ok((runs.into_iter().collect(), Offset::first_of(slot)))
    }
}

impl Settled {
    fn passed(passed: Passed) -> Self {
        let rejected = passed.rejected.into_iter().map(|Rejected { place, reason }| (place, reason));
        let retried = passed.given_back.into_iter().map(|GivenBack { place, after }| (place, after));
        Self { outcome: Ok(()), rejected: rejected.collect(), retried: retried.collect(), effects: passed.effects }
    }

    fn failed(failure: Failure) -> Self {
        Self { outcome: Err(failure), rejected: Vec::new(), retried: Vec::new(), effects: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_function_gets_what_is_written() {
        let (from, to) = (Timestamp::from_millis(1_000), Timestamp::from_millis(5_000));
        let literal = window(["a", "b"])
            .unwrap()
            .at(from)
            .bounds(Bounds::new(from, to))
            .keyed("k")
            .attempt(2)
            .reason(Reason::Gap);
        let settled = literal.run(|window: Window<String>| async move {
            assert_eq!((window.data.join(""), window.len(), window.attempt), ("ab".to_owned(), 2, 2));
            assert_eq!((window.key.as_deref(), window.reason), (Some("k"), Reason::Gap));
            assert_eq!((window.bounds, window.meta().next().unwrap().time), (Bounds::new(from, to), from));
        });
        assert_eq!(settled.await.outcome, Ok(()));
    }

    #[tokio::test]
    async fn what_it_says_of_single_messages_is_seen_where_it_succeeds() {
        let literal = window([1, 2, 3]).unwrap();
        let says = |succeeds: bool| {
            literal.run(move |window: Window<u32>| async move {
                window.reject(0, "no").unwrap();
                window.retry(2, Duration::from_secs(1)).unwrap();
                if succeeds { Ok(()) } else { Err("by design") }
            })
        };
        let settled = says(true).await;
        assert_eq!(
            (settled.rejected, settled.retried),
            (vec![(0, "no".to_owned())], vec![(2, Duration::from_secs(1))])
        );
        let failed = says(false).await;
        assert_eq!(failed.outcome.unwrap_err().reason, "by design");
        assert_eq!((failed.rejected, failed.retried), (vec![], vec![]));
    }

    #[tokio::test]
    async fn what_is_of_another_type_is_rejected_and_a_panic_is_a_failure() {
        let mixed = window([Some(1), None, Some(3)]).unwrap();
        let settled = mixed.run(|window: Window<u32>| async move { assert_eq!(window.data, [1, 3]) }).await;
        assert_eq!(settled.rejected.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [1]);
        let failed = mixed.run(|window: Window<u32>| async move { assert!(window.is_empty(), "by design") }).await;
        assert_eq!(failed.outcome.unwrap_err().reason, "panic: by design");
    }

    #[tokio::test]
    async fn a_literal_may_be_longer_than_a_chunk_and_empty() {
        for len in [0_u32, 10_000] {
            let numbers: Vec<u32> = (0..len).collect();
            let built: Window<u32> = window(&numbers).unwrap().build().unwrap();
            assert_eq!((&built.data, built.meta().count()), (&numbers, numbers.len()));
        }
    }

    #[tokio::test]
    async fn effects_are_those_of_a_transactional_one() {
        let insert = |window: Window<u32>| async move { window.effects().sql("DELETE FROM sums", []) };
        let literal = window([1]).unwrap();
        assert!(literal.run(insert).await.outcome.is_err());
        assert_eq!(literal.transactional().run(insert).await.effects, [Effect::sql("DELETE FROM sums", [])]);
    }
}
