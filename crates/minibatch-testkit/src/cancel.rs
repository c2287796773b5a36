//! Futures that are dropped half way, as by `select!`, a timeout, or a task that is aborted.

use std::{future::Future, pin::pin, task::Poll};

/// Polls `future` at most `polls` times, then drops it; its output if it was ready by then. It is polled again only when
/// it was woken, as by a runtime.
///
/// ```
/// use minibatch_testkit::cancel::dropped_after;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let yields_once = || async { tokio::task::yield_now().await };
/// assert_eq!(dropped_after(0, yields_once()).await, None);
/// assert_eq!(dropped_after(1, yields_once()).await, None);
/// assert_eq!(dropped_after(2, yields_once()).await, Some(()));
/// # }
/// ```
pub async fn dropped_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Makes a future again and again and drops each half way: unpolled, after one poll, after two, and so on, until one is
/// ready before. Returns its output, and how many were dropped.
///
/// What each of them has done by then is left to the test, which calls this for an operation that is safe to repeat, and
/// then looks whether it was done once.
///
/// ```
/// use minibatch_testkit::cancel::at_every_await;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut begun = 0;
/// let (output, dropped) = at_every_await(|| {
///     begun += 1;
///     async { tokio::task::yield_now().await }
/// })
/// .await;
/// assert_eq!((output, dropped, begun), ((), 2, 3));
/// # }
/// ```
pub async fn at_every_await<F: Future>(mut make: impl FnMut() -> F) -> (F::Output, usize) {
    let mut polls = 0;
    loop {
        if let Some(output) = dropped_after(polls, make()).await {
            return (output, polls);
        }
        polls += 1;
    }
}
