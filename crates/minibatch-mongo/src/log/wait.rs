//! Waiting for more: hints where there are some, and looking from time to time as the truth.

use std::{pin::pin, time::Duration};

use minibatch_core::{Error, Slot, storage::Partition};

use crate::client::Client;

/// How long to wait before looking for the first time, and how long at most.
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(250);

impl Client {
    pub(super) async fn wait(&self, partition: &Partition, after: Slot) -> Result<(), Error> {
        let _attention = self.hints.attend(&partition.stream);
        let mut pause = SHORTEST;
        loop {
            let (state, document) = self.check(partition).await?;
            let mut own = state.tail_changes();
            // listens from before it looks
            let mut hint = pin!(state.hint.notified());
            hint.as_mut().enable();
            if state.tail() > after {
                return Ok(());
            }
            let tail = self.read_tail(partition, document.floor).await?;
            state.saw_tail(tail);
            if tail > after {
                return Ok(());
            }
            tokio::select! {
                biased;
                _ = own.wait_for(|tail| *tail > after) => return Ok(()),
                () = hint => {}
                () = self.clock().sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST);
        }
    }
}
