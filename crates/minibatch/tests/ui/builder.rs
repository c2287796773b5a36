#![allow(unused)]

use std::time::Duration;

use minibatch::prelude::*;

async fn run(numbers: Stream<u32>) -> Result<()> {
    numbers.streaming().group("sums").run(async |window: Window<u32>| drop(window)).await?;
    numbers.streaming().interval(Duration::from_secs(1)).size(2).open().await?;
    numbers.streaming().size(2).interval(Duration::from_secs(1)).open().await?;
    Ok(())
}

fn main() {}
