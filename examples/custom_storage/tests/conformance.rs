//! The example's storage against every clause of the contract.

use std::{
    collections::HashMap,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use custom_storage::CustomStorage;
use minibatch_core::storage::Storage;
use minibatch_testkit::storage::Suite;

fn main() -> ExitCode {
    let namespaces = Mutex::new(HashMap::<String, Arc<CustomStorage>>::new());
    Suite::new(move |namespace| {
        let mut namespaces = namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        let client: Arc<dyn Storage> = Arc::clone(namespaces.entry(namespace).or_default()) as _;
        async { Ok(client) }
    })
    .main()
}
