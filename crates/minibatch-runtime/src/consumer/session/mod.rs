//! One ownership of a partition: reads, forms windows, hands them out, settles, commits.
//!
//! A single task does it all, so there is no state to share: what takes time (reading, committing, waiting, dead letters)
//! is a future that the loop in [`run`] polls beside the others.

mod commit;
mod fetch;
mod finished;
mod keep;
mod restore;
mod run;
mod status;
mod tail;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use futures::{future::BoxFuture, stream::FuturesUnordered};
use minibatch_core::{
    Error, Offset,
    driver::WindowFormer,
    storage::{Counters, Generation, GroupState, Position},
    window::FormedWindow,
};

use super::{Delivery, dead::Burial, supervisor::Supervisor};
use crate::client::Membership;
use commit::Committer;
use fetch::Fetcher;
use finished::FinishedWindows;
use keep::Keeper;
use restore::Restored;
use status::Teller;
use tail::TailTimer;

pub(super) struct Session {
    number: u64,
    generation: Generation,
    membership: Arc<Membership>,
    former: WindowFormer,
    fetcher: Fetcher,
    committer: Committer,
    timer: TailTimer,
    /// Formed, and waiting for room among those that are out.
    ready: VecDeque<FormedWindow>,
    /// The bytes of the windows that are out, by ordinal.
    out: BTreeMap<u64, usize>,
    out_bytes: usize,
    /// Dead letters that wait for those on their way, so that their order is kept.
    burials: Vec<Burial>,
    burying: bool,
    /// Windows that wait for their next attempt, and dead letters on their way.
    later: FuturesUnordered<BoxFuture<'static, Result<Later, Error>>>,
    /// Where the consumer is transactional.
    finished: FinishedWindows,
    counters: Counters,
    /// Where the group began.
    start: Position,
    teller: Teller,
    keeper: Keeper,
    /// The commit that makes the last decision durable.
    decided_in: u64,
    /// The position at the last commit.
    committed: Offset,
    /// Reads no more; what is out is waited for.
    ending: bool,
    /// It was told to stop, or gave up: what is out is waited for so long and no longer, and not tried again.
    stopping: bool,
    /// What it stops with, where a window's attempts are over or the log was cut.
    given_up: Option<Error>,
}

/// What was to happen later, and has.
enum Later {
    /// A failed window is to be tried again.
    Again(Delivery),
    /// Dead letters are durable.
    Buried(Vec<Burial>),
    /// What every group has finished with was removed.
    Trimmed,
    /// It is time to tell the status.
    Tell,
    /// The status is told.
    Told,
}

impl Session {
    /// Goes on from where the group's last owner left off.
    pub(super) async fn start(
        supervisor: &Supervisor,
        membership: &Arc<Membership>,
        state: GroupState,
        without_done: bool,
    ) -> Result<Self, Error> {
        let setup = &supervisor.setup;
        let Restored { checkpoint, counters, changed } = restore::checkpoint(setup, &state, without_done).await?;
        let chunks = restore::buffered(setup, &checkpoint).await?;
        let driver = setup.strategy.driver(checkpoint.base.position)?;
        let mut formed = Vec::new();
        let former = WindowFormer::new(driver, checkpoint, &chunks, &mut formed)?;
        let position = former.position();
        let mut keeper = Keeper::new(setup, state.generation);
        keeper.formed(&formed);
        let mut committer = Committer::new(setup, &state);
        if changed {
            committer.wants(None);
        }
        Ok(Self {
            number: supervisor.lane.session,
            generation: state.generation,
            membership: Arc::clone(membership),
            fetcher: Fetcher::start(setup, position),
            committer,
            timer: TailTimer::new(setup, position.time),
            former,
            ready: formed.into(),
            out: BTreeMap::new(),
            out_bytes: 0,
            burials: Vec::new(),
            burying: false,
            later: FuturesUnordered::new(),
            finished: FinishedWindows::default(),
            counters,
            decided_in: 0,
            start: state.start,
            teller: Teller::default(),
            keeper,
            committed: position.offset,
            ending: false,
            stopping: false,
            given_up: None,
        })
    }
}
