//! Retention that is never silent: a cap takes what a slow group has not read, the group goes on after it, and an audit says
//! where every message is.
//!
//! ```text
//! cargo run --release --example retention
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use minibatch::{Retention, prelude::*};

#[tokio::main]
async fn main() -> Result<()> {
    let mb = guide::connect().await?;
    mb.drop_stream("readings").await?;
    let readings = mb.stream::<u32>("readings").await?;
    let slow = || readings.streaming().group("slow").size(100);
    slow().open().await?.shutdown().await?;
    for hundred in 0..10 {
        readings.append_many(&(hundred * 100..hundred * 100 + 100).collect::<Vec<_>>()).await?;
    }
    println!("{}", readings.audit("slow").await?.total());

    // stored with the stream: from now on whoever has it open trims, whether anybody consumes or not
    readings.retain(Retention::default().with_max_messages(300)).await?;
    readings.trim().await?;
    let done = slow().drain(|window| async move { println!("{:?}..", window.data.first()) }).await?;
    println!("{} messages were left", done.messages);

    let audit = readings.audit("slow").await?;
    for difference in audit.differences() {
        println!("{difference}");
    }
    println!("{}", audit.total());
    mb.shutdown().await;
    Ok(())
}
