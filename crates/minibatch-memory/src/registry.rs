//! Named storages: shared by everybody in this process who knows the name.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

use crate::storage::Shared;

/// Weak, so that the data go with the last handle and tests leave nothing behind.
static NAMED: LazyLock<Mutex<HashMap<String, Weak<Shared>>>> = LazyLock::new(Mutex::default);

/// The storage of that name, a new one where no handle to it is left.
pub(crate) fn find_or_insert(name: &str, new: impl FnOnce() -> Shared) -> Arc<Shared> {
    let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(shared) = named.get(name).and_then(Weak::upgrade) {
        return shared;
    }
    named.retain(|_, shared| shared.strong_count() > 0);
    let shared = Arc::new(new());
    named.insert(name.to_owned(), Arc::downgrade(&shared));
    shared
}
