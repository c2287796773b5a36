//! Q: the file of SQLite, and the processes that share it.

use std::{fs, ops::Range, path::Path};

use anyhow::{Result, ensure};
use minibatch::{Minibatch, StreamName};
use minibatch_testkit::history::{Key, LogRecord, Verdict};
use rusqlite::{Connection, OpenFlags};

use super::{Expect, Fault, Need, Place};
use crate::{
    clock::{millis, now, pause, seconds},
    load::Load,
    remains,
    role::{Appending, STREAM, Said},
    sqlite,
    strace::Strace,
    world::World,
};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        id: "Q1",
        place: Place::Sqlite,
        needs: Need::Nothing,
        what: "producers and a consumer share a file, and are killed in turn",
        expect: Expect::Sound,
        loops: (8, 50),
        run: |world| Box::pin(killed(world)),
    },
    Fault {
        id: "Q2-locked",
        place: Place::Sqlite,
        needs: Need::Nothing,
        what: "somebody else holds the file's lock",
        expect: Expect::Sound,
        loops: (1, 5),
        run: |world| Box::pin(locked(world)),
    },
    Fault {
        id: "Q2",
        place: Place::Sqlite,
        needs: Need::Strace,
        what: "writing the file fails, or finds no space",
        expect: Expect::Sound,
        loops: (3, 12),
        run: |world| Box::pin(broken(world)),
    },
    Fault {
        id: "Q3",
        place: Place::Sqlite,
        needs: Need::Nothing,
        what: "bits of the file flip, and its end is cut off",
        expect: Expect::Sound,
        loops: (100, 400),
        run: |world| Box::pin(damaged(world)),
    },
];

/// Kills one of two producers and a consumer that share a file; the file stays whole.
async fn killed(world: &mut World) -> Result<Verdict> {
    world.member_ttl = millis(500);
    world.open().await?;
    let settings = world.producer(Appending::Facade);
    let mut producers = vec![world.start_producer(&settings)?];
    let settings = world.consumer();
    let mut consumers = vec![world.start_consumer(&settings)?];
    let steady = world.steady_producer();
    let steady = world.start_producer(&steady)?;
    for number in 0..world.loops {
        let (victims, what) =
            if number % 2 == 0 { (&mut producers, Said::Acked) } else { (&mut consumers, Said::Window) };
        let Some(victim) = victims.pop() else { break };
        victim.until(what, world.random.u64(1..20)).await?;
        pause(millis(world.random.u64(0..4))).await;
        victim.kill().await?;
        let died = now();
        world.fired();
        whole(world)?;
        if number % 2 == 0 {
            let settings = world.producer(Appending::Facade);
            let heir = world.start_producer(&settings)?;
            world.recovered(died, &heir, Said::Acked).await?;
            producers.push(heir);
        } else {
            let settings = world.consumer();
            let heir = world.start_consumer(&settings)?;
            world.recovered(died, &heir, Said::Window).await?;
            consumers.push(heir);
        }
    }
    for child in producers.into_iter().chain(consumers).chain([steady]) {
        child.end().await?;
    }
    whole(world)?;
    world.drain_and_judge().await
}

/// Asks SQLite itself whether the file is whole.
fn whole(world: &World) -> Result<()> {
    check_integrity(&world.file())
}

pub(super) fn check_integrity(file: &Path) -> Result<()> {
    let database = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let said: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(said == "ok", "integrity_check: {said}");
    Ok(())
}

/// Holds the lock for writing, for shorter and for longer than anybody waits for it.
async fn locked(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let load = Load::start(world).await?;
    for _ in 0..world.loops {
        load.work(world).await?;
        hold_lock(world, 1_000..8_000).await?;
        world.fired();
        load.recovered(world, now()).await?;
    }
    load.end().await?;
    whole(world)?;
    world.drain_and_judge().await
}

/// Lets a producer's system calls on the file fail for a second, in turn each kind.
async fn broken(world: &mut World) -> Result<Verdict> {
    const HOW: [&str; 3] = ["pwrite64:error=ENOSPC", "pwrite64:error=EIO", "fdatasync:error=EIO"];
    world.open().await?;
    let load = Load::start(world).await?;
    for (_, how) in (0..world.loops).zip(HOW.into_iter().cycle()) {
        load.work(world).await?;
        let strace = Strace::attach(load.producer.process()?, how, world.path("strace")).await?;
        pause(millis(1_000)).await;
        world.tally.fired += strace.detach().await?;
        load.recovered(world, now()).await?;
        whole(world)?;
    }
    load.end().await?;
    world.drain_and_judge().await
}

/// Damages copies of a file that nobody has open: what is read then is what was written, or an error, or at least
/// `integrity_check` tells.
async fn damaged(world: &mut World) -> Result<Verdict> {
    world.open().await?;
    let load = Load::start(world).await?;
    for _ in 0..10 {
        load.work(world).await?;
    }
    load.end().await?;
    let verdict = world.drain_and_judge().await?;
    let sound = read(&world.file()).await?;
    bring_home(&world.file())?;
    let (whole, copy) = (fs::read(world.file())?, world.path("damaged.db"));
    let mut detected = 0;
    for number in 0..world.loops {
        let mut bytes = whole.clone();
        if number % 8 == 0 {
            // an empty file is a new database
            bytes.truncate(world.random.usize(1..bytes.len()));
        } else {
            let (place, bit) = (world.random.usize(..bytes.len()), world.random.u8(..8));
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << bit;
            }
        }
        fs::write(&copy, bytes)?;
        let intact = check_integrity(&copy).is_ok();
        match read(&copy).await {
            Ok(log) if messages(&log) == messages(&sound) => {}
            // what is missing or changed is at least nothing that SQLite calls whole
            Ok(_) => {
                ensure!(!intact, "what is read from a damaged file that looks whole is not what was written");
                detected += 1;
            }
            Err(_) => detected += 1,
        }
        world.fired();
        for name in ["damaged.db", "damaged.db-wal", "damaged.db-shm"] {
            // SQLite removes some by itself, when it closes the file
            let _ = fs::remove_file(world.path(name));
        }
    }
    eprint!("{detected} of {} detected, the others harmless … ", world.loops);
    ensure!(detected > 0, "no damage was detected");
    Ok(verdict)
}

fn messages(log: &[LogRecord]) -> Vec<(u64, &[Key])> {
    log.iter().map(|record| (record.slot, record.keys.as_slice())).filter(|(_, keys)| !keys.is_empty()).collect()
}

/// Lets nobody else write for so many milliseconds.
pub(super) async fn hold_lock(world: &mut World, for_so_long: Range<u64>) -> Result<()> {
    let holder = sqlite::open(&world.file(), seconds(5))?;
    holder.execute_batch("BEGIN IMMEDIATE")?;
    pause(millis(world.random.u64(for_so_long))).await;
    holder.execute_batch("ROLLBACK")?;
    Ok(())
}

/// Moves what is in the write-ahead log into the file, so that a copy of it has everything.
fn bring_home(file: &Path) -> Result<()> {
    let database = sqlite::open(file, seconds(10))?;
    let busy: i64 = database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    ensure!(busy == 0, "somebody still has the file open");
    Ok(())
}

async fn read(file: &Path) -> Result<Vec<LogRecord>> {
    let mb = Minibatch::connect(&format!("sqlite://{}", file.display())).await?;
    let log = remains::log(&mb, &StreamName::new(STREAM)?).await;
    mb.shutdown().await;
    log
}
