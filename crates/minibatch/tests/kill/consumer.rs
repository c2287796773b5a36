//! The process that is killed: this test binary again, with a URL in its environment.

use std::{
    io::{Write as _, stdin, stdout},
    time::Duration,
};

use minibatch::{ClientOptions, Minibatch, prelude::*};

pub(crate) const URL: &str = "MINIBATCH_KILLED_CONSUMER_URL";

/// Says each window as it begins, and finishes it when it is told to on standard input. Not a test by itself.
#[tokio::test(flavor = "multi_thread")]
async fn process() {
    let Ok(url) = std::env::var(URL) else { return };
    // the one that was killed is found dead soon
    let options = ClientOptions::default().with_member_ttl(Duration::from_millis(500));
    let mb = Minibatch::connect_with(&url, options).await.unwrap();
    let stream = mb.stream::<u32>(crate::STREAM).await.unwrap();
    let windows = stream.streaming().size(crate::SIZE as usize).max_wait(Duration::from_millis(200));
    windows
        .run_blocking(|window: Window<u32>| {
            let data: Vec<String> = window.data.iter().map(ToString::to_string).collect();
            let mut out = stdout().lock();
            // the test runner may have begun a line
            writeln!(out, "\nwindow {} {} {}", window.ordinal, window.id, data.join(",")).unwrap();
            out.flush().unwrap();
            stdin().read_line(&mut String::new()).unwrap();
        })
        .await
        .unwrap();
}
