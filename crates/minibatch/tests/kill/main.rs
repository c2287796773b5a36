//! A consumer killed in the middle of a window, and started again, has handed every message to its function at least
//! once, in the same windows as without the kill. Real processes, a real file, a real server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod child;
mod consumer;
mod poison;
#[cfg(feature = "mongodb")]
mod server;

use std::collections::BTreeMap;

use child::Child;
use minibatch::Minibatch;

const STREAM: &str = "numbers";
const MESSAGES: u32 = 2_010;
const SIZE: u32 = 50;
/// The windows in the middle of which the consumer is killed: the same one twice, and the last one, which is ended by its
/// wait and not by the log.
const KILLED_AT: [u64; 6] = [1, 7, 7, 8, 29, 41];

#[tokio::test]
async fn on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("kill.db").display());
    killed_and_started_again(&url).await;
}

#[cfg(feature = "mongodb")]
#[tokio::test]
async fn on_mongodb() {
    let Some(url) = server::mongo_url("kill") else { return };
    killed_and_started_again(&url).await;
}

async fn killed_and_started_again(url: &str) {
    let mb = Minibatch::connect(url).await.unwrap();
    mb.drop_stream(STREAM).await.unwrap();
    let stream = mb.stream::<u32>(STREAM).await.unwrap();
    let numbers: Vec<u32> = (0..MESSAGES).collect();
    for some in numbers.chunks(333) {
        stream.append_many(some).await.unwrap();
    }

    let windows = tokio::task::spawn_blocking({
        let url = url.to_owned();
        move || handed_out(&url)
    })
    .await
    .unwrap();
    let expected: Vec<Vec<u32>> = numbers.chunks(SIZE as usize).map(<[u32]>::to_vec).collect();
    let got: Vec<Vec<u32>> = windows.into_values().map(|(_, data)| data).collect();
    assert_eq!(got, expected);
    mb.drop_stream(STREAM).await.unwrap();
    mb.shutdown().await;
}

/// Starts consumers and kills them; gives every window that was handed out, by its number, and checks that it was the same
/// each time.
fn handed_out(url: &str) -> BTreeMap<u64, (String, Vec<u32>)> {
    let mut windows = BTreeMap::new();
    let mut kills = KILLED_AT.into_iter().peekable();
    let last = u64::from(MESSAGES.div_ceil(SIZE));
    loop {
        let mut child = Child::start(url);
        loop {
            let window = child.window();
            let known = windows.entry(window.ordinal).or_insert_with(|| (window.id.clone(), window.data.clone()));
            assert_eq!((&known.0, &known.1), (&window.id, &window.data), "window {}", window.ordinal);
            if kills.next_if_eq(&window.ordinal).is_some() {
                child.kill();
                break;
            }
            child.go_on();
            if kills.peek().is_none() && window.ordinal == last {
                child.kill();
                return windows;
            }
        }
    }
}
