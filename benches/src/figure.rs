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

/// Prints one figure: the median of `values`.
pub(crate) fn print(output: Output, target: &Target, name: &str, unit: &str, values: &mut [f64]) {
    values.sort_by(f64::total_cmp);
    let (Some(&value), Some(low), Some(high)) = (values.get(values.len() / 2), values.first(), values.last()) else {
        return;
    };
    let name = format!("{}/{name}", target.name());
    match output {
        Output::Text => println!("{name:<28} {value:>12.0} {unit:<12} ({low:.0} … {high:.0}, {})", target.durability()),
        Output::Json => {
            println!(
                "{}",
                json!({"name": name, "value": value.round(), "unit": unit, "durability": target.durability()})
            );
        }
    }
}
