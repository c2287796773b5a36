//! What users test their functions with.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use minibatch::{
    WindowId,
    prelude::*,
    testing::{assert_idempotent, window},
};

/// A table of sums, and which windows were seen.
#[derive(Default)]
struct Table {
    sums: Mutex<Vec<u32>>,
    by_window: Mutex<BTreeMap<u64, u32>>,
    seen: Mutex<BTreeSet<WindowId>>,
}

impl Table {
    fn content(&self) -> (Vec<u32>, BTreeMap<u64, u32>) {
        (self.sums.lock().unwrap().clone(), self.by_window.lock().unwrap().clone())
    }
}

async fn check<R: minibatch::Outcome>(function: impl AsyncFn(&Table, Window<u32>) -> R) {
    let window = window([1, 2, 3]).unwrap();
    assert_idempotent(&window, async || Table::default(), function, async |table| table.content()).await;
}

#[tokio::test]
async fn what_is_replaced_is_idempotent() {
    check(async |table, window| {
        tokio::task::yield_now().await;
        table.by_window.lock().unwrap().insert(window.ordinal, window.data.iter().sum());
        tokio::task::yield_now().await;
    })
    .await;
}

#[tokio::test]
#[should_panic(expected = "the effects of three deliveries")]
async fn what_is_added_is_not() {
    check(async |table, window| table.sums.lock().unwrap().push(window.data.iter().sum())).await;
}

#[tokio::test]
#[should_panic(expected = "dropped at poll 1")]
async fn what_is_marked_as_seen_before_it_is_done_is_lost() {
    check(async |table, window| {
        if table.seen.lock().unwrap().insert(window.id) {
            tokio::task::yield_now().await;
            table.sums.lock().unwrap().push(window.data.iter().sum());
        }
    })
    .await;
}

#[tokio::test]
#[should_panic(expected = "failed at attempt 1: by design")]
async fn a_failure_is_told() {
    check(async |_, _| Err::<(), _>("by design")).await;
}

#[streaming("words", size = 2)]
async fn count(window: Window<String>, counted: std::sync::Arc<Mutex<usize>>) {
    *counted.lock().unwrap() += window.len();
}

#[tokio::test]
async fn a_function_of_the_attribute_is_called_with_its_state() {
    let counted = std::sync::Arc::default();
    let settled = window(["a", "b"]).unwrap().run(|window| count.call(window, std::sync::Arc::clone(&counted))).await;
    assert_eq!((settled.outcome, *counted.lock().unwrap()), (Ok(()), 2));
}
