//! A model of MongoDB in memory that loses replies, fails, dawdles, elects and answers from the past, by a seed.
//!
//! One [`Server`] holds the documents; each [`Connection`] is one client's [`Database`](super::Database). What the model
//! promises is what MongoDB promises to majority writes and causally consistent majority reads, and no more: a write that
//! was not acknowledged may be rolled back, done late, or done twice; a read may be answered by a primary that does not
//! know yet that it is deposed, but never from before what the client was told; the wall clock may jump.
//!
//! What a deposed primary is still asked to write comes to nothing and is not acknowledged: that is a write that is
//! dropped, and so there is one branch, from which elections cut. Asked for a hint, it gives one, of whatever age.

mod connection;
mod faults;
mod operators;
mod server;
mod store;
mod write;

use std::time::Duration;

pub(crate) use self::{
    connection::Connection,
    faults::{Faults, Random},
    server::{Rules, Server},
};

/// Lets virtual time pass.
#[expect(clippy::disallowed_methods, reason = "virtual time")]
async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
}
