//! Owners that die one after the other in the same place: windows are then tried one at a time, each attempt noted before
//! it is made, so that the next owner knows what this one died of.

use minibatch_core::checkpoint::{Checkpoint, Crashes};

use super::super::supervisor::Setup;

/// So many owners died in the same place before it takes care: the first may have been killed for any reason.
const CRASHES: u32 = 2;

/// How far care is to be taken: as far as windows may have been out when the last owner died.
#[derive(Clone, Copy, Debug)]
pub(super) struct Careful {
    windows: u64,
    bytes: usize,
}

impl Careful {
    /// Takes care where owners died in the same place, or an attempt was noted by one that did.
    pub(super) fn begin(setup: &Setup, crashes: Crashes, checkpoint: &Checkpoint) -> Option<Self> {
        let begun = checkpoint.open.values().flat_map(|window| &window.left).any(|piece| piece.begun);
        if crashes.count < CRASHES && !begun {
            return None;
        }
        tracing::warn!(
            partition = %setup.partition,
            group = %setup.group,
            crashes = crashes.count,
            window = crashes.at,
            "owners died here one after the other, going on one window at a time"
        );
        Some(Self { windows: setup.options.max_ahead, bytes: setup.options.prefetch_bytes })
    }

    /// What is left once a window was begun; `None` where the place is passed.
    pub(super) fn after(self, bytes: usize) -> Option<Self> {
        let windows = self.windows.checked_sub(1)?;
        Some(Self { windows, bytes: self.bytes.checked_sub(bytes)? })
    }
}

/// How often owners died in the place where this one begins.
pub(super) fn crashes(checkpoint: &Checkpoint, unclean: u32) -> Crashes {
    let at = checkpoint.first_unsettled();
    let before = if checkpoint.crashes.at == at { checkpoint.crashes.count } else { 0 };
    Crashes { at, count: before.saturating_add(unclean) }
}
