//! Windows that hold a value in place of messages.

use std::time::Duration;

use minibatch_core::{Cause, Timestamp, storage::Counters};
use minibatch_emitters::{Aggregate, Aggregated, CountWindow, EventTime, TimeWindow};
use minibatch_runtime::{OnLate, Stream, Window};

use crate::{
    dead_letters::{header, letters},
    tools::{client, numbers, soon, until},
};

/// The sum of the numbers of every ten seconds; each says at which second it happened.
fn sums() -> Aggregated<u32, u64> {
    let sum = Aggregate::new(|| 0, |sum: &mut u64, number: &u32| *sum += u64::from(*number), |sum, more| *sum += more);
    let seconds = EventTime::by(|message| {
        // a text happens with the number five
        let seconds = message.decode::<i64>().or_else(|_| message.decode::<String>().map(|_| 5)).ok()?;
        Some(Timestamp::from_millis(seconds * 1_000))
    });
    TimeWindow::tumbling(Duration::from_secs(10)).event_time(seconds.never_idle()).aggregate(sum)
}

async fn counters(stream: &Stream<u32>) -> Counters {
    let groups = stream.groups().await.unwrap();
    groups.first().and_then(|(_, states)| states.first()).unwrap().counters
}

async fn check_audit(stream: &Stream<u32>) {
    let audit = stream.audit("default").await.unwrap();
    assert_eq!(audit.differences().count(), 0, "{audit:?}");
}

#[tokio::test]
async fn a_function_gets_the_value_of_each_window() {
    let client = client();
    let stream = numbers(&client, 25).await;
    let mut seen = Vec::new();
    let drain = stream.streaming().aggregate(sums()).drain(|window: Window<u64>| {
        let meta = window.meta().map(|meta| meta.offset.to_string()).collect::<Vec<_>>().join(" ");
        seen.push((window.data[0], window.folded(), window.reason.name(), meta));
        async {}
    });
    let summary = drain.await.unwrap();
    assert_eq!((summary.windows, summary.messages), (3, 25));
    let window = |sum, messages, reason, last: &str| (sum, Some(messages), reason, last.to_owned());
    let expected =
        [window(45, 9, "watermark", "1:8"), window(145, 10, "watermark", "1:18"), window(135, 6, "drain", "1:24")];
    assert_eq!(seen, expected);
    assert_eq!(counters(&stream).await.finished, 25);
    check_audit(&stream).await;
}

/// The messages are trimmed, and the value is where it was.
#[tokio::test]
async fn a_restart_in_the_middle_of_a_window_needs_no_message_again() {
    let client = client();
    let stream = numbers(&client, 5).await;
    let open = || stream.streaming().aggregate(sums()).open();
    let consumer = open().await.unwrap();
    until(async || stream.groups().await.unwrap()[0].1[0].keep_from.slot().get() > 1).await;
    drop(consumer);
    check_audit(&stream).await;
    stream.append_many(&[6, 7, 11]).await.unwrap();
    stream.trim().await.unwrap();
    assert!(stream.bounds().await.unwrap()[0].first().offset.slot().get() > 1, "nothing is trimmed");

    let mut consumer = open().await.unwrap();
    let window = consumer.next().await.unwrap().unwrap();
    assert_eq!((window.data.clone(), window.folded()), (vec![28], Some(7)));
    window.ack().await.unwrap();
    drop(consumer);
    assert_eq!(counters(&stream).await.finished, 7);
    check_audit(&stream).await;
}

#[tokio::test]
async fn a_value_is_tried_again_after_a_restart() {
    let client = client();
    let stream = numbers(&client, 12).await;
    let open = || stream.streaming().aggregate(sums()).open();
    let mut consumer = open().await.unwrap();
    let window = consumer.next().await.unwrap().unwrap();
    window.retry(0, Duration::from_millis(1)).unwrap();
    window.ack().await.unwrap();
    drop(consumer);
    check_audit(&stream).await;
    assert_eq!(counters(&stream).await.finished, 0);

    let mut consumer = open().await.unwrap();
    let window = consumer.next().await.unwrap().unwrap();
    assert_eq!((window.data.clone(), window.reason.name(), window.folded()), (vec![45], "retry", Some(9)));
    window.ack().await.unwrap();
    assert_eq!(counters(&stream).await.finished, 9);
}

#[tokio::test]
async fn a_value_that_is_given_up_on_is_a_dead_letter_and_stays_one() {
    let client = client();
    let stream = numbers(&client, 30).await;
    let refuse_odd = |window: Window<u64>| async move { if window.data[0] == 145 { Err("no") } else { Ok(()) } };
    let drain = || stream.streaming().aggregate(sums()).max_attempts(2).backoff(soon()).drain(refuse_odd);
    let summary = drain().await.unwrap();
    assert_eq!((summary.windows, summary.messages, summary.dead), (4, 30, 10));
    assert_eq!((counters(&stream).await.finished, counters(&stream).await.dead), (20, 10));
    check_audit(&stream).await;
    let check = async || {
        let letters = letters::<u64>(&client).await;
        let (value, meta) = letters.last().unwrap();
        let said = ["minibatch-folded", "minibatch-error", "minibatch-offset"].map(|name| header(meta, name));
        assert_eq!((*value, said), (145, ["10", "no", "1:18"]));
    };
    check().await;

    // it is no message of the stream
    assert_eq!(client.redrive("numbers").await.unwrap(), 0);
    check().await;
    assert_eq!(drain().await.unwrap().windows, 0);
}

#[tokio::test]
async fn what_cannot_be_folded_goes_to_the_dead_letters_alone() {
    let client = client();
    let stream = numbers(&client, 5).await;
    client.stream::<String>("numbers").await.unwrap().append(&"five".to_owned()).await.unwrap();
    stream.append_many(&[6, 12]).await.unwrap();
    let mut sums_seen = Vec::new();
    let drain = stream.streaming().aggregate(sums()).drain(|window: Window<u64>| {
        sums_seen.extend(window.data);
        async {}
    });
    let summary = drain.await.unwrap();
    assert_eq!((sums_seen, summary.messages, summary.dead), (vec![21, 12], 8, 1));
    check_audit(&stream).await;
    assert_eq!(letters::<String>(&client).await[0].0, "five");
    assert_eq!(client.redrive("numbers").await.unwrap(), 1);
}

#[tokio::test]
async fn what_makes_no_sense_with_values_is_refused() {
    let client = client();
    let stream = numbers(&client, 1).await;
    let kept = stream.streaming().aggregate(sums()).keep(true).open().await.unwrap_err();
    let late = stream.streaming().aggregate(sums()).on_late(OnLate::Function).open().await.unwrap_err();
    for error in [kept, late] {
        assert!(matches!(error.cause(), Cause::Misconfigured { .. }), "{error}");
    }
    // windows of messages are another strategy
    drop(stream.streaming().window(CountWindow::new(2)).open().await.unwrap());
    let changed = stream.streaming().aggregate(sums()).open().await.unwrap_err();
    assert!(matches!(changed.cause(), Cause::StrategyChanged { .. }), "{changed}");
}
