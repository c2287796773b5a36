//! One process appends, another one consumes: this is the first. Start it before, after or beside `consumer`.
//!
//! ```text
//! cargo run --release --example producer
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use minibatch::prelude::*;
use tokio::time::interval;

#[derive(Serialize, Deserialize)]
struct Event {
    number: u32,
    is_last: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mb = guide::connect().await?;
    let events = mb.stream::<Event>("events").await?;

    let numbers: Vec<u32> = (1..=1000).collect();
    let mut clock = interval(Duration::from_millis(20));
    for some in numbers.chunks(50) {
        clock.tick().await;
        let some: Vec<_> = some.iter().map(|&number| Event { number, is_last: number == 1000 }).collect();
        let appended = events.append_many(&some).await?;
        for share in appended.shares {
            println!("appended {}, durable up to {}", share.count, share.last);
        }
    }

    println!("appended {} messages", numbers.len());
    mb.shutdown().await;
    Ok(())
}
