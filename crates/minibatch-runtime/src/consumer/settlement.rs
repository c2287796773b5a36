//! What became of a window that was handed out.

use std::{sync::Arc, time::Duration};

use minibatch_core::storage::Effect;
use tokio::sync::oneshot;

use super::{Delivery, Failure};

/// What became of a window, or a piece of one, that was handed out.
#[derive(Debug)]
pub(crate) enum Settlement {
    /// It is done, but for what its function said of single messages.
    Done {
        delivery: Delivery,
        passed: Passed,
        /// Told when that is durable.
        durable: Option<oneshot::Sender<()>>,
    },
    /// The attempt failed.
    Failed {
        delivery: Delivery,
        failure: Failure,
        /// Windows are done in order: those after this one wait for it.
        in_order: bool,
    },
    /// Nobody works on it any more, and nothing is said of it: it comes again after the next start.
    Returned { delivery: Delivery },
}

/// What a function said of single messages of a window that it succeeded on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passed {
    /// They go to the dead letters; ascending, each once.
    pub(crate) rejected: Vec<Rejected>,
    /// They come again; ascending, each once.
    pub(crate) given_back: Vec<GivenBack>,
    /// What is to take place with its commit.
    pub(crate) effects: Vec<Effect>,
    /// False where nothing decoded, so that nothing is known of the function.
    pub(crate) called: bool,
    /// How long the function ran, where a consumer runs it.
    pub(crate) took: Option<Duration>,
}

/// A message that goes to the dead letters, by its place among the members handed out.
#[derive(Clone, Debug)]
pub(crate) struct Rejected {
    pub(crate) place: usize,
    pub(crate) reason: String,
}

/// A message that comes again after a while, by its place among the members handed out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GivenBack {
    pub(crate) place: usize,
    pub(crate) after: Duration,
}

impl Passed {
    /// Every message is finished.
    pub(crate) fn whole() -> Self {
        Self { called: true, ..Self::default() }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.rejected.is_empty() && self.given_back.is_empty()
    }
}

impl Settlement {
    pub(super) fn delivery(&self) -> &Delivery {
        match self {
            Self::Done { delivery, .. } | Self::Failed { delivery, .. } | Self::Returned { delivery } => delivery,
        }
    }

    /// Tells the session that formed the window. One that has ended does not need to know: the window comes again.
    pub(super) fn send(self) {
        let lane = Arc::clone(&self.delivery().lane);
        let _ = lane.settlements.send(self);
    }
}
