//! Values: whatever a message holds comes back byte by byte.

use std::sync::Arc;

use std::collections::BTreeMap;

use minibatch_core::{
    Slot,
    chunk::{CHUNK_MAX_MESSAGES, Chunk, Codec, Encoded, Extras, Payload},
};
use serde::{Serialize, Serializer};

use crate::storage::{
    case::{Case, Cx, cases},
    failure::{Failure, Verdict, ensure, ensure_eq},
    tools::{ALL, Producer, chunk_of, payload, read_from},
};

pub(super) const CASES: &[Case] = cases![
    log_01_every_byte_comes_back,
    log_01_texts_of_query_languages_come_back,
    log_01_names_of_fields_come_back,
    log_01_repeated_fields_come_back,
    log_01_keys_and_headers_come_back,
    log_01_big_chunks_come_back,
];

const TEXTS: [&str; 14] = [
    "",
    "$epoch",
    "$$NOW",
    "$$ROOT",
    "$set",
    "a.b",
    ".",
    "_id",
    "{\"$ne\": null}",
    "' OR 1=1 --",
    "a\0b",
    "\u{feff}\u{202e}🌋e\u{301}",
    "__proto__",
    "\r\n\t",
];

/// Bytes as bytes, not as a list of numbers.
struct Raw(Vec<u8>);

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

/// What is appended by one client is read by the other, and opens as a chunk.
async fn check_comes_back(cx: &Cx, payloads: &[Payload]) -> Verdict<Vec<Arc<Chunk>>> {
    let (a, b, partition) = cx.partition().await?;
    let mut producer = Producer::register(&a, &partition, "p").await?;
    for payload in payloads {
        producer.append(payload.clone()).await?;
    }
    let mut chunks = Vec::new();
    let records = read_from(&b, &partition, Slot::FIRST, ALL).await?;
    ensure_eq!(records.len(), payloads.len(), "records");
    for (record, payload) in records.iter().zip(payloads) {
        let slot = record.slot;
        ensure!(record.payload.bytes() == payload.bytes(), "the bytes in slot {slot} are not those appended");
        ensure!(record.payload == *payload, "the payload in slot {slot} is {:?}, not {payload:?}", record.payload);
        chunks.push(Chunk::open(record, record.time)?);
    }
    Ok(chunks)
}

async fn log_01_every_byte_comes_back(cx: Cx) -> Verdict {
    let every: Vec<u8> = (0..=255).collect();
    let one_by_one: Vec<_> = every.iter().map(|byte| Raw(vec![*byte])).collect();
    let text: String = every.iter().map(|byte| char::from(*byte)).collect();
    let payloads =
        [payload(&[Raw(every.repeat(16))])?, payload(&one_by_one)?, payload(&[Raw(Vec::new())])?, payload(&[text])?];
    check_comes_back(&cx, &payloads).await.map(drop)
}

async fn log_01_texts_of_query_languages_come_back(cx: Cx) -> Verdict {
    let chunks = check_comes_back(&cx, &[payload(&TEXTS)?]).await?;
    for (chunk, index) in chunks.iter().flat_map(|chunk| (0..chunk.len()).map(move |index| (chunk, index))) {
        let message = chunk.message(index).ok_or_else(|| Failure::new("a message is missing"))?;
        let text: String = message.decode()?;
        ensure_eq!(Some(text.as_str()), TEXTS.get(index as usize).copied(), "text {index}");
    }
    Ok(())
}

async fn log_01_names_of_fields_come_back(cx: Cx) -> Verdict {
    // BSON has no way to write a field name with a NUL
    let names = TEXTS.into_iter().filter(|name| !name.contains('\0'));
    let flat: BTreeMap<_, _> = names.clone().map(|name| (name, name)).collect();
    let nested: BTreeMap<_, _> = names.map(|name| (name, flat.clone())).collect();
    let chunks = check_comes_back(&cx, &[payload(&[flat])?, payload(&[&nested])?]).await?;
    let message =
        chunks.get(1).and_then(|chunk| chunk.message(0)).ok_or_else(|| Failure::new("a message is missing"))?;
    let found: BTreeMap<String, BTreeMap<String, String>> = message.decode()?;
    ensure_eq!(found.len(), nested.len(), "fields");
    for (name, value) in &nested {
        let inner = found.get(*name).ok_or_else(|| Failure::new(format!("field {name:?} is missing")))?;
        ensure!(inner.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(value.clone()), "field {name:?} has changed");
    }
    Ok(())
}

/// A document that has each field twice.
struct Twice;

impl Serialize for Twice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = TEXTS.into_iter().filter(|name| !name.contains('\0'));
        serializer.collect_map(names.flat_map(|name| [(name, "first"), (name, "second")]))
    }
}

async fn log_01_repeated_fields_come_back(cx: Cx) -> Verdict {
    check_comes_back(&cx, &[payload(&[Twice, Twice])?]).await.map(drop)
}

async fn log_01_keys_and_headers_come_back(cx: Cx) -> Verdict {
    let mut payloads = vec![payload(&["bare"])?];
    for key in TEXTS {
        let headers: Vec<_> = TEXTS.iter().map(|text| ((*text).to_owned(), key.to_owned())).collect();
        let extras = Extras { key: Some(key.to_owned()), headers };
        payloads.push(chunk_of(&Encoded::with_extras("value", &extras)?)?);
    }
    payloads.push(payload(&["bare again"])?);
    let chunks = check_comes_back(&cx, &payloads).await?;
    for (chunk, key) in chunks.iter().skip(1).zip(TEXTS) {
        let message = chunk.message(0).ok_or_else(|| Failure::new("a message is missing"))?;
        ensure_eq!(message.key(), Some(key), "key");
        let headers: Vec<_> = message.headers().collect();
        ensure!(headers.iter().copied().eq(TEXTS.iter().map(|text| (*text, key))), "headers are {headers:?}");
        ensure_eq!(message.decode::<String>()?, "value", "value beside key {key:?}");
    }
    ensure!(payloads.iter().any(|payload| payload.codec() == Codec::Envelopes), "suite: no envelopes");
    Ok(())
}

async fn log_01_big_chunks_come_back(cx: Cx) -> Verdict {
    const MEBIBYTE: usize = 1 << 20;
    let full = payload(&vec!["x"; CHUNK_MAX_MESSAGES])?;
    let wide = payload(&[Raw(vec![0xa5; MEBIBYTE - 100])])?;
    // one message over the target has a chunk of its own, up to 8 MiB
    let over = payload(&[Raw(vec![0x5a; 8 * MEBIBYTE - 100])])?;
    check_comes_back(&cx, &[full, wide, over, payload(&["small"])?]).await.map(drop)
}
