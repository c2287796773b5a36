//! What the arguments' values may be.

use darling::{Error, FromMeta, Result};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Expr, ExprLit, Lit};

/// A number from 1 up: a literal that is checked, or an expression.
#[derive(Debug)]
pub(crate) struct Positive(TokenStream);

/// A duration: a text that is checked, or an expression.
#[derive(Debug)]
pub(crate) struct Time(TokenStream);

impl FromMeta for Positive {
    fn from_expr(expr: &Expr) -> Result<Self> {
        let needed = || Err(Error::custom("a whole number from 1 up is needed, as 50").with_span(expr));
        match expr {
            Expr::Group(group) => Self::from_expr(&group.expr),
            Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => match number.base10_parse() {
                Ok(1_u64..) => Ok(Self(expr.to_token_stream())),
                _ => needed(),
            },
            Expr::Lit(_) => needed(),
            _ => Ok(Self(expr.to_token_stream())),
        }
    }

    fn from_word() -> Result<Self> {
        Err(Error::custom("a value is needed, as `= 50`"))
    }
}

impl FromMeta for Time {
    fn from_expr(expr: &Expr) -> Result<Self> {
        match expr {
            Expr::Group(group) => Self::from_expr(&group.expr),
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => match millis(&text.value()) {
                Ok(millis) => Ok(Self(quote!(::core::time::Duration::from_millis(#millis)))),
                Err(reason) => Err(Error::custom(reason).with_span(text)),
            },
            Expr::Lit(_) => Err(Error::custom(HINT).with_span(expr)),
            _ => Ok(Self(expr.to_token_stream())),
        }
    }

    fn from_word() -> Result<Self> {
        Err(Error::custom("a value is needed, as `= \"2s\"`"))
    }
}

const HINT: &str = "a duration is a number and its unit, as \"250ms\", \"2s\", \"1m30s\" or \"1h\"";

/// The whole milliseconds of a duration, at least one.
fn millis(text: &str) -> std::result::Result<u64, &'static str> {
    let duration = humantime::parse_duration(text).map_err(|_| HINT)?;
    if duration.is_zero() {
        return Err("it is at least one millisecond");
    }
    if !duration.subsec_nanos().is_multiple_of(1_000_000) {
        return Err("it is in whole milliseconds, as the times of the log are");
    }
    u64::try_from(duration.as_millis()).map_err(|_| "it is too long")
}

impl ToTokens for Positive {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

impl ToTokens for Time {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<u64>) {
        assert_eq!(millis(text).ok(), expect, "{text:?}");
    }

    #[test]
    fn durations() {
        check("250ms", Some(250));
        check("2s", Some(2_000));
        check("1m30s", Some(90_000));
        check("1m 30s", Some(90_000));
        check("1h", Some(3_600_000));
        for bad in ["", "2", "s", "2 parsecs", "-2s", "0s", "1ns", "1500us", "99999999999999999999s"] {
            check(bad, None);
        }
    }

    fn positive(source: &str) -> bool {
        Positive::from_expr(&syn::parse_str(source).unwrap()).is_ok()
    }

    #[test]
    fn numbers() {
        assert!(positive("1") && positive("50_000") && positive("SIZE") && positive("64 << 10"));
        assert!(!positive("0") && !positive("\"50\"") && !positive("2.5") && !positive("99999999999999999999"));
    }
}
