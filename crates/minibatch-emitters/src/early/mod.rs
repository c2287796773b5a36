//! Windows shown before they are over.

mod emitter;
mod every;

pub use emitter::EarlyEmitter;
pub use every::Every;
use minibatch_core::{
    Error, Strategy, WindowEmitter,
    driver::{Driver, WindowDriver},
    storage::Position,
    window::Panes,
};

/// A strategy whose open windows are shown every so often before they are over: its *early firings*.
///
/// [`StrategyExt::early`](crate::StrategyExt::early) makes it. At each firing every open window that has messages since the
/// firing before comes as a window of the reason [`Early`](minibatch_core::window::Reason::Early). It stays open, and comes
/// a last time when it is over.
///
/// ```text
/// time                               0 · · · · 5 · · · · 10· · · · 15
/// messages                             a b     c   d         e f
///
/// TimeWindow::tumbling(10 s)           a b     c   d    |    e f      …
///     .early(Every::messages(2),
///            Panes::Accumulating)      a b)
///                                      a b     c   d)
///                                      a b     c   d    |
///                                                            e f)     …
///            Panes::Discarding)        a b)
///                                              c   d)
///                                                       |
///                                                            e f)     …
///     .early(Every::time(3 s),
///            Panes::Discarding)        a b  )
///                                              c   d)
///                                                       |
///                                                            e f  )   …
/// ```
///
/// A firing is drawn as `)`. Where nothing came since, the last window is empty: it says that the time is over.
///
/// # Behaviour
/// - the windows are those of the strategy, which does not notice: they close when and why its do, and cover the same time.
///   What is shown early leaves the buffer with its last window alone, and counts as done then
/// - [accumulating](Panes::Accumulating): each pane of a window shows all its messages so far, the last one all: **take each
///   in place of the one before**
/// - [discarding](Panes::Discarding): each pane shows what no one before has shown, the last one the rest, **which may be
///   nothing**: take them together
/// - of which window it is a pane its key and its bounds say, where these are known before it is over: those of an interval
///   are, a session still grows, and those of a count are its messages' times so far
/// - [`Every::messages`]: with the n-th message since the firing before, of whatever window. [`Every::time`]: when log time
///   reaches the append time of the first message since then and this much more, a message of that very time is in the next
///   one. So nothing fires while nothing comes. Once no message is buffered both begin anew
/// - where a firing and the end of a window come together the window closes, and the firing shows the others
/// - all open windows fire together: of those that slide each one that has new messages. Around `by_key()` these are the
///   windows of all keys, inside it each key counts and waits for itself
/// - [late](minibatch_core::window::Reason::Late) windows and [updates](minibatch_core::window::Reason::Update) are as without.
///   A [`PatternWindow`](crate::PatternWindow) has nothing to show early: what is not complete may never be a match
/// - a refinement refines each pane for itself. **Inside** (`.unique_by(…).early(…)`) the discarding last window is what the
///   refined whole has of the messages that no firing covered; to refine what is shown, put it around (`.early(…).unique_by(…)`)
/// - `messages` decides by the log alone; `time` at the end of the log by a decision, recorded with the group: the same group
///   gets the same windows after a crash, another group need not
/// - a firing costs what it shows: one that discards does not look at what was shown before, but when a window is over
/// - remembers which messages were shown and how many came since, beside what the strategy does
///
/// ```
/// use std::time::Duration;
///
/// use minibatch_emitters::{Every, Panes, StrategyExt, TimeWindow};
/// use minibatch_testkit::emitter::check;
///
/// const SECOND: Duration = Duration::from_secs(1);
///
/// let so_far = TimeWindow::tumbling(10 * SECOND).early(Every::messages(2), Panes::Accumulating);
/// check(so_far, "a@1 b@2 c@5 d@7 e@12", &["ab early@2", "abcd early@7", "abcd boundary@10"]);
///
/// let news = TimeWindow::tumbling(10 * SECOND).early(Every::time(3 * SECOND), Panes::Discarding);
/// check(news, "a@1 b@2 c@5 d@7 e@12", &["ab early@4", "cd early@8", "_ boundary@10 [0,10)"]);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a strategy does nothing before a consumer or a driver has it"]
pub struct Early<S> {
    strategy: S,
    every: Every,
    panes: Panes,
}

impl<S: Strategy> Early<S> {
    /// The windows of `strategy`, shown `every` so often before they are over.
    pub const fn new(strategy: S, every: Every, panes: Panes) -> Self {
        Self { strategy, every, panes }
    }

    /// The emitter.
    ///
    /// # Errors
    /// As the strategy's own; [`InvalidWindow`](minibatch_core::Cause::InvalidWindow) for a firing every 0 messages, after no
    /// time, or after one that is not in whole milliseconds or has more than 63 bits of them.
    pub fn build(&self) -> Result<EarlyEmitter, Error> {
        Ok(EarlyEmitter::new(self.strategy.emitter()?, self.every.interval()?, self.panes))
    }
}

impl<S: Strategy> Strategy for Early<S> {
    fn emitter(&self) -> Result<Box<dyn WindowEmitter>, Error> {
        Ok(Box::new(self.build()?))
    }

    fn driver(&self, position: Position) -> Result<Box<dyn WindowDriver>, Error> {
        Ok(Box::new(Driver::new(self.build()?, position)))
    }
}
