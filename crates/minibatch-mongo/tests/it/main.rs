//! What is MongoDB's own: on the server of `MINIBATCH_TEST_MONGO_URL`, which must be a replica set and, for the faults,
//! run with `--setParameter enableTestCommands=1`; and on servers of a test's own, with users and TLS, from the mongod of
//! `MINIBATCH_TEST_MONGOD`.

#[cfg(test)]
mod canary;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod contended;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod lost_replies;
#[cfg(test)]
mod mongod;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod server;
#[cfg(test)]
mod setup;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod words;
