//! The façade as its users have it, over memory and over a file.

#[cfg(test)]
mod attribute;
#[cfg(test)]
mod blocking;
#[cfg(test)]
mod canary;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod compile;
#[cfg(test)]
mod connect;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod keeping;
#[cfg(test)]
mod late;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod punctuation;
#[cfg(test)]
mod schema_change;
#[cfg(all(test, feature = "mongodb"))]
#[path = "../kill/server.rs"]
mod server;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod stores;
#[cfg(test)]
mod strategies;
#[cfg(test)]
#[cfg(all(feature = "macros", feature = "testing"))]
mod testing;
#[cfg(test)]
#[cfg(feature = "testing")]
mod what_if;
