//! One process appends, another one consumes: this is the second. It pulls windows until the producer's last message.
//!
//! ```text
//! cargo run --release --example consumer
//! ```
//!
//! Stop it in the middle and start it again: it goes on where it was.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use minibatch::prelude::*;

#[derive(Serialize, Deserialize)]
struct Event {
    number: u32,
    is_last: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mb = guide::connect().await?;
    let events = mb.stream::<Event>("events").await?;

    let mut consumer = events.streaming().size(100).max_wait(Duration::from_secs(1)).open().await?;
    let mut numbers: Vec<u32> = Vec::new();
    while let Some(window) = consumer.next().await? {
        println!("window {} ({}): {} messages", window.ordinal, window.reason.name(), window.len());
        numbers.extend(window.data.iter().map(|event| event.number));
        let is_last = window.data.iter().any(|event| event.is_last);
        window.ack().await?;
        if is_last {
            break;
        }
    }
    consumer.shutdown().await?;

    let verdict = if numbers.is_sorted_by(|one, next| one + 1 == *next) { "none missing" } else { "not in order" };
    println!("{} messages, {verdict}", numbers.len());
    mb.shutdown().await;
    Ok(())
}
