//! Runs the faults that were asked for, in turn, and reports.

use anyhow::{Context as _, Result, bail};
use minibatch_testkit::history::Verdict;

use crate::{
    clock::now,
    faults::{self, Fault, Need, Place},
    options::Options,
    report::Report,
    server::ReplicaSet,
    world::{Tally, World},
};

/// All runs of one call.
pub(crate) struct Series {
    options: Options,
    seed: u64,
    /// The servers, started when first needed.
    one: Option<ReplicaSet>,
    three: Option<ReplicaSet>,
    worlds: u64,
}

impl Series {
    pub(crate) fn new(options: Options) -> Self {
        let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
        Self { options, seed, one: None, three: None, worlds: 0 }
    }

    /// Runs each fault once, or again until the time is over. A failure is reported with the rest, and then an error.
    pub(crate) async fn run(mut self) -> Result<()> {
        let faults: Vec<&Fault> = faults::all().into_iter().filter(|fault| self.options.wants(fault)).collect();
        if faults.is_empty() {
            bail!("there is no such fault here; `docs/reliability.md` lists them");
        }
        let started = now();
        let mut reports: Vec<Report> = faults.iter().map(|fault| self.report(fault)).collect();
        loop {
            for (fault, report) in faults.iter().zip(&mut reports) {
                self.run_once(fault, report).await;
            }
            self.seed += 1;
            let over = self.options.lasting.is_none_or(|lasting| started.elapsed() >= lasting);
            if over || reports.iter().any(|report| report.failure.is_some()) {
                break;
            }
        }
        for report in &reports {
            println!("{}", serde_json::to_string(report)?);
        }
        let failed = reports.iter().filter(|report| report.failure.is_some()).count();
        if failed > 0 {
            bail!("{failed} of {} faults failed", reports.len());
        }
        Ok(())
    }

    fn report(&self, fault: &Fault) -> Report {
        Report::new(fault.id, fault.place.name(), fault.expect.is_control(), self.seed)
    }

    async fn run_once(&mut self, fault: &Fault, report: &mut Report) {
        let (started, seed) = (now(), self.seed);
        eprint!("{} on {}: {} … ", fault.id, fault.place.name(), fault.what);
        if let Some(missing) = fault.needs.missing().await {
            eprintln!("SKIPPED for want of {missing}");
            report.missing = Some(missing);
            return;
        }
        let (tally, judged) = self.world(fault).await;
        let verdict = judged.as_ref().cloned().unwrap_or_default();
        report.add(&tally, &verdict);
        let judged = judged.and_then(|verdict| fault.check(tally.fired, &verdict));
        let took = started.elapsed().as_secs_f64();
        match judged {
            Ok(()) => eprintln!("as it must, struck {} times in {took:.1} s", tally.fired),
            Err(error) => {
                eprintln!("FAILED after {took:.1} s: {error:#}\n    {}", self.options.repeat(fault, seed));
                report.failure = Some(format!("{error:#}"));
            }
        }
    }

    /// One run; the server is kept where it went well.
    async fn world(&mut self, fault: &Fault) -> (Tally, Result<Verdict>) {
        let mut world = match self.open(fault).await {
            Ok(world) => world,
            Err(error) => return (Tally::default(), Err(error)),
        };
        let judged = (fault.run)(&mut world).await;
        let tally = world.tally.clone();
        let sound = judged.as_ref().is_ok_and(|verdict| fault.check(tally.fired, verdict).is_ok());
        if !sound || self.options.keep {
            eprint!("(see {}) ", world.keep());
        }
        if sound
            && !fault.needs.is_special()
            && let Some(mut server) = world.into_server()
            && server.heal().await.is_ok()
        {
            *self.place(fault.place) = Some(server);
        }
        (tally, judged)
    }

    fn place(&mut self, place: Place) -> &mut Option<ReplicaSet> {
        if place == Place::MongoThree { &mut self.three } else { &mut self.one }
    }

    async fn open(&mut self, fault: &Fault) -> Result<World> {
        self.worlds += 1;
        let loops = self.options.loops(fault);
        if matches!(fault.place, Place::Sqlite | Place::Process) {
            return World::on_sqlite(self.seed, loops);
        }
        let database = format!("chaos_{}", self.worlds);
        let shared = !fault.needs.is_special();
        let server = match self.place(fault.place).take_if(|_| shared) {
            Some(server) => server,
            None => self.start(fault).await?,
        };
        World::on_mongo(server, &database, self.seed, loops)
    }

    async fn start(&self, fault: &Fault) -> Result<ReplicaSet> {
        let mongod = self.options.mongod.as_ref();
        let mongod = mongod.context("no mongod: `cargo xtask setup` fetches one, or give --sqlite")?;
        match (fault.needs, fault.place) {
            (Need::FakeClock, _) => ReplicaSet::start_with_clock(mongod).await,
            (Need::Cut, _) => ReplicaSet::start_with_cut(mongod).await,
            (_, Place::MongoThree) => ReplicaSet::start(mongod, 3).await,
            _ => ReplicaSet::start(mongod, 1).await,
        }
    }
}
