#![allow(unused)]

use minibatch::prelude::*;

#[streaming("numbers", sise = 50)]
async fn misspelt(window: Window<u32>) {}

#[streaming("numbers", size = 0)]
async fn zero(window: Window<u32>) {}

#[streaming("numbers", size = "50")]
async fn text(window: Window<u32>) {}

#[streaming("numbers", size)]
async fn word(window: Window<u32>) {}

#[streaming("numbers", 50)]
async fn which(window: Window<u32>) {}

#[streaming("numbers", size = 50, size = 60)]
async fn twice(window: Window<u32>) {}

#[streaming("numbers", size = 50, max_attempts = 0)]
async fn never(window: Window<u32>) {}

#[streaming("numbers", size = -1)]
async fn negative(window: Window<u32>) {}

#[streaming("numbers", max_wait = "2 parsecs")]
async fn unit(window: Window<u32>) {}

#[streaming("numbers", max_wait = 2)]
async fn no_unit(window: Window<u32>) {}

#[streaming("numbers", max_wait = "0s")]
async fn nothing(window: Window<u32>) {}

#[streaming("numbers", interval = "1500us")]
async fn too_fine(window: Window<u32>) {}

fn main() {}
