//! What is MongoDB's own: on the server of `MINIBATCH_TEST_MONGO_URL`, which must be a replica set and, for the faults,
//! run with `--setParameter enableTestCommands=1`.

#[cfg(test)]
mod documents;
#[cfg(test)]
mod effects;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod lost_replies;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod server;
#[cfg(test)]
mod setup;
