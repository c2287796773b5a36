//! A consumer as users write one.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use minibatch::{Backoff, ClientOptions, ErrorKind, Window, WindowSettings};
use minibatch_testkit::history::{Event, Key, Member};

use super::{
    Consumer, Delivery, Recorder, STREAM, Said, TAKEN, Work, connect, sink::Sink, tell, tell_error, told_to_end,
    until_verdict,
};
use crate::{clock::millis, message::Note};

pub(crate) const GROUP: &str = "consumers";

pub(super) async fn run(consumer: Consumer) -> Result<()> {
    let (recorder, _) = Recorder::open(&consumer.history)?;
    let options = ClientOptions::default().with_member_ttl(consumer.member_ttl);
    let mb = connect(&consumer.url, options).await?;
    let function = Arc::new(Function::new(&consumer, recorder));
    let call = move |window: Window<Note>| {
        let function = Arc::clone(&function);
        async move { function.call(window).await }
    };
    loop {
        let stream = until_verdict(|| mb.stream::<Note>(STREAM)).await?;
        let streaming = stream.streaming().group(GROUP).size(consumer.size);
        let streaming = match consumer.max_wait {
            Some(max_wait) => streaming.max_wait(max_wait),
            None => streaming,
        };
        let streaming = match consumer.delivery {
            Delivery::Files | Delivery::Into => streaming,
            Delivery::Idempotent => streaming.idempotent(),
            Delivery::Transactional => streaming.transactional(),
        };
        let backoff = Backoff { first: millis(1), max: millis(20) };
        let streaming = match consumer.work {
            Work::Sound | Work::Holes { .. } => streaming,
            Work::Poisoned => streaming.max_attempts(2).timeout(millis(200)).backoff(backoff),
        };
        let ended = match (consumer.delivery, consumer.drain) {
            (Delivery::Into, drain) => {
                let taken = until_verdict(|| mb.stream::<Note>(TAKEN)).await?;
                let call = call.clone();
                let give = move |window: Window<Note>| {
                    let (notes, called) = (window.data.clone(), call(window));
                    async move { called.await.map(|()| notes) }
                };
                match drain {
                    true => streaming.into(&taken).drain(give).await,
                    false => streaming.until(told_to_end()).into(&taken).run(give).await,
                }
            }
            (_, true) => streaming.drain(call.clone()).await,
            (_, false) => streaming.until(told_to_end()).run(call.clone()).await,
        };
        match ended {
            Ok(_) => break,
            // what a program does that is not started again by somebody else
            Err(error) if error.kind() == ErrorKind::Retry => tell_error(&error),
            Err(error) => {
                tell_error(&error);
                return Err(error.into());
            }
        }
    }
    mb.shutdown().await;
    Ok(())
}

/// What a window's function does, and leaves.
pub(super) struct Function {
    recorder: Recorder,
    sink: Sink,
    work: Work,
}

impl Function {
    pub(super) fn new(consumer: &Consumer, recorder: Recorder) -> Self {
        Self { recorder, sink: Sink::of(consumer), work: consumer.work }
    }

    async fn call(&self, window: Window<Note>) -> Result<()> {
        self.begin(&window)?;
        if matches!(self.work, Work::Poisoned) {
            for note in &window.data {
                suffer(note.key()).await?;
            }
        }
        self.finish(&window)
    }

    pub(super) fn begin(&self, window: &Window<Note>) -> Result<()> {
        let members: Vec<Member> =
            window.meta().zip(&window.data).map(|(meta, note)| (meta.offset.to_u64(), note.key())).collect();
        let (id, ordinal, attempt) = (window.id.to_string(), window.ordinal, window.attempt);
        self.recorder.note(&Event::Window { id, ordinal, attempt, members })?;
        tell(Said::Window);
        Ok(())
    }

    pub(super) fn finish(&self, window: &Window<Note>) -> Result<()> {
        self.sink.take(window).context("the sink")?;
        self.recorder.note(&Event::Done { id: window.id.to_string() })?;
        tell(Said::Done);
        Ok(())
    }
}

/// Whether the function cannot be done with a message, ever.
pub(crate) fn is_poison(key: Key) -> bool {
    key.number % 40 == 7
}

async fn suffer(key: Key) -> Result<()> {
    if !is_poison(key) {
        return Ok(());
    }
    match key.number / 40 % 3 {
        0 => bail!("poison"),
        1 => wrong(),
        _ => std::future::pending().await,
    }
}

#[expect(clippy::panic, reason = "what a function may do, on purpose")]
fn wrong() -> Result<()> {
    panic!("poison")
}
