//! What an open window waits for, in words.

use std::{fmt, time::Duration};

use smallvec::SmallVec;

use crate::Timestamp;

/// What an open window waits for: whatever of it comes first ends the waiting.
///
/// ```
/// use minibatch_core::{Explanation, Timestamp};
///
/// let now = Timestamp::from_millis(1_000);
/// let waits = Explanation::at(now).messages(37).until(Timestamp::from_millis(5_200));
/// assert_eq!(waits.to_string(), "37 more messages or 4.2 s");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    now: Timestamp,
    waits: SmallVec<[Waiting; 2]>,
}

/// One thing that a window may wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Waiting {
    /// So many more messages.
    Messages(usize),
    /// Messages of so many more bytes.
    Bytes(usize),
    /// Log time reaches this instant.
    Time(Timestamp),
    /// The watermark reaches the end of the window.
    Watermark {
        /// Where it is; `None` before the first message.
        at: Option<Timestamp>,
        /// Where it has to be.
        closes: Timestamp,
    },
    /// Something else, in words that follow on "waits for".
    Other(String),
}

impl Explanation {
    /// Of a window that waits at `now`; nothing is told yet of what for.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { now, waits: SmallVec::new() }
    }

    /// Or for something else.
    #[must_use]
    pub fn or(mut self, waiting: Waiting) -> Self {
        self.waits.push(waiting);
        self
    }

    /// Or for so many more messages.
    #[must_use]
    pub fn messages(self, more: usize) -> Self {
        self.or(Waiting::Messages(more))
    }

    /// Or for messages of so many more bytes.
    #[must_use]
    pub fn bytes(self, more: usize) -> Self {
        self.or(Waiting::Bytes(more))
    }

    /// Or until log time reaches `time`.
    #[must_use]
    pub fn until(self, time: Timestamp) -> Self {
        self.or(Waiting::Time(time))
    }

    /// Or until the watermark, which is `at`, reaches `closes`.
    #[must_use]
    pub fn watermark(self, at: Option<Timestamp>, closes: Timestamp) -> Self {
        self.or(Waiting::Watermark { at, closes })
    }

    /// Or for something else, in words that follow on "waits for".
    #[must_use]
    pub fn other(self, words: impl Into<String>) -> Self {
        self.or(Waiting::Other(words.into()))
    }

    /// The log time of which it speaks.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What it waits for; nothing where the strategy does not tell.
    #[must_use]
    pub fn waits(&self) -> &[Waiting] {
        &self.waits
    }
}

impl fmt::Display for Explanation {
    /// As `37 more messages or 4.2 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.waits.is_empty() {
            return f.write_str("what its strategy does not tell");
        }
        for (index, waiting) in self.waits.iter().enumerate() {
            f.write_str(if index > 0 { " or " } else { "" })?;
            match waiting {
                Waiting::Messages(1) => f.write_str("1 more message")?,
                Waiting::Messages(more) => write!(f, "{more} more messages")?,
                Waiting::Bytes(1) => f.write_str("1 more byte")?,
                Waiting::Bytes(more) => write!(f, "{more} more bytes")?,
                // before the first message there is nothing to count from
                Waiting::Time(time) if self.now == Timestamp::MIN => write!(f, "{time}")?,
                Waiting::Time(time) => write!(f, "{}", Span(time.since(self.now)))?,
                Waiting::Watermark { at: None, closes } => write!(f, "a watermark at {closes}")?,
                Waiting::Watermark { at: Some(at), closes } => {
                    write!(f, "the watermark, which is at {at}, to reach {closes}")?;
                }
                Waiting::Other(words) => f.write_str(words)?,
            }
        }
        Ok(())
    }
}

/// A duration in the unit that suits it.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0.as_secs(), self.0.subsec_millis());
        match (seconds, millis) {
            (0, millis) => write!(f, "{millis} ms"),
            (..60, 0) => write!(f, "{seconds} s"),
            (..60, millis) => write!(f, "{} s", format!("{seconds}.{millis:03}").trim_end_matches('0')),
            (..3_600, _) => write!(f, "{} min {} s", seconds / 60, seconds % 60),
            (..86_400, _) => write!(f, "{} h {} min", seconds / 3_600, seconds / 60 % 60),
            _ => write!(f, "{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_a_sentence_goes_on() {
        let at = |millis| Timestamp::from_millis(millis);
        let waits = Explanation::at(at(0));
        assert_eq!(waits.to_string(), "what its strategy does not tell");
        assert_eq!(waits.clone().messages(1).bytes(9).to_string(), "1 more message or 9 more bytes");
        assert_eq!(waits.clone().until(at(-5)).to_string(), "0 ms");
        for (millis, text) in [
            (4_200, "4.2 s"),
            (59_000, "59 s"),
            (61_500, "1 min 1 s"),
            (3_600_000 * 5 + 60_000, "5 h 1 min"),
            (86_400_000 * 40, "40 d 0 h"),
        ] {
            assert_eq!(waits.clone().until(at(millis)).to_string(), text);
        }
        let closes = at(300_000);
        assert_eq!(
            waits.clone().watermark(Some(at(180_000)), closes).other("a message that ends it").to_string(),
            "the watermark, which is at 1970-01-01T00:03:00.000Z, to reach 1970-01-01T00:05:00.000Z or a message that ends it"
        );
        assert_eq!(waits.watermark(None, closes).to_string(), "a watermark at 1970-01-01T00:05:00.000Z");
        let never = Explanation::at(Timestamp::MIN).until(closes).to_string();
        assert_eq!(never, "1970-01-01T00:05:00.000Z");
    }
}
