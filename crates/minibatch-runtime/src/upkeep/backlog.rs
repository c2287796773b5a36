//! Holding producers back where the slowest group is too far behind.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use minibatch_core::{Cause, Error, storage::Partition};
use tokio::sync::watch;

use super::{Backlog, Span, Upkeep, WhenFull, millis};
use crate::{Client, retry::until_verdict};

/// How often the backlog is looked at at least, as long as somebody appends.
const INTERVAL: Duration = Duration::from_secs(1);

/// Open to producers, or not.
#[derive(Debug)]
pub(super) struct Gate {
    limited: AtomicBool,
    backlog: Mutex<Backlog>,
    /// What the slowest group has not finished, where that is too much.
    full: watch::Sender<Option<u64>>,
    /// Appended by this client since the last look.
    messages: AtomicU64,
    bytes: AtomicU64,
    /// When the next look is due, in milliseconds of the steady clock.
    due: AtomicU64,
    looking: AtomicBool,
    /// From the first record that the slowest group needs: a partition each.
    unfinished: tokio::sync::Mutex<Vec<Option<Span>>>,
}

impl Gate {
    pub(super) fn new(partitions: u32) -> Self {
        Self {
            limited: AtomicBool::new(false),
            backlog: Mutex::default(),
            full: watch::Sender::new(None),
            messages: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            due: AtomicU64::new(0),
            looking: AtomicBool::new(false),
            unfinished: tokio::sync::Mutex::new((0..partitions).map(|_| None).collect()),
        }
    }

    pub(super) fn limit(&self, backlog: Backlog) {
        *self.backlog.lock().unwrap_or_else(PoisonError::into_inner) = backlog;
        self.limited.store(backlog.is_limited(), Relaxed);
        if !backlog.is_limited() {
            self.full.send_replace(None);
        }
    }

    fn backlog(&self) -> Backlog {
        *self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an eighth of the limit was appended since the last look.
    fn filled(&self, backlog: &Backlog) -> bool {
        let eighth = |limit: Option<u64>, appended: &AtomicU64| {
            limit.is_some_and(|limit| appended.load(Relaxed) >= (limit / 8).max(1))
        };
        eighth(backlog.max_messages, &self.messages) || eighth(backlog.max_bytes, &self.bytes)
    }
}

impl Upkeep {
    /// Returns when so much may be appended.
    pub(crate) async fn admit(self: &Arc<Self>, messages: usize, bytes: usize) -> Result<(), Error> {
        self.touch();
        if !self.gate.limited.load(Relaxed) {
            return Ok(());
        }
        self.gate.messages.fetch_add(messages as u64, Relaxed);
        self.gate.bytes.fetch_add(bytes as u64, Relaxed);
        self.look_at_backlog();
        let mut full = self.gate.full.subscribe();
        let Some(unfinished) = *full.borrow_and_update() else { return Ok(()) };
        if self.gate.backlog().when_full == WhenFull::Error {
            return Err(Error::new(Cause::backlog_full(unfinished)).during("append"));
        }
        let clock = self.client.clock();
        let open = async {
            loop {
                tokio::select! {
                    // the gate lives as long as `self`
                    _ = full.wait_for(Option::is_none) => return,
                    () = clock.sleep(INTERVAL) => self.look_at_backlog(),
                }
            }
        };
        tokio::select! {
            () = open => Ok(()),
            () = self.client.stopping().cancelled() => Err(Error::new(Cause::Closed).during("append")),
            () = clock.sleep(self.client.options().append_timeout) => {
                Err(Error::new(Cause::backlog_full(unfinished)).during("append"))
            }
        }
    }

    /// Looks at the backlog beside whatever its caller does, when that is due and nobody does.
    fn look_at_backlog(self: &Arc<Self>) {
        let (gate, backlog) = (&self.gate, self.gate.backlog());
        let due = self.millis() >= gate.due.load(Relaxed) || gate.filled(&backlog);
        if !due || gate.looking.swap(true, Relaxed) {
            return;
        }
        gate.due.store(self.millis() + millis(INTERVAL), Relaxed);
        gate.messages.store(0, Relaxed);
        gate.bytes.store(0, Relaxed);
        let upkeep = Arc::clone(self);
        self.spawn(async move {
            if let Err(error) = upkeep.measure(&backlog).await {
                tracing::debug!(stream = %upkeep.info.name, %error, "could not look at the backlog");
            }
            upkeep.gate.looking.store(false, Relaxed);
        });
    }

    async fn measure(&self, backlog: &Backlog) -> Result<(), Error> {
        let mut spans = self.gate.unfinished.lock().await;
        let (mut messages, mut bytes) = (0, 0);
        for (index, span) in (0..).zip(spans.iter_mut()) {
            let partition = self.info.partition(index);
            match unfinished(&self.client, &partition, span).await {
                // trimmed meanwhile: the next look counts anew
                Err(error) if matches!(error.cause(), Cause::OffsetTrimmed { .. }) => {
                    *span = None;
                    return Ok(());
                }
                found => {
                    let found = found?;
                    messages += found.0;
                    bytes += found.1;
                }
            }
        }
        let over = |limit: Option<u64>, found: u64| limit.is_some_and(|limit| found >= limit);
        let full = over(backlog.max_messages, messages) || over(backlog.max_bytes, bytes);
        self.gate.full.send_if_modified(|told| {
            let now = full.then_some(messages);
            let changed = told.is_some() != now.is_some();
            *told = now;
            changed
        });
        Ok(())
    }
}

/// How many messages the slowest group has not finished, and how many bytes lie from the first on that it needs.
async fn unfinished(client: &Client, partition: &Partition, known: &mut Option<Span>) -> Result<(u64, u64), Error> {
    let (storage, clock) = (client.storage(), &**client.clock());
    let groups = until_verdict(clock, "groups", || storage.groups(partition)).await?;
    let Some(needed) = groups.iter().map(|(_, state)| state.keep_from.slot()).min() else { return Ok((0, 0)) };
    let bounds = until_verdict(clock, "bounds", || storage.bounds(partition)).await?;
    let needed = needed.max(bounds.first().offset.slot());
    let low = known.as_ref().map(Span::low);
    if low.is_none_or(|low| low < bounds.first().offset.slot() || low > needed) {
        *known = None;
    }
    let span = known.get_or_insert_with(|| Span::at(&bounds));
    span.extend(client, partition, bounds.tail).await?;
    span.raise(client, partition, |record, _| record.slot < needed).await?;
    let behind = groups.iter().map(|(_, state)| {
        let appended = span.count().saturating_sub(state.start.count);
        appended.saturating_sub(state.counters.total())
    });
    Ok((behind.max().unwrap_or(0), span.bytes()))
}
