//! Several members of one group.

use std::{sync::Arc, time::Duration};

use minibatch_core::{Clock, Timestamp, storage::Storage};
use minibatch_emitters::CountWindow;
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Client, ClientOptions};
use minibatch_testkit::clock::ManualClock;

use crate::tools::numbers;

#[tokio::test]
async fn a_member_that_shuts_down_hands_over_at_once() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let options = ClientOptions::default().with_member_ttl(Duration::from_millis(50));
    let client =
        || Client::with_options(Arc::clone(&storage), Arc::new(minibatch_runtime::SystemClock::new()), options.clone());
    let (one, two) = (client(), client());
    let stream = numbers(&one, 4).await;
    let mut first = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    first.next().await.unwrap().unwrap().ack().await.unwrap();

    let other = two.stream::<u32>("numbers").await.unwrap();
    let mut second = other.streaming().window(CountWindow::new(2)).open().await.unwrap();
    assert!(futures::poll!(Box::pin(second.next())).is_pending());
    first.shutdown().await.unwrap();
    assert_eq!(second.next().await.unwrap().unwrap().data, [3, 4]);
}

#[tokio::test]
async fn a_member_that_dies_is_taken_over_and_its_commits_are_refused() {
    let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
    let given: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::with_clock(Arc::clone(&given)));
    // the first client's own clock stands still: it does not notice that its heartbeats are late
    let frozen: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::EPOCH));
    let one = Client::with_options(Arc::clone(&storage), frozen, ClientOptions::default());
    let two = Client::with_options(storage, given, ClientOptions::default());
    let stream = numbers(&one, 4).await;
    let mut first = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    let window = first.next().await.unwrap().unwrap();

    let other = two.stream::<u32>("numbers").await.unwrap();
    let mut second = other.streaming().window(CountWindow::new(2)).open().await.unwrap();
    let mut taken = Box::pin(second.next());
    let takeover = loop {
        tokio::select! {
            taken = &mut taken => break taken,
            () = async { clock.sleepers(2).await; clock.advance(Duration::from_secs(1)); tokio::task::yield_now().await } => {}
        }
    };
    let takeover = takeover.unwrap().unwrap();
    assert_eq!((takeover.data.as_slice(), takeover.id), (&[1, 2][..], window.id));
    drop(taken);
    assert!(window.ack().await.is_err(), "the former owner can commit nothing");
    takeover.ack().await.unwrap();
    let state = other.groups().await.unwrap().remove(0).1.remove(0);
    assert_eq!(state.counters.finished, 2);
}
