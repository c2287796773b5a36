//! Late data: reports of earthquakes, counted in the week in which the earth shook. One report in twenty takes ten days to
//! arrive. Those that come when their week is over are not lost: they go to a stream of their own, to be read there.
//!
//! ```text
//! cargo run --release --example late_data
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use minibatch::{CalendarUnit, EventTime, TimeWindow, Tz, prelude::*};

#[derive(Serialize, Deserialize)]
struct Quake {
    time: String,
    place: String,
}

const DAY: Duration = Duration::from_hours(24);

#[tokio::main]
async fn main() -> Result<()> {
    let mb = guide::connect().await?;
    mb.drop_stream("reports").await?;

    let mut reports: Vec<(usize, Quake)> = guide::earthquakes().into_iter().enumerate().collect();
    reports.sort_by_key(|(number, quake)| {
        let slow = if number % 20 == 19 { 10 * DAY } else { Duration::ZERO };
        guide::instant(&quake.time).plus(slow)
    });
    let reports: Vec<Quake> = reports.into_iter().map(|(_, quake)| quake).collect();
    let stream = mb.stream::<Quake>("reports").await?;
    stream.append_many(&reports).await?;

    let happened = EventTime::of(|quake: &Quake| guide::instant(&quake.time)).out_of_order(2 * DAY);
    let weeks = TimeWindow::calendar(CalendarUnit::Week, Tz::UTC).event_time(happened);
    let done = stream.streaming().window(weeks).drain(|window| {
        println!("week from {}  {:>2} reports", guide::minute(window.bounds.start), window.len());
        async {}
    });
    let done = done.await?;

    let late = mb.late_messages::<Quake>("reports").await?;
    let read = late.streaming().max_wait(Duration::from_secs(1)).drain(|window| {
        for Quake { time, place } in &window.data {
            println!("late: {}  {place}", time.get(..10).unwrap_or(time));
        }
        async {}
    });
    read.await?;
    println!("{} reports, {} of them late", done.messages, done.late);
    mb.shutdown().await;
    Ok(())
}
