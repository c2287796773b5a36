//! Who is alive: each member until so long after its last heartbeat, by the wall clock of the machine that all share.

use std::time::Duration;

use minibatch_core::{Cause, MemberId};
use rusqlite::OptionalExtension;

use crate::{error::Failed, writer::Tx};

/// A member that was not heard of for so long, in milliseconds, is forgotten.
const FORGET_AFTER: i64 = 24 * 60 * 60 * 1_000;

pub(super) fn join(tx: &Tx<'_>, member: &MemberId, ttl: Duration) -> Result<(), Failed> {
    let now = tx.now.as_millis();
    tx.prepare_cached("DELETE FROM members WHERE seen_until < ?1")?.execute([now.saturating_sub(FORGET_AFTER)])?;
    tx.prepare_cached("INSERT INTO members (id, seen_until, ttl) VALUES (?1, ?2, ?3)")?.execute((
        member.as_str(),
        tx.now.plus(ttl).as_millis(),
        millis(ttl),
    ))?;
    Ok(())
}

pub(super) fn heartbeat(tx: &Tx<'_>, member: &MemberId, ttl: Duration) -> Result<(), Failed> {
    let known = tx.prepare_cached("UPDATE members SET seen_until = ?2, ttl = ?3 WHERE id = ?1")?.execute((
        member.as_str(),
        tx.now.plus(ttl).as_millis(),
        millis(ttl),
    ))?;
    if known == 0 {
        return Err(Cause::MemberDead.into());
    }
    Ok(())
}

pub(super) fn leave(tx: &Tx<'_>, member: &MemberId) -> Result<(), Failed> {
    tx.prepare_cached("DELETE FROM members WHERE id = ?1")?.execute([member.as_str()])?;
    tx.prepare_cached("UPDATE groups SET owner = NULL WHERE owner = ?1")?.execute([member.as_str()])?;
    Ok(())
}

/// Those that are alive.
pub(super) fn living(tx: &Tx<'_>, members: &[MemberId]) -> Result<Vec<MemberId>, Failed> {
    let mut living = Vec::new();
    for member in members {
        if lives(tx, member)? {
            living.push(member.clone());
        }
    }
    Ok(living)
}

/// True for a living member. One that is found dead is a member no longer: its next heartbeat says so.
pub(super) fn is_alive(tx: &Tx<'_>, member: &MemberId) -> Result<bool, Failed> {
    let alive = lives(tx, member)?;
    if !alive {
        tx.prepare_cached("DELETE FROM members WHERE id = ?1")?.execute([member.as_str()])?;
    }
    Ok(alive)
}

fn lives(tx: &Tx<'_>, member: &MemberId) -> Result<bool, Failed> {
    let known = tx
        .prepare_cached("SELECT seen_until, ttl FROM members WHERE id = ?1")?
        .query_row([member.as_str()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    Ok(known.is_some_and(|(seen_until, ttl)| {
        let left = seen_until.saturating_sub(tx.now.as_millis());
        // a heartbeat far in the future is one from before the clock was set back: it keeps nobody alive for long
        left > 0 && left <= ttl.saturating_mul(2)
    }))
}

fn millis(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)
}
