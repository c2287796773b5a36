//! The testkit tested: its suites find what they are there to find.

#[cfg(test)]
mod clock;
#[cfg(test)]
mod faulty;
#[cfg(test)]
mod suite;
