//! What users append is theirs: it is in no log, no error, and nothing that is printed for debugging.

use std::{
    error::Error as _,
    fmt::Write as _,
    io,
    sync::{Arc, Mutex},
};

use minibatch::{Extras, MESSAGE_MAX_BYTES, prelude::*};
use tracing::Level;

use crate::stores;

/// In every value, key, header and text that is stored here.
const CANARY: &str = "canary";

/// All that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The error in all its words, with those of its sources.
fn words(error: &Error) -> String {
    let mut words = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        write!(words, " {error} {error:?}").unwrap();
        source = error.source();
    }
    words
}

#[tokio::test]
async fn what_is_appended_is_nowhere_printed() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(Level::TRACE).with_writer(move || writer.clone());
    subscriber.try_init().unwrap();
    let mut printed = String::new();
    let mut all: Vec<_> = stores::all().await;
    #[cfg(feature = "mongodb")]
    all.extend(stores::mongo("words").await);
    for store in all {
        let words = store.mb.stream::<String>("words").await.unwrap();
        for group in ["numbers", "failing", "panicking", "debug"] {
            // each is to read all
            words.streaming().group(group).size(1).open().await.unwrap().shutdown().await.unwrap();
        }
        let extras = Extras { key: Some(CANARY.to_owned()), headers: vec![(CANARY.to_owned(), CANARY.to_owned())] };
        words.append_with(&CANARY.to_owned(), &extras).await.unwrap();
        words.append(&CANARY.to_owned()).await.unwrap();
        printed += &fails(&words, &CANARY.repeat(MESSAGE_MAX_BYTES)).await;

        // read as another type: rejected, and dead letters
        let numbers = store.mb.stream::<u32>("words").await.unwrap();
        let decoding = numbers.streaming().group("numbers").size(1).drain(|_: Window<u32>| async {}).await.unwrap();
        assert_eq!(decoding.dead, 2);
        // a function that fails, and one that panics
        let failing = words.streaming().group("failing").size(1).max_attempts(1);
        let failing = failing.drain(|window: Window<String>| async move {
            // that the second message succeeds shows that the first is at fault
            if window.ordinal == 1 { Err(window.data.concat()) } else { Ok(()) }
        });
        assert_eq!(failing.await.unwrap().dead, 1);
        let panicking = words.streaming().group("panicking").size(1).max_attempts(1);
        let panicking = panicking.drain(|window: Window<String>| async move {
            // a panic whose message the program does not print by itself
            if window.ordinal == 1 {
                std::panic::resume_unwind(Box::new(window.data.concat()));
            }
        });
        assert_eq!(panicking.await.unwrap().dead, 1);

        let mut consumer = words.streaming().group("debug").size(1).open().await.unwrap();
        let window = consumer.next().await.unwrap().unwrap();
        write!(printed, "{words:?} {consumer:?} {window:?} {:?}", store.mb).unwrap();
        store.mb.drop_stream("words").await.unwrap();
        printed += &fails(&words, CANARY).await;
        store.mb.shutdown().await;
    }
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("giving up"), "what is logged is seen here: {logged}");
    for text in [printed, logged] {
        assert!(!text.contains(CANARY), "{text}");
    }
}

/// What the error of an append that must fail says.
async fn fails(stream: &Stream<String>, text: &str) -> String {
    words(&stream.append(&text.to_owned()).await.unwrap_err())
}
