//! Windows: what a strategy chooses, and what becomes of it.

mod bounds;
mod folded;
mod formed;
mod id;
mod panes;
mod places;
mod reason;
mod selection;

pub use bounds::Bounds;
pub use folded::Folded;
pub(crate) use folded::FoldedValue;
pub use formed::{FormedWindow, WindowChain};
pub use id::WindowId;
pub use panes::Panes;
pub use places::Places;
pub use reason::Reason;
pub(crate) use selection::Purpose;
pub use selection::{Leaves, Picks, Selection};
