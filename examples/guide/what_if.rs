//! What if: flights out of New York, reported as they leave and counted by when they were to leave. Which windows would
//! different strategies have made of three days of them, how many flights would have been late for their window, and how
//! long would the others have waited in it?
//!
//! The recording is made first, in memory: the clock is put to each departure. Your own streams are recorded already.
//!
//! ```text
//! cargo run --release --example what_if
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{sync::Arc, time::Duration};

use minibatch::{
    BatchWindow, Client, ClientOptions, CountWindow, EventTime, SessionWindow, TimeWindow, WhatIf,
    memory::MemoryStorage, prelude::*, testing::ManualClock,
};

#[derive(Serialize, Deserialize)]
struct Flight {
    scheduled: String,
    departed: String,
    flight: String,
    origin: String,
    dest: String,
}

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

#[tokio::main]
async fn main() -> Result<()> {
    let flights = guide::flights::<Flight>();
    let clock = Arc::new(ManualClock::new(guide::instant("2013-07-22 04:00:00")));
    let storage = Arc::new(MemoryStorage::with_clock(Arc::<ManualClock>::clone(&clock)));
    let mb = Client::with_options(storage, Arc::<ManualClock>::clone(&clock), ClientOptions::default());
    let departures = mb.stream::<Flight>("departures").await?;
    for together in flights.chunk_by(|one, next| one.departed == next.departed) {
        let [first, ..] = together else { continue };
        clock.set(guide::instant(&first.departed));
        departures.append_many(together).await?;
    }

    let hourly = |out_of_order| {
        let scheduled = EventTime::of(|flight: &Flight| guide::instant(&flight.scheduled));
        // flights leave up to 18 minutes early, and none for hours at night
        let scheduled = scheduled.max_ahead(HOUR).idle_after(HOUR).out_of_order(out_of_order);
        TimeWindow::tumbling(HOUR).event_time(scheduled)
    };
    let report = WhatIf::over(&departures, ..)
        .strategy("hourly, 15 min", hourly(15 * MINUTE))
        .strategy("hourly, 1 h", hourly(HOUR))
        .strategy("hourly, 4 h", hourly(4 * HOUR))
        .strategy("session, 10 min", SessionWindow::new(10 * MINUTE))
        .strategy("count 100", CountWindow::new(100))
        .strategy("batch 100, 30 min", BatchWindow::new().size(100).max_wait(30 * MINUTE))
        .report()
        .await?;
    println!("{report}\n");
    let [quarter, hour, hours] = [0, 1, 2].map(|index| report.strategies.get(index).map_or(0, |one| one.late));
    println!("late for their hour: {quarter} flights with 15 min of patience, {hour} with 1 h, {hours} with 4 h");
    mb.shutdown().await;
    Ok(())
}
