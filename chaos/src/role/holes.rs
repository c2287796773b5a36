//! A consumer that pulls windows, and is never done with every second one.

use anyhow::Result;
use minibatch::{ClientOptions, ConsumerOptions, WindowSettings};

use super::{
    Consumer, Recorder, STREAM, Timing, connect,
    consumer::{Function, GROUP},
    timings::Timings,
    told_to_end, until_verdict,
};
use crate::{
    clock::{now, wall_micros},
    message::Note,
};

pub(super) async fn run(consumer: Consumer, max_ahead: u64) -> Result<()> {
    let (recorder, _) = Recorder::open(&consumer.history)?;
    let timings = Timings::create(&consumer.timings)?;
    let client = ClientOptions::default().with_member_ttl(consumer.member_ttl);
    let mb = connect(&consumer.url, client).await?;
    let stream = until_verdict(|| mb.stream::<Note>(STREAM)).await?;
    let mut options = ConsumerOptions::default();
    options.max_ahead = max_ahead;
    let function = Function::new(&consumer, recorder);
    let mut windows = stream.streaming().group(GROUP).options(options).size(consumer.size).open().await?;
    let (mut held, end) = (Vec::new(), told_to_end());
    tokio::pin!(end);
    loop {
        let window = tokio::select! {
            window = windows.next() => window?,
            () = &mut end => return Ok(()),
        };
        let Some(window) = window else { return Ok(()) };
        function.begin(&window)?;
        if window.ordinal % 2 == 1 {
            held.push(window);
            continue;
        }
        function.finish(&window)?;
        let asked = now();
        window.ack().await?;
        let took = u64::try_from(asked.elapsed().as_micros())?;
        timings.note(Timing { lane: 0, at: wall_micros(), took })?;
    }
}
