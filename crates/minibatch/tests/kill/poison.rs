//! A message that ends the process that works on it: it is found, whatever else is in its window, and goes to the dead
//! letters, after a bounded number of processes.

use std::{
    process::{Command, Stdio, abort},
    time::Duration,
};

use minibatch::{ClientOptions, Minibatch, prelude::*};

const URL: &str = "MINIBATCH_POISONED_CONSUMER_URL";
const STREAM: &str = "poisoned";
const MESSAGES: u32 = 40;
const SIZE: usize = 8;
const ATTEMPTS: u32 = 2;
/// In the middle of a window, and the last one of another.
const POISON: [u32; 2] = [19, 31];
/// Two that die before care is taken; for each message its attempts, the halves of its window, and itself again once the
/// others have shown that it is at fault.
const PROCESSES: u32 = 2 + 2 * (ATTEMPTS + 3 + 2) + 1;

fn options() -> ClientOptions {
    // one that died is found dead soon
    ClientOptions::default().with_member_ttl(Duration::from_millis(300))
}

/// Works until the end of the stream, or until a message ends it. Not a test by itself.
#[tokio::test]
async fn process() {
    let Ok(url) = std::env::var(URL) else { return };
    let mb = Minibatch::connect_with(&url, options()).await.unwrap();
    let stream = mb.stream::<u32>(STREAM).await.unwrap();
    let backoff = minibatch::Backoff { first: Duration::from_millis(1), max: Duration::from_millis(2) };
    let windows = stream.streaming().size(SIZE).max_attempts(ATTEMPTS).backoff(backoff);
    windows
        .drain_blocking(|window: Window<u32>| {
            if window.data.iter().any(|number| POISON.contains(number)) {
                abort();
            }
        })
        .await
        .unwrap();
    mb.shutdown().await;
}

#[tokio::test]
async fn a_message_that_ends_the_process_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("poison.db").display());
    let mb = Minibatch::connect_with(&url, options()).await.unwrap();
    let stream = mb.stream::<u32>(STREAM).await.unwrap();
    let numbers: Vec<u32> = (0..MESSAGES).collect();
    stream.append_many(&numbers).await.unwrap();
    mb.shutdown().await;

    let mut processes = 0;
    loop {
        processes += 1;
        assert!(processes <= PROCESSES, "the message is not found");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "poison::process"]).env(URL, &url).stdout(Stdio::null()).stderr(Stdio::null());
        if tokio::task::spawn_blocking(move || command.status()).await.unwrap().unwrap().success() {
            break;
        }
    }

    let mb = Minibatch::connect_with(&url, options()).await.unwrap();
    let stream = mb.stream::<u32>(STREAM).await.unwrap();
    let counters = stream.groups().await.unwrap()[0].1[0].counters;
    let poison = POISON.len() as u64;
    assert_eq!((counters.finished, counters.dead), (u64::from(MESSAGES) - poison, poison), "{processes} processes");
    let mut letters = Vec::new();
    let dead = mb.dead_letters::<u32>(STREAM).await.unwrap();
    dead.streaming()
        .size(1)
        .drain(|window: Window<u32>| {
            let meta = window.meta().next().unwrap();
            let reason = meta.headers.into_iter().find(|(name, _)| name == "minibatch-error").unwrap().1;
            letters.extend(window.data.iter().map(|number| (*number, reason.clone())));
            async {}
        })
        .await
        .unwrap();
    letters.sort();
    let reason = "the process ended while it was worked on";
    assert_eq!(letters, POISON.map(|number| (number, reason.to_owned())));
    mb.shutdown().await;
}
