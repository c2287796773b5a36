//! S8: the power is cut, and what was not synced is lost, or part of it.
//!
//! On MongoDB there is no such row: its files are allocated, renamed and mapped into memory beside being written, which
//! the model of a disk does not know. What is acknowledged there was in a journal that was synced, which S6 and S7 hold
//! up and break.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use minibatch::{Minibatch, StreamName};
use minibatch_testkit::history::{History, Outcome, Verdict};
use nix::sys::signal::Signal;

use super::{Expect, Fault, Need, Place, file::check_integrity};
use crate::{
    disk::{self, CALLS, Call, Disk},
    remains,
    role::{Appending, STREAM, Said},
    strace::Strace,
    world::World,
};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        id: "S8",
        place: Place::Sqlite,
        needs: Need::Strace,
        what: "the power is cut: writes that were not synced are lost, each page or not",
        expect: Expect::Sound,
        loops: (60, 600),
        run: |world| Box::pin(power_cut(world, "full")),
    },
    Fault {
        id: "S8-normal",
        place: Place::Sqlite,
        needs: Need::Strace,
        what: "control: commits that are not synced, and the power is cut",
        expect: Expect::Loses,
        loops: (60, 600),
        run: |world| Box::pin(power_cut(world, "normal")),
    },
];

/// How many calls are acknowledged meanwhile: enough for the write-ahead log to be begun again some times.
const APPENDS: u64 = 600;

/// Writes down what a producer asks of its disk, and cuts the power `loops` times, at any of these calls.
async fn power_cut(world: &mut World, durability: &str) -> Result<Verdict> {
    world.url = format!("{}?durability={durability}", world.url);
    let mb = Minibatch::connect(&world.url).await?;
    mb.storage().open_stream(&StreamName::new(STREAM)?, 1).await?;
    mb.shutdown().await;
    let settings = world.producer(Appending::Facade);
    let producer = world.start_producer(&settings)?;
    producer.more(Said::Acked, 1).await?;
    producer.stop()?;
    let trace = world.path("calls");
    let strace = Strace::record(producer.process()?, CALLS, trace.clone()).await?;
    // until now there was power
    let files = ["", "-wal"].map(|suffix| suffixed(&world.file(), suffix));
    let mut disk = Disk::new(read(&files)?);
    let mut known = usize::try_from(fs::metadata(&settings.history)?.len())?;
    producer.signal(Signal::SIGCONT)?;
    producer.more(Said::Acked, APPENDS).await?;
    producer.kill().await?;
    strace.detach().await?;

    let calls = disk::calls(&fs::read_to_string(&trace)?)?;
    ensure!(calls.iter().any(|call| matches!(call, Call::Write { .. })), "nothing was written");
    let history = fs::read_to_string(&settings.history)?;
    let told = settings.history.to_string_lossy();
    let mut cuts: Vec<usize> = (0..world.loops).map(|_| world.random.usize(..calls.len())).collect();
    cuts.sort_unstable();
    let (mut total, mut next) = (Verdict::default(), 0);
    for cut in cuts {
        while next <= cut {
            let call = calls.get(next).context("cut after the last call")?;
            disk.saw(call);
            if let Call::Added { path, length } = call
                && *path == told
            {
                known += length;
            }
            next += 1;
        }
        // now nothing more than was synced, now any part of the rest
        let part = world.random.u8(..3);
        let files = disk.cut(|| part > 0 && world.random.u8(..3) < part);
        let before = history.get(..known).context("a history that is shorter than what was written")?;
        let histories = vec![History::parse("producer", before)?];
        total.add(&after(world, &files, histories).await?);
        world.fired();
    }
    Ok(total)
}

/// Judges what is there when the power is back.
async fn after(world: &World, files: &BTreeMap<String, Vec<u8>>, histories: Vec<History>) -> Result<Verdict> {
    let folder = world.path("after");
    fs::create_dir(&folder)?;
    for (path, bytes) in files {
        let name = Path::new(path).file_name().context("a file without a name")?;
        fs::write(folder.join(name), bytes)?;
    }
    let file = folder.join(world.file().file_name().context("a file without a name")?);
    let mb = Minibatch::connect(&format!("sqlite://{}", file.display())).await?;
    let log = remains::log(&mb, &StreamName::new(STREAM)?).await;
    mb.shutdown().await;
    check_integrity(&file)?;
    let outcome = Outcome { histories, log: log?, ..Outcome::default() };
    fs::remove_dir_all(&folder)?;
    Ok(outcome.judge())
}

fn suffixed(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn read(files: &[PathBuf]) -> Result<BTreeMap<String, Vec<u8>>> {
    files.iter().map(|file| Ok((file.to_string_lossy().into_owned(), fs::read(file)?))).collect()
}
