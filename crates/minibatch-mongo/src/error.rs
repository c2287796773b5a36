//! From what an operation on the database came to, to the errors of the contract.
//!
//! The classification of the driver's errors is in `database::driver::classify`: no type of the driver's leaves there.

use minibatch_core::{Cause, Error};

use crate::database::Failure;

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::new(failure.into_cause())
    }
}

/// A stored document other than a record that cannot be understood.
pub(crate) fn corrupt(what: &'static str) -> Error {
    Cause::corrupt_state(what, "a field is missing or has another type, was it changed by hand?").into()
}
