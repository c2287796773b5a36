//! The messages of partial matches: chains that share their beginnings, and which messages are needed no more.

use std::{collections::BTreeMap, mem};

use minibatch_core::Offset;

/// The last message of a chain, by number.
pub(super) type Link = u32;

#[derive(Clone, Copy, Debug)]
struct Member {
    offset: Offset,
    before: Option<Link>,
    /// How many partial matches and later members end in it.
    uses: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Held {
    uses: u32,
    /// It was in a window.
    shown: bool,
}

/// The messages of all partial matches of an emitter.
///
/// A message is held as long as a chain has it. After that it is dead, or if it was in a window, spent.
#[derive(Clone, Debug, Default)]
pub(super) struct Chains {
    members: Vec<Member>,
    free: Vec<Link>,
    held: BTreeMap<Offset, Held>,
    dead: Vec<Offset>,
    spent: Vec<Offset>,
}

impl Chains {
    /// A chain with one message more, in place of the one that it goes on.
    pub(super) fn extend(&mut self, before: Option<Link>, offset: Offset) -> Link {
        self.held.entry(offset).or_default().uses += 1;
        let member = Member { offset, before, uses: 1 };
        if let Some(link) = self.free.pop()
            && let Some(place) = self.members.get_mut(link as usize)
        {
            *place = member;
            return link;
        }
        self.members.push(member);
        Link::try_from(self.members.len() - 1).unwrap_or(Link::MAX)
    }

    /// One more use of a chain.
    pub(super) fn share(&mut self, link: Link) -> Link {
        if let Some(member) = self.members.get_mut(link as usize) {
            member.uses += 1;
        }
        link
    }

    /// One use less. What nothing uses any more is dead or spent.
    pub(super) fn release(&mut self, link: Link) {
        let mut last = Some(link);
        while let Some(link) = last.take() {
            let Some(member) = self.members.get_mut(link as usize) else { return };
            member.uses = member.uses.saturating_sub(1);
            if member.uses == 0 {
                let offset = member.offset;
                last = member.before;
                self.free.push(link);
                self.let_go(offset);
            }
        }
        if self.held.is_empty() {
            self.members.clear();
            self.free.clear();
        }
    }

    fn let_go(&mut self, offset: Offset) {
        let Some(held) = self.held.get_mut(&offset) else { return };
        held.uses = held.uses.saturating_sub(1);
        if held.uses == 0 {
            let gone = if held.shown { &mut self.spent } else { &mut self.dead };
            gone.push(offset);
            self.held.remove(&offset);
        }
    }

    /// The messages of a chain, in their order.
    pub(super) fn offsets(&self, link: Link) -> Vec<Offset> {
        let mut offsets: Vec<Offset> = self.back(link).map(|(_, member)| member.offset).collect();
        offsets.reverse();
        offsets
    }

    pub(super) fn last(&self, link: Link) -> Option<Offset> {
        self.members.get(link as usize).map(|member| member.offset)
    }

    fn back(&self, link: Link) -> impl Iterator<Item = (Link, Member)> {
        let mut at = Some(link);
        std::iter::from_fn(move || {
            let link = at.take()?;
            let member = *self.members.get(link as usize)?;
            at = member.before;
            Some((link, member))
        })
    }

    /// These are in a window.
    pub(super) fn show(&mut self, offsets: &[Offset]) {
        for offset in offsets {
            if let Some(held) = self.held.get_mut(offset) {
                held.shown = true;
            }
        }
    }

    pub(super) fn holds(&self, offset: Offset) -> bool {
        self.held.contains_key(&offset)
    }

    /// It is not dead: it never was in the buffer, or is held again.
    pub(super) fn forget(&mut self, offset: Offset) {
        self.dead.retain(|dead| *dead != offset);
    }

    /// Those that were in a window and are needed no more.
    pub(super) fn take_spent(&mut self) -> Vec<Offset> {
        mem::take(&mut self.spent)
    }

    pub(super) fn has_dead(&self) -> bool {
        !self.dead.is_empty()
    }

    /// Those that were in no window and are needed no more.
    pub(super) fn take_dead(&mut self) -> Vec<Offset> {
        mem::take(&mut self.dead)
    }

    /// The held ones that were in a window.
    pub(super) fn shown(&self) -> impl Iterator<Item = Offset> {
        self.held.iter().filter(|(_, held)| held.shown).map(|(offset, _)| *offset)
    }

    /// The same chains with their members in order: numbers of those before come before. For each of `ends` its number.
    pub(super) fn numbered(&self, ends: impl Iterator<Item = Link>) -> (Vec<(Offset, Option<Link>)>, Vec<Link>) {
        let mut numbers: BTreeMap<Link, Link> = BTreeMap::new();
        let mut members = Vec::new();
        let mut numbered = Vec::new();
        for end in ends {
            let new: Vec<_> = self.back(end).take_while(|(link, _)| !numbers.contains_key(link)).collect();
            for (link, member) in new.into_iter().rev() {
                numbers.insert(link, Link::try_from(members.len()).unwrap_or(Link::MAX));
                members.push((member.offset, member.before.and_then(|before| numbers.get(&before).copied())));
            }
            numbered.extend(numbers.get(&end));
        }
        (members, numbered)
    }

    /// Adds a member with nothing that uses it yet but those after it; `None` if the one before it is not there.
    pub(super) fn restore(&mut self, offset: Offset, before: Option<Link>) -> Option<()> {
        if let Some(before) = before {
            self.members.get_mut(before as usize).filter(|before| before.offset < offset)?.uses += 1;
        }
        self.members.push(Member { offset, before, uses: 0 });
        self.held.entry(offset).or_default().uses += 1;
        Some(())
    }

    /// They were in a window and only wait for the next one.
    pub(super) fn restore_spent(&mut self, offsets: Vec<Offset>) {
        self.spent = offsets;
    }
}
