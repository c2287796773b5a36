//! The command line.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    clock::seconds,
    faults::{Fault, Place},
};

/// Where `cargo xtask chaos` says which mongod to use.
const MONGOD: &str = "MINIBATCH_CHAOS_MONGOD";

/// What to do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    /// Goes on with new seeds until so much time has passed.
    pub(crate) lasting: Option<Duration>,
    /// Only faults of this id.
    pub(crate) fault: Option<String>,
    pub(crate) seed: Option<u64>,
    /// How often a fault strikes in a run.
    pub(crate) loops: Option<u64>,
    /// Keeps the folders of runs that went well, too.
    pub(crate) keep: bool,
    pub(crate) sqlite: bool,
    pub(crate) mongo: bool,
    pub(crate) mongod: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut options = Self { sqlite: true, mongo: true, ..Self::default() };
        options.mongod = std::env::var_os(MONGOD).map(PathBuf::from);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("`{argument}` wants a value"));
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--minutes" => options.lasting = Some(seconds(value()?.parse::<u64>()?.saturating_mul(60))),
                "--fault" => options.fault = Some(value()?),
                "--seed" => options.seed = Some(value()?.parse()?),
                "--loops" => options.loops = Some(value()?.parse()?),
                "--keep" => options.keep = true,
                "--sqlite" => options.mongo = false,
                "--mongo" => options.sqlite = false,
                _ => bail!("`{argument}` is not understood; see `cargo xtask chaos --help`"),
            }
        }
        ensure!(options.loops != Some(0), "`--loops` is at least 1");
        ensure!(options.sqlite || options.mongo, "`--sqlite` and `--mongo` leave nothing");
        Ok(options)
    }

    pub(crate) fn wants(&self, fault: &Fault) -> bool {
        let place = match fault.place {
            Place::Sqlite => self.sqlite,
            Place::Mongo | Place::MongoThree => self.mongo,
            Place::Process => true,
        };
        place && self.loops(fault) > 0 && self.fault.as_ref().is_none_or(|id| fault.id.eq_ignore_ascii_case(id))
    }

    pub(crate) fn loops(&self, fault: &Fault) -> u64 {
        let (quick, thorough) = fault.loops;
        self.loops.unwrap_or(if self.quick { quick } else { thorough })
    }

    /// The command that repeats a run.
    pub(crate) fn repeat(&self, fault: &Fault, seed: u64) -> String {
        let storage = match fault.place {
            Place::Sqlite => " --sqlite",
            Place::Mongo | Place::MongoThree => " --mongo",
            Place::Process => "",
        };
        format!("cargo xtask chaos --fault {}{storage} --seed {seed} --loops {}", fault.id, self.loops(fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults;

    fn parse(words: &str) -> Result<Options> {
        Options::parse(words.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_repeating_command_means_the_same_run() {
        for fault in faults::all() {
            let repeat = parse("").unwrap().repeat(fault, 7);
            let options = parse(repeat.strip_prefix("cargo xtask chaos ").unwrap()).unwrap();
            assert!(options.wants(fault));
            assert_eq!((options.seed, options.loops), (Some(7), Some(fault.loops.1)));
        }
    }

    #[test]
    fn options_say_which_faults_and_how_often() {
        let wanted = |words: &str| -> Vec<u64> {
            let options = parse(words).unwrap();
            faults::all().into_iter().filter(|fault| options.wants(fault)).map(|fault| options.loops(fault)).collect()
        };
        assert_eq!(wanted("--fault c1 --quick"), [5, 5]);
        assert_eq!((wanted("--fault C1 --mongo"), wanted("--fault C1 --loops 200 --sqlite")), (vec![50], vec![200]));
        assert!(wanted("--fault nothing").is_empty());
        assert!(wanted("--quick").len() > 40);
        let options = parse("--minutes 3 --seed 9").unwrap();
        assert_eq!((options.lasting, options.seed), (Some(seconds(180)), Some(9)));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for words in ["--fast", "--seed", "--seed x", "P1", "--loops 0", "--minutes -1", "--sqlite --mongo"] {
            assert!(parse(words).is_err(), "{words}");
        }
    }
}
