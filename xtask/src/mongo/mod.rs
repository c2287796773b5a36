//! A real MongoDB for tests: a replica set of one, started for a run and gone with it.

mod server;
mod wire;

pub(crate) use server::ReplicaSet;
