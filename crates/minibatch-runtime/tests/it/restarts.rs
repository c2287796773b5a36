//! The same windows after a restart, and what happens where they differ.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use minibatch_core::{
    Buffer, Cause, Fingerprint, Readiness, Timestamp, WindowEmitter,
    window::{Reason, Selection},
};
use minibatch_emitters::CountWindow;
use minibatch_runtime::{Stream, Window};

use crate::tools::{client, numbers};

#[tokio::test]
async fn windows_that_were_not_acknowledged_are_formed_again() {
    let stream = numbers(&client(), 9).await;
    let mut before = Vec::new();
    let mut consumer = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    for _ in 0..3 {
        let window = consumer.next().await.unwrap().unwrap();
        before.push((window.id, window.data.clone(), window.bounds));
        if window.ordinal == 1 {
            window.ack().await.unwrap();
        }
    }
    drop(consumer);
    let mut consumer = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    for expected in &before[1..] {
        let window = consumer.next().await.unwrap().unwrap();
        assert_eq!((window.id, window.data.clone(), window.bounds), *expected);
    }
}

#[tokio::test]
async fn another_strategy_under_the_same_group_is_refused() {
    let stream = numbers(&client(), 2).await;
    drain(&stream, 2).await;
    let error = stream.streaming().window(CountWindow::new(3)).open().await.unwrap_err();
    assert!(matches!(error.cause(), Cause::StrategyChanged { .. }), "{error:?}");
    assert!(stream.remove_group("default").await.unwrap());
    drop(stream.streaming().window(CountWindow::new(3)).open().await.unwrap());
}

async fn drain(stream: &Stream<u32>, size: usize) {
    stream.streaming().window(CountWindow::new(size)).drain(|_: Window<u32>| async {}).await.unwrap();
}

/// Windows of a size that changes under the same fingerprint, as a closure may.
pub(crate) struct Changing(pub(crate) usize);

impl WindowEmitter for Changing {
    fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
        if buffer.len() < self.0 { Readiness::wait() } else { Readiness::Ready }
    }

    fn query(&mut self, _buffer: &Buffer) -> Selection {
        Selection::first(self.0, Reason::Predicate)
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new("changing", 1, "")
    }
}

#[tokio::test]
async fn where_windows_differ_every_one_is_handed_out_again_under_new_numbers() {
    let stream = numbers(&client(), 12).await;
    let size = Arc::new(AtomicUsize::new(2));
    let strategy = |size: &Arc<AtomicUsize>| {
        let size = Arc::clone(size);
        move || Changing(size.load(Relaxed))
    };
    let mut consumer = stream.streaming().window(strategy(&size)).open().await.unwrap();
    let open = consumer.next().await.unwrap().unwrap();
    for _ in 0..2 {
        // the first window stays open, so the base cannot move past it
        consumer.next().await.unwrap().unwrap().ack().await.unwrap();
    }
    drop(consumer);
    drop(open);

    size.store(3, Relaxed);
    let mut seen = Vec::new();
    let mut consumer = stream.streaming().window(strategy(&size)).open().await.unwrap();
    for _ in 0..4 {
        let window = consumer.next().await.unwrap().unwrap();
        seen.push((window.ordinal, window.data.clone()));
        window.ack().await.unwrap();
    }
    let data: Vec<u32> = seen.iter().flat_map(|(_, data)| data.iter().copied()).collect();
    assert_eq!(data, (1..=12).collect::<Vec<_>>(), "nothing is skipped");
    assert!(seen.iter().all(|(ordinal, _)| *ordinal > 3), "no number stands for two windows: {seen:?}");
}
