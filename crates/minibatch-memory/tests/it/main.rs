//! What is particular to the storage in memory; the contract is the conformance suite's.

#[cfg(test)]
mod clock;
#[cfg(test)]
mod sharing;
