//! What became of a window that was handed out.

use std::sync::Arc;

use minibatch_core::storage::Effect;
use tokio::sync::oneshot;

use super::Delivery;
use crate::window::Rejected;

/// What became of a window that was handed out.
#[derive(Debug)]
pub(crate) enum Settlement {
    /// It is done, but for those that were rejected: they go to the dead letters.
    Done {
        delivery: Delivery,
        rejected: Vec<Rejected>,
        /// What is to take place when it is done.
        effects: Vec<Effect>,
        /// Told when the window is durably done.
        durable: Option<oneshot::Sender<()>>,
    },
    /// It failed: try it again, unless this was its last attempt.
    Failed { delivery: Delivery, reason: String },
    /// Its last attempt failed, and the consumer is to stop.
    Exhausted { delivery: Delivery, reason: String },
    /// Nobody works on it any more, and nothing is said of it: it comes again after the next start.
    Returned { delivery: Delivery },
}

impl Settlement {
    pub(super) fn delivery(&self) -> &Delivery {
        match self {
            Self::Done { delivery, .. }
            | Self::Failed { delivery, .. }
            | Self::Exhausted { delivery, .. }
            | Self::Returned { delivery } => delivery,
        }
    }

    /// Tells the session that formed the window. One that has ended does not need to know: the window comes again.
    pub(super) fn send(self) {
        let lane = Arc::clone(&self.delivery().lane);
        let _ = lane.settlements.send(self);
    }
}
