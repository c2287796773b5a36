//! What a storage is asked, counted.

use std::{collections::BTreeMap, sync::Mutex};

use minibatch_core::Result;
use minibatch_testkit::storage::Tap;

#[derive(Debug, Default)]
pub(crate) struct Counting {
    calls: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counting {
    /// The calls since this was asked last, by the operation's name.
    pub(crate) fn take(&self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl Tap for Counting {
    async fn call<T: Send>(&self, operation: &'static str, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        *self.calls.lock().unwrap().entry(operation).or_default() += 1;
        call.await
    }
}
