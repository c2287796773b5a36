//! The built-in strategies: what each makes of a log, and the laws that all keep.

#[cfg(test)]
mod adaptive;
#[cfg(test)]
mod aggregate;
#[cfg(test)]
mod apart;
#[cfg(test)]
mod batch;
#[cfg(test)]
mod count;
#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod early;
#[cfg(test)]
mod fixed;
#[cfg(test)]
mod forgotten;
#[cfg(test)]
mod keyed;
#[cfg(test)]
mod lateness;
#[cfg(test)]
mod pattern;
#[cfg(test)]
mod pattern_reference;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod refine;
#[cfg(test)]
mod relaxed;
#[cfg(test)]
mod session;
#[cfg(test)]
mod time;
#[cfg(test)]
mod tools;
