//! From one stream into another, each window's output once, although attempts fail and programs die.
//!
//! ```text
//! cargo run --release --example pipeline
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{
    error::Error,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use minibatch::{Backoff, Output, prelude::*};

#[derive(Clone, Serialize, Deserialize)]
struct Quake {
    mag: f64,
    place: String,
}

/// What there was in one window.
#[derive(Serialize, Deserialize)]
struct Report {
    quakes: usize,
    strongest: f64,
}

/// A report of each window, under the place of its strongest earthquake.
fn report(window: &Window<Quake>) -> Option<Output<Report>> {
    let strongest = window.data.iter().max_by(|a, b| a.mag.total_cmp(&b.mag))?;
    let report = Report { quakes: window.len(), strongest: strongest.mag };
    Some(Output::new(report).with_key(&strongest.place))
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let mb = guide::connect().await?;
    for name in ["quakes", "reports"] {
        mb.drop_stream(name).await?;
    }
    let quakes = mb.stream::<Quake>("quakes").await?;
    let reports = mb.stream::<Report>("reports").await?;
    quakes.append_many(&guide::earthquakes::<Quake>()).await?;

    let attempts = AtomicU32::new(0);
    let impatient = Backoff { first: Duration::from_millis(1), max: Duration::from_millis(2) };
    // a consumer that is dropped at once, wherever it is, and one that finishes
    for patience in [Duration::from_millis(15), Duration::MAX] {
        let windows = quakes.streaming().size(50).backoff(impatient).into(&reports);
        let drain = windows.drain(|window| {
            let failed = attempts.fetch_add(1, Relaxed) % 3 == 1;
            async move { if failed { Err("the network is down") } else { Ok(report(&window)) } }
        });
        match tokio::time::timeout(patience, drain).await {
            Ok(done) => println!("done, after {} failed attempts", done?.failures),
            Err(_) => println!("died, after {} attempts", attempts.load(Relaxed)),
        }
    }

    let (mut count, mut all) = (0, 0);
    let read = reports.streaming().size(100).drain(|window: Window<Report>| {
        for (report, meta) in window.data.iter().zip(window.meta()) {
            println!(
                "{:3} earthquakes, the strongest {} in {}",
                report.quakes,
                report.strongest,
                meta.key.unwrap_or_default()
            );
            (count, all) = (count + 1, all + report.quakes);
        }
        async {}
    });
    read.await?;
    println!("{all} earthquakes in {count} reports, each counted once");
    mb.shutdown().await;
    Ok(())
}
