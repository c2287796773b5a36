//! Damage is found, and never passed on as data.

use std::fs;

use minibatch_core::{Cause, ErrorKind, Slot, chunk::Chunk, storage::ChunkLog};
use minibatch_testkit::hostile::nested_payload;

use crate::support::{EVERYTHING, Place, Producer, open, partition, read_all, stream_name, text_of};
use minibatch_core::storage::StreamStore;

/// A closed file with these records.
async fn written(texts: &[String]) -> Place {
    let place = Place::new();
    let storage = place.open().await;
    let mut producer = Producer::register(&storage, "p").await;
    for text in texts {
        producer.append(text).await;
    }
    storage.close().await;
    place
}

fn texts(count: usize, size: usize) -> Vec<String> {
    (0..count).map(|n| format!("{n:06}").repeat(size / 6)).collect()
}

#[tokio::test]
async fn a_changed_payload_is_found_and_what_is_before_it_read() {
    let place = written(&texts(3, 60)).await;
    let changed = rusqlite::Connection::open(place.file())
        .unwrap()
        .execute(
            "UPDATE chunks SET data = CAST(substr(data, 1, 20) || x'00' || substr(data, 22) AS BLOB) WHERE ps = 2",
            (),
        )
        .unwrap();
    assert_eq!(changed, 1);

    let storage = place.open().await;
    let partition = partition(&storage).await;
    assert_eq!(read_all(&storage, &partition).await.len(), 1);
    let error = storage.read(&partition, Slot::new(2).unwrap(), EVERYTHING).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::CorruptRecord { slot, .. } if slot.get() == 2), "{error}");
    assert_eq!(storage.read(&partition, Slot::new(3).unwrap(), EVERYTHING).await.unwrap().len(), 1);
}

#[tokio::test]
async fn edited_rows_are_found() {
    for edit in [
        "DELETE FROM chunks WHERE ps = 2",
        "UPDATE chunks SET codec = 'gzip' WHERE ps = 2",
        "UPDATE chunks SET n = -1 WHERE ps = 2",
        "UPDATE chunks SET crc = crc + 1 WHERE ps = 2",
        "UPDATE chunks SET pe = -1 WHERE ps = 2",
        "UPDATE chunks SET producer = 77 WHERE ps = 2",
    ] {
        let place = written(&texts(3, 60)).await;
        rusqlite::Connection::open(place.file()).unwrap().execute(edit, ()).unwrap();
        let storage = place.open().await;
        let partition = partition(&storage).await;
        assert_eq!(read_all(&storage, &partition).await.len(), 1, "{edit}");
        let error = storage.read(&partition, Slot::new(2).unwrap(), EVERYTHING).await.unwrap_err();
        assert!(matches!(error.cause(), Cause::CorruptRecord { slot, .. } if slot.get() == 2), "{edit}: {error}");
    }
}

/// With the right checksum, so that only whoever decodes it can tell.
#[tokio::test]
async fn a_payload_too_deep_to_decode_is_passed_on_and_not_decoded() {
    let place = written(&texts(2, 60)).await;
    let hostile = nested_payload(2_000_000).unwrap();
    let changed = rusqlite::Connection::open(place.file())
        .unwrap()
        .execute("UPDATE chunks SET data = ?1, crc = ?2 WHERE ps = 1", (&hostile.bytes()[..], hostile.crc()))
        .unwrap();
    assert_eq!(changed, 1);
    let storage = place.open().await;
    let records = read_all(&storage, &partition(&storage).await).await;
    let chunk = Chunk::open(&records[0], records[0].time).unwrap();
    let error = chunk.message(0).unwrap().decode::<bson::Bson>().unwrap_err();
    assert!(matches!(error.cause(), Cause::Decode { .. }), "{error}");
    assert_eq!(text_of(&records[1]), texts(2, 60)[1]);
}

#[tokio::test]
async fn a_kind_of_a_newer_version_is_passed_on_as_unknown() {
    let place = written(&texts(1, 60)).await;
    rusqlite::Connection::open(place.file()).unwrap().execute("UPDATE chunks SET kind = 'marker'", ()).unwrap();
    let storage = place.open().await;
    let records = read_all(&storage, &partition(&storage).await).await;
    assert_eq!(records[0].kind, minibatch_core::chunk::RecordKind::Unknown);
}

/// Turns over one bit of the file at a time, in places spread over all of it.
#[tokio::test]
async fn no_bit_turned_over_gives_other_data() {
    let written_texts = texts(40, 3_000);
    let place = written(&written_texts).await;
    let good = fs::read(place.file()).unwrap();
    let (mut found, mut harmless) = (0, 0);
    for round in 0..150_usize {
        // a large odd stride visits the file evenly, and other bits each time
        let at = (round * 7_919 + 13) * 31 % good.len();
        let mut bad = good.clone();
        bad[at] ^= 1 << (round % 8);
        fs::write(place.file(), &bad).unwrap();
        let _ = fs::remove_file(place.file().with_extension("db-wal"));
        let _ = fs::remove_file(place.file().with_extension("db-shm"));

        let result = async {
            let storage = open(&place.file()).await?;
            let stream = storage.find_stream(&stream_name()).await?.ok_or(Cause::StreamDropped)?;
            let partition = stream.partition(0);
            let read = storage.read(&partition, Slot::ZERO, EVERYTHING).await;
            if let Ok(records) = &read
                && records.len() < written_texts.len()
            {
                // whatever hides the rest, it is not taken for the end of the log
                storage.read(&partition, Slot::new(records.len() as u64 + 1)?, EVERYTHING).await.unwrap_err();
            }
            storage.close().await;
            read
        }
        .await;
        match result {
            Ok(records) => {
                for (record, text) in records.iter().zip(&written_texts) {
                    assert_eq!(&text_of(record), text, "bit {} of byte {at}", round % 8);
                }
                if records.len() == written_texts.len() { harmless += 1 } else { found += 1 }
            }
            Err(error) => {
                let kinds = [ErrorKind::Corrupt, ErrorKind::Misconfigured];
                assert!(kinds.contains(&error.kind()), "byte {at}: {error}");
                found += 1;
            }
        }
    }
    println!("{found} of 150 turned bits found, {harmless} without effect on what is read");
    assert!(found > 50, "{found}");
}

#[tokio::test]
async fn a_file_cut_short_is_found() {
    let place = written(&texts(40, 3_000)).await;
    let good = fs::read(place.file()).unwrap();
    for part in [100, good.len() / 2, good.len() - 5_000] {
        fs::write(place.file(), &good[..part]).unwrap();
        let outcome = async {
            let storage = open(&place.file()).await?;
            let stream = storage.find_stream(&stream_name()).await?.ok_or(Cause::StreamDropped)?;
            let partition = stream.partition(0);
            let tail = storage.bounds(&partition).await?.tail;
            let records = storage.read(&partition, Slot::ZERO, EVERYTHING).await?;
            storage.read(&partition, Slot::new(records.len() as u64 + 1)?, EVERYTHING).await.map(|_| (tail, records))
        }
        .await;
        let error = outcome.unwrap_err();
        assert!([ErrorKind::Corrupt, ErrorKind::Misconfigured].contains(&error.kind()), "{part}: {error}");
    }
}
