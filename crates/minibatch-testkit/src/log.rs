//! Logs written by hand, for tests that need chunks and no storage.

use std::{sync::Arc, time::Duration};

use minibatch_core::{
    Cause, Error, ProducerId, Slot, Timestamp,
    chunk::{Chunk, ChunkBuilder, Encoded, ProducerStamp, Record, RecordKind},
};

/// The chunks that a line of text describes, in slots 1, 2, 3, …
///
/// Words between spaces are messages, each a string. `@` and a number after a word is its append time in seconds since
/// the epoch, to the millisecond; a word without has the time of the one before, the first one 0. A `|` closes the
/// chunk. As all messages of a chunk have one append time, a later time closes it as well; an earlier one counts as the
/// one before, for append time never goes back. A `|` where no chunk is open makes one without messages.
///
/// ```
/// use minibatch_core::Timestamp;
/// use minibatch_testkit::log;
///
/// let chunks = log::chunks("a@0 b | c d@1.5 e | | f")?;
/// let found: Vec<_> = chunks.iter().map(|chunk| (chunk.slot().get(), chunk.len(), chunk.time().as_millis())).collect();
/// assert_eq!(found, [(1, 2, 0), (2, 1, 0), (3, 2, 1_500), (4, 0, 1_500), (5, 1, 1_500)]);
/// assert_eq!(chunks[2].message(1).unwrap().decode::<String>()?, "e");
/// # Ok::<(), minibatch_core::Error>(())
/// ```
///
/// # Errors
/// [`Cause::OutOfRange`] where what follows an `@` is not a number, or no word stands before it.
pub fn chunks(line: &str) -> Result<Vec<Arc<Chunk>>, Error> {
    let mut log = Log::default();
    // a bar needs no spaces around it
    for word in line.replace('|', " | ").split_whitespace() {
        match word.split_once('@') {
            None if word == "|" => log.close()?,
            None => log.push(word, log.time)?,
            Some((message, time)) => log.push(message, seconds(time)?)?,
        }
    }
    if !log.open.is_empty() {
        log.close()?;
    }
    Ok(log.chunks)
}

#[derive(Default)]
struct Log {
    chunks: Vec<Arc<Chunk>>,
    open: Encoded,
    time: Timestamp,
}

impl Log {
    fn push(&mut self, message: &str, time: Timestamp) -> Result<(), Error> {
        if message.is_empty() {
            return Err(Cause::out_of_range("a word stands before each `@` of a log").into());
        }
        if time > self.time {
            if !self.open.is_empty() {
                self.close()?;
            }
            self.time = time;
        }
        self.open.push(message)
    }

    fn close(&mut self) -> Result<(), Error> {
        let number = self.chunks.len() as u64 + 1;
        let mut builder = ChunkBuilder::new();
        builder.fill(&std::mem::take(&mut self.open), 0);
        let record = Record {
            slot: Slot::new(number)?,
            kind: RecordKind::Data,
            producer: ProducerStamp { id: ProducerId::new("by-hand")?, epoch: 1, sequence: number },
            time: self.time,
            payload: builder.finish(),
        };
        self.chunks.push(Chunk::open(&record, self.time)?);
        Ok(())
    }
}

pub(crate) fn seconds(text: &str) -> Result<Timestamp, Error> {
    let duration = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let duration = duration.ok_or_else(|| Cause::out_of_range("seconds, as in `a@1.5`, follow each `@` of a log"))?;
    // to the nearest millisecond: 0.3 s are a little less than that in binary
    Ok(Timestamp::EPOCH.plus(duration + Duration::from_micros(500)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The log in one line: slot, time and messages of every chunk.
    fn check(line: &str, expected: &str) {
        let found: Vec<_> = chunks(line)
            .unwrap()
            .iter()
            .map(|chunk| {
                let messages: Vec<String> =
                    (0..chunk.len()).map(|index| chunk.message(index).unwrap().decode().unwrap()).collect();
                format!("{}@{}[{}]", chunk.slot(), chunk.time().as_millis(), messages.join(" "))
            })
            .collect();
        assert_eq!(found.join(" "), expected, "{line}");
    }

    #[test]
    fn bars_and_later_times_close_chunks() {
        check("", "");
        check("a", "1@0[a]");
        check("a b|c", "1@0[a b] 2@0[c]");
        check("a@0 b@1 | c@2", "1@0[a] 2@1000[b] 3@2000[c]");
        check("a@2 b c@2 d@3", "1@2000[a b c] 2@3000[d]");
        check("a@0.3 b@0.301", "1@300[a] 2@301[b]");
        check("🌋@1", "1@1000[🌋]");
    }

    #[test]
    fn append_time_never_goes_back() {
        check("a@5 b@3 | c@4 | d@6", "1@5000[a b] 2@5000[c] 3@6000[d]");
    }

    #[test]
    fn chunks_may_be_empty() {
        check("|", "1@0[]");
        check("a | | b", "1@0[a] 2@0[] 3@0[b]");
        check("a |", "1@0[a]");
    }

    #[test]
    fn what_is_no_log_is_refused() {
        for line in ["a@", "a@b", "@1", "a@-1", "a@1e400", "a@nan"] {
            assert!(matches!(chunks(line).unwrap_err().cause(), Cause::OutOfRange { .. }), "{line}");
        }
    }
}
