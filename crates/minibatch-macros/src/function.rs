//! What `#[streaming]` stands on: a function of a window, and perhaps of a state.

use darling::{Error, Result};
use proc_macro2::TokenStream;
use syn::{
    Attribute, FnArg, GenericArgument, Ident, Item, ItemFn, PathArguments, ReturnType, Safety, Signature, Type,
    Visibility, spanned::Spanned,
};

/// A function that can be run on windows.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: Ident,
    pub(crate) visibility: Visibility,
    /// Documentation and conditions, which concern all that is made of it.
    pub(crate) outer: Vec<Attribute>,
    /// The function itself, with its other attributes.
    pub(crate) inner: ItemFn,
    /// The whole type of the window, and of its messages.
    pub(crate) window: Type,
    pub(crate) message: Type,
    pub(crate) state: Option<Type>,
    pub(crate) output: ReturnType,
}

impl Function {
    pub(crate) fn parse(item: &TokenStream) -> Result<Self> {
        let hint = "#[streaming] stands on a function, as async fn strongest(window: Window<Quake>)";
        let Item::Fn(mut inner) = syn::parse2(item.clone())? else {
            return Err(Error::custom(hint).with_span(item));
        };
        check_signature(&inner.sig)?;
        let (window, state) = parameters(&inner.sig)?;
        let message = message(&window)?;
        let (outer, own) = inner.attrs.into_iter().partition(is_outer);
        inner.attrs = own;
        let (name, output) = (inner.sig.ident.clone(), inner.sig.output.clone());
        let visibility = std::mem::replace(&mut inner.vis, Visibility::Inherited);
        Ok(Self { name, visibility, outer, inner, window, message, state, output })
    }

    pub(crate) fn is_async(&self) -> bool {
        self.inner.sig.asyncness.is_some()
    }

    /// The conditions under which it exists.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Attribute> {
        self.outer.iter().filter(|attribute| attribute.path().is_ident("cfg"))
    }
}

fn is_outer(attribute: &Attribute) -> bool {
    ["doc", "cfg", "deprecated"].iter().any(|name| attribute.path().is_ident(name))
}

fn check_signature(signature: &Signature) -> Result<()> {
    if !signature.generics.params.is_empty() {
        let hint = "a function of windows has no parameters of its own, write one for each type of message";
        return Err(Error::custom(hint).with_span(&signature.generics));
    }
    if let Safety::Unsafe(r#unsafe) = &signature.safety {
        return Err(Error::custom("a function of windows is safe to call").with_span(r#unsafe));
    }
    Ok(())
}

/// The types of the window and of the state.
fn parameters(signature: &Signature) -> Result<(Type, Option<Type>)> {
    let mut types = Vec::new();
    for input in &signature.inputs {
        match input {
            FnArg::Typed(parameter) => types.push(&*parameter.ty),
            FnArg::Receiver(receiver) => {
                let hint = "a function of windows has no self, hand it a state: fn f(window: Window<T>, state: S)";
                return Err(Error::custom(hint).with_span(receiver));
            }
        }
    }
    let (window, state) = match types[..] {
        [window] => (window, None),
        [window, state] => (window, Some(state)),
        [] => {
            let hint = "it takes the window: write (window: Window<T>)";
            return Err(Error::custom(hint).with_span(&signature.paren_token.span.join()));
        }
        [_, _, third, ..] => {
            let hint = "it takes the window and at most one state, make a struct or a tuple of the states";
            return Err(Error::custom(hint).with_span(third));
        }
    };
    match state {
        Some(Type::Reference(reference)) => {
            let hint = "the state is cloned for each window and taken by value, wrap it in an Arc";
            Err(Error::custom(hint).with_span(reference))
        }
        Some(Type::ImplTrait(unnamed)) => Err(Error::custom("name the type of the state").with_span(unnamed)),
        state => Ok((window.clone(), state.cloned())),
    }
}

/// The `T` of `Window<T>`.
fn message(window: &Type) -> Result<Type> {
    let last = match window {
        Type::Path(path) => path.path.segments.last().filter(|last| last.ident == "Window"),
        _ => None,
    };
    let arguments = last.and_then(|last| match &last.arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    });
    match arguments.and_then(|arguments| (arguments.len() == 1).then(|| arguments.first()).flatten()) {
        Some(GenericArgument::Type(message)) => Ok(message.clone()),
        _ => {
            let hint = "the first parameter is the window, by value: write window: Window<T>";
            Err(Error::custom(hint).with_span(&window.span()))
        }
    }
}
