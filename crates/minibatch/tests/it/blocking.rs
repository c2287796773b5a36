//! `#[streaming]` on plain functions.

use std::{
    sync::{Arc, Mutex, mpsc},
    thread::{self, ThreadId},
};

use minibatch::prelude::*;

use crate::stores;

#[streaming("numbers", size = 2)]
fn where_am_i(window: Window<u32>, threads: Arc<Mutex<Vec<ThreadId>>>) -> Result<usize> {
    threads.lock().unwrap().push(thread::current().id());
    Ok(window.len())
}

#[streaming("numbers", size = 3)]
fn nothing(_: Window<u32>) {}

#[tokio::test]
async fn runs_beside_the_async_threads() {
    for store in stores::all().await {
        stores::count_to(&store.mb, 3).await;
        let threads = Arc::default();
        let summary = where_am_i.with(Arc::clone(&threads)).drain(&store.mb).await.unwrap();
        assert_eq!(summary.windows, 2);
        assert!(!threads.lock().unwrap().contains(&thread::current().id()));
        assert_eq!(nothing.drain(&store.mb).await.unwrap().windows, 1);
    }
}

#[streaming("numbers", size = 1)]
fn tell(window: Window<u32>, teller: mpsc::Sender<u32>) {
    window.data.into_iter().for_each(|number| teller.send(number).unwrap());
}

#[tokio::test]
async fn runs_until_it_is_dropped() {
    for store in stores::all().await {
        stores::count_to(&store.mb, 1).await;
        let (teller, told) = mpsc::channel();
        let told = tokio::task::spawn_blocking(move || told.recv());
        tokio::select! {
            ended = tell.with(teller).run(&store.mb) => panic!("{ended:?}"),
            first = told => assert_eq!(first.unwrap(), Ok(1)),
        }
    }
}
