//! A consumer that crashes again and again, with some of its windows done.

use minibatch_core::{
    WindowEmitter,
    checkpoint::{Checkpoint, PieceWriter},
    driver::{Driver, WindowFormer},
    storage::Position,
    window::FormedWindow,
};

use super::{
    generate::Case,
    laws::{Broken, Terms, Verdict},
    layout::Layout,
    run::{Run, Seen, act},
};

/// Goes through the layout and, as the case's choices say, settles windows, moves the checkpoint on, and crashes.
pub(super) fn check<E: WindowEmitter + 'static>(
    terms: &Terms<'_, E>,
    case: &Case,
    layout: &Layout,
    expected: &Run,
) -> Verdict {
    let mut choices = case.choices();
    let mut choose = |of: u8| choices.next().is_some_and(|choice| choice % of == 0);
    let mut consumer = Consumer { terms, layout, expected, epoch: 0, open: Vec::new(), seen: 0 };
    let mut former = consumer.start(Checkpoint::start(Position::START), 0)?;
    for (done, action) in (1..).zip(&layout.actions) {
        let mut formed = Vec::new();
        act(&mut former, action, &mut formed)?;
        consumer.receive(formed)?;
        consumer.open.retain(|window| {
            let settles = choose(2);
            if settles {
                former.settle(window);
            }
            !settles
        });
        if choose(3) {
            former.checkpoint()?;
        }
        if choose(4) {
            let checkpoint = consumer.store(&mut former)?;
            former = consumer.start(checkpoint, done)?;
        }
    }
    consumer.finish()
}

struct Consumer<'a, E> {
    terms: &'a Terms<'a, E>,
    layout: &'a Layout,
    expected: &'a Run,
    epoch: u64,
    /// The windows that are not settled.
    open: Vec<FormedWindow>,
    /// How many windows were formed so far.
    seen: usize,
}

impl<E: WindowEmitter + 'static> Consumer<'_, E> {
    /// A new process with a fresh strategy: it reads the log again up to where the one before got.
    fn start(&mut self, checkpoint: Checkpoint, actions: usize) -> Result<WindowFormer, Broken> {
        self.epoch += 1;
        let mut chunks = Vec::new();
        for (slot, _) in WindowFormer::slots_needed(&checkpoint) {
            chunks
                .push(self.layout.chunk(slot).ok_or_else(|| Broken(format!("slot {slot} is needed and has nothing")))?);
        }
        let driver = Box::new(Driver::new((self.terms.fresh)(), Position::START));
        let mut again = Vec::new();
        let mut former = WindowFormer::new(driver, checkpoint, &chunks, &mut again)?;
        let from = former.position().offset.slot();
        for entry in self.layout.entries(actions).filter(|entry| entry.slot() >= from) {
            former.feed(entry, &mut again)?;
        }
        let describe = |windows: &[FormedWindow]| -> Vec<_> {
            windows.iter().map(|window| (Seen::of(window, self.layout), window.chain)).collect()
        };
        if describe(&again) != describe(&self.open) {
            let (again, open) = (describe(&again), describe(&self.open));
            return Err(Broken(format!("restarted, there are\n  {again:?}\nin place of\n  {open:?}")));
        }
        self.open = again;
        Ok(former)
    }

    /// New windows, which must be the next ones.
    fn receive(&mut self, formed: Vec<FormedWindow>) -> Verdict {
        for window in formed {
            let found = Seen::of(&window, self.layout);
            let expected = self.expected.windows.get(self.seen);
            if expected != Some(&found) {
                return Err(Broken(format!("after a restart, there is\n  {found:?}\nin place of\n  {expected:?}")));
            }
            self.seen += 1;
            self.open.push(window);
        }
        Ok(())
    }

    /// The checkpoint as another process reads it from the storage, which has trimmed what it does not need.
    fn store(&self, former: &mut WindowFormer) -> Result<Checkpoint, Broken> {
        let encoded = former.checkpoint()?.encode(&mut PieceWriter::new(self.epoch))?;
        let pieces: Vec<_> = encoded.new_pieces.into_iter().map(|(_, bytes)| bytes).collect();
        let stored = Checkpoint::decode(&encoded.inline, &pieces)?;
        let kept = former.keep_from().slot();
        let mut needed: Vec<_> = WindowFormer::slots_needed(&stored).map(|(slot, _)| slot).collect();
        needed.push(stored.base.position.offset.slot());
        match needed.into_iter().find(|&slot| slot < kept) {
            Some(slot) => Err(Broken(format!("slot {slot} is needed and was trimmed"))),
            None => Ok(stored),
        }
    }

    fn finish(self) -> Verdict {
        let (seen, expected) = (self.seen, self.expected.windows.len());
        if seen == expected { Ok(()) } else { Err(Broken(format!("with restarts, {seen} windows came of {expected}"))) }
    }
}
