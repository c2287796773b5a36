//! Several windows at once.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use minibatch_emitters::CountWindow;
use minibatch_runtime::{Client, ConsumerOptions, Window};
use tokio::sync::{Barrier, Notify};

use crate::{
    dead_letters::letters,
    tools::{client, numbers, soon},
};

#[tokio::test]
async fn windows_run_side_by_side() {
    let stream = numbers(&client(), 6).await;
    // nobody goes on before three are here
    let together = Arc::new(Barrier::new(3));
    let windows = stream.streaming().window(CountWindow::new(1)).workers(3);
    let summary = windows
        .drain(|_: Window<u32>| {
            let together = Arc::clone(&together);
            async move {
                together.wait().await;
            }
        })
        .await
        .unwrap();
    assert_eq!((summary.windows, summary.messages, summary.failures), (6, 6, 0));
    assert_eq!(stream.groups().await.unwrap().remove(0).1.remove(0).counters.finished, 6);
}

#[tokio::test]
async fn blocking_ones_too() {
    let stream = numbers(&client(), 6).await;
    let together = Arc::new(std::sync::Barrier::new(3));
    let windows = stream.streaming().window(CountWindow::new(1)).workers(3);
    let wait = move |_: Window<u32>| {
        together.wait();
    };
    assert_eq!(windows.drain_blocking(wait).await.unwrap().windows, 6);
}

#[tokio::test]
async fn never_more_than_asked_for() {
    for workers in 1..=4 {
        let stream = numbers(&client(), 50).await;
        let (running, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let windows = stream.streaming().window(CountWindow::new(1)).workers(workers);
        windows
            .drain(|window: Window<u32>| {
                let (running, most) = (Arc::clone(&running), Arc::clone(&most));
                async move {
                    most.fetch_max(running.fetch_add(1, Relaxed) + 1, Relaxed);
                    for _ in 0..window.ordinal % 5 {
                        tokio::task::yield_now().await;
                    }
                    running.fetch_sub(1, Relaxed);
                }
            })
            .await
            .unwrap();
        assert_eq!(most.load(Relaxed), workers as u64);
    }
}

#[tokio::test]
async fn one_that_fails_holds_up_none_but_itself() {
    let client = client();
    let stream = numbers(&client, 20).await;
    let mut order = Vec::new();
    let windows = stream.streaming().window(CountWindow::new(2)).workers(2).max_attempts(2).backoff(soon());
    let summary = windows
        .drain(|window: Window<u32>| {
            let fails = window.data.contains(&1);
            if !fails {
                order.push(window.ordinal);
            }
            async move { if fails { Err("no ones") } else { Ok(()) } }
        })
        .await
        .unwrap();
    assert_eq!((summary.windows, summary.messages, summary.dead), (10, 20, 1));
    assert!(order.iter().any(|ordinal| *ordinal > 1) && order.contains(&1), "{order:?}");
    assert_eq!(letters::<u32>(&client).await.len(), 1);
}

#[tokio::test]
async fn the_others_run_ahead_of_a_slow_one_up_to_a_bound() {
    let stream = numbers(&client(), 20).await;
    let (seen, four) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
    let mut options = ConsumerOptions::default();
    (options.workers, options.max_ahead) = (3, 4);
    let windows = stream.streaming().window(CountWindow::new(1)).options(options);
    windows
        .drain(|window: Window<u32>| {
            let (seen, four) = (Arc::clone(&seen), Arc::clone(&four));
            async move {
                seen.lock().unwrap().push(window.ordinal);
                match window.ordinal {
                    1 => {
                        four.notified().await;
                        // whatever else could run has
                        for _ in 0..100 {
                            tokio::task::yield_now().await;
                        }
                        assert_eq!(*seen.lock().unwrap(), [1, 2, 3, 4]);
                    }
                    4 => four.notify_one(),
                    _ => {}
                }
            }
        })
        .await
        .unwrap();
    assert!(seen.lock().unwrap().iter().copied().eq(1..=20));
}

/// Stopped in the middle and started again, with windows done out of order: each is done once.
#[tokio::test]
async fn what_was_done_out_of_order_is_not_done_again() {
    let client = client();
    let stream = numbers(&client, 40).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    for stop_after in [7, 11, 13, 40] {
        let stop = Arc::new(Notify::new());
        let stopping = Arc::clone(&stop);
        let windows = stream.streaming().window(CountWindow::new(1)).workers(4);
        let mut left = stop_after;
        windows
            .until(async move { stopping.notified().await })
            .run(|window: Window<u32>| {
                left -= 1;
                let all = window.data == [40];
                if left == 0 || all {
                    stop.notify_one();
                }
                let seen = Arc::clone(&seen);
                async move {
                    for _ in 0..window.data[0] % 7 {
                        tokio::task::yield_now().await;
                    }
                    seen.lock().unwrap().extend(window.data);
                }
            })
            .await
            .unwrap();
    }
    drain(&client).await;
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_unstable();
    assert_eq!(seen, (1..=40).collect::<Vec<_>>());
}

/// Nothing is left.
async fn drain(client: &Client) {
    let stream = client.stream::<u32>("numbers").await.unwrap();
    let left = stream.streaming().window(CountWindow::new(1)).drain(|_: Window<u32>| async {}).await.unwrap();
    assert_eq!(left.messages, 0);
}
