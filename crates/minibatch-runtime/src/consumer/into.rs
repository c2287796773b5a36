//! From a stream into another: what a function gives for a window is appended once.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use minibatch_core::{Cause, Error, ErrorKind, Strategy, chunk::Extras};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Failure, Streaming, Summary,
    serve::{self, Async, Blocking, Function},
    stats::Stats,
    supervisor::Mode,
};
use crate::{Stream, Window};

/// How long a window waits whose output finds no room in the other stream.
pub(super) const NO_ROOM: Duration = Duration::from_secs(1);

/// A message for another stream, with what comes with it. Any value becomes one, without a key and headers.
///
/// ```
/// # use minibatch_runtime::Output;
/// let total = Output::new(17.5).with_key("plant-1").with_header("unit", "kWh");
/// let plain: Output<f64> = 17.5.into();
/// assert_ne!(total, plain);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Output<U> {
    /// The message.
    pub value: U,
    /// Its key, which says to which partition it goes, and headers.
    pub extras: Extras,
}

impl<U> Output<U> {
    /// A message without a key and headers.
    pub fn new(value: U) -> Self {
        Self { value, extras: Extras::default() }
    }

    /// With this key.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.extras.key = Some(key.into());
        self
    }

    /// With one header more.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extras.headers.push((name.into(), value.into()));
        self
    }
}

impl<U> From<U> for Output<U> {
    fn from(value: U) -> Self {
        Self::new(value)
    }
}

/// What a function of windows may return whose output goes into a stream of `U`: messages, or a result with them.
#[diagnostic::on_unimplemented(
    message = "a function into a stream of `{U}` returns messages (a `Vec`, an `Option`, an array), or a `Result` with them whose error can be displayed, not `{Self}`",
    label = "this function returns `{Self}`",
    note = "the messages are of the stream's type, or each an `Output` of it"
)]
pub trait Outputs<U> {
    /// The messages; otherwise why there are none.
    ///
    /// # Errors
    /// Why the attempt failed.
    fn outputs(self) -> Result<Vec<Output<U>>, Failure>;
}

impl<U, O: Into<Output<U>>> Outputs<U> for Vec<O> {
    fn outputs(self) -> Result<Vec<Output<U>>, Failure> {
        Ok(self.into_iter().map(Into::into).collect())
    }
}

impl<U, O: Into<Output<U>>> Outputs<U> for Option<O> {
    fn outputs(self) -> Result<Vec<Output<U>>, Failure> {
        Ok(self.into_iter().map(Into::into).collect())
    }
}

impl<U, O: Into<Output<U>>, const N: usize> Outputs<U> for [O; N] {
    fn outputs(self) -> Result<Vec<Output<U>>, Failure> {
        Ok(self.into_iter().map(Into::into).collect())
    }
}

impl<U, R: Outputs<U>, E: fmt::Display + 'static> Outputs<U> for Result<R, E> {
    fn outputs(self) -> Result<Vec<Output<U>>, Failure> {
        self.map_err(|error| Failure::of(&error))?.outputs()
    }
}

/// Builds a consumer whose output goes into another stream: see [`Streaming::into`].
#[must_use = "a consumer does nothing before run or drain"]
pub struct StreamingInto<T, U, W> {
    streaming: Streaming<T, W>,
    target: Stream<U>,
}

impl<T, U, W> StreamingInto<T, U, W> {
    pub(super) fn new(streaming: Streaming<T, W>, target: Stream<U>) -> Self {
        Self { streaming, target }
    }
}

impl<T, U, W> StreamingInto<T, U, W>
where
    T: DeserializeOwned + Send + 'static,
    U: Serialize + Send + Sync + 'static,
    W: Strategy,
{
    /// Runs an async function on every window and appends what it returns, until Ctrl-C (or the signal of
    /// [`until`](Streaming::until)); otherwise as [`Streaming::run`].
    ///
    /// # Errors
    /// As [`Streaming::run`].
    ///
    /// # Cancel safety
    /// As [`Streaming::run`]: of the window at hand the output may be appended, once.
    pub async fn run<F, Fut, R>(mut self, function: F) -> Result<Summary, Error>
    where
        F: FnMut(Window<T>) -> Fut + Send,
        Fut: Future<Output = R> + Send,
        R: Outputs<U>,
    {
        let stop = self.streaming.take_stop();
        self.start(Mode::Run, Async::new(function, R::outputs), Some(stop)).await
    }

    /// Runs a blocking function on every window, on the threads for blocking work, and appends what it returns. Otherwise
    /// as [`StreamingInto::run`].
    ///
    /// # Errors
    /// As [`Streaming::run`].
    ///
    /// # Cancel safety
    /// As [`Streaming::run_blocking`].
    pub async fn run_blocking<F, R>(mut self, function: F) -> Result<Summary, Error>
    where
        F: Fn(Window<T>) -> R + Send + Sync + 'static,
        R: Outputs<U> + 'static,
    {
        let stop = self.streaming.take_stop();
        self.start(Mode::Run, Blocking::new(function, R::outputs), Some(stop)).await
    }

    /// Runs an async function on every window up to the end of the stream as it is now and appends what it returns;
    /// otherwise as [`Streaming::drain`].
    ///
    /// # Errors
    /// As [`Streaming::drain`].
    ///
    /// # Cancel safety
    /// As [`StreamingInto::run`].
    pub async fn drain<F, Fut, R>(self, function: F) -> Result<Summary, Error>
    where
        F: FnMut(Window<T>) -> Fut + Send,
        Fut: Future<Output = R> + Send,
        R: Outputs<U>,
    {
        self.start(Mode::Drain, Async::new(function, R::outputs), None).await
    }

    /// Runs a blocking function on every window up to the end of the stream as it is now, on the threads for blocking
    /// work, and appends what it returns. Otherwise as [`StreamingInto::drain`].
    ///
    /// # Errors
    /// As [`Streaming::drain`].
    ///
    /// # Cancel safety
    /// As [`Streaming::run_blocking`].
    pub async fn drain_blocking<F, R>(self, function: F) -> Result<Summary, Error>
    where
        F: Fn(Window<T>) -> R + Send + Sync + 'static,
        R: Outputs<U> + 'static,
    {
        self.start(Mode::Drain, Blocking::new(function, R::outputs), None).await
    }

    async fn start(
        self,
        mode: Mode,
        function: impl Function<T, Vec<Output<U>>>,
        stop: Option<serve::StopSignal>,
    ) -> Result<Summary, Error> {
        let consumer = self.streaming.begin(mode).await?;
        let stats = Arc::clone(&consumer.stats);
        serve::run(consumer, Appending { target: self.target, stats, function }, stop).await
    }
}

impl<T, U, W: fmt::Debug> fmt::Debug for StreamingInto<T, U, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamingInto")
            .field("streaming", &self.streaming)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// Appends what a function gives.
struct Appending<U, F> {
    target: Stream<U>,
    stats: Arc<Stats>,
    function: F,
}

#[async_trait]
impl<T, U, F> Function<T, ()> for Appending<U, F>
where
    T: Send + 'static,
    U: Serialize + Send + Sync + 'static,
    F: Function<T, Vec<Output<U>>>,
{
    async fn call(&self, mut window: Window<T>) -> Result<(), Failure> {
        let (origin, id, partition) = (window.origin(), window.id, window.partition);
        window.settle_whole();
        let outputs = self.function.call(window).await?;
        let values = outputs.iter().map(|output| (&output.value, &output.extras));
        let appended = async {
            let routed = self.target.router().route_outputs(partition, values)?;
            self.target.append_derived(&origin, &routed).await
        };
        let discarded = appended.await.map_err(|error| not_appended(&error))?;
        if discarded > 0 {
            tracing::warn!(window = %id, chunks = discarded, stream = %self.target.name(),
                "the window had another output before: that one stands");
            self.stats.discarded(discarded);
        }
        Ok(())
    }
}

/// No fault of the window's where there is no room, or nobody who can append.
fn not_appended(error: &Error) -> Failure {
    let waits = error.kind() == ErrorKind::Retry || matches!(error.cause(), Cause::BacklogFull { .. });
    Failure { retry_after: waits.then_some(NO_ROOM), ..Failure::new(error.to_string()) }
}
