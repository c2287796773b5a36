//! A table that counts each message once, although attempts fail and programs die: what a window writes takes place with the
//! commit that marks the window done, or not at all.
//!
//! ```text
//! cargo run --release --example transactional
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{
    error::Error,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use minibatch::{Backoff, params, prelude::*};
use rusqlite::Connection;

#[derive(Clone, Serialize, Deserialize)]
struct Quake {
    mag: f64,
}

/// Counts the earthquakes of each whole magnitude.
fn count(window: &Window<Quake>) -> Result<()> {
    let effects = window.effects();
    for quake in &window.data {
        effects.sql(
            "INSERT INTO magnitudes (mag, quakes) VALUES (?1, 1)
             ON CONFLICT (mag) DO UPDATE SET quakes = quakes + 1",
            params![quake.mag.floor()],
        )?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let (mb, file) = guide::connect_anew("transactional.db").await?;
    // the table is the program's own, in the same file
    let tables = Connection::open(&file)?;
    tables.execute_batch("CREATE TABLE magnitudes (mag REAL PRIMARY KEY, quakes INTEGER)")?;

    let stream = mb.stream::<Quake>("magnitudes").await?;
    stream.append_many(&guide::earthquakes::<Quake>()).await?;

    let attempts = AtomicU32::new(0);
    let impatient = Backoff { first: Duration::from_millis(1), max: Duration::from_millis(2) };
    // a consumer that is dropped at once, wherever it is, and one that finishes
    for patience in [Duration::from_millis(15), Duration::MAX] {
        let windows = stream.streaming().size(50).transactional().backoff(impatient);
        let drain =
            windows.drain(|window| {
                let counted = count(&window);
                let failed = attempts.fetch_add(1, Relaxed) % 3 == 1;
                async move {
                    if failed { Err("the network is down".to_owned()) } else { counted.map_err(|e| e.to_string()) }
                }
            });
        match tokio::time::timeout(patience, drain).await {
            Ok(done) => println!("done, after {} failed attempts: {:?}", done?.failures, attempts),
            Err(_) => println!("died, after {attempts:?} attempts"),
        }
    }
    mb.shutdown().await;

    let mut rows = tables.prepare("SELECT mag, quakes FROM magnitudes ORDER BY mag")?;
    for row in rows.query_map([], |row| Ok((row.get::<_, f64>(0)?, row.get::<_, u32>(1)?)))? {
        let (mag, quakes) = row?;
        println!("magnitude {mag}: {quakes}");
    }
    let all: u32 = tables.query_row("SELECT sum(quakes) FROM magnitudes", [], |row| row.get(0))?;
    println!("{all} earthquakes in the table, each counted once");
    Ok(())
}
