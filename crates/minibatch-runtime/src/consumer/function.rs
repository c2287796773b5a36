//! The user's function: what it may return, and how its panics are caught.

use std::{any::Any, fmt, panic::AssertUnwindSafe};

use futures::FutureExt;
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
    /// The function's own words, to be kept with the dead letter.
    fn outcome(self) -> Result<(), String>;
}

impl Outcome for () {
    fn outcome(self) -> Result<(), String> {
        Ok(())
    }
}

impl<R, E: fmt::Display> Outcome for Result<R, E> {
    fn outcome(self) -> Result<(), String> {
        self.map(drop).map_err(|error| error.to_string())
    }
}

/// Runs an async function; a panic is a failure.
pub(super) async fn call<R, F>(function: impl FnOnce() -> F) -> Result<(), String>
where
    R: Outcome,
    F: Future<Output = R>,
{
    // the call itself may panic before there is a future
    AssertUnwindSafe(async move { function().await })
        .catch_unwind()
        .await
        .map_or_else(|panic| Err(words(&*panic)), Outcome::outcome)
}

/// Runs a function on the threads for blocking work; a panic is a failure.
pub(super) async fn call_blocking<R>(function: impl FnOnce() -> R + Send + 'static) -> Result<(), String>
where
    R: Outcome,
{
    let outcome = spawn_blocking(move || function().outcome()).await;
    outcome.unwrap_or_else(|failed| match failed.try_into_panic() {
        Ok(panic) => Err(words(&*panic)),
        Err(cancelled) => Err(cancelled.to_string()),
    })
}

fn words(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", words.unwrap_or("no message"))
}
