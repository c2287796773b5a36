//! The manual clock.

use std::{sync::Arc, time::Duration};

use minibatch_core::{Clock, Timestamp};
use minibatch_testkit::clock::ManualClock;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn stands_still_until_moved() {
    let clock = ManualClock::new(Timestamp::from_millis(5_000));
    assert_eq!((clock.now(), clock.elapsed()), (Timestamp::from_millis(5_000), Duration::ZERO));
    clock.advance(SECOND);
    assert_eq!((clock.now(), clock.elapsed()), (Timestamp::from_millis(6_000), SECOND));
    clock.set(Timestamp::EPOCH);
    assert_eq!((clock.now(), clock.elapsed()), (Timestamp::EPOCH, SECOND));
}

#[tokio::test]
async fn wakes_those_who_slept_enough() {
    let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
    let sleeper = |seconds: u32| {
        let clock = Arc::clone(&clock);
        tokio::spawn(async move { clock.sleep(SECOND * seconds).await })
    };
    let (short, long) = (sleeper(2), sleeper(3));
    clock.sleepers(2).await;
    // the wall is not what sleeping goes by
    clock.set(Timestamp::MAX);
    clock.advance(SECOND);
    tokio::task::yield_now().await;
    assert!(!short.is_finished());
    clock.advance(SECOND);
    short.await.unwrap();
    assert!(!long.is_finished());
    clock.advance(SECOND);
    long.await.unwrap();
}

#[tokio::test]
async fn sleeps_nothing_at_once() {
    let clock = ManualClock::new(Timestamp::EPOCH);
    clock.sleep(Duration::ZERO).await;
    clock.advance(SECOND);
    clock.sleep(Duration::ZERO).await;
}
