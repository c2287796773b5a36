#![allow(unused)]

use minibatch::prelude::*;

#[streaming("numbers")]
async fn no_window(window: Window<u32>) {}

#[streaming("numbers", max_attempts = 3)]
async fn still_none(window: Window<u32>) {}

#[streaming("numbers", interval = "5s", size = 50)]
async fn both(window: Window<u32>) {}

#[streaming("numbers", size = 50, relaxed = false)]
async fn relaxed_alone(window: Window<u32>) {}

fn main() {}
