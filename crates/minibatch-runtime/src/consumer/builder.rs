//! From a stream to a running consumer.

use std::{fmt, sync::Arc, time::Duration};

use minibatch_core::{Aggregation, Cause, Error, GroupName, Strategy, StreamName, storage::Position};
use serde::de::DeserializeOwned;

use super::{
    Consumer, ConsumerOptions, OnBufferFull, OnExhausted, OnExpired, OnLate, Outcome, StreamingInto, Summary, crew,
    serve,
    supervisor::{Mode, Setup},
};
use crate::{Backoff, Group, OnStrategyChange, StartAt, Stream, Window, delivery::DeliveryMode};

/// No window chosen yet.
#[derive(Clone, Copy, Debug)]
pub struct NoWindow;

/// Builds a consumer of a stream: choose when a window is ready, then [`run`](Streaming::run) a function,
/// [`drain`](Streaming::drain) what there is, or [`open`](Streaming::open) to pull windows.
///
/// The façade's prelude adds `size`, `max_wait`, `bytes` and `interval`.
#[must_use = "a consumer does nothing before run, drain or open"]
pub struct Streaming<T, W = NoWindow> {
    stream: Stream<T>,
    window: W,
    group: Result<GroupName, Error>,
    options: ConsumerOptions,
    /// A window holds a value in place of messages.
    folds: bool,
    stop: Option<serve::StopSignal>,
}

impl<T> Streaming<T, NoWindow> {
    pub(crate) fn new(stream: Stream<T>) -> Self {
        Self {
            stream,
            window: NoWindow,
            group: GroupName::new("default"),
            options: ConsumerOptions::default(),
            folds: false,
            stop: None,
        }
    }
}

impl<T, W> Streaming<T, W> {
    /// Forms windows by `strategy`: one of the built-in ones, or a function that makes a
    /// [`WindowEmitter`](minibatch_core::WindowEmitter) of one's own.
    pub fn window<S: Strategy>(self, strategy: S) -> Streaming<T, S> {
        self.map_window(|_| strategy)
    }

    /// Folds messages into one value a window, as they come: the function gets windows of that value, and no memory is needed
    /// for the messages. The value is kept with the group, so the messages of an open window need not be read again.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use minibatch_emitters::{Aggregate, TimeWindow};
    /// # use minibatch_runtime::{Client, Window};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> minibatch_core::Result<()> {
    /// # let client = Client::new(Arc::new(minibatch_memory::MemoryStorage::new()));
    /// let numbers = client.stream::<i64>("numbers").await?;
    /// numbers.append_many(&[1, 2, 3, 4]).await?;
    ///
    /// let sum = Aggregate::new(|| 0, |sum: &mut i64, number: &i64| *sum += number, |sum, other| *sum += other);
    /// let days = TimeWindow::tumbling(Duration::from_hours(24)).aggregate(sum.named("sum"));
    /// numbers
    ///     .streaming()
    ///     .aggregate(days)
    ///     .drain(|window: Window<i64>| async move {
    ///         assert_eq!((window.data.as_slice(), window.folded()), ([10].as_slice(), Some(4)));
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A message that is not of the type goes to the dead letters with its window, as always. So does the value of a window
    /// whose attempts are over; [redriven](crate::Client::redrive), it stays there, as it is no message of the stream. Windows are
    /// not [kept](Self::keep), and late messages not given to the [function](OnLate::Function): that is
    /// [`Misconfigured`](minibatch_core::ErrorKind::Misconfigured) when the consumer starts.
    pub fn aggregate<A: Aggregation<Message = T>>(self, aggregation: A) -> Streaming<A::Output, impl Strategy> {
        let Self { stream, window: _, group, options, folds: _, stop } = self;
        let (stream, window) = (stream.of(), aggregation.into_strategy());
        Streaming { stream, window, group, options, folds: true, stop }
    }

    /// Changes the strategy chosen so far.
    pub fn map_window<S>(self, change: impl FnOnce(W) -> S) -> Streaming<T, S> {
        let Self { stream, window, group, options, folds, stop } = self;
        Streaming { stream, window: change(window), group, options, folds, stop }
    }

    /// Reads as this group, independently of all others; `default` unless given. A wrong name is an error when the
    /// consumer starts.
    pub fn group(mut self, name: &str) -> Self {
        self.group = GroupName::new(name);
        self
    }

    /// Begins a new group there instead of at the first message that is kept. A group that is there goes on from where it
    /// is: [`Group::seek`](crate::Group::seek) moves it.
    pub fn start(mut self, at: StartAt) -> Self {
        self.options.start = at;
        self
    }

    /// Begins a new group after the last message instead of at the first.
    pub fn latest(self) -> Self {
        self.start(StartAt::Latest)
    }

    /// What to do when the group's windows were formed by another strategy.
    pub fn on_strategy_change(mut self, policy: OnStrategyChange) -> Self {
        self.options.on_strategy_change = policy;
        self
    }

    /// Tries a window so often (at least once) before it is split to find the messages at fault.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.options.max_attempts = attempts.max(1);
        self
    }

    /// Waits so long between attempts.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.options.backoff = backoff;
        self
    }

    /// Runs the function on so many windows at once (at least one), over all partitions. With more than one they are begun in
    /// order, and done in any; one that fails holds up none but itself, until [`max_ahead`](ConsumerOptions::max_ahead). With
    /// one, a window that fails holds up those of its own partition.
    ///
    /// An async function is called in this task, so its futures take turns on one thread and wait side by side: spawn what
    /// computes. A blocking one has a thread for each call.
    pub fn workers(mut self, workers: usize) -> Self {
        self.options.workers = workers.max(1);
        self
    }

    /// Gives a function so long for a window; after that the attempt has failed. An async function is dropped, a blocking
    /// one goes on beside its next attempt.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// What to do with a window whose attempts are over.
    pub fn on_exhausted(mut self, policy: OnExhausted) -> Self {
        self.options.on_exhausted = policy;
        self
    }

    /// What to do when the strategy keeps more messages waiting than the buffer may hold.
    pub fn on_buffer_full(mut self, policy: OnBufferFull) -> Self {
        self.options.on_buffer_full = policy;
        self
    }

    /// Keeps what becomes of every window, to be listed and run again: see [`Stream::kept_windows`]. The stream then
    /// [keeps](crate::Retention::keep) its messages, as far as its caps allow.
    pub fn keep(mut self, keep: bool) -> Self {
        self.options.keep = keep;
        self
    }

    /// What to do when retention took messages that the group had not finished.
    pub fn on_expired(mut self, policy: OnExpired) -> Self {
        self.options.on_expired = policy;
        self
    }

    /// What to do with messages that come when their windows are over.
    pub fn on_late(mut self, policy: OnLate) -> Self {
        self.options.on_late = policy;
        self
    }

    /// Emits the open window when the consumer is stopped, instead of leaving it for the next start.
    pub fn flush_on_stop(mut self) -> Self {
        self.options.flush_on_stop = true;
        self
    }

    /// Lets windows have [effects](Window::effects): writes to the storage's own database, that take place with the commit
    /// which marks the window done, or not at all. See [`delivery`](crate::delivery).
    ///
    /// An effect that the database refuses is a failed attempt of its window. When its attempts are over all its messages
    /// go to the dead letters: effects are those of the window, and say nothing of single messages. Where the group has
    /// finished no message ever, the effects themselves are to blame, and the window is tried at the longest wait.
    ///
    /// When the consumer starts, [`Misconfigured`](minibatch_core::ErrorKind::Misconfigured) says why a storage has none.
    pub fn transactional(mut self) -> Self {
        self.options.delivery = DeliveryMode::Transactional;
        self
    }

    /// Makes a window's id stand for the same messages for good, before a function sees it: for functions that put their
    /// output in place of whatever is there under that id. See [`delivery`](crate::delivery).
    ///
    /// Windows are then not split: one whose attempts are over goes to the dead letters
    /// [whole](OnExhausted::DeadLetterWhole), unless [`on_exhausted`](Self::on_exhausted) says otherwise after this.
    pub fn idempotent(mut self) -> Self {
        self.options.delivery = DeliveryMode::Idempotent;
        self.options.on_exhausted = OnExhausted::DeadLetterWhole;
        self
    }

    /// Appends what the function returns for each window to `target`, once: a stream of the same client or another, in the
    /// same storage or another. Choose everything else before.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use minibatch_emitters::CountWindow;
    /// # use minibatch_runtime::{Client, Window};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> minibatch_core::Result<()> {
    /// # let client = Client::new(Arc::new(minibatch_memory::MemoryStorage::new()));
    /// let numbers = client.stream::<i64>("numbers").await?;
    /// let sums = client.stream::<i64>("sums").await?;
    /// numbers.append_many(&[1, 2, 3, 4]).await?;
    ///
    /// let windows = numbers.streaming().window(CountWindow::new(2));
    /// windows.into(&sums).drain(|window: Window<i64>| async move { Some(window.data.iter().sum::<i64>()) }).await?;
    ///
    /// let mut seen = Vec::new();
    /// let totals = sums.streaming().window(CountWindow::new(10));
    /// totals.drain(|window: Window<i64>| { seen.extend(window.data); async {} }).await?;
    /// assert_eq!(seen, [3, 7]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A window's output is appended after the function has returned and before the window is done, under the window's
    /// number, and the first under a number stands: see [`delivery`](crate::delivery#into-another-stream) for the condition.
    /// Messages with a [key](super::Output::with_key) go to the partition of their key, the others to the one that
    /// corresponds to the window's. With one [worker](Self::workers) outputs lie in the order of the windows.
    ///
    /// The consumer is [idempotent](Self::idempotent), and a window whose attempts are over goes to the dead letters whole.
    /// [`Window::retry`] gives [`Misconfigured`](minibatch_core::ErrorKind::Misconfigured). Where the target has a
    /// [backlog](crate::Backlog) that is full, the window waits.
    pub fn into<U>(mut self, target: &Stream<U>) -> StreamingInto<T, U, W> {
        self.options.delivery = DeliveryMode::Idempotent;
        if self.options.on_exhausted != OnExhausted::Stop {
            self.options.on_exhausted = OnExhausted::DeadLetterWhole;
        }
        StreamingInto::new(self, target.clone())
    }

    /// What stops it, Ctrl-C unless something else is given.
    pub(super) fn take_stop(&mut self) -> serve::StopSignal {
        self.stop.take().unwrap_or_else(serve::ctrl_c)
    }

    /// With all options at once.
    pub fn options(mut self, options: ConsumerOptions) -> Self {
        self.options = options;
        self
    }

    /// Stops [`run`](Streaming::run) when `signal` resolves, instead of at Ctrl-C.
    pub fn until(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.stop = Some(Box::pin(signal));
        self
    }
}

// `W: Strategy` stands at each method: so the compiler shows its hint where no window was chosen.
impl<T: DeserializeOwned + Send + 'static, W> Streaming<T, W> {
    /// Starts the consumer, to pull windows from it.
    ///
    /// # Errors
    /// [`InvalidName`](minibatch_core::Cause::InvalidName) for the group,
    /// [`InvalidWindow`](minibatch_core::Cause::InvalidWindow) for the strategy,
    /// [`StrategyChanged`](minibatch_core::Cause::StrategyChanged) when the group was formed by another one, and what the
    /// storage says.
    pub async fn open(self) -> Result<Consumer<T>, Error>
    where
        W: Strategy,
    {
        self.begin(Mode::Pull).await
    }

    pub(super) async fn begin(self, mode: Mode) -> Result<Consumer<T>, Error>
    where
        W: Strategy,
    {
        let group = self.group?;
        let client = self.stream.client().clone();
        if self.options.delivery == DeliveryMode::Transactional {
            client.storage().transactional().await?;
        }
        if self.folds && (self.options.keep || self.options.on_late == OnLate::Function) {
            let what = "a consumer that aggregates keeps no windows, and gives late messages to a stream or to nobody";
            return Err(Cause::misconfigured(what).into());
        }
        let fingerprint = self.window.driver(Position::START)?.fingerprint();
        let ConsumerOptions { start, on_strategy_change, .. } = &self.options;
        let opened = Group::new(client.clone(), self.stream.info().clone(), group.clone());
        let opened = opened.open(fingerprint.as_str(), start, on_strategy_change).await;
        opened.map_err(|error| error.during("open group"))?;
        if self.options.keep {
            self.stream.upkeep().keep_messages().await.map_err(|error| error.during("keep"))?;
        }
        let own = (!self.stream.name().is_derived()).then(|| self.stream.name());
        let (dead, late) = (own.map(StreamName::dead), own.map(StreamName::late));
        let setup = Setup {
            client,
            stream: self.stream.info().clone(),
            partition: self.stream.info().partition(0),
            group,
            upkeep: Arc::clone(self.stream.upkeep()),
            strategy: Arc::new(self.window),
            fingerprint: fingerprint.as_str().to_owned(),
            options: self.options,
            dead,
            late,
            folds: self.folds,
            mode,
        };
        Ok(crew::start(setup))
    }

    /// Runs an async function on every window, one after the other, until Ctrl-C (or the signal of
    /// [`until`](Streaming::until)), then finishes the window at hand, commits and returns.
    ///
    /// An error, a panic, or no return within the [`timeout`](Streaming::timeout) is a failed attempt: the window is tried
    /// again with growing waits, its followers wait. When its [attempts](Streaming::max_attempts) are over it is split in
    /// halves, and those that fail again, each piece one attempt, down to single messages. A message that fails alone goes
    /// to the stream `<name>.dead` with the reason when it is at fault: when something else, another piece or another
    /// window, has succeeded since it failed before.
    ///
    /// Where nothing succeeds, the function is at fault, or what it depends on: nothing is given up on, whatever the size
    /// of the windows. The consumer is [failing](crate::ConsumerState::Failing): it tries what failed again at growing
    /// waits, and each time one window more, in case that alone shows the function to work, until something succeeds. So the one
    /// bad message at the end of a stream, in a window of its own, stays until another message comes; a bad message in a
    /// window of which something succeeded does not, it is given up on after as many attempts alone as a window has. And a
    /// bad message in a window of its own may see its successor done before it is tried for the last time:
    /// [`on_exhausted`](Streaming::on_exhausted) stop is for those who want order at any price.
    ///
    /// A process that dies (an abort, no memory left) leaves the window to the next owner. When owners die in one place
    /// one after the other, the next notes each attempt before it is made, one window at a time: dying is then a failed
    /// attempt, and the message at fault is found as any other.
    ///
    /// A piece is a window with an [id](Window::id) of its own. What is left of a window that was split is kept with the
    /// group: a restart goes on there, and what has succeeded does not run again. An error made by
    /// [`retry_after`](crate::retry_after) costs no attempt; [`Window::reject`] gives up on single messages,
    /// [`Window::retry`] gives them back for later.
    ///
    /// # Errors
    /// As [`Streaming::open`], and whatever ends the consumer.
    ///
    /// # Cancel safety
    /// Dropped, it stops at once: the window at hand comes again at the next start.
    pub async fn run<F, Fut, R>(mut self, function: F) -> Result<Summary, Error>
    where
        W: Strategy,
        F: FnMut(Window<T>) -> Fut + Send,
        Fut: Future<Output = R> + Send,
        R: Outcome,
    {
        let stop = self.take_stop();
        serve::run(self.begin(Mode::Run).await?, serve::Async::new(function, R::outcome), Some(stop)).await
    }

    /// Runs a blocking function on every window, on the threads for blocking work. Otherwise as [`Streaming::run`].
    ///
    /// # Errors
    /// As [`Streaming::run`].
    ///
    /// # Cancel safety
    /// As [`Streaming::run`], but a function under way goes on to its end.
    pub async fn run_blocking<F, R>(mut self, function: F) -> Result<Summary, Error>
    where
        W: Strategy,
        F: Fn(Window<T>) -> R + Send + Sync + 'static,
        R: Outcome + 'static,
    {
        let stop = self.take_stop();
        serve::run(self.begin(Mode::Run).await?, serve::Blocking::new(function, R::outcome), Some(stop)).await
    }

    /// Runs an async function on every window up to the end of the stream as it is now, the last one of each partition
    /// being what is left, and returns. For jobs and tests. It takes all partitions, and waits for those that another
    /// member works on until it lets go of them. It does not wait for ever where nothing succeeds.
    ///
    /// # Errors
    /// As [`Streaming::run`], and [`Function`](minibatch_core::Cause::Function) when nothing has succeeded for as many
    /// rounds as a window has attempts: what failed comes again at the next start.
    ///
    /// # Cancel safety
    /// As [`Streaming::run`].
    pub async fn drain<F, Fut, R>(self, function: F) -> Result<Summary, Error>
    where
        W: Strategy,
        F: FnMut(Window<T>) -> Fut + Send,
        Fut: Future<Output = R> + Send,
        R: Outcome,
    {
        serve::run(self.begin(Mode::Drain).await?, serve::Async::new(function, R::outcome), None).await
    }

    /// Runs a blocking function on every window up to the end of the stream as it is now, on the threads for blocking
    /// work. Otherwise as [`Streaming::drain`].
    ///
    /// # Errors
    /// As [`Streaming::run`].
    ///
    /// # Cancel safety
    /// As [`Streaming::run_blocking`].
    pub async fn drain_blocking<F, R>(self, function: F) -> Result<Summary, Error>
    where
        W: Strategy,
        F: Fn(Window<T>) -> R + Send + Sync + 'static,
        R: Outcome + 'static,
    {
        serve::run(self.begin(Mode::Drain).await?, serve::Blocking::new(function, R::outcome), None).await
    }
}

impl<T, W: fmt::Debug> fmt::Debug for Streaming<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming")
            .field("stream", &self.stream)
            .field("window", &self.window)
            .field("group", &self.group)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
