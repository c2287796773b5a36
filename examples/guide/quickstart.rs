//! Mini-batches of real data: 596 earthquakes, in windows of 50.
//!
//! ```text
//! cargo run --release --example quickstart
//! MINIBATCH_URL=mongodb://localhost cargo run --release --features mongodb --example quickstart
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use minibatch::prelude::*;

#[derive(Serialize, Deserialize)]
struct Quake {
    time: String,
    mag: f64,
    place: String,
}

/// Shows the strongest earthquake of each window.
#[streaming("quakes", size = 50, max_wait = "2s")]
async fn strongest(window: Window<Quake>) {
    let (number, times, reason, size) =
        (window.ordinal, guide::times(window.bounds), window.reason.name(), window.len());
    if let Some(Quake { mag, place, .. }) = window.data.iter().max_by(|a, b| a.mag.total_cmp(&b.mag)) {
        println!("{number:>2}  {times}  {reason}  {size} quakes, strongest {mag:.1} {place}");
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let mb = guide::connect().await?;
    mb.drop_stream("quakes").await?;

    let quakes = mb.stream::<Quake>("quakes").await?;
    for some in guide::earthquakes().chunks(20) {
        quakes.append_many(some).await?;
    }

    let done = strongest.drain(&mb).await?;
    println!("{} messages in {} windows", done.messages, done.windows);
    mb.shutdown().await;
    Ok(())
}
