//! One line in, one line a window out.

use minibatch_core::{
    Error, Message, Strategy, Timestamp,
    checkpoint::DecisionKind,
    chunk::Encoded,
    driver::{LogEntry, WindowDriver},
    storage::Position,
    window::FormedWindow,
};
use serde::Deserialize;

use super::{
    layout::{Action, Layout},
    parse::parse,
    script::seconds,
};

/// Asserts that a strategy forms these windows of this log.
///
/// The log is a line as for [`log::chunks`](crate::log::chunks), with these words more:
///
/// | word | meaning |
/// |---|---|
/// | `a@1.5` | a message: a word is a text, digits are a number; its append time in seconds, that of the message before unless given |
/// | <code>&#124;</code> | a new chunk begins |
/// | `@3` | nothing more is stored while the clock reaches 3 s: deadlines up to then are granted |
/// | `!punct@3` | a record without messages that takes append time to 3 s (`!tomb@3`, `!unknown@3` are skipped) |
/// | `!drain`, `!shutdown`, `!full` | the consumer asks for what is there |
///
/// Each window is its messages (letters side by side, others with commas between, `_` for none) and as much of the rest
/// as you care to say, in this order: the reason, `@` and the time at which it came out, its bounds:
/// `"abc"`, `"abc count"`, `"abc count@2"`, `"abc @2"`, `"_ boundary [0,5)"`.
///
/// ```
/// use std::time::Duration;
///
/// use minibatch_core::{Buffer, Readiness, Timestamp, WindowEmitter, window::{Reason, Selection}};
/// use minibatch_testkit::emitter::check;
///
/// /// What came within a second of the first message.
/// struct Second;
///
/// impl WindowEmitter for Second {
///     fn window_ready(&mut self, buffer: &Buffer, now: Timestamp) -> Readiness {
///         let Some(first) = buffer.first() else { return Readiness::wait() };
///         let deadline = first.time().plus(Duration::from_secs(1));
///         if deadline <= now { Readiness::Ready } else { Readiness::wait().until(deadline) }
///     }
///
///     fn query(&mut self, buffer: &Buffer) -> Selection {
///         Selection::first(buffer.len(), Reason::MaxWait)
///     }
/// }
///
/// check(|| Second, "a@0 b@0.9 c@1 @1.5", &["ab max_wait@1"]);
/// check(|| Second, "a@0 b@0.9 c@1 @1.5 !drain", &["ab", "c drain"]);
/// ```
///
/// # Panics
/// When the windows are others, or the line is not understood.
#[track_caller]
#[expect(clippy::panic, reason = "a failed check is a failed test")]
#[expect(clippy::needless_pass_by_value, reason = "a check makes its strategy where it stands")]
pub fn check(strategy: impl Strategy, line: &str, expected: &[&str]) {
    match windows(&strategy, line) {
        Ok(windows) => {
            let with_all = Shown { reason: true, time: true, bounds: true };
            let shown = expected.iter().copied().map(Shown::by).chain(std::iter::repeat(with_all));
            let found: Vec<String> = windows.iter().zip(shown).map(|(window, shown)| shown.text(window)).collect();
            assert_eq!(found, expected, "windows found and expected of `{line}`");
        }
        Err(error) => panic!("`{line}`: {error}"),
    }
}

/// A window in words.
struct Described {
    members: String,
    reason: &'static str,
    time: Timestamp,
    bounds: String,
}

fn windows(strategy: &dyn Strategy, line: &str) -> Result<Vec<Described>, Error> {
    let (script, words) = parse(line)?;
    let encode = move |seed: u32, encoded: &mut Encoded| {
        let word = words.get(seed as usize).map_or("", String::as_str);
        match word.parse::<i64>() {
            Ok(number) => encoded.push(&number),
            Err(_) => encoded.push(word),
        }
    };
    let layout = Layout::as_written(&script, &encode)?;
    let mut driver = strategy.driver(Position::START)?;
    let mut described = Vec::new();
    for action in &layout.actions {
        match action {
            Action::Idle(until) => grant(&mut *driver, *until, &mut described)?,
            Action::Decide(kind) => {
                note(&mut *driver, &mut described, |driver, out| driver.decide(*kind, out).map(drop))?;
            }
            Action::Read(LogEntry::Control { slot, time }) => {
                grant(&mut *driver, *time, &mut described)?;
                note(&mut *driver, &mut described, |driver, out| driver.pass_time(*slot, *time, out))?;
            }
            Action::Read(LogEntry::Messages(chunk)) => {
                grant(&mut *driver, chunk.time(), &mut described)?;
                note(&mut *driver, &mut described, |driver, out| driver.feed(chunk, 0, chunk.len(), out))?;
            }
        }
    }
    Ok(described)
}

/// Grants the deadlines up to `time` one by one, so that each window's time is known.
fn grant(driver: &mut dyn WindowDriver, time: Timestamp, described: &mut Vec<Described>) -> Result<(), Error> {
    while let Some(deadline) = driver.deadline().filter(|deadline| deadline.at <= time) {
        note(driver, described, |driver, out| driver.decide(DecisionKind::Grant(deadline.at), out).map(drop))?;
    }
    Ok(())
}

fn note(
    driver: &mut dyn WindowDriver,
    described: &mut Vec<Described>,
    act: impl FnOnce(&mut dyn WindowDriver, &mut Vec<FormedWindow>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut formed = Vec::new();
    act(driver, &mut formed)?;
    let time = driver.base()?.log_time;
    described.extend(formed.iter().map(|window| Described {
        members: members(window),
        reason: window.reason.name(),
        time,
        bounds: format!("[{},{})", seconds(window.bounds.start), seconds(window.bounds.end)),
    }));
    Ok(())
}

fn members(window: &FormedWindow) -> String {
    let texts: Vec<String> = window.members.iter().map(|message| text(&message)).collect();
    match texts.iter().all(|text| text.chars().count() == 1 && text.parse::<i64>().is_err()) {
        _ if texts.is_empty() => "_".to_owned(),
        true => texts.concat(),
        false => texts.join(","),
    }
}

fn text(message: &Message<'_>) -> String {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Value {
        Number(i64),
        Text(String),
    }
    match message.decode() {
        Ok(Value::Number(number)) => number.to_string(),
        Ok(Value::Text(text)) => text,
        Err(_) => "?".to_owned(),
    }
}

/// How much of a window is compared.
#[derive(Clone, Copy)]
struct Shown {
    reason: bool,
    time: bool,
    bounds: bool,
}

impl Shown {
    /// As much as `expected` says.
    fn by(expected: &str) -> Self {
        let rest = expected.split_once(' ').map_or("", |(_, rest)| rest);
        let (rest, bounds) = rest.split_once('[').map_or((rest, false), |(rest, _)| (rest, true));
        Self { reason: rest.starts_with(char::is_alphabetic), time: rest.contains('@'), bounds }
    }

    fn text(self, window: &Described) -> String {
        let mut text = window.members.clone();
        let reason = if self.reason { window.reason } else { "" };
        let time = if self.time { format!("@{}", seconds(window.time)) } else { String::new() };
        for part in [format!("{reason}{time}"), if self.bounds { window.bounds.clone() } else { String::new() }] {
            if !part.is_empty() {
                text = format!("{text} {part}");
            }
        }
        text
    }
}
