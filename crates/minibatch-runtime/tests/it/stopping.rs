//! A shutdown ends, whatever the storage and the function do.

use std::{future::pending, sync::Arc, time::Duration};

use minibatch_emitters::CountWindow;
use minibatch_memory::MemoryStorage;
use minibatch_runtime::{Client, Stream, Window};
use minibatch_testkit::storage::Tapped;
use tokio::time::{Instant, timeout};

use crate::tools::{Hanging, numbers};

/// As the documentation says.
const LONGEST: Duration = Duration::from_secs(45);

async fn client_over(hanging: Hanging) -> (Client, Stream<u32>, Hanging) {
    let client = Client::new(Arc::new(Tapped::new(MemoryStorage::new(), hanging.clone())));
    let stream = numbers(&client, 10).await;
    (client, stream, hanging)
}

/// Time is virtual: it passes when there is nothing else to do.
async fn check_in_time(client: &Client) {
    timeout(LONGEST + Duration::from_secs(1), client.shutdown()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn with_a_commit_that_is_not_answered() {
    let (client, stream, hanging) = client_over(Hanging::default()).await;
    let mut consumer = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    let window = consumer.next().await.unwrap().unwrap();
    hanging.begin();
    let ack = tokio::spawn(window.ack());
    check_in_time(&client).await;
    ack.await.unwrap().unwrap_err();
    assert!(consumer.next().await.unwrap().is_none(), "the end, and no panic");
}

#[tokio::test(start_paused = true)]
async fn with_windows_out_and_nothing_answered() {
    let (client, stream, hanging) = client_over(Hanging::default()).await;
    let mut consumer = stream.streaming().window(CountWindow::new(2)).open().await.unwrap();
    let done = consumer.next().await.unwrap().unwrap();
    let out = consumer.next().await.unwrap().unwrap();
    hanging.begin();
    drop(done.ack());
    check_in_time(&client).await;
    out.ack().await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn with_appends_that_are_not_answered() {
    let (client, stream, hanging) = client_over(Hanging::default()).await;
    hanging.begin();
    let append = tokio::spawn(async move { stream.append(&11).await });
    tokio::task::yield_now().await;
    check_in_time(&client).await;
    append.await.unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn with_one_operation_that_is_not_answered() {
    for operation in ["join", "acquire", "bounds", "read", "wait", "commit", "trim", "release", "heartbeat", "leave"] {
        let (client, stream, hanging) = client_over(Hanging::only(operation)).await;
        hanging.begin();
        let drain = stream.streaming().window(CountWindow::new(2)).drain(|_: Window<u32>| async {});
        let drain = tokio::spawn(drain);
        // long enough to come to whatever does not answer
        let _ = timeout(Duration::from_secs(60), client.stream::<u32>("numbers")).await.unwrap().unwrap();
        let run =
            tokio::spawn(stream.streaming().group("run").window(CountWindow::new(2)).run(|_: Window<u32>| async {}));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        check_in_time(&client).await;
        drain.await.unwrap().unwrap();
        run.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_function_that_never_ends() {
    let (client, stream, _) = client_over(Hanging::default()).await;
    let windows = stream.streaming().window(CountWindow::new(2));
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    let run = tokio::spawn(windows.run(move |_: Window<u32>| {
        begun.send(()).unwrap();
        pending::<()>()
    }));
    begins.recv().await.unwrap();
    let started = Instant::now();
    check_in_time(&client).await;
    assert!(started.elapsed() >= Duration::from_secs(30), "the function had its time");
    run.await.unwrap().unwrap();
}
