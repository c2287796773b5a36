//! The storage in one SQLite file against every clause of the contract: clients are storages opened one by one, as in
//! processes of their own.

use std::{io, path::Path, process::ExitCode, sync::Arc};

use minibatch_core::{
    Cause, Error, Slot, params,
    storage::{Effect, Partition, Storage},
};
use minibatch_sqlite::{SqliteOptions, SqliteStorage};
use minibatch_testkit::storage::Suite;

fn main() -> io::Result<ExitCode> {
    let directory = tempfile::tempdir()?;
    let root = directory.path().to_owned();
    let file = move |namespace: &str| root.join(namespace).with_extension("db");
    let (damaged, seen) = (file.clone(), file.clone());
    Ok(Suite::new(move |namespace| {
        let file = file(&namespace);
        async move {
            let client: Arc<dyn Storage> = Arc::new(SqliteStorage::open(&file, SqliteOptions::default()).await?);
            prepare(&file).map_err(|error| failed("no table was made", error))?;
            Ok(client)
        }
    })
    .with_effects(
        |text| Effect::sql("INSERT INTO effects (text) VALUES (?1)", params![text]),
        move |namespace| {
            let texts = texts(&seen(&namespace));
            async { texts.map_err(|error| failed("no table was read", error)) }
        },
    )
    .durable()
    .with_damage(move |namespace, partition, slot| {
        let damage = damage(&damaged(&namespace), &partition, slot);
        async move { damage.map_err(|error| failed("no damage was done", error)) }
    })
    .main())
}

fn failed(what: &'static str, error: rusqlite::Error) -> Error {
    Error::from(Cause::bug(what)).with_source(error)
}

/// Makes a table as a user would.
fn prepare(file: &Path) -> rusqlite::Result<()> {
    let conn = rusqlite::Connection::open(file)?;
    conn.busy_timeout(std::time::Duration::from_secs(10))?;
    conn.execute_batch("CREATE TABLE IF NOT EXISTS effects (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)")
}

fn texts(file: &Path) -> rusqlite::Result<Vec<String>> {
    let conn = rusqlite::Connection::open(file)?;
    let mut select = conn.prepare("SELECT text FROM effects ORDER BY id")?;
    select.query_map([], |row| row.get(0))?.collect()
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
