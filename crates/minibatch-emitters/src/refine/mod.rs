//! What a window shows of its messages: one of each kind, in another order, a sample.

mod emitter;
mod sample;
mod sorted;
mod unique;

pub use emitter::RefinedEmitter;
use minibatch_core::{
    Buffer, Error, Fingerprint, Offset, Strategy, WindowEmitter,
    driver::{Driver, WindowDriver},
    storage::Position,
};
pub use sample::Sample;
use serde::de::DeserializeOwned;
pub use sorted::SortedBy;
pub use unique::{Keep, UniqueBy};

/// Chooses which messages of a window are shown, and in which order.
///
/// [`UniqueBy`], [`SortedBy`] and [`Sample`] are some. It must choose the same of the same messages each time, in every
/// process.
///
/// ```
/// use minibatch_core::{Buffer, Error, Fingerprint, Offset};
/// use minibatch_emitters::{CountWindow, Refined, Refinement};
/// use minibatch_testkit::emitter::check;
///
/// /// The newest message first.
/// #[derive(Clone)]
/// struct Backwards;
///
/// impl Refinement for Backwards {
///     fn check(&self) -> Result<(), Error> {
///         Ok(())
///     }
///
///     fn refine(&self, mut members: Vec<Offset>, _buffer: &Buffer) -> Vec<Offset> {
///         members.reverse();
///         members
///     }
///
///     fn fingerprint(&self, of: &Fingerprint) -> Fingerprint {
///         Fingerprint::new("backwards", 1, of.as_str())
///     }
/// }
///
/// check(Refined::new(CountWindow::new(3), Backwards), "a b c d e f", &["cba", "fed"]);
/// ```
pub trait Refinement: Clone + Send + Sync + 'static {
    /// Whether its parameters make sense.
    ///
    /// # Errors
    /// [`InvalidWindow`](minibatch_core::Cause::InvalidWindow) when they do not.
    fn check(&self) -> Result<(), Error>;

    /// Those of a window's messages that are shown, in their order. All of `members` are in the buffer. Only asked of what
    /// was checked before.
    fn refine(&self, members: Vec<Offset>, buffer: &Buffer) -> Vec<Offset>;

    /// That of a strategy refined by this.
    fn fingerprint(&self, of: &Fingerprint) -> Fingerprint;
}

/// A strategy whose windows show what a [`Refinement`] chooses of their messages.
///
/// [`StrategyExt`](crate::StrategyExt) makes it: `unique_by`, `sorted_by`, `sampled`.
///
/// ```text
/// messages                            b2  a1  a3  c1     c4 …
///
/// CountWindow::new(4)                 b2  a1  a3  c1]    c4 …
///     .sorted_by(letter)              a1  a3  b2  c1]
///     .unique_by(letter, Keep::Last)  b2      a3  c1]
///     .sampled(Sample::every(2))      b2      a3    ]
/// ```
///
/// # Behaviour
/// - the windows are those of the strategy: they close when and why its do, and cover the same time. It sees every
///   message, so a count still counts all of them, and a session or a watermark goes by those that are not shown, too
/// - **what is not shown leaves with its window as if it were**, and is done when that window is: it is not kept for a
///   later one, nor counted as dropped. Until then it is buffered
/// - a window may come to show nothing; it is emitted all the same
/// - **a message that does not decode is shown**, so that the consumer's function rejects it as it would have
/// - one around another refines what the inner one shows
/// - where messages are decoded, each is once for each window that it is in
/// - remembers nothing beside what the strategy does
#[derive(Clone, Debug)]
#[must_use = "a strategy does nothing before a consumer or a driver has it"]
pub struct Refined<S, R> {
    strategy: S,
    refinement: R,
}

impl<S: Strategy, R: Refinement> Refined<S, R> {
    /// The windows of `strategy`, of each what `refinement` chooses.
    pub const fn new(strategy: S, refinement: R) -> Self {
        Self { strategy, refinement }
    }

    /// The emitter.
    ///
    /// # Errors
    /// [`InvalidWindow`](minibatch_core::Cause::InvalidWindow) when the parameters of the strategy or of the refinement make
    /// no sense.
    pub fn build(&self) -> Result<RefinedEmitter<R>, Error> {
        self.refinement.check()?;
        Ok(RefinedEmitter::new(self.strategy.emitter()?, self.refinement.clone()))
    }
}

impl<S: Strategy, R: Refinement> Strategy for Refined<S, R> {
    fn emitter(&self) -> Result<Box<dyn WindowEmitter>, Error> {
        Ok(Box::new(self.build()?))
    }

    fn driver(&self, position: Position) -> Result<Box<dyn WindowDriver>, Error> {
        Ok(Box::new(Driver::new(self.build()?, position)))
    }
}

/// The value of a buffered message, where it is a `T`.
fn value<T: DeserializeOwned>(offset: Offset, buffer: &Buffer) -> Option<T> {
    buffer.get(offset)?.decode().ok()
}
