//! The processes that things are done to.
//!
//! A role is told what to do by one argument of JSON, writes its history into a file, and says a [letter](Said) on
//! standard output for each thing that happens, so that a fault can strike then. It ends when its standard input does: no
//! role outlives the run.

mod consumer;
mod facade;
mod holes;
mod opener;
mod raw;
mod recorder;
mod sink;
mod stable;
mod timings;

use std::{io::Write as _, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use minibatch::{ClientOptions, Error, ErrorKind, Minibatch};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::clock::{millis, pause};
pub(crate) use consumer::{GROUP, is_poison};
pub(crate) use raw::COLLECTION as CONTROL;
use recorder::Recorder;
pub(crate) use sink::EFFECTS;
pub(crate) use timings::Timing;

/// The stream of every run.
pub(crate) const STREAM: &str = "notes";

/// The stream that windows go into.
pub(crate) const TAKEN: &str = "taken";

/// What a role says as it happens, a line each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Acked,
    Unclear,
    Fenced,
    Window,
    Done,
}

impl Said {
    pub(crate) const ALL: [Self; 5] = [Self::Acked, Self::Unclear, Self::Fenced, Self::Window, Self::Done];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Acked => "acked",
            Self::Unclear => "unclear",
            Self::Fenced => "fenced",
            Self::Window => "window",
            Self::Done => "done",
        }
    }
}

/// Before the kind of an error that a role was told.
pub(crate) const ERROR: &str = "error ";

/// How a producer appends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Appending {
    /// Through the façade, as a user does: several lanes share chunks.
    Facade,
    /// With an id that survives it: what it was told nothing of is appended again under the same sequence.
    Stable { id: String },
    /// Not by minibatch: inserts with w:1 that no journal waits for.
    Unjournaled,
    /// Not by minibatch: inserts without a key of their own, tried again when no answer came.
    Unkeyed,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Producer {
    pub(crate) url: String,
    pub(crate) history: PathBuf,
    pub(crate) appending: Appending,
    pub(crate) seed: u64,
    pub(crate) first_lane: u32,
    pub(crate) lanes: u32,
    /// The most messages a call.
    pub(crate) batch: u32,
    /// Between calls of a lane.
    pub(crate) pause: Duration,
    pub(crate) append_timeout: Duration,
    /// Each lane is a client of its own, and notes there how long each call took.
    pub(crate) timings: Option<PathBuf>,
}

/// What the function of a consumer does.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) enum Work {
    #[default]
    Sound,
    /// Some messages make it fail, panic or hang.
    Poisoned,
    /// Every second window is never done, as many as may be handed out.
    Holes { max_ahead: u64 },
}

/// How often a consumer's windows are to take effect, and so where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Delivery {
    /// At least once: in files named after windows, each in place of what an earlier attempt left.
    #[default]
    Files,
    /// The same, and a window's id stands for the same messages whatever ended it.
    Idempotent,
    /// In a table or collection beside the stream, in one transaction with the commit. Nothing there is replaced or unique:
    /// a window that took effect twice is there twice.
    Transactional,
    /// In another stream, whose messages are those of the windows: a window that took effect twice is there twice.
    Into,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Consumer {
    pub(crate) url: String,
    pub(crate) history: PathBuf,
    pub(crate) sink: PathBuf,
    /// How long acknowledging took, where that is noted.
    pub(crate) timings: PathBuf,
    pub(crate) seed: u64,
    pub(crate) size: usize,
    /// How long a window waits for more; for ever, and so the same windows whatever dies, unless given.
    pub(crate) max_wait: Option<Duration>,
    pub(crate) member_ttl: Duration,
    /// Up to the end of the log as it is, instead of for ever.
    pub(crate) drain: bool,
    pub(crate) work: Work,
    pub(crate) delivery: Delivery,
}

/// Opens clients one after the other, and leaves them as users do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Opener {
    pub(crate) url: String,
    pub(crate) history: PathBuf,
    pub(crate) seed: u64,
    pub(crate) first_lane: u32,
    pub(crate) clients: u32,
}

/// Runs the role of that name; `None` where there is none.
pub(crate) fn run(name: &str, settings: &str) -> Option<Result<()>> {
    match name {
        "producer" => Some(block_on(settings, produce)),
        "consumer" => Some(block_on(settings, consume)),
        "opener" => Some(block_on(settings, opener::run)),
        _ => None,
    }
}

async fn produce(producer: Producer) -> Result<()> {
    match &producer.appending {
        Appending::Facade => facade::run(producer).await,
        Appending::Stable { id } => stable::run(&producer, id).await,
        Appending::Unjournaled => raw::unjournaled(&producer).await,
        Appending::Unkeyed => raw::unkeyed(&producer).await,
    }
}

async fn consume(consumer: Consumer) -> Result<()> {
    match consumer.work {
        Work::Holes { max_ahead } => holes::run(consumer, max_ahead).await,
        Work::Sound | Work::Poisoned => consumer::run(consumer).await,
    }
}

fn block_on<S: DeserializeOwned, F: Future<Output = Result<()>>>(
    settings: &str,
    run: impl FnOnce(S) -> F,
) -> Result<()> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let settings = serde_json::from_str(settings).context("a role's settings are one argument of JSON")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ended = runtime.block_on(run(settings));
    // standard input is read by a thread that cannot be cancelled
    runtime.shutdown_background();
    ended
}

/// Says a line. Whoever listened may have gone.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

pub(crate) fn tell(said: Said) {
    say(said.word());
}

fn tell_error(error: &Error) {
    tracing::warn!(%error, "told an error");
    say(&format!("{ERROR}{:?}", error.kind()));
}

/// Resolves when standard input ends.
async fn told_to_end() {
    let mut nothing = tokio::io::sink();
    // an error is an end as well
    let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut nothing).await;
}

/// Connects; a server that does not answer now is asked again.
async fn connect(url: &str, options: ClientOptions) -> Result<Minibatch, Error> {
    loop {
        match Minibatch::connect_with(url, options.clone()).await {
            Err(error) if error.kind() == ErrorKind::Retry => tell_error(&error),
            Err(error) => {
                tell_error(&error);
                return Err(error);
            }
            connected => return connected,
        }
        pause(millis(50)).await;
    }
}

/// Repeats what was given no verdict; any other error is said, and given.
async fn until_verdict<T, F: Future<Output = Result<T, Error>>>(operation: impl Fn() -> F) -> Result<T, Error> {
    loop {
        match operation().await {
            Ok(done) => return Ok(done),
            Err(error) => {
                tell_error(&error);
                if error.kind() != ErrorKind::Retry {
                    return Err(error);
                }
            }
        }
        pause(millis(50)).await;
    }
}
