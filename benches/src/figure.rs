//! What was measured, for people or for programs.

use serde_json::json;

use crate::target::Target;

/// How figures are printed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Output {
    /// A line with aligned columns.
    Text,
    /// One JSON object a line.
    Json,
}

/// The figures of one run.
#[derive(Debug)]
pub(crate) struct Figures<'a> {
    pub(crate) target: Target,
    pub(crate) output: Output,
    /// What is in the names of those that are wanted.
    pub(crate) only: &'a str,
}

impl Figures<'_> {
    /// Whether this one is to be measured.
    pub(crate) fn want(&self, name: &str) -> bool {
        self.full_name(name).contains(self.only)
    }

    /// Prints one: the median of `values`.
    pub(crate) fn print(&self, name: &str, unit: &str, values: &mut [f64]) {
        values.sort_by(f64::total_cmp);
        let (Some(&value), Some(low), Some(high)) = (values.get(values.len() / 2), values.first(), values.last())
        else {
            return;
        };
        let (name, durability) = (self.full_name(name), self.target.durability());
        match self.output {
            Output::Text => println!("{name:<28} {value:>12.0} {unit:<12} ({low:.0} … {high:.0}, {durability})"),
            Output::Json => {
                println!("{}", json!({"name": name, "value": value.round(), "unit": unit, "durability": durability}));
            }
        }
    }

    fn full_name(&self, name: &str) -> String {
        format!("{}/{name}", self.target.name())
    }
}
