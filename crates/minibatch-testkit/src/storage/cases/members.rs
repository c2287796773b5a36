//! Members: alive by their heartbeat, and told when others took them for dead.

use std::{collections::HashSet, time::Duration};

use minibatch_core::{
    Cause, MemberId,
    storage::{Acquired, Partition},
};

use crate::{
    pause::Pauses,
    storage::{
        case::{Case, Client, Cx, cases},
        failure::{Verdict, ensure, ensure_cause, ensure_eq},
        tools::{LONG_LIFE, die_owning, member, open_group, own, take_over},
    },
};

pub(super) const CASES: &[Case] = cases![
    group_01_join_draws_a_new_id,
    group_01_member_lives_until_its_ttl,
    group_01_heartbeat_prolongs_life,
    group_02_heartbeat_of_a_member_that_left,
    group_02_heartbeat_of_a_member_found_dead,
    group_02_heartbeat_of_nobody,
    group_07_member_that_left_cannot_acquire,
    group_07_member_found_dead_cannot_acquire,
    group_17_living_are_told_from_the_dead,
    group_17_looking_finds_nobody_dead,
];

async fn group_01_join_draws_a_new_id(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let mut ids = HashSet::new();
    for client in [&a, &b, &a, &b, &a, &b] {
        let id = member(client).await?;
        ensure!(ids.insert(id.clone()), "member {id} was drawn twice");
        client.heartbeat(&id, LONG_LIFE).await?;
    }
    Ok(())
}

async fn group_01_member_lives_until_its_ttl(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let living = member(&a).await?;
    own(&a, &partition, &readers, &living).await?;
    let other = member(&b).await?;
    for _ in 0..3 {
        let held = b.acquire(&partition, &readers, &other).await?;
        ensure_eq!(held, Acquired::Held(living.clone()), "what another finds while the owner is alive");
    }
    let workers = open_group(&a, &partition, "workers").await?;
    die_owning(&a, &partition, &[&workers], cx.patience()).await?;
    take_over(&b, &partition, &workers, &other, cx.patience()).await?;
    Ok(())
}

async fn group_01_heartbeat_prolongs_life(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let mut ttl = Duration::from_millis(250);
    let owner = loop {
        let owner = a.join(ttl).await?;
        own(&a, &partition, &readers, &owner).await?;
        match a.heartbeat(&owner, LONG_LIFE).await {
            Ok(()) => break owner,
            // this machine is slow: it died before
            Err(error) if matches!(error.cause(), Cause::MemberDead) && ttl < cx.patience() => ttl *= 2,
            Err(error) => return Err(error.into()),
        }
        a.leave(&owner).await?;
    };
    // without the heartbeat it would be dead by then
    let dead = a.now().await?.plus(ttl);
    let other = member(&b).await?;
    let mut pauses = Pauses::within(cx.patience() + ttl);
    loop {
        let over = b.now().await? > dead;
        let held = b.acquire(&partition, &readers, &other).await?;
        ensure_eq!(held, Acquired::Held(owner.clone()), "what another finds after the owner's heartbeat");
        if over {
            break;
        }
        ensure!(pauses.again().await, "the storage's clock does not go on");
    }
    a.heartbeat(&owner, LONG_LIFE).await?;
    Ok(())
}

async fn group_02_heartbeat_of_a_member_that_left(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let (stays, leaves) = (member(&a).await?, member(&a).await?);
    b.leave(&leaves).await?;
    ensure_cause!(a.heartbeat(&leaves, LONG_LIFE).await, Cause::MemberDead, "heartbeat after leaving");
    ensure_cause!(b.heartbeat(&leaves, LONG_LIFE).await, Cause::MemberDead, "another heartbeat after leaving");
    b.heartbeat(&stays, LONG_LIFE).await?;
    Ok(())
}

async fn group_02_heartbeat_of_a_member_found_dead(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let dead = found_dead(&cx, &a, &b, &partition).await?;
    ensure_cause!(a.heartbeat(&dead, LONG_LIFE).await, Cause::MemberDead, "heartbeat of a member that was taken over");
    ensure_cause!(b.heartbeat(&dead, LONG_LIFE).await, Cause::MemberDead, "the same by another client");
    Ok(())
}

async fn group_02_heartbeat_of_nobody(cx: Cx) -> Verdict {
    let (a, _) = cx.clients().await?;
    for id in ["nobody", "$epoch", "$$NOW", "$$ROOT", "' OR 1=1 --", ""] {
        let result = a.heartbeat(&MemberId::stored(id), LONG_LIFE).await;
        ensure_cause!(result, Cause::MemberDead, "heartbeat of {id:?}, who never joined");
    }
    Ok(())
}

async fn group_07_member_that_left_cannot_acquire(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let readers = open_group(&a, &partition, "readers").await?;
    let left = member(&a).await?;
    b.leave(&left).await?;
    for id in [left, MemberId::stored("nobody"), MemberId::stored("$$NOW")] {
        let result = a.acquire(&partition, &readers, &id).await;
        ensure_cause!(result, Cause::MemberDead, "acquire by {id}, who is no member");
    }
    let owned = own(&b, &partition, &readers, &member(&b).await?).await?;
    ensure_eq!(owned.unclean, 0, "unclean after members that are none tried to acquire");
    Ok(())
}

async fn group_07_member_found_dead_cannot_acquire(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let dead = found_dead(&cx, &a, &b, &partition).await?;
    let free = open_group(&a, &partition, "free").await?;
    ensure_cause!(a.acquire(&partition, &free, &dead).await, Cause::MemberDead, "acquire by a member found dead");
    Ok(())
}

/// A member that owned something, died, and was taken over.
async fn found_dead(cx: &Cx, a: &Client, b: &Client, partition: &Partition) -> Verdict<MemberId> {
    let readers = open_group(a, partition, "found-dead").await?;
    let (dead, _) = die_owning(a, partition, &[&readers], cx.patience()).await?;
    take_over(b, partition, &readers, &member(b).await?, cx.patience()).await?;
    Ok(dead)
}

async fn group_17_living_are_told_from_the_dead(cx: Cx) -> Verdict {
    let (a, b, partition) = cx.partition().await?;
    let (one, two, left) = (member(&a).await?, member(&b).await?, member(&a).await?);
    a.leave(&left).await?;
    let dead = found_dead(&cx, &a, &b, &partition).await?;
    let nobody = ["nobody", "$$NOW", ""].map(MemberId::stored);
    let asked: Vec<_> = [&two, &left, &dead, &one].into_iter().chain(&nobody).cloned().collect();
    for client in [&a, &b] {
        ensure_eq!(
            client.living(&asked).await?,
            [two.clone(), one.clone()],
            "those that are alive, in the order asked"
        );
        ensure_eq!(client.living(&[]).await?, [], "those alive of none");
    }
    Ok(())
}

async fn group_17_looking_finds_nobody_dead(cx: Cx) -> Verdict {
    let (a, b) = cx.clients().await?;
    let short = a.join(Duration::from_millis(1)).await?;
    let mut pauses = Pauses::within(cx.patience());
    while !b.living(std::slice::from_ref(&short)).await?.is_empty() {
        ensure!(pauses.again().await, "a member is alive long after its time");
    }
    a.heartbeat(&short, LONG_LIFE).await?;
    ensure_eq!(b.living(std::slice::from_ref(&short)).await?, [short], "those alive after a late heartbeat");
    Ok(())
}
