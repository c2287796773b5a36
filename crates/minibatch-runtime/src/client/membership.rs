//! Being alive for the other members: one heartbeat a process.

use std::{sync::Arc, time::Duration};

use minibatch_core::{Cause, Clock, Error, ErrorKind, MemberId, storage::Storage};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::Client;
use crate::{FAREWELL_TIMEOUT, retry::until_verdict};

/// A membership with its heartbeat; dropped, the heartbeat stops and the others find the member dead.
#[derive(Debug)]
pub(crate) struct Membership {
    id: MemberId,
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    lost: CancellationToken,
    heart: TaskTracker,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl Membership {
    pub(super) async fn join(client: &Client) -> Result<Self, Error> {
        let (storage, clock) = (Arc::clone(client.storage()), Arc::clone(client.clock()));
        let ttl = client.options().heartbeat_ttl();
        // the deadline counts from before the request: the storage may have begun to count then
        let alive_until = clock.elapsed() + ttl;
        let id = until_verdict(&*clock, "join", || storage.join(ttl)).await?;
        let (lost, stop, heart) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
        let beating = beat(Arc::clone(&storage), Arc::clone(&clock), id.clone(), ttl, alive_until);
        let (signal, stopped) = (lost.clone(), stop.clone());
        heart.spawn(async move {
            if stopped.run_until_cancelled(beating).await.is_some() {
                signal.cancel();
            }
        });
        heart.close();
        Ok(Self { id, storage, clock, lost, heart, stop: stop.clone(), _stop_on_drop: stop.drop_guard() })
    }

    pub(crate) fn id(&self) -> &MemberId {
        &self.id
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// The storage says that the member is dead.
    pub(crate) fn lose(&self) {
        self.lost.cancel();
    }

    /// Returns when the others may take the member for dead.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    pub(super) async fn leave(&self) {
        self.stop.cancel();
        self.heart.wait().await;
        let left = tokio::select! {
            left = self.storage.leave(&self.id) => left,
            () = self.clock.sleep(FAREWELL_TIMEOUT) => Err(Cause::unavailable("no answer in time").into()),
        };
        if let Err(error) = left {
            tracing::debug!(%error, "could not leave; the others will find this member dead");
        }
    }
}

/// Keeps the member alive; returns when it cannot be taken for alive any longer.
async fn beat(
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
    id: MemberId,
    ttl: Duration,
    mut alive_until: Duration,
) {
    loop {
        clock.sleep(ttl / 3).await;
        let sent = clock.elapsed();
        if sent >= alive_until {
            tracing::warn!(member = %id, "no heartbeat got through in time");
            return;
        }
        tokio::select! {
            beat = storage.heartbeat(&id, ttl) => match beat {
                Ok(()) => alive_until = sent + ttl,
                Err(error) if error.kind() == ErrorKind::Retry => tracing::warn!(member = %id, %error, "heartbeat without a verdict"),
                Err(error) => {
                    tracing::warn!(member = %id, %error, "membership lost");
                    return;
                }
            },
            () = clock.sleep(alive_until.saturating_sub(sent)) => {}
        }
    }
}
