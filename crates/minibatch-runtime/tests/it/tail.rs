//! An idle stream still closes its windows.

use std::{sync::Arc, time::Duration};

use minibatch_core::{Clock, Result, Slot, Timestamp, chunk::Record, window::Reason};
use minibatch_emitters::{BatchWindow, FixedTimeWindow, RelaxedTimeWindow};
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Client, ClientOptions};
use minibatch_testkit::{
    clock::ManualClock,
    storage::{Tap, Tapped},
};
use tokio::sync::watch;

use crate::tools::{manual_client, numbers, settle};

#[tokio::test]
async fn max_wait_closes_a_window_without_more_messages() {
    let (client, clock) = manual_client();
    let stream = numbers(&client, 3).await;
    let wait = Duration::from_secs(2);
    let mut consumer = stream.streaming().window(BatchWindow::new().size(10).max_wait(wait)).open().await.unwrap();
    let time = async {
        // the heartbeat, and the tail timer
        clock.sleepers(2).await;
        clock.advance(wait);
    };
    let (window, ()) = tokio::join!(consumer.next(), time);
    let window = window.unwrap().unwrap();
    assert_eq!((window.reason, window.data.as_slice()), (Reason::MaxWait, &[1, 2, 3][..]));
    let id = window.id;
    drop(window);
    drop(consumer);

    // undone, the decision was not committed either: the same window is decided again, at once as its time has passed
    let mut consumer = stream.streaming().window(BatchWindow::new().size(10).max_wait(wait)).open().await.unwrap();
    let window = consumer.next().await.unwrap().unwrap();
    assert_eq!((window.id, window.len()), (id, 3));
    window.ack().await.unwrap();
    stream.append(&4).await.unwrap();
    let (window, ()) = tokio::join!(consumer.next(), async {
        clock.sleepers(2).await;
        clock.advance(wait);
    });
    assert_eq!(window.unwrap().unwrap().data, [4]);
}

/// Append times stand still until a clock that was set back is where it was: time passes all the same.
#[tokio::test]
async fn max_wait_ends_on_a_busy_stream_whose_clock_was_set_back() {
    let (client, clock) = manual_client();
    let stream = numbers(&client, 1).await;
    let wait = Duration::from_secs(2);
    let mut consumer = stream.streaming().window(BatchWindow::new().size(1_000).max_wait(wait)).open().await.unwrap();
    settle().await;
    clock.set(clock.now().minus(Duration::from_secs(600)));
    let busy = async {
        for number in 2..100 {
            stream.append(&number).await.unwrap();
            settle().await;
            clock.advance(Duration::from_millis(100));
            settle().await;
        }
    };
    let window = tokio::select! {
        window = consumer.next() => window.unwrap().unwrap(),
        () = busy => panic!("the window waits for ten minutes"),
    };
    assert_eq!(window.reason, Reason::MaxWait);
    assert!((15..30).contains(&window.len()), "{} messages in two seconds", window.len());
}

#[tokio::test]
async fn time_windows_close_on_an_idle_stream() {
    let (client, clock) = manual_client();
    let stream = numbers(&client, 3).await;
    let length = Duration::from_secs(7);
    let mut fixed = stream.streaming().group("fixed").window(FixedTimeWindow::new(length)).open().await.unwrap();
    let mut relaxed = stream.streaming().group("relaxed").window(RelaxedTimeWindow::new(length)).open().await.unwrap();
    let time = async {
        clock.sleepers(3).await;
        clock.advance(length);
    };
    let (fixed, relaxed, ()) = tokio::join!(fixed.next(), relaxed.next(), time);
    let (fixed, relaxed) = (fixed.unwrap().unwrap(), relaxed.unwrap().unwrap());
    assert_eq!((fixed.reason, fixed.len()), (Reason::Boundary, 3));
    assert_eq!(fixed.bounds.start.as_millis() % 7_000, 0);
    assert_eq!(fixed.bounds.end.since(fixed.bounds.start), length);
    assert_eq!(relaxed.len(), 3);
}

/// A slot that is empty while later ones are filled, until its producer comes.
#[derive(Debug)]
struct Hole(watch::Sender<Option<Slot>>);

impl Tap for Hole {
    async fn call<T: Send>(&self, operation: &'static str, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if operation == "wait" {
            // what lies behind the hole is no reason to return
            self.0.subscribe().wait_for(Option::is_none).await.unwrap();
        }
        call.await
    }

    fn found(&self, records: Vec<Record>) -> Vec<Record> {
        let hole = *self.0.borrow();
        records.into_iter().take_while(|record| hole.is_none_or(|hole| record.slot < hole)).collect()
    }
}

#[tokio::test]
async fn a_hole_is_not_the_end_of_the_log() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000)));
    let given: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let hole = Hole(watch::Sender::new(Slot::new(2).ok()));
    let storage = Arc::new(Tapped::new(MemoryStorage::with_clock(Arc::clone(&given)), hole));
    let client = Client::with_options(Arc::clone(&storage) as _, given, ClientOptions::default());
    let stream = numbers(&client, 1).await;
    for late in [2, 3] {
        stream.append(&late).await.unwrap();
    }
    let wait = Duration::from_secs(2);
    let mut consumer = stream.streaming().window(BatchWindow::new().size(10).max_wait(wait)).open().await.unwrap();
    let time = async {
        settle().await;
        clock.advance(wait);
        settle().await;
        storage.tap().0.send_replace(None);
    };
    let (window, ()) = tokio::join!(consumer.next(), time);
    // the deadline passed while the hole was there: what lies behind it was in time
    assert_eq!(window.unwrap().unwrap().data, [1, 2, 3]);
}
