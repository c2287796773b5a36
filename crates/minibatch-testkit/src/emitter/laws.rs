//! What holds of every strategy.

use std::fmt;

use minibatch_core::{Error, WindowEmitter};

use super::{
    accounting, crashes, explained,
    generate::Case,
    layout::{Encode, Layout},
    often::AskedOften,
    run::{Run, Seen, run, run_in_pieces},
};

/// A law that every strategy keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// Another consumer that reads the same log forms the same windows, and gives the same fingerprint.
    SecondProcess,
    /// The windows do not depend on how the messages are cut into chunks, nor on how many are fed at a time.
    AnyChunking,
    /// Asked more often than it needs, the strategy forms the same windows.
    AskedMoreOften,
    /// An hour's backlog gives the windows that it would have given live.
    Backlog,
    /// Every message is in the buffer, in one window, or counted as dropped.
    Accounting,
    /// Restored from any checkpoint, a consumer gets exactly the windows that were not done.
    Restore,
    /// What the strategy says that it waits for ends the waiting.
    Explained,
}

impl Law {
    pub(super) const ALL: [Self; 7] = [
        Self::SecondProcess,
        Self::AnyChunking,
        Self::AskedMoreOften,
        Self::Backlog,
        Self::Accounting,
        Self::Restore,
        Self::Explained,
    ];
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecondProcess => "a second consumer forms the same windows",
            Self::AnyChunking => "windows do not depend on chunks or fetch sizes",
            Self::AskedMoreOften => "asking more often than needed changes nothing",
            Self::Backlog => "a backlog gives the windows that it would have given live",
            Self::Accounting => "every message is in the buffer, in one window, or dropped",
            Self::Restore => "restored, the windows that were not done come again, and no others",
            Self::Explained => "what a window is said to wait for ends the waiting",
        })
    }
}

/// What was promised of the strategy beside the laws, and how its values are made.
pub(super) struct Terms<'a, E> {
    pub(super) fresh: &'a dyn Fn() -> E,
    pub(super) encode: &'a Encode,
    pub(super) may_repeat: bool,
    pub(super) may_discard: bool,
    pub(super) by_place: bool,
}

/// How a law was broken, in words.
#[derive(Debug)]
pub(super) struct Broken(pub(super) String);

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

pub(super) type Verdict = Result<(), Broken>;

impl Law {
    pub(super) fn check<E: WindowEmitter + 'static>(self, terms: &Terms<'_, E>, case: &Case) -> Verdict {
        let fresh = || (terms.fresh)();
        let layout = Layout::as_written(&case.script, terms.encode)?;
        let first = run(fresh(), &layout)?;
        match self {
            Self::SecondProcess => {
                let (one, other) = (fresh(), fresh());
                if one.fingerprint() != other.fingerprint() {
                    return Err(Broken("two of them have different fingerprints".to_owned()));
                }
                same(&first, &run(other, &layout)?, "the second consumer")?;
                same(&first, &run(one, &layout)?, "the third consumer")
            }
            Self::AnyChunking => {
                for piece in [1, 2, 3] {
                    same(&first, &run_in_pieces(fresh(), &layout, piece)?, &format!("fed {piece} at a time"))?;
                }
                if terms.by_place {
                    return Ok(());
                }
                let choices: Vec<bool> = case.choices().map(|choice| choice % 2 == 0).take(layout.messages()).collect();
                let chosen = |number: usize, _| choices.get(number).copied().unwrap_or(false);
                let joined = Layout::new(&case.script, terms.encode, &|_, _| false)?;
                let single = Layout::new(&case.script, terms.encode, &|_, _| true)?;
                let chosen = Layout::new(&case.script, terms.encode, &chosen)?;
                for (layout, how) in [(joined, "in big chunks"), (single, "in single messages"), (chosen, "cut anew")] {
                    same_messages(&first, &run(fresh(), &layout)?, how)?;
                }
                Ok(())
            }
            Self::AskedMoreOften => same(&first, &run(AskedOften::new(fresh()), &layout)?, "asked often"),
            Self::Backlog => {
                let live = case.script.punctual();
                let backlog = Layout::as_written(&live.backlog(), terms.encode)?;
                let live = run(fresh(), &Layout::as_written(&live, terms.encode)?)?;
                let backlog = run(fresh(), &backlog)?;
                // at the end of the log only one of them has waited
                let count = backlog.windows.len().min(live.windows.len());
                compare(live.windows.get(..count).unwrap_or_default(), &backlog.windows, "from a backlog")
            }
            Self::Accounting => accounting::check(terms, &layout, &first),
            Self::Restore => crashes::check(terms, case, &layout, &first),
            Self::Explained => explained::check(fresh(), &layout),
        }
    }
}

/// The same windows of the same places.
fn same(first: &Run, other: &Run, how: &str) -> Verdict {
    same_messages(first, other, how)?;
    if first.chain == other.chain { Ok(()) } else { Err(Broken(format!("{how}, the digest of the windows differs"))) }
}

/// The same windows, wherever their messages are.
fn same_messages(first: &Run, other: &Run, how: &str) -> Verdict {
    compare(&first.windows, &other.windows, how)?;
    if first.buffered != other.buffered {
        return Err(Broken(format!("{how}, {:?} stay in the buffer and not {:?}", other.buffered, first.buffered)));
    }
    if first.dropped != other.dropped {
        return Err(Broken(format!("{how}, {} messages are dropped and not {}", other.dropped, first.dropped)));
    }
    Ok(())
}

fn compare(expected: &[Seen], found: &[Seen], how: &str) -> Verdict {
    if let Some((expected, found)) = expected.iter().zip(found).find(|(expected, found)| expected != found) {
        return Err(Broken(format!("{how}, there is\n  {found:?}\nin place of\n  {expected:?}")));
    }
    if expected.len() != found.len() {
        return Err(Broken(format!("{how}, there are {} windows and not {}", found.len(), expected.len())));
    }
    Ok(())
}
