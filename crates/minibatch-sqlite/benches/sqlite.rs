//! How fast one file takes appends and commits, and gives records back: 87-byte messages, one process.
//!
//! `cargo bench -p minibatch-sqlite`; the directory is the system's for temporary files, so set `TMPDIR` to the disk in
//! question.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark reads the clock, and stops at whatever goes wrong"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use minibatch_core::{
    GroupName, Offset, ProducerId, Slot, StreamName, Timestamp,
    chunk::{ChunkBuilder, Encoded, NewChunk, Payload, ProducerStamp},
    storage::{Acquired, ChunkLog, Commit, Counters, GroupStore, Partition, ReadLimit, Start, StreamInfo, StreamStore},
};
use minibatch_sqlite::{Durability, SqliteOptions, SqliteStorage};
use tempfile::TempDir;
use tokio::{runtime::Runtime, task::JoinSet};

const CHUNK: usize = 4_096;
const CLIENTS: u32 = 16;
const BACKLOG: u64 = 1_000;

/// A BSON string of 87 bytes in all.
fn payload(messages: usize) -> Payload {
    let values = vec!["x".repeat(82); messages];
    let mut chunk = ChunkBuilder::new();
    chunk.fill(&Encoded::values(&values).expect("strings are BSON"), 0);
    chunk.finish()
}

struct Bench {
    _directory: TempDir,
    storage: SqliteStorage,
    stream: StreamInfo,
}

impl Bench {
    async fn open(durability: Durability) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let options = SqliteOptions::default().with_durability(durability);
        let storage = SqliteStorage::open(directory.path().join("bench.db"), options).await.expect("a new file");
        let stream = storage.open_stream(&StreamName::new("bench").expect("a name"), CLIENTS).await.expect("a stream");
        Self { _directory: directory, storage, stream }
    }
}

struct Producer {
    storage: SqliteStorage,
    partition: Partition,
    stamp: ProducerStamp,
    payload: Payload,
}

impl Producer {
    async fn register(bench: &Bench, partition: u32, messages: usize) -> Self {
        let partition = bench.stream.partition(partition);
        let id = ProducerId::new("bench").expect("a name");
        let grant = bench.storage.register_producer(&partition, &id).await.expect("a grant");
        let stamp = ProducerStamp { id, epoch: grant.epoch, sequence: grant.next_sequence };
        Self { storage: bench.storage.clone(), partition, stamp, payload: payload(messages) }
    }

    async fn append(&mut self, times: u64) {
        for _ in 0..times {
            let chunk = NewChunk {
                producer: self.stamp.clone(),
                time: Timestamp::from_millis(i64::MAX),
                payload: self.payload.clone(),
            };
            self.storage.append(&self.partition, chunk).await.expect("an append");
            self.stamp.sequence += 1;
        }
    }
}

fn group<'a>(c: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(name);
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    group
}

const DURABILITIES: [(&str, Durability); 2] = [("normal", Durability::Normal), ("full", Durability::Full)];

/// One producer, chunks of 4,096.
fn append_chunks(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = group(c, "append/4096");
    group.throughput(Throughput::Elements(CHUNK as u64));
    for (name, durability) in DURABILITIES {
        let bench = runtime.block_on(Bench::open(durability));
        let mut producer = runtime.block_on(Producer::register(&bench, 0, CHUNK));
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                runtime.block_on(async {
                    let started = Instant::now();
                    producer.append(times).await;
                    started.elapsed()
                })
            });
        });
    }
}

/// One message an append: by one client, and by 16 at once on partitions of their own.
fn append_singles(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    for clients in [1, CLIENTS] {
        let mut group = group(c, &format!("append/1x{clients}"));
        group.throughput(Throughput::Elements(u64::from(clients)));
        for (name, durability) in DURABILITIES {
            let bench = runtime.block_on(Bench::open(durability));
            group.bench_function(name, |b| {
                b.iter_custom(|times| {
                    runtime.block_on(async {
                        let mut producers = Vec::new();
                        for partition in 0..clients {
                            producers.push(Producer::register(&bench, partition, 1).await);
                        }
                        let started = Instant::now();
                        let mut tasks = JoinSet::new();
                        for mut producer in producers {
                            tasks.spawn(async move { producer.append(times).await });
                        }
                        tasks.join_all().await;
                        started.elapsed()
                    })
                });
            });
        }
    }
}

/// Commits of 300 bytes by 16 owners of partitions of their own.
fn commits(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = group(c, "commit/16");
    group.throughput(Throughput::Elements(u64::from(CLIENTS)));
    for (name, durability) in DURABILITIES {
        let bench = Arc::new(runtime.block_on(Bench::open(durability)));
        let (name_of_group, member) = runtime.block_on(async {
            let name = GroupName::new("bench").expect("a name");
            bench.storage.open_group(&bench.stream, &name, "count:2", Start::Earliest).await.expect("a group");
            (name, bench.storage.join(Duration::from_secs(3_600)).await.expect("a member"))
        });
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                runtime.block_on(async {
                    let mut owners = Vec::new();
                    for partition in 0..CLIENTS {
                        let partition = bench.stream.partition(partition);
                        let acquired = bench.storage.acquire(&partition, &name_of_group, &member).await;
                        let Ok(Acquired::Owner(state)) = acquired else { panic!("not the owner") };
                        owners.push((partition, state.fence));
                    }
                    let started = Instant::now();
                    let mut tasks = JoinSet::new();
                    for (partition, mut fence) in owners {
                        let (bench, group) = (Arc::clone(&bench), name_of_group.clone());
                        tasks.spawn(async move {
                            for _ in 0..times {
                                let commit = Commit {
                                    checkpoint: Bytes::from_static(&[7; 300]),
                                    keep_from: Offset::FIRST,
                                    counters: Counters::default(),
                                    effects: Vec::new(),
                                };
                                fence =
                                    bench.storage.commit(&partition, &group, fence, commit).await.expect("a commit");
                            }
                        });
                    }
                    tasks.join_all().await;
                    started.elapsed()
                })
            });
        });
    }
}

/// A backlog of 1,000 chunks of 4,096, read 8 MiB at a time.
fn read(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = group(c, "read");
    group.throughput(Throughput::Elements(BACKLOG * CHUNK as u64));
    let bench = runtime.block_on(Bench::open(Durability::Normal));
    runtime.block_on(async { Producer::register(&bench, 0, CHUNK).await.append(BACKLOG).await });
    let partition = bench.stream.partition(0);
    group.bench_function("backlog", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let mut next = Slot::FIRST;
                loop {
                    let limit = ReadLimit { messages: usize::MAX, bytes: 8 << 20 };
                    let records = bench.storage.read(&partition, next, limit).await.expect("records");
                    let Some(last) = records.last() else { break };
                    next = last.slot.next();
                }
                assert_eq!(next.get(), BACKLOG + 1);
            });
        });
    });
}

criterion_group!(benches, append_chunks, append_singles, commits, read);
criterion_main!(benches);
