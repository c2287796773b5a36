//! The storage in memory against every clause of the contract.

use std::{process::ExitCode, sync::Arc};

use minibatch_core::storage::Storage;
use minibatch_memory::MemoryStorage;
use minibatch_testkit::storage::Suite;

fn main() -> ExitCode {
    Suite::new(|namespace| async move {
        let client: Arc<dyn Storage> = Arc::new(MemoryStorage::named(&namespace));
        Ok(client)
    })
    .main()
}
