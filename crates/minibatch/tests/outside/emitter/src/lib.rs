//! Sentences out of a stream of words: a window ends with the word that ends with a full stop.

use minibatch_core::{
    Buffer, EmitterState, Error, Fingerprint, Message, Observed, Readiness, Timestamp, WindowEmitter,
    window::{Reason, Selection},
};

/// Windows of one sentence.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sentences {
    /// The newest word ends its sentence.
    ends: bool,
}

impl WindowEmitter for Sentences {
    fn observe(&mut self, word: &Message<'_>) -> Observed {
        self.ends = word.decode::<String>().is_ok_and(|word| word.ends_with('.'));
        Observed::Keep
    }

    fn window_ready(&mut self, _words: &Buffer, _now: Timestamp) -> Readiness {
        if self.ends { Readiness::Ready } else { Readiness::wait() }
    }

    fn query(&mut self, words: &Buffer) -> Selection {
        self.ends = false;
        Selection::first(words.len(), Reason::Predicate)
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new("sentences", 1, "")
    }

    fn restore(&mut self, _state: &EmitterState, _words: &Buffer) -> Result<(), Error> {
        self.ends = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use minibatch_core::{
        ProducerId, Slot, Strategy,
        checkpoint::DecisionKind,
        chunk::{Chunk, ChunkBuilder, Encoded, ProducerStamp, Record, RecordKind},
        storage::Position,
        window::FormedWindow,
    };

    use super::*;

    fn chunk(words: &str) -> Arc<Chunk> {
        let words: Vec<&str> = words.split(' ').collect();
        let mut builder = ChunkBuilder::new();
        builder.fill(&Encoded::values(&words).unwrap(), 0);
        let record = Record {
            slot: Slot::FIRST,
            kind: RecordKind::Data,
            producer: ProducerStamp { id: ProducerId::new("test").unwrap(), epoch: 1, sequence: 1 },
            time: Timestamp::EPOCH,
            payload: builder.finish(),
        };
        Chunk::open(&record, Timestamp::EPOCH).unwrap()
    }

    fn words(window: &FormedWindow) -> String {
        window.members.iter().map(|word| word.decode::<String>().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_sentence_is_a_window() {
        let mut driver = (|| Sentences::default()).driver(Position::START).unwrap();
        let chunk = chunk("Small is beautiful. Go on. And");
        let mut windows = Vec::new();
        driver.feed(&chunk, 0, chunk.len(), &mut windows).unwrap();
        driver.decide(DecisionKind::Drain, &mut windows).unwrap();
        assert_eq!(windows.iter().map(words).collect::<Vec<_>>(), ["Small is beautiful.", "Go on.", "And"]);
    }
}
