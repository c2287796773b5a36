//! For tests.

#[doc(inline)]
pub use minibatch_testkit::clock::ManualClock;
