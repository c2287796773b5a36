//! Times of records: the producer's clock, as far as it is not far off.

use std::time::Duration;

use minibatch_core::{Timestamp, chunk::clamp_time, storage::ReadLimit};

use crate::storage::{
    case::{Case, Cx, cases},
    failure::{Failure, Verdict, ensure, ensure_eq},
    tools::{Producer, payload, read_all, read_from},
};

pub(super) const CASES: &[Case] = cases![log_11_clock_of_the_producer_is_kept, log_11_clock_far_off_is_clamped];

async fn log_11_clock_of_the_producer_is_kept(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let producer = Producer::register(&a, &partition, "p").await?;
    let mut times = Vec::new();
    for sequence in 1..=3 {
        let time = a.now().await?;
        a.append(&partition, producer.chunk_at(sequence, time, payload(&[sequence])?)).await?;
        times.push(time);
    }
    let read: Vec<_> = read_all(&b, &partition).await?.iter().map(|record| record.time).collect();
    ensure_eq!(read, times, "times of records whose producer's clock is the storage's");
    Ok(())
}

async fn log_11_clock_far_off_is_clamped(cx: Cx) -> Verdict {
    // storages whose stamps are whole seconds, or another server's, may be so far from `now`
    const COARSE: Duration = Duration::from_secs(2);
    let (a, b, partition) = cx.partition().await?;
    let producer = Producer::register(&a, &partition, "p").await?;
    let hour = Duration::from_secs(3_600);
    let mut append_time = Timestamp::MIN;
    for (sequence, far) in (1..).zip(["lowest", "hour before", "hour after", "highest", "epoch"]) {
        let before = a.now().await?;
        let time = match far {
            "lowest" => Timestamp::MIN,
            "hour before" => before.minus(hour),
            "hour after" => before.plus(hour),
            "highest" => Timestamp::MAX,
            _ => Timestamp::EPOCH,
        };
        let slot = a.append(&partition, producer.chunk_at(sequence, time, payload(&[sequence])?)).await?;
        let after = b.now().await?;
        let records = read_from(&b, &partition, slot, ReadLimit { messages: 1, bytes: 1 }).await?;
        let [record] = records.as_slice() else { return Err(Failure::new("the record appended is not the last")) };
        // append time is the running maximum: a storage may as well keep that
        let earliest = clamp_time(time, before.minus(COARSE)).max(append_time);
        let latest = clamp_time(time, after.plus(COARSE)).max(append_time);
        append_time = append_time.max(record.time);
        ensure!(
            (earliest..=latest).contains(&append_time),
            "a clock ({far}) at {time} got append time {append_time}, not within {earliest} and {latest}"
        );
    }
    Ok(())
}
