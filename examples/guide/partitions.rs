//! A stream with several partitions: the earthquakes of one country stay together and in order, while windows of several
//! countries are worked on at once; and when the counting was wrong, the group goes back and counts again.
//!
//! ```text
//! cargo run --release --example partitions
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;

use minibatch::{Extras, StartAt, StreamOptions, prelude::*};

#[derive(Serialize, Deserialize)]
struct Quake {
    time: String,
    mag: f64,
    place: String,
}

/// What stands behind the last comma.
fn country(place: &str) -> &str {
    place.rsplit(", ").next().unwrap_or(place)
}

#[tokio::main]
async fn main() -> Result<()> {
    let mb = guide::connect().await?;
    mb.drop_stream("by_country").await?;
    let four = StreamOptions::default().with_partitions(4);
    let stream = mb.stream_with::<Quake>("by_country", &four).await?;

    let quakes: Vec<Quake> = guide::earthquakes();
    let keys: Vec<Extras> = quakes
        .iter()
        .map(|quake| Extras { key: Some(country(&quake.place).to_owned()), headers: Vec::new() })
        .collect();
    for share in stream.append_many_with(quakes.iter().zip(&keys)).await?.shares {
        println!("partition {}: {} messages", share.partition, share.count);
    }

    // the first one forgets the weaker ones
    for at_least in [5.0, 0.0] {
        let mut last: BTreeMap<String, String> = BTreeMap::new();
        let (mut counted, mut in_order) = (0, true);
        let count = |window: Window<Quake>| {
            for quake in window.data.into_iter().filter(|quake| quake.mag >= at_least) {
                let before = last.insert(country(&quake.place).to_owned(), quake.time.clone());
                in_order &= before.is_none_or(|before| before <= quake.time);
                counted += 1;
            }
            async {}
        };
        stream.streaming().group("count").size(20).workers(4).drain(count).await?;
        println!("{counted} earthquakes of {} countries, each in order: {in_order}", last.len());

        if at_least > 0.0 {
            let group = stream.group("count")?;
            println!("from the beginning: {} again", group.seek_dry_run(&StartAt::Earliest).await?.again());
            group.seek(&StartAt::Earliest).await?;
        }
    }

    mb.shutdown().await;
    Ok(())
}
