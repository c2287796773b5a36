//! The attribute `#[streaming]` of minibatch.
//!
//! It is used through the façade crate `minibatch`, whose paths it writes, and documented there with examples. Here it is
//! taken apart: `arguments` reads what stands in its parentheses, `function` what it stands on, and `expand`
//! writes what becomes of it.

mod arguments;
mod expand;
mod function;
mod name;
mod values;

use proc_macro2::TokenStream;

use crate::{arguments::Arguments, function::Function};

/// Makes a consumer of a function of windows.
///
/// | argument | | |
/// |---|---|---|
/// | `"quakes"` | the stream | comes first |
/// | `size = 50` | windows of at most so many messages | |
/// | `bytes = 1_000_000` | windows of at most so many bytes | |
/// | `max_wait = "2s"` | windows that wait at most so long after their first message | |
/// | `interval = "1m"` | every so often whatever has gathered | instead of those three |
/// | `relaxed = false` | with `interval`: each interval by the clock | default `true` |
/// | `group = "alerts"` | reads as this group | default the function's name |
/// | `max_attempts = 3` | tries a window so often before it is split to find the messages at fault | default 5 |
/// | `workers = 4` | runs the function on so many windows at once, then not in order | default 1 |
/// | `keep = true` | keeps what becomes of every window, to be listed and run again | default not kept |
/// | `timeout = "30s"` | gives the function so long for a window | default as long as it likes |
///
/// Of `size`, `bytes` and `max_wait` whichever comes first. Durations are texts (`"250ms"`, `"2s"`, `"1m30s"`, `"1h"`) or
/// expressions of type `Duration`; numbers may be expressions too.
///
/// The function takes the window, `window: Window<T>`, and if need be a state, of which it gets a clone with each window.
/// An `async fn` is awaited; a plain `fn` runs on the threads for blocking work. It returns nothing or a `Result`, where
/// an error is a failed attempt.
#[proc_macro_attribute]
pub fn streaming(arguments: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    rewrite(arguments.into(), &item.into()).into()
}

fn rewrite(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = darling::Error::accumulator();
    let arguments = errors.handle(Arguments::parse(arguments));
    let function = errors.handle_in(|| Function::parse(item));
    let expanded = arguments.zip(function).and_then(|(arguments, function)| {
        let group = errors.handle(arguments.group(&function.name))?;
        Some(expand::expand(&arguments, &group, &function))
    });
    match (errors.finish(), expanded) {
        (Ok(()), Some(expanded)) => expanded,
        (errors, _) => {
            // with the function as it was, the compiler finds what else is wrong with it
            let errors = errors.err().map(darling::Error::write_errors);
            quote::quote! { #errors #item }
        }
    }
}
