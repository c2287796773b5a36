//! Searching in what is sorted, where the place is near the beginning most often.

use std::ops::Range;

/// The first place at which `is_before` does not hold, or the end: it holds at all before that.
pub(crate) fn first_not(places: Range<usize>, is_before: impl Fn(usize) -> bool) -> usize {
    let Range { start: mut low, end } = places;
    let (mut high, mut step) = (low, 1);
    while high < end && is_before(high) {
        low = high + 1;
        high = low + step;
        step *= 2;
    }
    let mut high = high.min(end);
    while low < high {
        let middle = low.midpoint(high);
        if is_before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_wherever_it_is() {
        for start in 0..20 {
            for end in start..40 {
                for place in start..=end {
                    assert_eq!(first_not(start..end, |at| at < place), place, "{start}..{end}");
                }
            }
        }
    }
}
