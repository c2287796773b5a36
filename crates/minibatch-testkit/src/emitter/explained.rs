//! What a strategy says that it waits for ends the waiting.

use minibatch_core::{
    Error, Timestamp, Waiting, WindowEmitter,
    checkpoint::{Base, DecisionKind},
    driver::{Driver, LogEntry, WindowDriver},
    storage::Position,
    window::FormedWindow,
};

use super::{
    laws::{Broken, Verdict},
    layout::{Action, Layout},
};

/// What was said, and when.
struct Claim {
    waiting: Waiting,
    said: String,
    windows: usize,
    messages: usize,
    bytes: usize,
}

/// Reads a layout message by message and holds the strategy to what it says.
struct Listener<E> {
    driver: Driver<E>,
    out: Vec<FormedWindow>,
    messages: usize,
    bytes: usize,
    claims: Vec<Claim>,
}

pub(super) fn check<E: WindowEmitter>(emitter: E, layout: &Layout) -> Verdict {
    let mut driver = Driver::new(emitter, Position::START);
    let mut out = Vec::new();
    driver.restore(&Base::start(Position::START), &[], &mut out)?;
    let mut listener = Listener { driver, out, messages: 0, bytes: 0, claims: Vec::new() };
    listener.listen()?;
    for action in &layout.actions {
        match action {
            Action::Read(LogEntry::Control { slot, time }) => {
                listener.grant(*time)?;
                listener.driver.pass_time(*slot, *time, &mut listener.out)?;
            }
            Action::Read(LogEntry::Messages(chunk)) => {
                listener.grant(chunk.time())?;
                for index in 0..chunk.len() {
                    listener.messages += 1;
                    listener.bytes += chunk.message(index).map_or(0, |message| message.size());
                    listener.driver.feed(chunk, index, index + 1, &mut listener.out)?;
                    listener.listen()?;
                }
            }
            Action::Decide(kind) => drop(listener.driver.decide(*kind, &mut listener.out)?),
            Action::Idle(until) => listener.grant(*until)?,
        }
        listener.listen()?;
    }
    Ok(())
}

impl<E: WindowEmitter> Listener<E> {
    /// Grants the deadlines up to `time`, so that none is passed over together with the message after it.
    fn grant(&mut self, time: Timestamp) -> Verdict {
        while let Some(deadline) = self.driver.deadline().filter(|deadline| deadline.at <= time) {
            self.driver.decide(DecisionKind::Grant(deadline.at), &mut self.out)?;
            self.listen()?;
        }
        Ok(())
    }

    /// Checks what was said before, then hears what is said now.
    fn listen(&mut self) -> Verdict {
        let now = self.now()?;
        self.claims.retain(|claim| claim.windows == self.out.len());
        for claim in &self.claims {
            let is_over = match claim.waiting {
                Waiting::Messages(more) => self.messages - claim.messages >= more,
                Waiting::Bytes(more) => self.bytes - claim.bytes >= more,
                Waiting::Time(time) => now >= time,
                _ => false,
            };
            if is_over {
                return Err(Broken(format!(
                    "it said that it waits for {}, and there is no window after that",
                    claim.said
                )));
            }
        }
        let explanation = self.driver.explain();
        let said = explanation.to_string();
        self.claims.extend(explanation.waits().iter().map(|waiting| Claim {
            waiting: waiting.clone(),
            said: said.clone(),
            windows: self.out.len(),
            messages: self.messages,
            bytes: self.bytes,
        }));
        Ok(())
    }

    fn now(&self) -> Result<Timestamp, Error> {
        Ok(self.driver.base()?.log_time)
    }
}
