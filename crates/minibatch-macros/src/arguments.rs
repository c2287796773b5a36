//! What stands in the parentheses of `#[streaming(…)]`.

#![expect(clippy::unreachable, reason = "darling's derive writes it")]

use darling::{Error, FromMeta, Result, ast::NestedMeta, util::SpannedValue};
use proc_macro2::{Span, TokenStream};
use syn::{Ident, Lit, LitStr};

use crate::{
    name::{self, Group},
    values::{Positive, Time},
};

/// The arguments, each checked by itself and all together.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) stream: LitStr,
    pub(crate) strategy: Strategy,
    pub(crate) max_attempts: Option<Positive>,
    pub(crate) timeout: Option<Time>,
    pub(crate) workers: Option<Positive>,
    pub(crate) keep: Option<bool>,
    group: Option<Group>,
}

/// When a window is ready.
#[derive(Debug)]
pub(crate) enum Strategy {
    Batch { size: Option<Positive>, bytes: Option<Positive>, max_wait: Option<Time> },
    Relaxed(Time),
    Fixed(Time),
}

/// All but the stream's name.
#[derive(Debug, FromMeta)]
struct Settings {
    size: Option<SpannedValue<Positive>>,
    bytes: Option<SpannedValue<Positive>>,
    max_wait: Option<SpannedValue<Time>>,
    interval: Option<Time>,
    relaxed: Option<SpannedValue<bool>>,
    group: Option<Group>,
    max_attempts: Option<Positive>,
    timeout: Option<Time>,
    workers: Option<Positive>,
    keep: Option<bool>,
}

impl Arguments {
    pub(crate) fn parse(arguments: TokenStream) -> Result<Self> {
        let items = NestedMeta::parse_meta_list(arguments)?;
        let (stream, settings) = split(&items)?;
        name::check_stream(stream)?;
        let Settings { size, bytes, max_wait, interval, relaxed, group, max_attempts, timeout, workers, keep } =
            Settings::from_list(settings)?;
        let batch = [span(&size), span(&bytes), span(&max_wait)].into_iter().flatten().next();
        let strategy = match (interval, relaxed, batch) {
            (Some(_), _, Some(batch)) => {
                let hint = "`interval` makes windows by time alone, take `max_wait` to go with it";
                return Err(Error::custom(hint).with_span(&batch));
            }
            (Some(interval), Some(relaxed), None) if !*relaxed => Strategy::Fixed(interval),
            (Some(interval), _, None) => Strategy::Relaxed(interval),
            (None, Some(relaxed), _) => {
                return Err(Error::custom("`relaxed` goes with `interval` only").with_span(&relaxed.span()));
            }
            (None, None, Some(_)) => Strategy::Batch {
                size: size.map(SpannedValue::into_inner),
                bytes: bytes.map(SpannedValue::into_inner),
                max_wait: max_wait.map(SpannedValue::into_inner),
            },
            (None, None, None) => {
                return Err(Error::custom("say when a window is ready: `size`, `max_wait`, `bytes` or `interval`"));
            }
        };
        Ok(Self { stream: stream.clone(), strategy, max_attempts, timeout, workers, keep, group })
    }

    /// The group: the one given, or the function's name.
    pub(crate) fn group(&self, function: &Ident) -> Result<Group> {
        self.group.clone().map_or_else(|| Group::of(function), Ok)
    }
}

fn span<T>(value: &Option<SpannedValue<T>>) -> Option<Span> {
    value.as_ref().map(SpannedValue::span)
}

/// The stream's name and what follows.
fn split(items: &[NestedMeta]) -> Result<(&LitStr, &[NestedMeta])> {
    let hint = Error::custom("the stream's name comes first, as in #[streaming(\"quakes\", size = 50)]");
    match items.split_first() {
        Some((NestedMeta::Lit(Lit::Str(stream)), settings)) => {
            match settings.iter().find(|item| matches!(item, NestedMeta::Lit(_))) {
                Some(literal) => Err(Error::custom("what is it? Write its name, as in size = 50").with_span(literal)),
                None => Ok((stream, settings)),
            }
        }
        Some((first, _)) => Err(hint.with_span(first)),
        None => Err(hint),
    }
}
