//! URLs, good and bad.

use std::sync::Arc;

use minibatch::{Cause, ClientOptions, ErrorKind, Minibatch};

async fn check_refused(url: &str) {
    let error = Minibatch::connect(url).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::InvalidUrl { .. }), "{url}: {error}");
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Misconfigured, Some("connect")));
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}

#[tokio::test]
async fn what_is_no_storage_is_refused() {
    for url in [
        "",
        "quakes.db",
        "/var/lib/quakes.db",
        "postgres://me:secret@host/db",
        "redis:secret",
        "SQLITE://quakes.db",
        "sqlite:secret",
        "sqlite://",
        "memory://secret",
        "memory:/secret",
        "mongodb:/secret",
        "mongo://me:secret@host",
    ] {
        check_refused(url).await;
    }
}

/// Which schemes there are is said to whoever mistypes one.
#[tokio::test]
async fn the_known_schemes_are_named() {
    let text = Minibatch::connect("sqllite://quakes.db").await.unwrap_err().to_string();
    for scheme in ["sqlite://", "mongodb://", "mongodb+srv://", "memory:"] {
        assert!(text.contains(scheme), "{text}");
    }
}

#[cfg(not(feature = "mongodb"))]
#[tokio::test]
async fn a_storage_left_out_names_its_feature() {
    for url in ["mongodb://me:secret@host/db", "mongodb+srv://me:secret@host"] {
        check_refused(url).await;
        let text = Minibatch::connect(url).await.unwrap_err().to_string();
        assert!(text.contains("--features mongodb"), "{text}");
    }
}

#[tokio::test]
async fn memory_is_shared_by_name_alone() {
    let options = ClientOptions::default();
    let named = Minibatch::connect_with("memory:shared", options).await.unwrap();
    named.stream::<u32>("numbers").await.unwrap();
    let streams = async |url| Minibatch::connect(url).await.unwrap().streams().await.unwrap().len();
    assert_eq!(streams("memory:shared").await, 1);
    assert_eq!(streams("memory:other").await, 0);
    assert_eq!(streams("memory:").await, 0);
}

#[tokio::test]
async fn a_file_is_shared() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?durability=normal", directory.path().join("shared.db").display());
    let one = Minibatch::connect(&url).await.unwrap();
    one.stream::<u32>("numbers").await.unwrap().append(&7).await.unwrap();
    let other = Minibatch::connect(&url).await.unwrap();
    assert_eq!(other.streams().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_storage_can_be_handed_over() {
    let storage = Arc::new(minibatch::memory::MemoryStorage::new());
    let one = Minibatch::new(Arc::clone(&storage) as _);
    one.stream::<u32>("numbers").await.unwrap();
    assert_eq!(Minibatch::new(storage).streams().await.unwrap().len(), 1);
}
