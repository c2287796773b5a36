//! A producer as users write one.

use std::sync::Arc;

use anyhow::Result;
use futures::future::join_all;
use minibatch::{Appended, Cause, ClientOptions, Error, ErrorKind, Stream};
use minibatch_testkit::history::{Event, Key};
use tokio::{sync::watch, task::JoinSet};

use super::{
    Producer, Recorder, STREAM, Said, Timing, connect, tell, tell_error, timings::Timings, told_to_end, until_verdict,
};
use crate::{
    clock::{millis, now, pause, wall_micros},
    message::Note,
};

pub(super) async fn run(producer: Producer) -> Result<()> {
    let timings = producer.timings.as_deref().map(Timings::create).transpose()?;
    let mut clients = Vec::new();
    // an account each: what different clients append is in no promised order
    let account = |number: u32| producer.history.with_extension(number.to_string());
    let accounts = match &timings {
        Some(_) => (0..producer.lanes).map(account).collect(),
        None => vec![producer.history.clone()],
    };
    for account in accounts {
        let options = ClientOptions::default().with_append_timeout(producer.append_timeout);
        let (recorder, _) = Recorder::open(&account)?;
        clients.push((connect(&producer.url, options).await?, Arc::new(recorder)));
    }
    let (end, ended) = watch::channel(false);
    let producer = Arc::new(producer);
    let mut lanes = JoinSet::new();
    for (lane, (client, recorder)) in (0..producer.lanes).zip(clients.iter().cycle()) {
        let lane = Lane {
            lane: producer.first_lane + lane,
            stream: until_verdict(|| client.stream::<Note>(STREAM)).await?,
            timings: timings.clone(),
            recorder: Arc::clone(recorder),
            producer: Arc::clone(&producer),
            ended: ended.clone(),
        };
        lanes.spawn(lane.run());
    }
    tokio::select! {
        // one that ends by itself has failed
        Some(lane) = lanes.join_next() => return lane?,
        () = told_to_end() => {}
    }
    end.send_replace(true);
    while let Some(lane) = lanes.join_next().await {
        lane??;
    }
    join_all(clients.iter().map(|(client, _)| client.shutdown())).await;
    Ok(())
}

struct Lane {
    lane: u32,
    stream: Stream<Note>,
    timings: Option<Timings>,
    recorder: Arc<Recorder>,
    producer: Arc<Producer>,
    ended: watch::Receiver<bool>,
}

impl Lane {
    async fn run(self) -> Result<()> {
        let lane = self.lane;
        let mut random = fastrand::Rng::with_seed(self.producer.seed ^ u64::from(lane));
        let mut first = 0;
        while !*self.ended.borrow() {
            let count = random.u32(1..=self.producer.batch);
            let numbers = first..first + u64::from(count);
            let notes: Vec<Note> = numbers.map(|number| Note::new(Key { lane, number }, random.usize(..20))).collect();
            self.recorder.note(&Event::Invoke { lane, first, count })?;
            let called = now();
            let verdict = self.stream.append_many(&notes).await;
            if let (Some(timings), Ok(_)) = (&self.timings, &verdict) {
                let took = u64::try_from(called.elapsed().as_micros())?;
                timings.note(Timing { lane, at: wall_micros(), took })?;
            }
            self.conclude(first, count, verdict).await?;
            first += u64::from(count);
            pause(self.producer.pause).await;
        }
        Ok(())
    }

    async fn conclude(&self, first: u64, count: u32, verdict: Result<Appended, Error>) -> Result<()> {
        let lane = self.lane;
        let error = match verdict {
            Ok(appended) => {
                // the stream has one partition
                let at = appended.shares.first().map(|share| (share.first.to_u64(), share.last.to_u64()));
                self.recorder.note(&Event::Ack { lane, first, count, at })?;
                tell(Said::Acked);
                return Ok(());
            }
            Err(error) => error,
        };
        tell_error(&error);
        if let Cause::PartlyAppended { durable, .. } = error.cause() {
            let durable = u32::try_from(*durable)?;
            self.recorder.note(&Event::Ack { lane, first, count: durable, at: None })?;
            let first = first + u64::from(durable);
            self.recorder.note(&Event::Indeterminate { lane, first, count: count - durable })?;
        } else if error.kind() == ErrorKind::InvalidInput {
            self.recorder.note(&Event::Failed { lane, first, count })?;
        } else {
            self.recorder.note(&Event::Indeterminate { lane, first, count })?;
        }
        tell(Said::Unclear);
        pause(millis(20)).await;
        Ok(())
    }
}
