//! Windows by the clock: each fifth of a second, the readings of a sensor that were appended in it.
//!
//! Time is the log's own, so it makes no difference that the readings are consumed after all are there: the windows are
//! those that a consumer beside the sensor would have got.
//!
//! ```text
//! cargo run --release --example fixed_time
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use minibatch::prelude::*;
use tokio::time::interval;

#[tokio::main]
async fn main() -> Result<()> {
    let mb = guide::connect().await?;
    mb.drop_stream("readings").await?;

    let readings = mb.stream::<f64>("readings").await?;
    let mut clock = interval(Duration::from_millis(25));
    for number in 0..40 {
        clock.tick().await;
        readings.append(&(20.0 + (f64::from(number) / 5.0).sin())).await?;
    }

    let mut inside = 0;
    let fifths = readings.streaming().fixed_interval(Duration::from_millis(200));
    let done = fifths.drain(|window| {
        let mean = window.data.iter().sum::<f64>() / window.len() as f64;
        println!(
            "{}  {:<8}  {} readings, mean {mean:.2} °C",
            guide::times(window.bounds),
            window.reason.name(),
            window.len()
        );
        inside += window.meta().filter(|reading| window.bounds.contains(reading.time)).count();
        async {}
    });
    let done = done.await?;

    let verdict = if inside as u64 == done.messages { "each in its interval" } else { "some elsewhere" };
    println!("{} readings, {verdict}", done.messages);
    mb.shutdown().await;
    Ok(())
}
