//! What windows show of their messages.

mod examples;
mod laws;
mod properties;

fn tens(number: &i64) -> i64 {
    number / 10
}

fn itself(number: &i64) -> i64 {
    *number
}
