//! The suite: how it is told of a strategy, and how it runs.

use std::{fmt, time::Duration};

use minibatch_core::{Error, WindowEmitter, chunk::Encoded};
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use serde::Serialize;

use super::{
    failure::Failure,
    generate::{Case, cases},
    laws::{Law, Terms},
    layout::Encode,
};

/// Every law, on random logs, against one strategy.
///
/// See the [module](super) for an example. The number of logs a law is `PROPTEST_CASES`, 256 unless set.
#[must_use = "a suite does nothing before `check` or `run`"]
pub struct Suite<E> {
    fresh: Box<dyn Fn() -> E>,
    encode: Box<Encode>,
    unit: Duration,
    may_repeat: bool,
    may_discard: bool,
    by_place: bool,
}

impl<E: WindowEmitter + 'static> Suite<E> {
    /// The suite over the strategies that `fresh` makes, each as in a new process.
    ///
    /// Give it small parameters, so that windows close on small logs: counts of a few, durations of about a second.
    pub fn new(fresh: impl Fn() -> E + 'static) -> Self {
        Self {
            fresh: Box::new(fresh),
            encode: Box::new(|number, encoded| encoded.push(&number)),
            unit: Duration::from_secs(1),
            may_repeat: false,
            may_discard: false,
            by_place: false,
        }
    }

    /// Messages that the strategy understands, each made of a number from 0 to 9; the numbers themselves unless given.
    pub fn values<T: Serialize>(mut self, value: impl Fn(u32) -> T + 'static) -> Self {
        self.encode =
            Box::new(move |number, encoded: &mut Encoded| -> Result<(), Error> { encoded.push(&value(number)) });
        self
    }

    /// How far the times of messages are apart, about; a second unless given.
    pub fn unit(mut self, unit: Duration) -> Self {
        self.unit = unit;
        self
    }

    /// A message may be in several windows, as where windows slide or are shown early.
    pub fn may_repeat(mut self) -> Self {
        self.may_repeat = true;
        self
    }

    /// A message may leave the buffer without having been in a window.
    pub fn may_discard(mut self) -> Self {
        self.may_discard = true;
        self
    }

    /// Windows depend on the messages' offsets, and so on how the log is cut into chunks, which each log is once and for
    /// all.
    pub fn by_place(mut self) -> Self {
        self.by_place = true;
        self
    }

    /// Checks every law.
    ///
    /// # Panics
    /// With the law that is broken, and the smallest log found that shows it.
    #[track_caller]
    #[expect(clippy::panic, reason = "a failed check is a failed test")]
    pub fn check(&self) {
        if let Err(failure) = self.run() {
            panic!("{failure}");
        }
    }

    /// Checks every law, and says which one is broken.
    ///
    /// # Errors
    /// [`Failure`] for the first law that is.
    pub fn run(&self) -> Result<(), Failure> {
        let config = Config { failure_persistence: None, ..Config::default() };
        Law::ALL.into_iter().try_for_each(|law| self.run_law(law, config.clone()))
    }

    pub(super) fn run_law(&self, law: Law, config: Config) -> Result<(), Failure> {
        let terms = Terms {
            fresh: &*self.fresh,
            encode: &*self.encode,
            may_repeat: self.may_repeat,
            may_discard: self.may_discard,
            by_place: self.by_place,
        };
        let test = |case: Case| law.check(&terms, &case).map_err(|broken| TestCaseError::fail(broken.0));
        TestRunner::new(config).run(&cases(self.unit), test).map_err(|error| match error {
            TestError::Fail(reason, case) => Failure::new(law, reason.to_string(), Some(case.script.to_string())),
            TestError::Abort(reason) => Failure::new(law, reason.to_string(), None),
        })
    }
}

impl<E> fmt::Debug for Suite<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite")
            .field("unit", &self.unit)
            .field("may_repeat", &self.may_repeat)
            .field("may_discard", &self.may_discard)
            .field("by_place", &self.by_place)
            .finish_non_exhaustive()
    }
}
