//! The façade as its users have it, over memory and over a file.

mod attribute;
mod blocking;
mod compile;
mod connect;
mod outside;
mod settings;
mod stores;
