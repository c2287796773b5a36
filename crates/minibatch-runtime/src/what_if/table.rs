//! A report as a table: a row a measure, a column a strategy.

use std::{collections::BTreeSet, fmt};

use super::{Spread, StrategyReport, WhatIfReport};

/// What stands between two columns.
const GAP: &str = "   ";

/// What stands where there is nothing to measure.
const NOTHING: &str = "-";

/// One number of a spread.
type Part = fn(&Spread) -> u64;

struct Row {
    label: String,
    cells: Vec<String>,
}

impl fmt::Display for WhatIfReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} messages, {}, over {}", count(self.messages), size(self.bytes), duration(self.span_millis))?;
        let rows = self.rows();
        let label = rows.iter().map(|row| width(&row.label)).max().unwrap_or(0);
        let cells = |index| rows.iter().filter_map(move |row: &Row| row.cells.get(index));
        let columns = (0..self.strategies.len()).map(|index| cells(index).map(|cell| width(cell)).max().unwrap_or(0));
        let columns: Vec<usize> = columns.collect();
        for row in &rows {
            write!(f, "\n{:label$}", row.label)?;
            for (cell, column) in row.cells.iter().zip(&columns) {
                write!(f, "{GAP}{cell:>column$}")?;
            }
        }
        Ok(())
    }
}

impl WhatIfReport {
    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        let mut row = |label: &str, cell: &dyn Fn(&StrategyReport) -> String| {
            rows.push(Row { label: label.to_owned(), cells: self.strategies.iter().map(cell).collect() });
        };
        row("", &|strategy| strategy.name.clone());
        row("windows", &|strategy| count(strategy.windows));
        let reasons: BTreeSet<&str> =
            self.strategies.iter().flat_map(|strategy| strategy.reasons.keys().copied()).collect();
        for reason in reasons {
            row(&format!("  by {reason}"), &|strategy| {
                strategy.reasons.get(reason).map_or(NOTHING.into(), |n| count(*n))
            });
        }
        row("messages in them", &|strategy| count(strategy.messages));
        row("bytes in them", &|strategy| size(strategy.bytes));
        spread(&mut row, "messages a window", |strategy| strategy.size, count);
        spread(&mut row, "wait of a message", |strategy| strategy.wait_millis, duration);
        row("late", &|strategy| match strategy.late {
            0 => count(0),
            late => format!("{} = {:.1} %", count(late), strategy.late_share * 100.0),
        });
        row("dropped", &|strategy| count(strategy.dropped));
        row("largest buffer", &|strategy| count(strategy.largest_buffer));
        row("  its bytes", &|strategy| size(strategy.largest_buffer_bytes));
        row("windows left open", &|strategy| count(strategy.left_open.windows));
        row("  messages in them", &|strategy| count(strategy.left_open.messages));
        rows
    }
}

fn spread(
    row: &mut impl FnMut(&str, &dyn Fn(&StrategyReport) -> String),
    what: &str,
    of: impl Fn(&StrategyReport) -> Option<Spread>,
    show: fn(u64) -> String,
) {
    row(&format!("{what}, mean"), &|strategy| of(strategy).map_or(NOTHING.into(), |spread| show(rounded(spread.mean))));
    let parts: [(&str, Part); 4] = [
        ("  least", |spread| spread.min),
        ("  p50", |spread| spread.p50),
        ("  p99", |spread| spread.p99),
        ("  most", |spread| spread.max),
    ];
    for (label, part) in parts {
        row(label, &|strategy| of(strategy).map_or(NOTHING.into(), |spread| show(part(&spread))));
    }
}

/// As many columns as it takes on a terminal, for most scripts.
fn width(text: &str) -> usize {
    text.chars().count()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of numbers is between them")]
fn rounded(mean: f64) -> u64 {
    mean.round() as u64
}

/// As `1,234,567`.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// As `999 B`, `1.2 kB`, `3.4 MB`.
fn size(bytes: u64) -> String {
    in_units(bytes, &[("B", 1_000), ("kB", 1_000), ("MB", 1_000), ("GB", 1_000)], "TB")
}

/// As `999 ms`, `59.9 s`, `4.2 min`, `23.9 h`, `3.0 d`.
fn duration(millis: u64) -> String {
    in_units(millis, &[("ms", 1_000), ("s", 60), ("min", 60), ("h", 24)], "d")
}

/// In the first unit of which there are fewer than make one of the next. Whole in the smallest, to a tenth in the others.
fn in_units(number: u64, units: &[(&str, u64)], last: &str) -> String {
    let mut one = 1_u64;
    for &(unit, next) in units {
        // what is rounded up to one of the next unit is shown as that
        let tenths = tenths(number, one);
        if tenths < next * 10 {
            return if one == 1 { format!("{number} {unit}") } else { format!("{} {unit}", decimal(tenths)) };
        }
        one *= next;
    }
    format!("{} {last}", decimal(tenths(number, one)))
}

/// How many tenths of `one` there are, to the nearest.
fn tenths(number: u64, one: u64) -> u64 {
    let tenths = (u128::from(number) * 10 + u128::from(one) / 2) / u128::from(one);
    u64::try_from(tenths).unwrap_or(u64::MAX)
}

fn decimal(tenths: u64) -> String {
    format!("{}.{}", count(tenths / 10), tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_on_the_eye() {
        let counts = [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")];
        counts.into_iter().for_each(|(number, text)| assert_eq!(count(number), text));
        let sizes = [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB")];
        sizes.into_iter().for_each(|(number, text)| assert_eq!(size(number), text));
        let durations = [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1.0 s"),
            (59_949, "59.9 s"),
            (59_950, "1.0 min"),
            (90_000, "1.5 min"),
            (3_600_000, "1.0 h"),
            (86_399_999, "1.0 d"),
            (u64::MAX, "213,503,982,334.6 d"),
        ];
        durations.into_iter().for_each(|(number, text)| assert_eq!(duration(number), text));
    }
}
