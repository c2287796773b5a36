#![allow(unused)]

use minibatch::prelude::*;

#[streaming]
async fn no_stream(window: Window<u32>) {}

#[streaming(size = 50)]
async fn no_stream_either(window: Window<u32>) {}

#[streaming("", size = 50)]
async fn empty(window: Window<u32>) {}

#[streaming("a/b", size = 50)]
async fn slash(window: Window<u32>) {}

#[streaming("numbers.dead", size = 50)]
async fn reserved(window: Window<u32>) {}

#[streaming("numbers", size = 50, group = "a b")]
async fn space(window: Window<u32>) {}

#[streaming("numbers", size = 50)]
async fn _no_group(window: Window<u32>) {}

fn main() {}
