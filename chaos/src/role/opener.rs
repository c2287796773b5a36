//! Clients that come and go: some are shut down, some are dropped, and some are dropped in the middle of an append.

use anyhow::Result;
use minibatch::ClientOptions;
use minibatch_testkit::history::{Event, Key};

use super::{Opener, Recorder, STREAM, Said, connect, tell, told_to_end, until_verdict};
use crate::{
    clock::{millis, pause},
    message::Note,
};

pub(super) async fn run(opener: Opener) -> Result<()> {
    let (recorder, _) = Recorder::open(&opener.history)?;
    let mut random = fastrand::Rng::with_seed(opener.seed);
    let (first, count) = (0, 1);
    for number in 0..opener.clients {
        // what is dropped may come after what others append next
        let lane = opener.first_lane + number;
        let mb = connect(&opener.url, ClientOptions::default()).await?;
        let stream = until_verdict(|| mb.stream::<Note>(STREAM)).await?;
        let note = Note::new(Key { lane, number: first }, 0);
        recorder.note(&Event::Invoke { lane, first, count })?;
        let patience = if number % 3 == 0 { millis(random.u64(0..4)) } else { millis(60_000) };
        let appended = tokio::select! {
            appended = stream.append(&note) => appended.is_ok(),
            () = pause(patience) => false,
        };
        let told = match appended {
            true => Event::Ack { lane, first, count, at: None },
            false => Event::Indeterminate { lane, first, count },
        };
        recorder.note(&told)?;
        if number % 3 == 1 {
            mb.shutdown().await;
        }
        tell(Said::Done);
    }
    told_to_end().await;
    Ok(())
}
