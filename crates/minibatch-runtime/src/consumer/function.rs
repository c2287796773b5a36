//! The user's function: what it may return, and how its panics are caught.

use std::{any::Any, error, fmt, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use minibatch_core::Error;
use tokio::task::spawn_blocking;

/// What a function of windows may return: nothing, or a result.
#[diagnostic::on_unimplemented(
    message = "a function of windows returns nothing or a `Result` whose error can be displayed, not `{Self}`",
    label = "this function returns `{Self}`",
    note = "end it with `Ok(())`, or with a semicolon"
)]
pub trait Outcome {
    /// Whether the window is done; otherwise why not.
    ///
    /// # Errors
    /// Why the attempt failed.
    fn outcome(self) -> Result<(), Failure>;
}

impl Outcome for () {
    fn outcome(self) -> Result<(), Failure> {
        Ok(())
    }
}

impl<R, E: fmt::Display + 'static> Outcome for Result<R, E> {
    fn outcome(self) -> Result<(), Failure> {
        self.map(drop).map_err(|error| Failure::of(&error))
    }
}

/// Why an attempt at a window failed. A function may also return it as its error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The function's own words, to be kept with a dead letter.
    pub reason: String,
    /// Try again after so long; this attempt does not count.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// For a function's error.
    pub(super) fn of<E: fmt::Display + 'static>(error: &E) -> Self {
        Self { reason: error.to_string(), retry_after: asked_wait(error) }
    }

    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry_after: None }
    }

    /// The process ended in the middle of the attempt.
    pub(super) fn crash() -> Self {
        Self::new("the process ended while it was worked on")
    }

    /// The function did not return in time.
    pub(super) fn timeout(after: Duration) -> Self {
        Self::new(format!("the function did not return within {after:?}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl error::Error for Failure {}

/// The error of a function that cannot work now, though nothing is wrong with the window: it is to be tried again after so
/// long, and the attempt does not count. Also as the source of another error, or in a `Box<dyn Error>`.
///
/// ```
/// # use std::{error::Error, time::Duration};
/// # use minibatch_runtime::{RetryAfter, Window, retry_after};
/// async fn send(window: Window<String>) -> Result<(), Box<dyn Error + Send + Sync>> {
///     let too_many_requests = window.len() > 100;
///     if too_many_requests {
///         return Err(retry_after(Duration::from_secs(30)).into());
///     }
///     Ok(())
/// }
/// ```
#[must_use]
pub fn retry_after(wait: Duration) -> RetryAfter {
    RetryAfter(wait)
}

/// See [`retry_after`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryAfter(Duration);

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not now, try again after {:?}", self.0)
    }
}

impl error::Error for RetryAfter {}

/// The wait that a function's error asks for, whatever the error is wrapped in.
fn asked_wait(error: &dyn Any) -> Option<Duration> {
    if let Some(RetryAfter(wait)) = error.downcast_ref() {
        return Some(*wait);
    }
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.retry_after;
    }
    let mut source: Option<&(dyn error::Error + 'static)> = if let Some(error) = error.downcast_ref::<Error>() {
        Some(error)
    } else if let Some(error) = error.downcast_ref::<Box<dyn error::Error + Send + Sync>>() {
        Some(&**error)
    } else {
        error.downcast_ref::<Box<dyn error::Error>>().map(|error| &**error)
    };
    while let Some(error) = source {
        if let Some(RetryAfter(wait)) = error.downcast_ref() {
            return Some(*wait);
        }
        source = error.source();
    }
    None
}

/// Runs an async function; a panic is a failure.
pub(super) async fn call<R, F: Future<Output = R>>(function: impl FnOnce() -> F) -> Result<R, Failure> {
    // the call itself may panic before there is a future
    let returned = AssertUnwindSafe(async move { function().await }).catch_unwind().await;
    returned.map_err(|panic| Failure::new(words(&*panic)))
}

/// Runs a function on the threads for blocking work; a panic is a failure.
pub(super) async fn call_blocking<R: Send + 'static>(
    function: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Failure> {
    spawn_blocking(function).await.map_err(|failed| match failed.try_into_panic() {
        Ok(panic) => Failure::new(words(&*panic)),
        Err(cancelled) => Failure::new(cancelled.to_string()),
    })
}

fn words(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", words.unwrap_or("no message"))
}
