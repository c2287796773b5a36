//! Many tasks at once.

use std::future::Future;

use tokio::task::JoinSet;

use crate::storage::{
    case::Client,
    failure::{Failure, Verdict},
};

/// Runs the tasks at once and returns what they return, in their order.
pub(crate) async fn at_once<T, F>(tasks: impl IntoIterator<Item = F>) -> Verdict<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Verdict<T>> + Send + 'static,
{
    let mut running = JoinSet::new();
    for (number, task) in tasks.into_iter().enumerate() {
        running.spawn(async move { (number, task.await) });
    }
    let mut results = Vec::new();
    while let Some(joined) = running.join_next().await {
        let (number, result) = joined.map_err(|error| Failure::new(format!("a task of the case failed: {error}")))?;
        results.push((number, result?));
    }
    results.sort_by_key(|(number, _)| *number);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// One client and the other in turn.
pub(crate) fn turns<'a>(a: &'a Client, b: &'a Client) -> impl Iterator<Item = &'a Client> {
    [a, b].into_iter().cycle()
}
