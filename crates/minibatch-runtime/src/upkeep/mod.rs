//! What a stream needs of whichever client has it open: trimming by its retention, producers held back by its backlog,
//! groups that are gone for good removed.
//!
//! There is one [`Upkeep`] for a stream and client, shared by producers and consumers. Settings are read again when they
//! are older than five seconds and somebody trims or appends. As long as a cap is set, a task trims in that interval
//! whether or not anybody does.

mod backlog;
mod groups;
mod refusal;
mod settings;
mod span;
mod trim;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use minibatch_core::{
    Error,
    storage::{NotePlace, StreamInfo},
};

use crate::{Client, documents, retry::until_verdict};
use backlog::Gate;
use refusal::Refusal;
pub use settings::{Backlog, Retention, WhenFull};
use span::Span;

/// How old settings may be, and how often a stream with caps is trimmed.
const INTERVAL: Duration = Duration::from_secs(5);

const KIND: &str = "settings";
const RETENTION: &str = "retention";
const BACKLOG: &str = "backlog";

#[derive(Clone, Copy, Debug, Default)]
struct Settings {
    retention: Retention,
    backlog: Backlog,
}

/// What a client knows and does about a stream.
pub(crate) struct Upkeep {
    client: Client,
    info: StreamInfo,
    settings: Mutex<Settings>,
    /// When the settings are to be read again, in milliseconds of the steady clock.
    due: AtomicU64,
    /// What is kept, where there are caps: a partition each.
    kept: Vec<tokio::sync::Mutex<Option<Span>>>,
    gate: Gate,
    /// A task trims in intervals.
    at_work: AtomicBool,
    trimming: Refusal,
    expiring: Refusal,
}

impl Upkeep {
    pub(crate) fn new(client: Client, info: StreamInfo) -> Self {
        let kept = (0..info.partitions).map(|_| tokio::sync::Mutex::default()).collect();
        let gate = Gate::new(info.partitions);
        Self {
            client,
            info,
            settings: Mutex::default(),
            due: AtomicU64::new(0),
            kept,
            gate,
            at_work: AtomicBool::new(false),
            trimming: Refusal::default(),
            expiring: Refusal::default(),
        }
    }

    /// Stores how long the stream keeps its messages.
    pub(crate) async fn retain(self: &Arc<Self>, retention: Retention) -> Result<(), Error> {
        self.store(RETENTION, &retention).await
    }

    /// Keeps from now on what every group has finished with, as far as the caps allow.
    pub(crate) async fn keep_messages(self: &Arc<Self>) -> Result<(), Error> {
        let retention = self.retention().await?;
        if retention.keep { Ok(()) } else { self.retain(Retention { keep: true, ..retention }).await }
    }

    /// Stores how far producers may run ahead.
    pub(crate) async fn limit_backlog(self: &Arc<Self>, backlog: Backlog) -> Result<(), Error> {
        self.store(BACKLOG, &backlog).await
    }

    async fn store(self: &Arc<Self>, key: &str, setting: &impl serde::Serialize) -> Result<(), Error> {
        let (place, note) = (self.place(), documents::encode(key, setting)?);
        let put = || self.client.storage().put_notes(&place, vec![note.clone()]);
        until_verdict(&**self.client.clock(), "set", put).await?;
        self.read_settings().await?;
        self.keep_up();
        Ok(())
    }

    fn place(&self) -> NotePlace {
        NotePlace { partition: self.info.partition(0), group: None, kind: KIND }
    }

    fn known(&self) -> Settings {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The settings, at most five seconds old.
    async fn settings(&self) -> Result<Settings, Error> {
        if self.is_due() { self.read_settings().await } else { Ok(self.known()) }
    }

    async fn read_settings(&self) -> Result<Settings, Error> {
        let (place, storage) = (self.place(), self.client.storage());
        self.put_off();
        let notes = until_verdict(&**self.client.clock(), "settings", || storage.notes(&place, "", 16)).await?;
        let mut settings = Settings::default();
        for note in notes {
            match note.key.as_str() {
                RETENTION => settings.retention = documents::decode("retention", &note)?,
                BACKLOG => settings.backlog = documents::decode("backlog", &note)?,
                // of a newer version
                _ => {}
            }
        }
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
        self.gate.limit(settings.backlog);
        Ok(settings)
    }

    pub(crate) async fn retention(&self) -> Result<Retention, Error> {
        Ok(self.read_settings().await?.retention)
    }

    pub(crate) async fn backlog(&self) -> Result<Backlog, Error> {
        Ok(self.read_settings().await?.backlog)
    }

    fn is_due(&self) -> bool {
        self.millis() >= self.due.load(Relaxed)
    }

    fn put_off(&self) {
        self.due.store(self.millis() + millis(INTERVAL), Relaxed);
    }

    fn millis(&self) -> u64 {
        millis(self.client.clock().elapsed())
    }

    /// Looks after the stream beside whatever its caller does, when that is due.
    pub(crate) fn touch(self: &Arc<Self>) {
        if !self.is_due() {
            return;
        }
        self.put_off();
        let upkeep = Arc::clone(self);
        self.spawn(async move {
            match upkeep.read_settings().await {
                Ok(_) => upkeep.keep_up(),
                Err(error) => {
                    tracing::debug!(stream = %upkeep.info.name, %error, "could not read the stream's settings");
                }
            }
        });
    }

    /// Starts the task that trims in intervals, where the settings ask for it and there is none.
    fn keep_up(self: &Arc<Self>) {
        if !self.known().retention.wants_upkeep() || self.at_work.swap(true, Relaxed) {
            return;
        }
        let (upkeep, clock) = (Arc::downgrade(self), Arc::clone(self.client.clock()));
        self.spawn(async move {
            while let Some(upkeep) = upkeep.upgrade() {
                if !upkeep.round().await {
                    upkeep.at_work.store(false, Relaxed);
                    return;
                }
                drop(upkeep);
                clock.sleep(INTERVAL).await;
            }
        });
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.client.stopping().clone();
        if !stop.is_cancelled() {
            self.client.tasks().spawn(async move { stop.run_until_cancelled(work).await });
        }
    }

    /// Does what is due once; false where the settings no longer ask for it.
    async fn round(&self) -> bool {
        match self.try_round().await {
            Ok(goes_on) => goes_on,
            Err(error) => {
                tracing::debug!(stream = %self.info.name, %error, "could not look after the stream, trying again later");
                true
            }
        }
    }

    async fn try_round(&self) -> Result<bool, Error> {
        let retention = self.settings().await?.retention;
        if let Some(after) = retention.groups_expire_after {
            self.expire_aside(after).await;
        }
        if retention.is_capped() {
            for index in 0..self.info.partitions {
                self.trim_aside(index).await;
            }
        }
        Ok(retention.wants_upkeep())
    }
}

impl fmt::Debug for Upkeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upkeep")
            .field("stream", &self.info.name)
            .field("settings", &self.known())
            .finish_non_exhaustive()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
