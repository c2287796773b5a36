//! Months as one value each: how many earthquakes, how strong they were, and where. No month is kept in memory message by
//! message: each quake is folded in when it comes, and what it was folded into is kept with the group's progress.
//!
//! ```text
//! cargo run --release --example aggregates
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use minibatch::{Aggregate, CalendarUnit, Distinct, EventTime, Moments, Quantiles, TimeWindow, Top, Tz, prelude::*};

#[derive(Serialize, Deserialize)]
struct Quake {
    time: String,
    mag: f64,
    depth: f64,
    place: String,
}

impl Quake {
    /// `Indonesia` of `125 km NNE of Paciran, Indonesia`.
    fn country(&self) -> &str {
        self.place.rsplit(", ").next().unwrap_or_default()
    }
}

/// What is made of a month.
type Month = (((Moments, Quantiles), Top), Distinct);

#[tokio::main]
async fn main() -> Result<()> {
    let mb = guide::connect().await?;
    mb.drop_stream("months").await?;
    let stream = mb.stream::<Quake>("months").await?;
    stream.append_many(&guide::earthquakes::<Quake>()).await?;

    let happened = EventTime::of(|quake: &Quake| guide::instant(&quake.time));
    let month = Aggregate::moments(|quake: &Quake| quake.mag)
        .and(Aggregate::quantiles(|quake: &Quake| quake.depth))
        .and(Aggregate::top(|quake: &Quake| quake.country().to_owned()))
        .and(Aggregate::distinct(|quake: &Quake| quake.place.clone()));
    let months = TimeWindow::calendar(CalendarUnit::Month, Tz::UTC).event_time(happened).aggregate(month);
    let done = stream.streaming().aggregate(months).drain(|window: Window<Month>| {
        for (((magnitudes, depths), countries), places) in &window.data {
            println!("month from {}", guide::minute(window.bounds.start));
            println!(
                "  {} quakes, mean magnitude {:.2}, strongest {:.1}; half of them above {:.0} km",
                magnitudes.count(),
                magnitudes.mean().unwrap_or_default(),
                magnitudes.max().unwrap_or_default(),
                depths.at(0.5).unwrap_or_default(),
            );
            println!("  at about {} places; most often {:?}", places.estimate(), countries.first(2));
        }
        async {}
    });
    let done = done.await?;
    println!("{} messages in {} values", done.messages, done.windows);
    mb.shutdown().await;
    Ok(())
}
