//! What one process keeps of a stream in a file, another one sees.

use std::time::Duration;

use minibatch::{ConsumerState, Minibatch, Reason, Retention, prelude::*};

#[streaming("numbers", size = 3, keep = true)]
async fn thirds(window: Window<u32>) -> std::result::Result<(), String> {
    if window.data.contains(&5) { Err("no fives".to_owned()) } else { Ok(()) }
}

async fn until(mut so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}

#[tokio::test]
async fn two_processes_on_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("test.db").display());
    let (one, other) = (Minibatch::connect(&url).await.unwrap(), Minibatch::connect(&url).await.unwrap());
    let stream = one.stream::<u32>("numbers").await.unwrap();
    for first in (1..=12).step_by(3) {
        stream.append_many(&[first, first + 1, first + 2]).await.unwrap();
    }
    let impatient = minibatch::Backoff { first: Duration::from_millis(1), max: Duration::from_millis(2) };
    let done = thirds.streaming(&one).await.unwrap().backoff(impatient).max_attempts(1);
    let done = done.drain(|window| thirds.call(window)).await.unwrap();
    assert_eq!((done.messages, done.dead), (12, 1));

    let seen = other.stream::<u32>("numbers").await.unwrap();
    let status = seen.status("thirds").await.unwrap().pop().unwrap();
    assert_eq!((status.state, status.windows, status.dead), (ConsumerState::Stopped, 4, 1));
    let kept = seen.kept_windows("thirds").unwrap();
    let windows = kept.page(0, 1, 100).await.unwrap();
    assert_eq!(windows.iter().map(|window| window.dead.len()).collect::<Vec<_>>(), [0, 1, 0, 0]);
    let rerun = kept.open(&windows[1]).await.unwrap();
    assert_eq!((rerun.data.as_slice(), rerun.reason), ([4, 5, 6].as_slice(), Reason::Rerun));

    let audit = seen.audit("thirds").await.unwrap();
    assert_eq!(audit.differences().count(), 0);
    let terms = audit.total();
    assert_eq!((terms.appended, terms.finished, terms.dead, terms.waiting), (12, 11, 1, 0));

    // set here, trimmed here, seen there
    seen.retain(Retention::default().with_max_messages(2)).await.unwrap();
    until(async || stream.bounds().await.unwrap()[0].floor.get() == 4).await;
    let gone = stream.kept_windows("thirds").unwrap().open(&windows[0]).await.unwrap_err();
    assert!(matches!(gone.cause(), minibatch::Cause::OffsetTrimmed { .. }), "{gone:?}");
    one.shutdown().await;
    other.shutdown().await;
}
