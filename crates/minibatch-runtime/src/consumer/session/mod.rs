//! One ownership of a partition: reads, forms windows, hands them out, settles, commits.
//!
//! A single task does it all, so there is no state to share: what takes time (reading, committing, waiting, dead letters)
//! is a future that the loop in [`run`] polls beside the others.

mod aside;
mod careful;
mod commit;
mod control;
mod fetch;
mod keep;
mod quiet;
mod restore;
mod run;
mod settle;
mod status;
mod tail;
mod transact;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::{future::BoxFuture, stream::FuturesUnordered};
use minibatch_core::{
    Clock, Error, Offset, Served, Timestamp,
    driver::{LogEntry, WindowFormer},
    storage::{Counters, Generation, GroupState, Position},
    window::FormedWindow,
};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Delivery,
    dead::Burial,
    ladder::Ladder,
    supervisor::{Mode, Supervisor},
};
use crate::{ConsumerState, Stream, client::Membership};
use careful::Careful;
use commit::Committer;
use control::Control;
use fetch::Fetcher;
use keep::Keeper;
use quiet::Quiet;
use restore::Restored;
use status::Teller;
use tail::TailTimer;
use transact::Transactions;

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
    /// Windows of late messages that the function does not see.
    aside: Vec<Delivery>,
    /// Others are on their way.
    putting_aside: bool,
    /// Where they go, once it was opened.
    late: Option<Stream<()>>,
    /// The windows that did not succeed at once.
    ladder: Ladder,
    /// When the next of them is to be tried.
    climb: Option<(Duration, BoxFuture<'static, ()>)>,
    state: ConsumerState,
    failing_since: Option<Timestamp>,
    /// Windows are done in order: none is begun while one is tried again.
    in_order: bool,
    /// Owners died here one after the other: one window at a time.
    careful: Option<Careful>,
    /// The entry of the log of which only a part was used so far.
    rest: Option<(LogEntry, Option<OwnedSemaphorePermit>)>,
    /// No window is formed while so many are out, where the strategy goes by how the function fares: one that is formed has
    /// the size that it has.
    ahead: usize,
    /// How the function fared since the strategy was told last.
    served: Vec<Served>,
    control: Control,
    quiet: Quiet,
    clock: Arc<dyn Clock>,
    /// What was begun and takes a while.
    later: FuturesUnordered<BoxFuture<'static, Result<Later, Error>>>,
    /// Where the consumer is transactional.
    counters: Counters,
    transactions: Transactions,
    /// Where the group began.
    start: Position,
    teller: Teller,
    keeper: Keeper,
    /// Nothing is handed out before this commit is durable.
    hand_out_after: u64,
    /// The position at the last commit.
    committed: Offset,
    /// Reads no more; what was formed is waited for.
    ending: bool,
    /// It was told to stop, or gave up: what is out is waited for so long and no longer, and not tried again.
    stopping: bool,
    /// What it stops with, where a window's attempts are over or the log was cut.
    given_up: Option<Error>,
}

/// What took a while, and is over.
enum Later {
    /// Dead letters are durable.
    Buried(Vec<Burial>),
    /// It is noted that a window is to be tried.
    Noted(Delivery),
    /// Windows of late messages are where they are to be; or not, where nothing can be appended any more.
    Aside { late: Option<Stream<()>>, windows: Vec<Delivery>, done: bool },
    /// Whether the group is paused.
    Looked { paused: bool },
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
        let chunks = restore::records(setup, &checkpoint).await?;
        let crashes = careful::crashes(&checkpoint, state.unclean);
        let careful = Careful::begin(setup, crashes, &checkpoint);
        let open = checkpoint.open.clone();
        let mut committer = Committer::new(setup, &state, &checkpoint);
        let driver = setup.strategy.driver(checkpoint.base.position)?;
        let mut formed = Vec::new();
        let mut former = WindowFormer::new(driver, checkpoint, &chunks, &mut formed)?;
        former.crashed(crashes);
        let position = former.position();
        let is_measured = setup.mode != Mode::Pull && former.is_adaptive();
        let ahead = if is_measured { 2 * setup.options.workers } else { usize::MAX };
        let mut keeper = Keeper::new(setup, state.generation);
        keeper.formed(&formed);
        if changed {
            committer.wants(None);
        }
        let mut session = Self {
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
            aside: Vec::new(),
            putting_aside: false,
            late: None,
            ladder: Ladder::new(&setup.options, setup.dead.is_none(), setup.mode == Mode::Drain),
            climb: None,
            state: ConsumerState::Working,
            failing_since: None,
            in_order: false,
            careful,
            rest: None,
            ahead,
            served: Vec::new(),
            control: Control::new(setup, supervisor.paused.clone()),
            quiet: Quiet::new(setup.client.clock()),
            clock: Arc::clone(setup.client.clock()),
            later: FuturesUnordered::new(),
            counters,
            transactions: Transactions::default(),
            hand_out_after: 0,
            start: state.start,
            teller: Teller::default(),
            keeper,
            committed: position.offset,
            ending: false,
            stopping: false,
            given_up: None,
        };
        for (ordinal, open) in open {
            let (now, wall) = (session.clock.elapsed(), session.clock.now());
            let verdict = session.ladder.restore(open, &chunks, now, wall)?;
            session.obey(supervisor, ordinal, verdict, None)?;
        }
        Ok(session)
    }
}
