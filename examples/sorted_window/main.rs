//! Feeds a small log to a strategy of one's own and prints the windows that it forms.
//!
//! A consumer does the same with what it reads from a stream: `stream.streaming().window(|| …).run(…)`.

use std::sync::Arc;

use minibatch_core::{
    Error, ProducerId, Slot, Timestamp,
    chunk::{Chunk, ChunkBuilder, Encoded, ProducerStamp, Record, RecordKind},
    driver::{Driver, WindowDriver},
    storage::Position,
};
use sorted_window::SortedWindow;

const NUMBERS: [i64; 19] = [12, 7, 4, 9, 8, 2, 1, 6, 0, 15, 20, 3, 10, 18, 14, 5, 16, 22, 11];

#[expect(clippy::print_stdout, reason = "it is what the example is for")]
fn main() -> Result<(), Error> {
    let mut driver = Driver::new(SortedWindow::new(3)?, Position::START);
    let mut windows = Vec::new();
    for (slot, numbers) in (1..).zip(NUMBERS.chunks(5)) {
        let chunk = chunk(slot, numbers)?;
        driver.feed(&chunk, 0, chunk.len(), &mut windows)?;
    }
    for window in &windows {
        let numbers: Vec<i64> = window.members.iter().map(|message| message.decode()).collect::<Result<_, _>>()?;
        println!("window {} ({}): {numbers:?}", window.ordinal, window.reason);
    }
    println!("{} windows, {} messages left in the buffer", windows.len(), driver.buffer().len());
    Ok(())
}

/// One chunk of the log, as a storage would give it back.
fn chunk(slot: u64, numbers: &[i64]) -> Result<Arc<Chunk>, Error> {
    let mut chunk = ChunkBuilder::new();
    chunk.fill(&Encoded::values(numbers)?, 0);
    let time = Timestamp::EPOCH;
    let record = Record {
        slot: Slot::new(slot)?,
        kind: RecordKind::Data,
        producer: ProducerStamp { id: ProducerId::new("example")?, epoch: 1, sequence: slot },
        time,
        payload: chunk.finish(),
    };
    Chunk::open(&record, time)
}
