//! A message type that changes while there are messages of its former shape: what cannot be read is kept with the reason,
//! and comes back when the type is mended.

use std::sync::{Arc, Mutex};

use minibatch::prelude::*;

#[derive(Serialize)]
struct Former {
    mag: f64,
}

/// The new field is missing in old messages.
#[derive(Deserialize)]
struct Broken {
    #[expect(dead_code, reason = "it is read, never used")]
    mag: f64,
    #[expect(dead_code, reason = "it is read, never used")]
    place: String,
}

#[derive(Serialize, Deserialize)]
struct Mended {
    mag: f64,
    #[serde(default)]
    place: Option<String>,
}

#[tokio::test]
async fn what_no_longer_decodes_is_kept_and_comes_back() {
    let mb = Minibatch::connect("memory:").await.unwrap();
    mb.stream("quakes").await.unwrap().append_many(&[Former { mag: 5.0 }, Former { mag: 6.5 }]).await.unwrap();
    mb.stream("quakes").await.unwrap().append(&Mended { mag: 7.0, place: Some("sea".to_owned()) }).await.unwrap();

    let broken = mb.stream::<Broken>("quakes").await.unwrap();
    let done = broken.streaming().size(2).drain(|_: Window<Broken>| async {}).await.unwrap();
    assert_eq!((done.messages, done.dead), (3, 2));

    let letters = mb.dead_letters::<Mended>("quakes").await.unwrap();
    let mut looking = letters.streaming().group("looking").size(2).open().await.unwrap();
    let window = looking.next().await.unwrap().unwrap();
    for message in window.meta() {
        let (_, reason) = message.headers.iter().find(|(name, _)| name.ends_with("error")).unwrap();
        assert!(reason.contains("missing field `place`"), "{reason}");
    }
    drop(window.ack());
    looking.shutdown().await.unwrap();

    assert_eq!(mb.redrive("quakes").await.unwrap(), 2);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mended = mb.stream::<Mended>("quakes").await.unwrap();
    let done = mended
        .streaming()
        .size(2)
        .drain(|window: Window<Mended>| {
            let seen = Arc::clone(&seen);
            async move {
                seen.lock().unwrap().extend(window.data.iter().map(|quake| (quake.mag, quake.place.is_some())));
            }
        })
        .await
        .unwrap();
    assert_eq!((done.messages, done.dead), (2, 0));
    assert_eq!(*seen.lock().unwrap(), [(5.0, false), (6.5, false)]);
    mb.shutdown().await;
}
