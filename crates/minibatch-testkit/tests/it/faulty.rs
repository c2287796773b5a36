//! A storage in memory with one bug at a time.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use minibatch_core::{
    Cause, Error, GroupName, MemberId, Offset, ProducerId, Slot, StreamName, Timestamp,
    chunk::{DerivedChunk, NewChunk, Payload, Record},
    params,
    storage::{
        Acquired, ChunkLog, Commit, Counters, DerivedAppend, Effect, Fence, GroupState, GroupStore, LogBounds, Note,
        NotePlace, NoteStore, Partition, PieceId, ProducerGrant, Punctuated, ReadLimit, RecordSummary, SqlValue, Start,
        Storage, StreamInfo, StreamStore, Trim, Trimmed,
    },
};
use minibatch_memory::MemoryStorage;
use minibatch_testkit::storage::Suite;
use tokio::{sync::watch, task::yield_now};

/// What is wrong with the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    None,
    OpenRaces,
    PartitionsNotCompared,
    NewStreamHasAFloor,
    FindCreates,
    ListUnsorted,
    DropDoesNothing,
    ClockLags,
    BigChunksCut,
    SequenceForgotten,
    SequenceForgottenAfterTrim,
    OrderOfTwoSwapped,
    AppendSaysSlotOne,
    SkippedSequenceAccepted,
    OtherContentAccepted,
    ProducerNotFenced,
    HeirStartsAtOne,
    ReadPastTailFails,
    ReadSkipsAtLimit,
    LimitIgnored,
    TrimmedSkipped,
    ChecksumIgnored,
    ClockNotClamped,
    WaitDeafToOthers,
    WaitSpins,
    WaitDeafOnceDropped,
    TrimIgnoresSlowest,
    TrimWithoutGroups,
    TrimNeverDeletes,
    CutIgnored,
    CutTakesFinished,
    EmptyChunkNotWritten,
    SurveySkipsEmpty,
    FloorCountsNothing,
    DerivedInOrderOnly,
    DerivedWrittenAgain,
    DerivedForgottenAfterTrim,
    DerivedDifferenceHidden,
    DerivedTrimmedDiffers,
    DerivedTailFirst,
    PunctuatesAnywhere,
    PunctuatesEmptyLogs,
    PunctuationHasNoTime,
    PunctuationIsAChunk,
    NoPunctuation,
    MembersImmortal,
    HeartbeatOfDeadAccepted,
    StartChanges,
    FingerprintIgnored,
    OwnerRobbed,
    UncleanNotCounted,
    EpochKeptByOwner,
    HeldByNobody,
    DeadMayAcquire,
    VersionIgnored,
    EpochIgnored,
    CountersForgotten,
    RepeatedCommitStale,
    KeepFromGoesBack,
    KeepFromPastEnd,
    UncleanStays,
    ReleaseIgnoresEpoch,
    RemovedGroupCommits,
    RemovedGroupReusesEpochs,
    RemovedThoughChanged,
    GroupsUnsorted,
    EffectsForgotten,
    EffectsRepeated,
    EffectsOfFormerOwners,
    RefusedEffectHalfDone,
    RefusedEffectCommitted,
    EffectsDenied,
    PiecesStay,
    PiecesOfHeirsGo,
    PiecesForTheirClientOnly,
    RestartKeepsCheckpoint,
    AllLive,
    NotesAppended,
    NotesUnsorted,
    NotesAllDeleted,
    NoteKindsMixed,
    NotesOutliveGroups,
    NotesOfAnySize,
    OpenOnce,
    DroppedAppendBlocks,
    DroppedDerivedAppendBlocks,
    PartitionNotChecked,
    FormerLifeAccepted,
    Panics,
    NeverAnswers,
}

/// Everything there is, by namespace.
#[derive(Clone, Default)]
pub(crate) struct World(Arc<Mutex<HashMap<String, Arc<Shared>>>>);

/// What the clients of a namespace share.
#[derive(Default)]
struct Shared {
    inner: MemoryStorage,
    epochs: Mutex<HashMap<ProducerId, u64>>,
    damaged: Mutex<HashSet<Slot>>,
    removed: Mutex<HashMap<GroupName, u64>>,
    effects: Mutex<Vec<String>>,
}

/// One client.
struct Faulty {
    bug: Bug,
    shared: Arc<Shared>,
    appended: watch::Sender<Slot>,
    own_pieces: Mutex<HashSet<PieceId>>,
    poisoned: Arc<AtomicBool>,
}

/// The suite over a storage with that bug.
pub(crate) fn suite(bug: Bug) -> Suite {
    let world = World::default();
    let (damaged, seen) = (world.clone(), world.clone());
    Suite::new(move |namespace| {
        let shared = world.shared(&namespace);
        async move {
            let client: Arc<dyn Storage> = Arc::new(Faulty::new(bug, shared));
            Ok(client)
        }
    })
    .durable()
    .with_damage(move |namespace, _, slot| {
        damaged.shared(&namespace).damaged.lock().unwrap().insert(slot);
        async { Ok(()) }
    })
    .with_effects(
        |text| Effect::sql("leave", params![text]),
        move |namespace| {
            let seen = seen.shared(&namespace).effects.lock().unwrap().clone();
            async { Ok(seen) }
        },
    )
    .with_patience(Duration::from_secs(1))
}

impl World {
    fn shared(&self, namespace: &str) -> Arc<Shared> {
        Arc::clone(self.0.lock().unwrap().entry(namespace.to_owned()).or_default())
    }
}

impl Shared {
    fn leave(&self, effects: &[Effect]) {
        self.effects.lock().unwrap().extend(effects.iter().map(text_of));
    }

    /// Which effect cannot take place, if one cannot.
    fn refused(&self, effects: &[Effect]) -> Option<usize> {
        let mut there = self.effects.lock().unwrap().clone();
        effects.iter().map(text_of).position(|text| {
            let refused = there.contains(&text);
            there.push(text);
            refused
        })
    }
}

fn text_of(effect: &Effect) -> String {
    let Effect::Sql { parameters, .. } = effect else { panic!("no effect of the suite's") };
    let [SqlValue::Text(text)] = parameters.as_slice() else { panic!("no effect of the suite's") };
    text.clone()
}

impl Faulty {
    fn new(bug: Bug, shared: Arc<Shared>) -> Self {
        let appended = watch::Sender::new(Slot::ZERO);
        Self { bug, shared, appended, own_pieces: Mutex::default(), poisoned: Arc::default() }
    }

    fn inner(&self) -> &MemoryStorage {
        &self.shared.inner
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == bug
    }

    /// The partition that is asked for, or another one where the bug is to mistake them.
    async fn mistaken(&self, partition: &Partition) -> Result<Partition, Error> {
        let mut partition = partition.clone();
        if self.has(Bug::PartitionNotChecked) && partition.index > 1 {
            partition.index = 0;
        }
        if self.has(Bug::FormerLifeAccepted)
            && let Some(now) = self.inner().find_stream(&partition.stream).await?
        {
            partition.incarnation = now.incarnation;
        }
        Ok(partition)
    }

    async fn state(&self, partition: &Partition, group: &GroupName) -> Result<Option<GroupState>, Error> {
        let groups = self.inner().groups(partition).await?;
        Ok(groups.into_iter().find(|(name, _)| name == group).map(|(_, state)| state))
    }

    /// The place that is asked for, or another one where the bug is to mistake them.
    async fn mixed(&self, place: &NotePlace) -> Result<NotePlace, Error> {
        let mut place = NotePlace { partition: self.mistaken(&place.partition).await?, ..place.clone() };
        match self.bug {
            Bug::NoteKindsMixed => place.kind = "mixed",
            Bug::NotesOutliveGroups => place.group = None,
            _ => {}
        }
        Ok(place)
    }

    /// Answers no more once this was dropped half way.
    async fn block_once_dropped(&self) -> Result<(), Error> {
        if self.poisoned.load(Ordering::Relaxed) {
            return Err(Cause::unavailable("the connection is in use").into());
        }
        let mut poison = Poison { poisoned: &self.poisoned, done: false };
        yield_now().await;
        poison.done = true;
        Ok(())
    }

    /// A chunk in place of a punctuation.
    async fn append_empty(&self, partition: &Partition, tail: Slot, time: Timestamp) -> Result<Punctuated, Error> {
        let (id, payload) = (ProducerId::reserved("punct"), Payload::empty());
        let chunk = DerivedChunk { id, number: tail.get() + 1, below: 0, time, payload };
        self.inner().append_derived(partition, vec![chunk]).await?;
        Ok(Punctuated::Appended)
    }

    fn shown(&self, state: &mut GroupState) {
        match self.bug {
            Bug::UncleanNotCounted => state.unclean = 0,
            Bug::UncleanStays if state.fence.epoch > 1 => state.unclean = 1,
            _ => {}
        }
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({:?})", self.bug)
    }
}

/// Poisons its client when an append is dropped half way.
struct Poison<'a> {
    poisoned: &'a AtomicBool,
    done: bool,
}

impl Drop for Poison<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.poisoned.store(true, Ordering::Relaxed);
        }
    }
}

#[async_trait]
impl StreamStore for Faulty {
    async fn open_stream(&self, name: &StreamName, partitions: u32) -> Result<StreamInfo, Error> {
        let known = self.inner().find_stream(name).await?;
        match self.bug {
            Bug::OpenRaces if known.is_none() => {
                yield_now().await;
                self.inner().drop_stream(name).await?;
            }
            Bug::OpenOnce if known.is_some() => return Err(Cause::misconfigured("it is there").into()),
            _ => {}
        }
        match known {
            Some(known) if self.has(Bug::PartitionsNotCompared) => Ok(known),
            _ => self.inner().open_stream(name, partitions).await,
        }
    }

    async fn find_stream(&self, name: &StreamName) -> Result<Option<StreamInfo>, Error> {
        if self.has(Bug::FindCreates) {
            return self.inner().open_stream(name, 1).await.map(Some);
        }
        self.inner().find_stream(name).await
    }

    async fn list_streams(&self) -> Result<Vec<StreamInfo>, Error> {
        let mut streams = self.inner().list_streams().await?;
        if self.has(Bug::ListUnsorted) {
            streams.reverse();
        }
        Ok(streams)
    }

    async fn drop_stream(&self, name: &StreamName) -> Result<bool, Error> {
        if self.has(Bug::DropDoesNothing) {
            return Ok(self.inner().find_stream(name).await?.is_some());
        }
        self.inner().drop_stream(name).await
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        let now = self.inner().now().await?;
        Ok(if self.has(Bug::ClockLags) { now.minus(Duration::from_secs(3)) } else { now })
    }
}

#[async_trait]
impl ChunkLog for Faulty {
    async fn register_producer(&self, partition: &Partition, producer: &ProducerId) -> Result<ProducerGrant, Error> {
        let partition = self.mistaken(partition).await?;
        let mut grant = self.inner().register_producer(&partition, producer).await?;
        self.shared.epochs.lock().unwrap().insert(producer.clone(), grant.epoch);
        if self.has(Bug::HeirStartsAtOne) {
            grant.next_sequence = 1;
        }
        Ok(grant)
    }

    async fn append(&self, partition: &Partition, mut chunk: NewChunk) -> Result<Slot, Error> {
        let partition = &self.mistaken(partition).await?;
        if self.has(Bug::NeverAnswers) {
            return Err(Cause::unavailable("nobody is there").into());
        }
        if self.has(Bug::DroppedAppendBlocks) {
            self.block_once_dropped().await?;
        }
        let before = self.inner().bounds(partition).await?;
        if self.has(Bug::EmptyChunkNotWritten) && chunk.payload.count() == 0 {
            return Ok(before.tail);
        }
        if self.has(Bug::ProducerNotFenced) {
            chunk.producer.epoch = self.shared.epochs.lock().unwrap()[&chunk.producer.id];
        }
        let again = NewChunk { payload: chunk.payload.clone(), ..chunk.clone() };
        let slot = match self.inner().append(partition, chunk).await {
            Err(error) => match error.cause() {
                Cause::OutOfOrderSequence { .. } if self.has(Bug::SkippedSequenceAccepted) => before.tail,
                Cause::SequenceConflict { .. } if self.has(Bug::OtherContentAccepted) => before.tail,
                _ => return Err(error),
            },
            Ok(slot) => slot,
        };
        let duplicate = slot <= before.tail;
        let trimmed = slot < before.floor;
        if duplicate && self.has(Bug::SequenceForgotten) || trimmed && self.has(Bug::SequenceForgottenAfterTrim) {
            let other = ProducerId::reserved(&before.tail.to_string());
            let grant = self.inner().register_producer(partition, &other).await?;
            let mut second = again;
            second.producer.id = other;
            second.producer.epoch = grant.epoch;
            second.producer.sequence = grant.next_sequence;
            return self.inner().append(partition, second).await;
        }
        self.appended.send_replace(slot);
        Ok(if self.has(Bug::AppendSaysSlotOne) { Slot::FIRST } else { slot })
    }

    async fn append_derived(
        &self,
        partition: &Partition,
        mut chunks: Vec<DerivedChunk>,
    ) -> Result<Vec<DerivedAppend>, Error> {
        if self.has(Bug::DroppedDerivedAppendBlocks) {
            self.block_once_dropped().await?;
        }
        let partition = &self.mistaken(partition).await?;
        let before = self.inner().bounds(partition).await?;
        match self.bug {
            Bug::DerivedInOrderOnly => {
                for chunk in &mut chunks {
                    chunk.below = chunk.below.max(chunk.number + 1);
                }
            }
            Bug::DerivedTailFirst => chunks.reverse(),
            _ => {}
        }
        let mut appended = self.inner().append_derived(partition, chunks.clone()).await?;
        let forgets = |slot: Slot| match self.bug {
            Bug::DerivedWrittenAgain => slot <= before.tail,
            Bug::DerivedForgottenAfterTrim => slot < before.floor,
            _ => false,
        };
        for (chunk, known) in chunks.into_iter().zip(&mut appended) {
            if forgets(known.slot) {
                let id = ProducerId::reserved(&before.tail.to_string());
                *known = self.inner().append_derived(partition, vec![DerivedChunk { id, ..chunk }]).await?[0];
            }
            known.differs &= !self.has(Bug::DerivedDifferenceHidden);
            known.differs |= self.has(Bug::DerivedTrimmedDiffers) && known.slot < before.floor;
        }
        Ok(appended)
    }

    async fn read(&self, partition: &Partition, from: Slot, limit: ReadLimit) -> Result<Vec<Record>, Error> {
        let partition = &self.mistaken(partition).await?;
        let all = ReadLimit { messages: usize::MAX, bytes: usize::MAX };
        let asked = if matches!(self.bug, Bug::LimitIgnored | Bug::ReadSkipsAtLimit) { all } else { limit };
        let mut records = match self.inner().read(partition, from, asked).await {
            Err(error) => match error.cause() {
                Cause::OffsetTrimmed { low, .. } if self.has(Bug::TrimmedSkipped) => {
                    self.inner().read(partition, *low, limit).await?
                }
                _ => return Err(error),
            },
            Ok(records) => records,
        };
        match self.bug {
            Bug::ReadPastTailFails if records.is_empty() => return Err(Cause::out_of_range("past the tail").into()),
            Bug::BigChunksCut => {
                for record in records.iter_mut().filter(|record| record.payload.bytes().len() > 1 << 19) {
                    record.payload = Payload::empty();
                }
            }
            Bug::OrderOfTwoSwapped if records.len() > 1 => {
                records.swap(0, 1);
                let (first, second) = (records[1].slot, records[0].slot);
                (records[0].slot, records[1].slot) = (first, second);
            }
            Bug::ReadSkipsAtLimit => {
                let mut left = limit.messages;
                records.retain(|record| {
                    let fits = record.payload.count() as usize <= left;
                    left = left.saturating_sub(record.payload.count() as usize);
                    fits
                });
            }
            Bug::ClockNotClamped => {
                for record in &mut records {
                    record.time = record.time.plus(Duration::from_secs(3_600));
                }
            }
            _ => {}
        }
        let damaged = self.shared.damaged.lock().unwrap().clone();
        if let Some(at) = records.iter().position(|record| damaged.contains(&record.slot))
            && !self.has(Bug::ChecksumIgnored)
        {
            if at == 0 {
                return Err(Cause::corrupt_record(records[0].slot, "its checksum is wrong").into());
            }
            records.truncate(at);
        }
        Ok(records)
    }

    async fn wait(&self, partition: &Partition, after: Slot) -> Result<(), Error> {
        let partition = &self.mistaken(partition).await?;
        let tail = self.inner().bounds(partition).await?.tail;
        match self.bug {
            Bug::WaitDeafToOthers if tail <= after => {
                let _ = self.appended.subscribe().wait_for(|slot| *slot > after).await;
                Ok(())
            }
            Bug::WaitSpins => Ok(()),
            Bug::WaitDeafOnceDropped if tail <= after => {
                if self.poisoned.load(Ordering::Relaxed) {
                    return std::future::pending().await;
                }
                let mut poison = Poison { poisoned: &self.poisoned, done: false };
                let waited = self.inner().wait(partition, after).await;
                poison.done = true;
                waited
            }
            _ => self.inner().wait(partition, after).await,
        }
    }

    async fn bounds(&self, partition: &Partition) -> Result<LogBounds, Error> {
        assert!(!self.has(Bug::Panics), "this storage panics");
        let mut bounds = self.inner().bounds(&self.mistaken(partition).await?).await?;
        if self.has(Bug::NewStreamHasAFloor) {
            bounds.floor = bounds.floor.max(Slot::FIRST);
        }
        if self.has(Bug::FloorCountsNothing) {
            bounds.floor_count = 0;
        }
        Ok(bounds)
    }

    async fn survey(&self, partition: &Partition, from: Slot, limit: usize) -> Result<Vec<RecordSummary>, Error> {
        let mut records = self.inner().survey(&self.mistaken(partition).await?, from, limit).await?;
        if self.has(Bug::SurveySkipsEmpty) {
            records.retain(|record| record.messages > 0);
        }
        Ok(records)
    }

    async fn punctuate(&self, partition: &Partition, after: Slot, time: Timestamp) -> Result<Punctuated, Error> {
        let partition = &self.mistaken(partition).await?;
        let tail = self.inner().bounds(partition).await?.tail;
        match self.bug {
            Bug::NoPunctuation => Ok(Punctuated::Unsupported),
            Bug::PunctuatesAnywhere => self.inner().punctuate(partition, tail, time).await,
            Bug::PunctuationHasNoTime => self.inner().punctuate(partition, after, Timestamp::MIN).await,
            Bug::PunctuatesEmptyLogs if tail == Slot::ZERO => self.append_empty(partition, tail, time).await,
            Bug::PunctuationIsAChunk if tail == after && tail > Slot::ZERO => {
                self.append_empty(partition, tail, time).await
            }
            _ => self.inner().punctuate(partition, after, time).await,
        }
    }

    async fn trim(&self, partition: &Partition, trim: Trim) -> Result<Trimmed, Error> {
        let trim = match trim {
            _ if self.has(Bug::CutIgnored) => Trim::Finished,
            Trim::Below(cut) if self.has(Bug::CutTakesFinished) => Trim::FinishedOrBelow(cut),
            trim => trim,
        };
        let partition = &self.mistaken(partition).await?;
        let stream = self.inner().find_stream(&partition.stream).await?;
        let mut groups = self.inner().groups(partition).await?;
        groups.sort_by_key(|(_, state)| state.keep_from);
        match (self.bug, stream) {
            (Bug::TrimIgnoresSlowest, Some(stream)) => {
                groups.pop();
                for (name, _) in groups {
                    self.inner().remove_group(&stream, &name, None).await?;
                }
            }
            (Bug::TrimWithoutGroups, Some(stream)) if groups.is_empty() => {
                let name = GroupName::new("none")?;
                self.inner().open_group(&stream, &name, "", Start::Latest).await?;
            }
            (Bug::TrimNeverDeletes, _) => {
                let floor = self.inner().bounds(partition).await?.floor;
                return Ok(Trimmed { floor, deleted: 0 });
            }
            _ => {}
        }
        self.inner().trim(partition, trim).await
    }
}

#[async_trait]
impl GroupStore for Faulty {
    async fn join(&self, ttl: Duration) -> Result<MemberId, Error> {
        let ttl = if self.has(Bug::MembersImmortal) { Duration::from_secs(3_600) } else { ttl };
        self.inner().join(ttl).await
    }

    async fn heartbeat(&self, member: &MemberId, ttl: Duration) -> Result<(), Error> {
        let result = self.inner().heartbeat(member, ttl).await;
        if self.has(Bug::HeartbeatOfDeadAccepted) { Ok(()) } else { result }
    }

    async fn leave(&self, member: &MemberId) -> Result<(), Error> {
        self.inner().leave(member).await
    }

    async fn living(&self, members: &[MemberId]) -> Result<Vec<MemberId>, Error> {
        if self.has(Bug::AllLive) {
            return Ok(members.to_vec());
        }
        self.inner().living(members).await
    }

    async fn restart_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: Start,
    ) -> Result<(), Error> {
        if self.has(Bug::RestartKeepsCheckpoint) && self.state(&stream.partition(0), group).await?.is_some() {
            return Ok(());
        }
        self.inner().restart_group(stream, group, fingerprint, start).await
    }

    async fn open_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        fingerprint: &str,
        start: Start,
    ) -> Result<(), Error> {
        let result = self.inner().open_group(stream, group, fingerprint, start.clone()).await;
        match self.bug {
            Bug::StartChanges => {
                self.inner().remove_group(stream, group, None).await?;
                self.inner().open_group(stream, group, fingerprint, start).await
            }
            Bug::FingerprintIgnored if matches!(&result, Err(e) if matches!(e.cause(), Cause::StrategyChanged { .. })) => {
                Ok(())
            }
            _ => result,
        }
    }

    async fn remove_group(
        &self,
        stream: &StreamInfo,
        group: &GroupName,
        seen: Option<&[Fence]>,
    ) -> Result<bool, Error> {
        let seen = seen.filter(|_| !self.has(Bug::RemovedThoughChanged));
        if let Some(state) = self.state(&stream.partition(0), group).await? {
            self.shared.removed.lock().unwrap().insert(group.clone(), state.fence.epoch);
        }
        self.inner().remove_group(stream, group, seen).await
    }

    async fn groups(&self, partition: &Partition) -> Result<Vec<(GroupName, GroupState)>, Error> {
        let mut groups = self.inner().groups(&self.mistaken(partition).await?).await?;
        groups.iter_mut().for_each(|(_, state)| self.shown(state));
        if self.has(Bug::GroupsUnsorted) {
            groups.reverse();
        }
        Ok(groups)
    }

    async fn acquire(&self, partition: &Partition, group: &GroupName, member: &MemberId) -> Result<Acquired, Error> {
        let partition = &self.mistaken(partition).await?;
        let before = self.state(partition, group).await?;
        match (self.bug, &before) {
            (Bug::OwnerRobbed, Some(before)) => self.inner().release(partition, group, before.fence.epoch).await?,
            (Bug::EpochKeptByOwner, Some(before)) if before.owner.as_ref() == Some(member) => {
                return Ok(Acquired::Owner(before.clone()));
            }
            _ => {}
        }
        let mut result = self.inner().acquire(partition, group, member).await;
        if self.has(Bug::DeadMayAcquire) && matches!(&result, Err(error) if matches!(error.cause(), Cause::MemberDead))
        {
            let other = self.inner().join(Duration::from_secs(3_600)).await?;
            result = self.inner().acquire(partition, group, &other).await;
        }
        Ok(match result? {
            Acquired::Held(_) if self.has(Bug::HeldByNobody) => Acquired::Held(MemberId::stored("nobody")),
            Acquired::Owner(mut state) => {
                self.shown(&mut state);
                Acquired::Owner(state)
            }
            held => held,
        })
    }

    async fn release(&self, partition: &Partition, group: &GroupName, mut epoch: u64) -> Result<(), Error> {
        let partition = &self.mistaken(partition).await?;
        if self.has(Bug::ReleaseIgnoresEpoch)
            && let Some(state) = self.state(partition, group).await?
        {
            epoch = state.fence.epoch;
        }
        self.inner().release(partition, group, epoch).await
    }

    async fn commit(
        &self,
        partition: &Partition,
        group: &GroupName,
        mut fence: Fence,
        mut commit: Commit,
    ) -> Result<Fence, Error> {
        let partition = &self.mistaken(partition).await?;
        let asked = fence;
        let stored = self.state(partition, group).await?;
        if let Some(stored) = &stored {
            match self.bug {
                Bug::VersionIgnored => fence.version = stored.fence.version,
                Bug::EpochIgnored => fence.epoch = stored.fence.epoch,
                Bug::CountersForgotten => commit.counters = Counters::default(),
                Bug::KeepFromGoesBack => commit.keep_from = commit.keep_from.max(stored.keep_from),
                Bug::KeepFromPastEnd => {
                    let end = Offset::first_of(self.inner().bounds(partition).await?.tail.next());
                    commit.keep_from = commit.keep_from.min(end);
                }
                Bug::RepeatedCommitStale if fence.version < stored.fence.version => {
                    return Err(Cause::stale_commit(fence.version).into());
                }
                Bug::RemovedGroupReusesEpochs => {
                    let former = self.shared.removed.lock().unwrap().get(group).copied();
                    if former.is_some_and(|epoch| epoch == fence.epoch) {
                        fence = stored.fence;
                    }
                }
                _ => {}
            }
        } else if self.has(Bug::RemovedGroupCommits) {
            return Ok(Fence { version: asked.version + 1, ..asked });
        }
        let effects = std::mem::take(&mut commit.effects);
        if stored.is_none_or(|stored| stored.fence != asked || commit.keep_from < stored.keep_from) {
            let verdict = self.inner().commit(partition, group, fence, commit).await;
            match (self.bug, &verdict) {
                (Bug::EffectsRepeated, Ok(_)) | (Bug::EffectsOfFormerOwners, Err(_)) => self.shared.leave(&effects),
                _ => {}
            }
            return verdict;
        }
        if let Some(refused) = self.shared.refused(&effects) {
            match self.bug {
                Bug::RefusedEffectHalfDone => self.shared.leave(&effects[..refused]),
                Bug::RefusedEffectCommitted => drop(self.inner().commit(partition, group, fence, commit).await?),
                _ => {}
            }
            return Err(Cause::effect_refused(refused, "there already").into());
        }
        let verdict = self.inner().commit(partition, group, fence, commit).await?;
        if !self.has(Bug::EffectsForgotten) {
            self.shared.leave(&effects);
        }
        Ok(verdict)
    }

    async fn transactional(&self) -> Result<(), Error> {
        match self.bug {
            Bug::EffectsDenied => self.inner().transactional().await,
            _ => Ok(()),
        }
    }

    async fn write_piece(
        &self,
        partition: &Partition,
        group: &GroupName,
        piece: PieceId,
        bytes: Bytes,
    ) -> Result<(), Error> {
        self.own_pieces.lock().unwrap().insert(piece);
        self.inner().write_piece(&self.mistaken(partition).await?, group, piece, bytes).await
    }

    async fn read_piece(
        &self,
        partition: &Partition,
        group: &GroupName,
        piece: PieceId,
    ) -> Result<Option<Bytes>, Error> {
        let found = self.inner().read_piece(&self.mistaken(partition).await?, group, piece).await?;
        let own = self.own_pieces.lock().unwrap().contains(&piece);
        Ok(found.filter(|_| own || !self.has(Bug::PiecesForTheirClientOnly)))
    }

    async fn retain_pieces(
        &self,
        partition: &Partition,
        group: &GroupName,
        keep: &[PieceId],
        before: PieceId,
    ) -> Result<(), Error> {
        let partition = &self.mistaken(partition).await?;
        if self.has(Bug::PiecesStay) {
            return self.inner().bounds(partition).await.map(drop);
        }
        let before = if self.has(Bug::PiecesOfHeirsGo) { PieceId { epoch: u64::MAX, number: 0 } } else { before };
        self.inner().retain_pieces(partition, group, keep, before).await
    }
}

#[async_trait]
impl NoteStore for Faulty {
    async fn put_notes(&self, place: &NotePlace, mut notes: Vec<Note>) -> Result<(), Error> {
        let place = &self.mixed(place).await?;
        match self.bug {
            Bug::NotesAppended => {
                let known = self.inner().notes(place, "", usize::MAX).await?;
                notes.retain(|note| known.iter().all(|known| known.key != note.key));
            }
            Bug::NotesOfAnySize => notes.retain(|note| note.check().is_ok()),
            _ => {}
        }
        self.inner().put_notes(place, notes).await
    }

    async fn notes(&self, place: &NotePlace, from: &str, limit: usize) -> Result<Vec<Note>, Error> {
        let mut notes = self.inner().notes(&self.mixed(place).await?, from, limit).await?;
        if self.has(Bug::NotesUnsorted) {
            notes.reverse();
        }
        Ok(notes)
    }

    async fn delete_notes(&self, place: &NotePlace, from: &str, until: Option<&str>) -> Result<(), Error> {
        let until = until.filter(|_| !self.has(Bug::NotesAllDeleted));
        self.inner().delete_notes(&self.mixed(place).await?, from, until).await
    }
}
