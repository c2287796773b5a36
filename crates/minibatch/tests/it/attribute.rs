//! `#[streaming]` on async functions.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use minibatch::{Reason, prelude::*};
use tokio::sync::mpsc;

use crate::stores;

type Seen = Arc<Mutex<Vec<(Vec<u32>, Reason)>>>;

#[streaming("numbers", size = 2, max_wait = "1h")]
async fn pairs(window: Window<u32>, seen: Seen) {
    seen.lock().unwrap().push((window.data, window.reason));
}

#[tokio::test]
async fn drains_with_state() {
    for store in stores::all().await {
        stores::count_to(&store.mb, 5).await;
        let seen = Seen::default();
        let summary = pairs.with(Arc::clone(&seen)).drain(&store.mb).await.unwrap();
        assert_eq!((summary.windows, summary.messages), (3, 5));
        let expect = [(vec![1, 2], Reason::Count), (vec![3, 4], Reason::Count), (vec![5], Reason::Drain)];
        assert_eq!(*seen.lock().unwrap(), expect);
        store.mb.shutdown().await;
    }
}

#[tokio::test]
async fn the_group_is_the_functions_name_unless_given() {
    for store in stores::all().await {
        stores::count_to(&store.mb, 1).await;
        pairs.with(Seen::default()).drain(&store.mb).await.unwrap();
        fails.drain(&store.mb).await.unwrap();
        let groups = store.mb.stream::<u32>("numbers").await.unwrap().groups().await.unwrap();
        let names: Vec<_> = groups.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["other", "pairs"]);
    }
}

/// Never succeeds on the two.
#[streaming("numbers", size = 1, group = "other", max_attempts = 1)]
async fn fails(window: Window<u32>) -> Result<(), String> {
    // its own name is free for variables inside
    let fails = window.data == [2];
    if fails { Err("one too many".to_owned()) } else { Ok(()) }
}

#[tokio::test]
async fn an_error_is_a_failed_attempt() {
    for store in stores::all().await {
        stores::count_to(&store.mb, 3).await;
        let summary = fails.drain(&store.mb).await.unwrap();
        // once, and once more when the three has succeeded
        assert_eq!((summary.failures, summary.dead), (2, 1));
    }
}

/// Does not return the first time.
#[streaming("numbers", size = 3, timeout = "10ms", workers = 2)]
async fn hangs(window: Window<u32>) {
    if window.attempt == 1 {
        std::future::pending::<()>().await;
    }
}

#[tokio::test]
async fn a_function_has_its_time() {
    for store in stores::all().await {
        stores::count_to(&store.mb, 3).await;
        let summary = hangs.drain(&store.mb).await.unwrap();
        assert_eq!((summary.windows, summary.failures, summary.dead), (1, 1, 0));
    }
}

mod nested {
    use super::{Window, mpsc, streaming};

    /// Seen from the module above.
    #[streaming("numbers", bytes = 1 << 20, max_wait = super::SOON, size = super::SIZE)]
    #[cfg(not(any()))]
    pub(super) async fn r#yield(
        Window { data, .. }: Window<u32>,
        (seen, factor): (mpsc::UnboundedSender<u32>, u32),
    ) -> Result<u32, mpsc::error::SendError<u32>> {
        let sum = data.into_iter().sum::<u32>() * factor;
        seen.send(sum)?;
        Ok(sum)
    }
}

const SIZE: usize = 2;
const SOON: Duration = Duration::from_millis(1);

#[tokio::test]
async fn runs_until_it_is_dropped() {
    for store in stores::all().await {
        let (sender, mut seen) = mpsc::unbounded_channel();
        let running = nested::r#yield.with((sender, 10)).run(&store.mb);
        let appending = async {
            stores::count_to(&store.mb, 3).await;
            [seen.recv().await, seen.recv().await]
        };
        tokio::select! {
            ended = running => panic!("{ended:?}"),
            sums = appending => assert_eq!(sums, [Some(30), Some(30)]),
        }
    }
}

#[streaming("numbers", size = 2)]
async fn sum(window: Window<u32>) -> Result<u32> {
    Ok(window.data.iter().sum())
}

#[tokio::test]
async fn is_still_a_function_and_a_builder() {
    for store in stores::all().await {
        stores::count_to(&store.mb, 2).await;
        let mut consumer = sum.streaming(&store.mb).await.unwrap().group("more").open().await.unwrap();
        let window = consumer.next().await.unwrap().unwrap();
        assert_eq!(sum.call(window).await.unwrap(), 3);
    }
}

#[streaming("numbers", interval = "1h", relaxed = true)]
async fn now_and_then(window: Window<u32>) {
    drop(window);
}

#[streaming("numbers", interval = "1h", relaxed = false)]
async fn by_the_hour(window: Window<u32>) {
    drop(window);
}

#[tokio::test]
async fn intervals() {
    for store in stores::all().await {
        stores::count_to(&store.mb, 3).await;
        now_and_then.drain(&store.mb).await.unwrap();
        by_the_hour.drain(&store.mb).await.unwrap();
        let groups = store.mb.stream::<u32>("numbers").await.unwrap().groups().await.unwrap();
        let fingerprints: Vec<_> = groups.iter().map(|(_, states)| states[0].fingerprint.as_str()).collect();
        assert_eq!(fingerprints, ["fixed_time/1(3600000ms)", "relaxed_time/1(3600000ms)"]);
    }
}
