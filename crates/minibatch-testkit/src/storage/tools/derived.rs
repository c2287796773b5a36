//! Derived chunks.

use minibatch_core::{ProducerId, chunk::DerivedChunk};

use super::payload;
use crate::storage::{case::Client, failure::Verdict};

/// A derived chunk of the id with one message of text.
pub(crate) async fn derived(storage: &Client, id: &str, number: u64, below: u64, text: &str) -> Verdict<DerivedChunk> {
    let (id, time) = (ProducerId::reserved(id), storage.now().await?);
    Ok(DerivedChunk { id, number, below, time, payload: payload(&[text])? })
}
