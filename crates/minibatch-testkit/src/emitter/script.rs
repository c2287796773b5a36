//! What happens to a consumer, step by step: what the log has, and what is decided at its end.

use std::fmt;

use minibatch_core::{Timestamp, checkpoint::DecisionKind, chunk::RecordKind};

/// One thing that happens.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// A message is read.
    Message {
        /// Which value it has.
        seed: u32,
        /// The time of its record.
        time: Timestamp,
        /// It is the first of its chunk even if it could be in the one before.
        opens: bool,
    },
    /// A record without messages is read.
    Control {
        /// What it is.
        kind: RecordKind,
        /// Its time.
        time: Timestamp,
    },
    /// Nothing more is stored while the tail clock reaches this: the deadlines up to it are granted.
    Idle {
        /// What the tail clock reaches.
        until: Timestamp,
    },
    /// The consumer ends windows for another reason.
    Decide(DecisionKind),
}

/// What happens, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Script(pub(super) Vec<Step>);

impl Script {
    /// The same log, read when all of it is there: nobody waits at its end, nobody decides. What came after such a pause
    /// began a chunk, and does so still.
    pub(super) fn backlog(&self) -> Self {
        let mut steps = Vec::new();
        let mut after_pause = false;
        for step in &self.0 {
            match *step {
                Step::Message { seed, time, opens } => {
                    steps.push(Step::Message { seed, time, opens: opens || after_pause });
                    after_pause = false;
                }
                Step::Control { .. } => steps.push(step.clone()),
                Step::Idle { .. } | Step::Decide(_) => after_pause = true,
            }
        }
        Self(steps)
    }

    /// The same without other decisions than deadlines, and with the clocks of all producers right: what is written after
    /// the tail clock reached an instant is not earlier.
    pub(super) fn punctual(&self) -> Self {
        let mut clock = Timestamp::MIN;
        let mut steps = self.0.clone();
        steps.retain(|step| !matches!(step, Step::Decide(_)));
        for step in &mut steps {
            match step {
                Step::Message { time, .. } | Step::Control { time, .. } => {
                    *time = clock.max(*time);
                    clock = *time;
                }
                Step::Idle { until } => clock = clock.max(*until),
                Step::Decide(_) => {}
            }
        }
        Self(steps)
    }
}

impl fmt::Display for Script {
    /// As [`check`](super::check()) reads it, with the numbers that the values are made of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut now = Timestamp::EPOCH;
        for (index, step) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            match step {
                Step::Message { seed, time, opens } => {
                    f.write_str(if *opens { "| " } else { "" })?;
                    write!(f, "{seed}")?;
                    if *time != now {
                        write!(f, "@{}", seconds(*time))?;
                    }
                    now = *time;
                }
                Step::Control { kind, time } => {
                    write!(f, "!{}@{}", kind.name(), seconds(*time))?;
                    now = now.max(*time);
                }
                Step::Idle { until } => write!(f, "@{}", seconds(*until))?,
                Step::Decide(DecisionKind::Drain) => f.write_str("!drain")?,
                Step::Decide(DecisionKind::Shutdown) => f.write_str("!shutdown")?,
                Step::Decide(DecisionKind::BufferFull) => f.write_str("!full")?,
                Step::Decide(other) => write!(f, "!{other:?}")?,
            }
        }
        Ok(())
    }
}

/// An instant as seconds since the epoch, in the fewest digits.
pub(super) fn seconds(time: Timestamp) -> String {
    let millis = time.as_millis();
    let (sign, millis) = (if millis < 0 { "-" } else { "" }, millis.unsigned_abs());
    let text = format!("{sign}{}.{:03}", millis / 1_000, millis % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
