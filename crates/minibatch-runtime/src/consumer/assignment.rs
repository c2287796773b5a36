//! Who works on which partitions: arithmetic alone.

use std::collections::{BTreeMap, BTreeSet};

/// Shares partitions `0..partitions` among members, given which each has now: every partition is wanted by one member, no
/// member wants over one more than another, and of what they have they keep as much as that allows.
///
/// All who see the same want the same. Of two who claim the same partition (as one of them remembers what it had) the
/// first by id has it.
pub(super) fn assign<M: Ord + Clone>(
    partitions: u32,
    claims: &BTreeMap<M, BTreeSet<u32>>,
) -> BTreeMap<M, BTreeSet<u32>> {
    let mut free: BTreeSet<u32> = (0..partitions).collect();
    let mut has: Vec<(M, BTreeSet<u32>)> = claims
        .iter()
        .map(|(member, claimed)| (member.clone(), claimed.iter().filter(|p| free.remove(p)).copied().collect()))
        .collect();
    let (each, over) = split(partitions as usize, has.len());
    // one more is for those who have most: so it need not be given up
    has.sort_by(|(a, has_a), (b, has_b)| has_b.len().cmp(&has_a.len()).then(a.cmp(b)));
    let quota = |rank: usize| each + usize::from(rank < over);
    for (rank, (_, partitions)) in has.iter_mut().enumerate() {
        while partitions.len() > quota(rank) {
            free.extend(partitions.pop_last());
        }
    }
    for (rank, (_, partitions)) in has.iter_mut().enumerate() {
        while partitions.len() < quota(rank) {
            partitions.extend(free.pop_first());
        }
    }
    has.into_iter().collect()
}

/// How many each has, and how many have one more.
fn split(partitions: usize, members: usize) -> (usize, usize) {
    (partitions.checked_div(members).unwrap_or(0), partitions.checked_rem(members).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Claims = BTreeMap<u32, BTreeSet<u32>>;

    fn claims() -> impl Strategy<Value = (u32, Claims)> {
        let members = prop::collection::btree_map(0u32..100, prop::collection::btree_set(0u32..40, 0..20), 1..8);
        (1u32..32, members)
    }

    proptest! {
        #[test]
        fn every_partition_is_wanted_by_one_and_shares_are_fair((partitions, claims) in claims()) {
            let wanted = assign(partitions, &claims);
            prop_assert!(wanted.keys().eq(claims.keys()));
            let mut all: Vec<u32> = wanted.values().flatten().copied().collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..partitions).collect::<Vec<_>>());
            let sizes = wanted.values().map(BTreeSet::len);
            prop_assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1);
        }

        #[test]
        fn nothing_changes_where_nothing_changed((partitions, claims) in claims()) {
            let wanted = assign(partitions, &claims);
            prop_assert_eq!(&assign(partitions, &wanted), &wanted);
        }

        /// Nobody gives up what a fair share has room for: of all fair shares, none keeps more.
        #[test]
        fn moves_are_as_few_as_can_be((partitions, mut claims) in claims()) {
            let mut seen = BTreeSet::new();
            claims.values_mut().for_each(|claimed| claimed.retain(|p| *p < partitions && seen.insert(*p)));
            let wanted = assign(partitions, &claims);
            let kept: usize = claims.iter().map(|(member, claimed)| claimed.intersection(&wanted[member]).count()).sum();
            let (each, over) = split(partitions as usize, claims.len());
            let with_more = claims.values().filter(|claimed| claimed.len() > each).count();
            let possible = claims.values().map(|claimed| claimed.len().min(each)).sum::<usize>() + with_more.min(over);
            prop_assert_eq!(kept, possible);
        }
    }

    #[test]
    fn one_comes_and_one_goes() {
        let of = |claims: &[(&'static str, &[u32])]| -> Vec<(&str, Vec<u32>)> {
            let claims = claims.iter().map(|(member, has)| (*member, has.iter().copied().collect())).collect();
            assign(5, &claims).into_iter().map(|(member, has)| (member, has.into_iter().collect())).collect()
        };
        assert_eq!(of(&[("b", &[0, 1, 2, 3, 4])]), [("b", vec![0, 1, 2, 3, 4])]);
        assert_eq!(of(&[("a", &[]), ("b", &[0, 1, 2, 3, 4])]), [("a", vec![3, 4]), ("b", vec![0, 1, 2])]);
        assert_eq!(of(&[("a", &[3, 4])]), [("a", vec![0, 1, 2, 3, 4])]);
    }
}
