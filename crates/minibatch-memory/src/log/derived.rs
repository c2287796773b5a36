//! Derived chunks: of each number the first one stands, for ever.

use std::collections::HashMap;

use minibatch_core::{
    ProducerId, Slot,
    chunk::DerivedChunk,
    storage::{DerivedAppend, UsedNumbers},
};

use super::records::Records;

#[derive(Default)]
pub(super) struct Derived(HashMap<ProducerId, Numbers>);

/// The numbers of one id.
#[derive(Default)]
struct Numbers {
    /// Those whose records are kept.
    kept: HashMap<u64, Slot>,
    used: UsedNumbers,
}

impl Derived {
    /// What stands under the chunk's number; `None` for a new one.
    pub(super) fn standing(&self, chunk: &DerivedChunk, records: &Records) -> Option<DerivedAppend> {
        let numbers = self.0.get(&chunk.id)?;
        if let Some(record) = numbers.kept.get(&chunk.number).and_then(|slot| records.get(*slot)) {
            return Some(DerivedAppend { slot: record.slot, differs: record.payload != chunk.payload });
        }
        let trimmed = DerivedAppend { slot: records.bounds().floor.previous(), differs: false };
        numbers.used.contains(chunk.number).then_some(trimmed)
    }

    pub(super) fn wrote(&mut self, chunk: &DerivedChunk, slot: Slot) {
        let numbers = self.0.entry(chunk.id.clone()).or_default();
        numbers.kept.insert(chunk.number, slot);
        numbers.used.insert(chunk.number, chunk.below);
    }

    /// The record of a number is gone.
    pub(super) fn trimmed(&mut self, id: &ProducerId, number: u64) {
        if let Some(numbers) = self.0.get_mut(id) {
            numbers.kept.remove(&number);
        }
    }
}
