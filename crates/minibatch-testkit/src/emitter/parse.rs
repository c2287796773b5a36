//! A script from a line of text.

use minibatch_core::{Cause, Error, Timestamp, checkpoint::DecisionKind, chunk::RecordKind};

use super::script::{Script, Step};
use crate::log::seconds;

/// The script that a line describes, and the words that its messages are, by their number.
pub(super) fn parse(line: &str) -> Result<(Script, Vec<String>), Error> {
    let mut steps = Vec::new();
    let mut words = Vec::new();
    let (mut now, mut opens) = (Timestamp::EPOCH, false);
    for word in line.replace('|', " | ").split_whitespace() {
        let (name, time) = match word.split_once('@') {
            Some((name, time)) => (name, Some(seconds(time)?)),
            None => (word, None),
        };
        match (name, time) {
            ("|", None) => opens = true,
            ("", Some(until)) => steps.push(Step::Idle { until }),
            ("!punct", Some(time)) => steps.push(Step::Control { kind: RecordKind::Punctuation, time }),
            ("!tomb", Some(time)) => steps.push(Step::Control { kind: RecordKind::Tombstone, time }),
            ("!unknown", Some(time)) => steps.push(Step::Control { kind: RecordKind::Unknown, time }),
            ("!drain", None) => steps.push(Step::Decide(DecisionKind::Drain)),
            ("!shutdown", None) => steps.push(Step::Decide(DecisionKind::Shutdown)),
            ("!full", None) => steps.push(Step::Decide(DecisionKind::BufferFull)),
            _ if name.starts_with('!') => {
                let known = "`!punct@1`, `!tomb@1`, `!unknown@1`, `!drain`, `!shutdown` and `!full` begin with `!`";
                return Err(Cause::out_of_range(known).into());
            }
            _ => {
                now = now.max(time.unwrap_or(now));
                let seed = u32::try_from(words.len()).map_err(|_| Cause::out_of_range("too many words"))?;
                steps.push(Step::Message { seed, time: now, opens: std::mem::take(&mut opens) });
                words.push(name.to_owned());
            }
        }
    }
    Ok((Script(steps), words))
}
