//! Appends three messages to the storage of this example, and reads them back.
//!
//! ```text
//! cargo run --example custom_storage
//! ```

use custom_storage::CustomStorage;
use minibatch_core::{
    Error, ProducerId, Slot, StreamName,
    chunk::{Chunk, ChunkBuilder, Encoded, NewChunk, ProducerStamp},
    storage::{ChunkLog, ReadLimit, StreamStore},
};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "it is what the example is for")]
async fn main() -> Result<(), Error> {
    let storage = CustomStorage::default();
    let partition = storage.open_stream(&StreamName::new("greetings")?, 1).await?.partition(0);

    let id = ProducerId::new("example")?;
    let grant = storage.register_producer(&partition, &id).await?;
    let mut chunk = ChunkBuilder::new();
    chunk.fill(&Encoded::values(&["hello", "brave", "world"])?, 0);
    let producer = ProducerStamp { id, epoch: grant.epoch, sequence: grant.next_sequence };
    let chunk = NewChunk { producer, time: storage.now().await?, payload: chunk.finish() };
    storage.append(&partition, chunk).await?;

    let mut read = 0;
    for record in storage.read(&partition, Slot::ZERO, ReadLimit { messages: 100, bytes: 1 << 20 }).await? {
        let chunk = Chunk::open(&record, record.time)?;
        for message in (0..chunk.len()).filter_map(|index| chunk.message(index)) {
            println!("{} {} {}", message.offset(), message.time(), message.decode::<String>()?);
            read += 1;
        }
    }
    println!("{read} messages read back");
    Ok(())
}
