//! Notes: put whole, listed in order, each place for itself, gone with what they stand beside.

use std::sync::Arc;

use bytes::Bytes;
use minibatch_core::{
    Cause, StreamName,
    storage::{NOTE_MAX_BYTES, Note, NotePlace, Partition, Start},
};

use crate::storage::{
    case::{Case, Client, Cx, cases},
    failure::{Verdict, ensure_cause, ensure_eq},
    tools::{STRATEGY, at_once, group, open_group, stream_of, turns},
};

pub(super) const CASES: &[Case] = cases![
    note_01_put_note_is_read_back_by_all,
    note_01_note_takes_the_place_of_its_key,
    note_01_many_put_at_once,
    note_02_notes_are_listed_from_a_key_in_order,
    note_02_big_notes_are_read_some_at_a_time,
    note_03_delete_takes_a_range,
    note_04_places_share_nothing,
    note_05_notes_go_with_their_group,
    note_05_notes_outlive_a_restart,
    note_05_notes_go_with_their_stream,
    note_06_sizes_are_limited,
];

fn beside_log(partition: &Partition) -> NotePlace {
    NotePlace { partition: partition.clone(), group: None, kind: "status" }
}

fn note(key: &str, bytes: &'static [u8]) -> Note {
    Note { key: key.to_owned(), bytes: Bytes::from_static(bytes) }
}

/// All notes of a place, however few a call returns.
async fn list(client: &Client, place: &NotePlace, limit: usize) -> Verdict<Vec<Note>> {
    let mut all: Vec<Note> = Vec::new();
    loop {
        let from = all.last().map_or_else(String::new, |last| format!("{}\0", last.key));
        let more = client.notes(place, &from, limit).await?;
        if more.is_empty() {
            return Ok(all);
        }
        all.extend(more);
    }
}

async fn keys(client: &Client, place: &NotePlace) -> Verdict<Vec<String>> {
    Ok(list(client, place, 100).await?.into_iter().map(|note| note.key).collect())
}

async fn note_01_put_note_is_read_back_by_all(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let beside_group = NotePlace { group: Some(readers), ..beside_log(&partition) };
    let notes = vec![note("", b"no key"), note("$a.b", b""), note("key", b"\0\xFF\x80"), note("schlüssel 🌋", b"4")];
    for place in [beside_log(&partition), beside_group] {
        a.put_notes(&place, notes.clone()).await?;
        for client in [&a, &b] {
            ensure_eq!(list(client, &place, 100).await?, notes, "notes read back");
        }
    }
    Ok(())
}

async fn note_01_note_takes_the_place_of_its_key(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let place = beside_log(&partition);
    a.put_notes(&place, vec![note("one", b"1"), note("two", b"2")]).await?;
    b.put_notes(&place, vec![note("one", b"first")]).await?;
    a.put_notes(&place, Vec::new()).await?;
    ensure_eq!(list(&a, &place, 9).await?, [note("one", b"first"), note("two", b"2")], "notes");
    Ok(())
}

async fn note_01_many_put_at_once(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let place = beside_log(&partition);
    let putting = turns(&a, &b).take(8).map(|client| {
        let (client, place) = (Arc::clone(client), place.clone());
        async move { Ok(client.put_notes(&place, vec![note("shared", b"x"), note("other", b"y")]).await?) }
    });
    at_once(putting).await?;
    ensure_eq!(keys(&b, &place).await?, ["other", "shared"], "keys that eight clients put at once");
    Ok(())
}

async fn note_02_notes_are_listed_from_a_key_in_order(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let place = beside_log(&partition);
    let shuffled = ["b", "a", "B", "10", "9", "ab", "é", "~"];
    a.put_notes(&place, shuffled.map(|key| note(key, b"x")).to_vec()).await?;
    ensure_eq!(keys(&b, &place).await?, ["10", "9", "B", "a", "ab", "b", "~", "é"], "keys in the order of their bytes");
    let from: Vec<_> = b.notes(&place, "a", 2).await?.into_iter().map(|note| note.key).collect();
    ensure_eq!(from, ["a", "ab"], "two keys from one that is there");
    ensure_eq!(b.notes(&place, "aa", 1).await?, [note("ab", b"x")], "one key from one that is not there");
    ensure_eq!(b.notes(&place, "ê", 5).await?, [], "keys from past the last one");
    ensure_eq!(list(&b, &place, 1).await?.len(), shuffled.len(), "notes read one by one");
    Ok(())
}

async fn note_02_big_notes_are_read_some_at_a_time(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let place = beside_log(&partition);
    let big = Bytes::from(vec![7; NOTE_MAX_BYTES]);
    // more than fit one answer of most databases
    for number in 0..70 {
        a.put_notes(&place, vec![Note { key: format!("{number:03}"), bytes: big.clone() }]).await?;
    }
    let notes = list(&b, &place, 1_000).await?;
    ensure_eq!(notes.len(), 70, "big notes");
    ensure_eq!(notes.iter().all(|note| note.bytes == big), true, "every one is whole");
    Ok(())
}

async fn note_03_delete_takes_a_range(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let place = beside_log(&partition);
    a.put_notes(&place, ["a", "b", "c", "d", "e"].map(|key| note(key, b"x")).to_vec()).await?;
    b.delete_notes(&place, "b", Some("d")).await?;
    ensure_eq!(keys(&a, &place).await?, ["a", "d", "e"], "keys left of a to e without b to d");
    b.delete_notes(&place, "b", Some("b")).await?;
    b.delete_notes(&place, "e", None).await?;
    ensure_eq!(keys(&a, &place).await?, ["a", "d"], "keys left without e and above");
    a.delete_notes(&place, "", None).await?;
    a.delete_notes(&place, "", None).await?;
    ensure_eq!(keys(&b, &place).await?, Vec::<String>::new(), "keys left of all");
    Ok(())
}

async fn note_04_places_share_nothing(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let stream = a.open_stream(&StreamName::new("events")?, 2).await?;
    for name in ["one", "two"] {
        a.open_group(&stream, &group(name)?, STRATEGY, Start::Earliest).await?;
    }
    let mut places = Vec::new();
    for index in 0..2 {
        for beside in [None, Some(group("one")?), Some(group("two")?)] {
            for kind in ["status", "window"] {
                places.push(NotePlace { partition: stream.partition(index), group: beside.clone(), kind });
            }
        }
    }
    for (number, place) in places.iter().enumerate() {
        a.put_notes(place, vec![Note { key: "key".to_owned(), bytes: number.to_string().into() }]).await?;
    }
    for (number, place) in places.iter().enumerate() {
        let expected = [Note { key: "key".to_owned(), bytes: number.to_string().into() }];
        ensure_eq!(list(&b, place, 9).await?, expected, "notes of {place:?}");
    }
    for place in places.iter().skip(1) {
        b.delete_notes(place, "", None).await?;
    }
    let Some(first) = places.first() else { return Ok(()) };
    ensure_eq!(keys(&a, first).await?, ["key"], "keys of a place whose neighbours were emptied");
    Ok(())
}

async fn note_05_notes_go_with_their_group(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let place = NotePlace { group: Some(readers.clone()), ..beside_log(&partition) };
    a.put_notes(&beside_log(&partition), vec![note("stays", b"x")]).await?;
    a.put_notes(&place, vec![note("goes", b"x")]).await?;
    b.remove_group(&stream_of(&partition), &readers, None).await?;
    ensure_eq!(keys(&b, &place).await?, Vec::<String>::new(), "keys beside a removed group");
    b.delete_notes(&place, "", None).await?;
    let put = a.put_notes(&place, vec![note("late", b"x")]).await;
    ensure_cause!(put, Cause::GroupRemoved, "put beside a removed group");
    open_group(&a, &partition, "readers").await?;
    ensure_eq!(keys(&b, &place).await?, Vec::<String>::new(), "keys beside the next group of that name");
    ensure_eq!(keys(&b, &beside_log(&partition)).await?, ["stays"], "keys beside the log");
    Ok(())
}

async fn note_05_notes_outlive_a_restart(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let place = NotePlace { group: Some(readers.clone()), ..beside_log(&partition) };
    a.put_notes(&place, vec![note("key", b"x")]).await?;
    b.restart_group(&stream_of(&partition), &readers, STRATEGY, Start::Latest).await?;
    ensure_eq!(list(&a, &place, 9).await?, [note("key", b"x")], "notes beside a group that began anew");
    Ok(())
}

async fn note_05_notes_go_with_their_stream(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    a.put_notes(&beside_log(&partition), vec![note("key", b"x")]).await?;
    b.drop_stream(&partition.stream).await?;
    let read = b.notes(&beside_log(&partition), "", 9).await;
    ensure_cause!(read, Cause::StreamDropped, "notes of a dropped stream");
    let next = b.open_stream(&partition.stream, 1).await?;
    ensure_eq!(
        keys(&a, &beside_log(&next.partition(0))).await?,
        Vec::<String>::new(),
        "keys of the stream's next life"
    );
    Ok(())
}

async fn note_06_sizes_are_limited(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let place = beside_log(&partition);
    let big = Note { key: "big".to_owned(), bytes: vec![0; NOTE_MAX_BYTES + 1].into() };
    let put = a.put_notes(&place, vec![note("small", b"x"), big]).await;
    ensure_cause!(put, Cause::MessageTooLarge { .. }, "put a note that is too big");
    let long = "k".repeat(Note::KEY_MAX_BYTES + 1);
    let put = a.put_notes(&place, vec![note(&long, b"x")]).await;
    ensure_cause!(put, Cause::OutOfRange { .. }, "put a note whose key is too long");
    let longest = "k".repeat(Note::KEY_MAX_BYTES);
    a.put_notes(&place, vec![note(&longest, b"x")]).await?;
    ensure_eq!(keys(&b, &place).await?, [longest], "keys after two that were refused");
    Ok(())
}
