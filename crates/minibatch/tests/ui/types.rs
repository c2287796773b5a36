#![allow(unused)]

use minibatch::prelude::*;

struct Unreadable;

#[streaming("numbers", size = 50)]
async fn message(window: Window<Unreadable>) {}

#[streaming("numbers", size = 50)]
async fn state(window: Window<u32>, state: Unreadable) {}

#[streaming("numbers", size = 50)]
async fn output(window: Window<u32>) -> usize {
    window.len()
}

fn main() {}
