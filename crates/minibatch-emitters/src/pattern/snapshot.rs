//! What partial matches remember beside the buffer.

use minibatch_core::{Buffer, Cause, EmitterState, Error, Offset};
use serde::{Deserialize, Serialize};

use super::{
    automaton::{Automaton, WaitId},
    chains::Link,
    partials::{Partial, Partials},
};

/// The partial matches, their messages by number.
#[derive(Serialize, Deserialize)]
struct State {
    /// The messages of all chains: offset, and the number of the one before. A chain's first is before its others.
    members: Vec<(u64, Option<Link>)>,
    /// What each partial match waits for, the count to go on from, its last message.
    partials: Vec<(WaitId, u32, Link)>,
    /// Those that were in a window and are needed for another.
    shown: Vec<u64>,
}

/// Nothing where there is no partial match: an emitter that waits for a beginning is as good as a new one.
pub(super) fn take(partials: &Partials) -> Result<EmitterState, Error> {
    if partials.open().len() == 0 {
        return Ok(EmitterState::default());
    }
    let (members, ends) = partials.chains.numbered(partials.open().map(|partial| partial.last));
    let members = members.into_iter().map(|(offset, before)| (offset.to_u64(), before)).collect();
    let waits = partials.open().zip(ends).map(|(partial, end)| (partial.wait, partial.count, end)).collect();
    let shown = partials.chains.shown().map(Offset::to_u64).collect();
    EmitterState::encode(&State { members, partials: waits, shown })
}

/// # Errors
/// [`Cause::CorruptState`] when it is not a state of these patterns with this buffer.
pub(super) fn restore(automaton: &Automaton, state: &EmitterState, buffer: &Buffer) -> Result<Partials, Error> {
    let mut partials = Partials::default();
    if let Some(state) = state.decode::<State>()? {
        let corrupt = || Error::from(Cause::corrupt_state("window state", "its partial matches are of other patterns"));
        fill(&mut partials, &state, automaton, buffer).ok_or_else(corrupt)?;
    }
    let chains = &mut partials.chains;
    let spent = buffer.iter().map(|message| message.offset()).filter(|offset| !chains.holds(*offset)).collect();
    chains.restore_spent(spent);
    Ok(partials)
}

fn fill(partials: &mut Partials, state: &State, automaton: &Automaton, buffer: &Buffer) -> Option<()> {
    let mut starts: Vec<Offset> = Vec::new();
    for &(offset, before) in &state.members {
        let offset = Offset::from_u64(offset);
        buffer.get(offset)?;
        partials.chains.restore(offset, before)?;
        starts.push(match before {
            Some(before) => *starts.get(before as usize)?,
            None => offset,
        });
    }
    let mut open = std::collections::VecDeque::new();
    for &(wait, count, last) in &state.partials {
        let start = *starts.get(last as usize)?;
        let within = automaton.wait(wait)?.within;
        let deadline = within.zip(buffer.get(start)).map(|(within, first)| within.after(first.time()));
        let last = partials.chains.share(last);
        open.push_back(Partial { start, wait, count, last, deadline });
    }
    let shown: Vec<Offset> = state.shown.iter().copied().map(Offset::from_u64).collect();
    partials.chains.show(&shown);
    partials.restore(automaton, open);
    Some(())
}
