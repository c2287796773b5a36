//! The storage in one SQLite file against every clause of the contract: clients are storages opened one by one, as in
//! processes of their own.

use std::{io, path::Path, process::ExitCode, sync::Arc};

use minibatch_core::{
    Cause, Error, Slot,
    storage::{Partition, Storage},
};
use minibatch_sqlite::{SqliteOptions, SqliteStorage};
use minibatch_testkit::storage::Suite;

fn main() -> io::Result<ExitCode> {
    let directory = tempfile::tempdir()?;
    let root = directory.path().to_owned();
    let file = move |namespace: &str| root.join(namespace).with_extension("db");
    let damaged = file.clone();
    Ok(Suite::new(move |namespace| {
        let file = file(&namespace);
        async move {
            let client: Arc<dyn Storage> = Arc::new(SqliteStorage::open(file, SqliteOptions::default()).await?);
            Ok(client)
        }
    })
    .durable()
    .with_damage(move |namespace, partition, slot| {
        let damage = damage(&damaged(&namespace), &partition, slot);
        async move { damage.map_err(|error| Error::from(Cause::bug("no damage was done")).with_source(error)) }
    })
    .main())
}

/// Changes the first byte of a payload.
fn damage(file: &Path, partition: &Partition, slot: Slot) -> rusqlite::Result<()> {
    let changed = rusqlite::Connection::open(file)?.execute(
        "UPDATE chunks SET data = CAST(x'ff' || substr(data, 2) AS BLOB)
         WHERE id & 17592186044415 = ?1 AND id >> 44 =
               (SELECT id FROM partitions WHERE stream = ?2 AND incarnation = ?3 AND number = ?4)",
        (slot.to_i64(), partition.stream.as_str(), partition.incarnation.get(), partition.index),
    )?;
    assert_eq!(changed, 1);
    Ok(())
}
