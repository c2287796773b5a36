#![allow(unused)]

use minibatch::prelude::*;

#[streaming("numbers", size = 50)]
async fn stateful(window: Window<u32>, factor: u32) {}

async fn run(mb: &Minibatch) -> Result<()> {
    stateful.run(mb).await?;
    Ok(())
}

fn main() {}
