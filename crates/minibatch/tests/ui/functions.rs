#![allow(unused)]

use minibatch::prelude::*;

#[streaming("numbers", size = 50)]
struct NoFunction;

#[streaming("numbers", size = 50)]
async fn no_parameter() {}

#[streaming("numbers", size = 50)]
async fn three(window: Window<u32>, one: u32, two: u32) {}

#[streaming("numbers", size = 50)]
async fn no_window(window: Vec<u32>) {}

#[streaming("numbers", size = 50)]
async fn borrowed(window: &Window<u32>) {}

#[streaming("numbers", size = 50)]
async fn borrowed_state(window: Window<u32>, state: &str) {}

#[streaming("numbers", size = 50)]
async fn unnamed_state(window: Window<u32>, state: impl Clone) {}

#[streaming("numbers", size = 50)]
async fn generic<T>(window: Window<T>) {}

#[streaming("numbers", size = 50)]
async unsafe fn unsafe_to_call(window: Window<u32>) {}

struct Counter;

impl Counter {
    #[streaming("numbers", size = 50)]
    async fn method(&self, window: Window<u32>) {}
}

fn main() {}
