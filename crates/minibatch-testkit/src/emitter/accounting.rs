//! What became of every message.

use std::collections::BTreeSet;

use minibatch_core::{WindowEmitter, driver::WindowDriver};

use super::{
    laws::{Broken, Terms, Verdict},
    layout::Layout,
    run::{Run, drive},
};

pub(super) fn check<E: WindowEmitter>(terms: &Terms<'_, E>, layout: &Layout, run: &Run) -> Verdict {
    is_counted_once((terms.fresh)(), layout)?;
    let mut kept: BTreeSet<usize> = BTreeSet::new();
    let windows = run.windows.iter().map(|window| &window.members);
    for (place, members) in windows.map(|members| ("window", members)).chain([("buffer", &run.buffered)]) {
        for &number in members {
            if !kept.insert(number) && !terms.may_repeat {
                return Err(Broken(format!("message {number} is in a window, and in a {place} again")));
            }
        }
    }
    let missing = layout.messages() - kept.len();
    let dropped = usize::try_from(run.dropped).unwrap_or(usize::MAX);
    if missing < dropped {
        return Err(Broken(format!("{dropped} messages are counted as dropped, and {missing} are missing")));
    }
    if missing > dropped && !terms.may_discard {
        let lost = (0..layout.messages()).find(|number| !kept.contains(number)).unwrap_or_default();
        return Err(Broken(format!(
            "{missing} messages are neither in a window nor in the buffer, {dropped} of them dropped; the first is {lost}"
        )));
    }
    Ok(())
}

/// What left with windows, what was dropped and what waits are together what was offered.
fn is_counted_once<E: WindowEmitter>(emitter: E, layout: &Layout) -> Verdict {
    let (driver, windows) = drive(emitter, layout, u32::MAX)?;
    let base = driver.base()?;
    let (left, dropped, waiting) = (base.left, base.dropped, base.waiting());
    let (leaving, offered) = (windows.iter().map(|window| window.leaving).sum::<u64>(), layout.messages() as u64);
    if left != leaving || left + dropped + waiting != offered {
        return Err(Broken(format!(
            "of {offered} messages {leaving} left with windows, {left} are counted as that, {dropped} were dropped and {waiting} wait"
        )));
    }
    Ok(())
}
