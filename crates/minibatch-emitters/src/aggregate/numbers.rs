//! Counts, sums, and the least and the greatest.

use super::{Aggregate, Moments};

impl<T: 'static> Aggregate<T, u64> {
    /// How many messages.
    pub fn count() -> Self {
        Self::new(|| 0, |count, _| *count += 1, |count, more| *count += more).named("count")
    }
}

impl<T: 'static> Aggregate<T, f64> {
    /// The sum of a number of each message.
    pub fn sum(of: impl Fn(&T) -> f64 + Send + Sync + 'static) -> Self {
        Self::new(|| 0.0, move |sum, value| *sum += of(value), |sum, more| *sum += more).named("sum")
    }
}

impl<T: 'static, K: Ord + 'static> Aggregate<T, Option<K>> {
    /// The least of all messages; the value of a window is always there.
    pub fn min(of: impl Fn(&T) -> K + Send + Sync + 'static) -> Self {
        Self::best(of, |one, other| one < other).named("min")
    }

    /// The greatest of all messages; the value of a window is always there.
    pub fn max(of: impl Fn(&T) -> K + Send + Sync + 'static) -> Self {
        Self::best(of, |one, other| one > other).named("max")
    }

    /// The one that is better than all others, the first of equals.
    fn best(of: impl Fn(&T) -> K + Send + Sync + 'static, is_better: fn(&K, &K) -> bool) -> Self {
        let keep = move |best: &mut Option<K>, one: K| {
            if best.as_ref().is_none_or(|best| is_better(&one, best)) {
                *best = Some(one);
            }
        };
        Self::new(
            || None,
            move |best, value| keep(best, of(value)),
            move |best, other| other.into_iter().for_each(|one| keep(best, one)),
        )
    }
}

impl<T: 'static> Aggregate<T, Moments> {
    /// Mean, variance and extremes of a number of each message; numbers that are not finite are left out.
    pub fn moments(of: impl Fn(&T) -> f64 + Send + Sync + 'static) -> Self {
        let merge = |moments: &mut Moments, other: Moments| moments.merge(&other);
        Self::new(Moments::default, move |moments, value| moments.add(of(value)), merge).named("moments")
    }
}
