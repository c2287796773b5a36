//! What becomes of the function: an item of its name, with methods to run it.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{ReturnType, spanned::Spanned};

use crate::{
    arguments::{Arguments, Strategy},
    function::Function,
    name::Group,
};

pub(crate) fn expand(arguments: &Arguments, group: &Group, function: &Function) -> TokenStream {
    let Function { name, visibility, outer, .. } = function;
    let conditions: Vec<_> = function.conditions().collect();
    let call = call(function);
    let streaming = streaming(arguments, group, function);
    let run = match &function.state {
        None => run(function),
        Some(_) => with(function),
    };
    let stateful = function.state.as_ref().map(|_| stateful(function));
    quote! {
        #(#outer)*
        #[allow(non_camel_case_types)]
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        #visibility struct #name;

        #(#conditions)*
        #[allow(dead_code, deprecated)]
        impl #name {
            #call
            #streaming
            #run
        }

        #stateful
    }
}

/// The function itself. Around its body its own name is a function as before, so that variables may have it.
fn call(function: &Function) -> TokenStream {
    let Function { name, visibility, inner, window, output, .. } = function;
    let state = function.state.iter();
    let (asyncness, call) = match function.is_async() {
        true => (Some(quote!(async)), quote!(.await)),
        false => (None, TokenStream::new()),
    };
    let arguments = function.state.iter().map(|_| quote!(state_));
    quote! {
        /// Calls the function with a window.
        #visibility #asyncness fn call(self, window_: #window #(, state_: #state)*) #output {
            #[allow(clippy::needless_pass_by_value, clippy::unused_async)]
            #inner
            #name(window_ #(, #arguments)*) #call
        }
    }
}

/// The consumer to be.
fn streaming(arguments: &Arguments, group: &Group, function: &Function) -> TokenStream {
    let Function { visibility, message, .. } = function;
    let Arguments { stream, max_attempts, timeout, workers, keep, .. } = arguments;
    let (window, strategy) = strategy(&arguments.strategy);
    let (max_attempts, timeout, workers, keep) = (max_attempts.iter(), timeout.iter(), workers.iter(), keep.iter());
    quote! {
        /// The consumer of the function's stream with its group and windows, to set more of it.
        ///
        /// # Errors
        /// Those of [`Client::stream`](::minibatch::Client::stream).
        #visibility async fn streaming(
            self,
            client_: &::minibatch::Client,
        ) -> ::minibatch::Result<::minibatch::Streaming<#message, #window>> {
            let stream_ = client_.stream::<#message>(#stream).await?;
            let streaming_ = stream_.streaming().window(#strategy).group(#group);
            let streaming_ = streaming_ #(.workers(#workers))* #(.max_attempts(#max_attempts))* #(.timeout(#timeout))* #(.keep(#keep))*;
            ::core::result::Result::Ok(streaming_)
        }
    }
}

/// The type of the strategy, and one such.
fn strategy(strategy: &Strategy) -> (TokenStream, TokenStream) {
    match strategy {
        Strategy::Batch { size, bytes, max_wait } => {
            let (size, bytes, max_wait) = (size.iter(), bytes.iter(), max_wait.iter());
            let limits = quote!(#(.size(#size))* #(.bytes(#bytes))* #(.max_wait(#max_wait))*);
            (quote!(::minibatch::BatchWindow), quote!(::minibatch::BatchWindow::new() #limits))
        }
        Strategy::Relaxed(interval) => {
            (quote!(::minibatch::RelaxedTimeWindow), quote!(::minibatch::RelaxedTimeWindow::new(#interval)))
        }
        Strategy::Fixed(interval) => {
            (quote!(::minibatch::FixedTimeWindow), quote!(::minibatch::FixedTimeWindow::new(#interval)))
        }
    }
}

/// Running a function that needs nothing but windows.
fn run(function: &Function) -> TokenStream {
    let visibility = &function.visibility;
    let (run, drain) = runners(function);
    let attempt = attempt(function);
    quote! {
        /// Runs the function on every window until Ctrl-C, finishes the window at hand, and returns.
        ///
        /// # Errors
        /// Those of [`Client::stream`](::minibatch::Client::stream) and
        /// [`Streaming::run`](::minibatch::Streaming::run).
        #visibility async fn run(self, client_: &::minibatch::Client) -> ::minibatch::Result<::minibatch::Summary> {
            self.streaming(client_).await?.#run(#attempt).await
        }

        /// Runs the function on every window up to the end of the stream as it is now, and returns.
        ///
        /// # Errors
        /// Those of [`Client::stream`](::minibatch::Client::stream) and
        /// [`Streaming::drain`](::minibatch::Streaming::drain).
        #visibility async fn drain(self, client_: &::minibatch::Client) -> ::minibatch::Result<::minibatch::Summary> {
            self.streaming(client_).await?.#drain(#attempt).await
        }
    }
}

/// Handing over the state.
fn with(function: &Function) -> TokenStream {
    let Function { visibility, state, .. } = function;
    quote! {
        /// The function with its state, of which it gets a clone with each window; to run or to drain.
        #visibility fn with(self, state_: #state) -> ::minibatch::With<Self, #state> {
            ::minibatch::With::new(self, state_)
        }
    }
}

/// Running a function with its state.
fn stateful(function: &Function) -> TokenStream {
    let Function { name, state, .. } = function;
    let conditions = function.conditions();
    let (run, drain) = runners(function);
    let client = quote!(client_: &::minibatch::Client);
    let summary = quote!(::minibatch::Result<::minibatch::Summary>);
    let attempt = attempt(function);
    quote! {
        #(#conditions)*
        #[allow(deprecated)]
        impl ::minibatch::Stateful<#state> for #name {
            async fn run_with(self, #client, state_: #state) -> #summary {
                self.streaming(client_).await?.#run(#attempt).await
            }

            async fn drain_with(self, #client, state_: #state) -> #summary {
                self.streaming(client_).await?.#drain(#attempt).await
            }
        }
    }
}

/// The methods of the consumer that run such a function.
fn runners(function: &Function) -> (TokenStream, TokenStream) {
    // what is wrong with the messages is said at their type
    let span = function.message.span();
    match function.is_async() {
        true => (quote_spanned!(span=> run), quote_spanned!(span=> drain)),
        false => (quote_spanned!(span=> run_blocking), quote_spanned!(span=> drain_blocking)),
    }
}

/// One call of the function on a window. What is wrong with what it returns is said there.
fn attempt(function: &Function) -> TokenStream {
    let state = function.state.iter().map(|state| quote_spanned!(state.span()=> ::core::clone::Clone::clone(&state_)));
    let span = match &function.output {
        ReturnType::Type(_, output) => output.span(),
        ReturnType::Default => Span::call_site(),
    };
    let call = quote!(self.call(window_ #(, #state)*));
    if function.is_async() {
        let outcome = quote_spanned!(span=> ::minibatch::Outcome::outcome(returned_.await));
        quote!(move |window_| { let returned_ = #call; async move { #outcome } })
    } else {
        let outcome = quote_spanned!(span=> ::minibatch::Outcome::outcome(returned_));
        quote!(move |window_| { let returned_ = #call; #outcome })
    }
}
