//! Sessions: earthquakes that follow one another within two hours and not more, by the time at which the earth shook.
//!
//! ```text
//! cargo run --release --example sessions
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use minibatch::{EventTime, SessionWindow, prelude::*};

#[derive(Serialize, Deserialize)]
struct Quake {
    time: String,
    mag: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mb = guide::connect().await?;
    mb.drop_stream("quakes").await?;

    let quakes = mb.stream::<Quake>("quakes").await?;
    quakes.append_many(&guide::earthquakes()).await?;

    let happened = EventTime::of(|quake: &Quake| guide::instant(&quake.time));
    let sessions = SessionWindow::new(Duration::from_hours(2)).event_time(happened);
    let mut longest = 0;
    let done = quakes.streaming().window(sessions).drain(|window| {
        longest = longest.max(window.len());
        if window.len() >= 6 {
            let strongest = window.data.iter().map(|quake| quake.mag).fold(0.0, f64::max);
            let started = guide::minute(window.bounds.start);
            println!("from {started}  {} quakes, strongest {strongest:.1}  {}", window.len(), window.reason.name());
        }
        async {}
    });
    let done = done.await?;
    println!("{} earthquakes in {} sessions, {longest} in the longest", done.messages, done.windows);
    mb.shutdown().await;
    Ok(())
}
