//! Windows of late messages that the function does not see: they go to a stream of their own, or nowhere.

use minibatch_core::{
    Cause, Error, StreamName,
    window::{FormedWindow, Reason},
};

use super::{
    super::{
        Delivery, OnLate,
        into::NO_ROOM,
        origin::{self, GROUP},
        supervisor::Supervisor,
    },
    Later, Session,
};
use crate::{Client, Stream, delivery::DeliveryMode, producer::Origin};

/// Where windows go.
struct Target {
    client: Client,
    name: StreamName,
    /// Once it was opened.
    stream: Option<Stream<()>>,
    group: String,
    /// Not where a window's id stands for its messages for good, so that they are there once.
    epoch: Option<u64>,
}

impl Session {
    /// Whether a window is one of late messages that the function does not see.
    pub(super) fn goes_aside(&self, supervisor: &Supervisor, formed: &FormedWindow) -> bool {
        let setup = &supervisor.setup;
        formed.reason == Reason::Late
            && match setup.options.on_late {
                OnLate::Stream => setup.late.is_some(),
                OnLate::Function => false,
                OnLate::Drop => true,
            }
    }

    /// Sends off the windows that wait, unless others are on their way.
    pub(super) fn put_aside(&mut self, supervisor: &Supervisor) {
        if self.putting_aside || self.aside.is_empty() {
            return;
        }
        let windows = std::mem::take(&mut self.aside);
        let setup = &supervisor.setup;
        let Some(name) = setup.late.clone().filter(|_| setup.options.on_late == OnLate::Stream) else {
            self.later.push(Box::pin(async { Ok(Later::Aside { late: None, windows, done: true }) }));
            return;
        };
        self.putting_aside = true;
        let epoch = (setup.options.delivery != DeliveryMode::Idempotent).then(|| self.committer.epoch());
        let (client, group, stream) = (setup.client.clone(), setup.group.to_string(), self.late.take());
        let mut target = Target { client, name, stream, group, epoch };
        self.later.push(Box::pin(async move {
            // nothing can be appended any more once the client stops: the messages come again after the next start
            let stopping = target.client.stopping().clone();
            let done = stopping.run_until_cancelled(target.append(&windows)).await.transpose()?.is_some();
            Ok(Later::Aside { late: target.stream, windows, done })
        }));
    }

    /// Windows are where they are to be.
    pub(super) fn aside(
        &mut self,
        supervisor: &Supervisor,
        late: Option<Stream<()>>,
        windows: Vec<Delivery>,
        done: bool,
    ) {
        (self.late, self.putting_aside) = (late.or(self.late.take()), false);
        for delivery in windows {
            if done {
                self.finished(supervisor, &delivery, None);
            } else {
                self.forget(delivery.formed.ordinal);
            }
        }
        self.put_aside(supervisor);
    }
}

impl Target {
    /// Appends the messages of windows; returns once they are durable.
    async fn append(&mut self, windows: &[Delivery]) -> Result<(), Error> {
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.client.open(&self.name).await?,
        };
        for delivery in windows {
            let partition = delivery.lane.partition;
            let copies = delivery.formed.members.iter().map(|message| {
                let mut headers = origin::own_headers(&message);
                headers.push((GROUP, self.group.as_str().into()));
                headers.extend(origin::headers(&message, delivery.id, partition));
                (message, headers)
            });
            let routed = stream.router().route_copies(partition, copies)?;
            let origin = Origin::late(delivery, self.epoch);
            while let Err(error) = stream.append_derived(&origin, &routed).await {
                if !matches!(error.cause(), Cause::BacklogFull { .. }) {
                    return Err(error);
                }
                tracing::warn!(stream = %self.name, %error, "late messages wait for room");
                self.client.clock().sleep(NO_ROOM).await;
            }
        }
        self.stream = Some(stream);
        Ok(())
    }
}
