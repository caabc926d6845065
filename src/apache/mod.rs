//! Servers that answer with a pool of like processes, Apache above all: which processes belong
//! together, what their memory really is, and how many more of them would fit.
//!
//! [`survey()`] looks once. Nothing here knows the command line, and nothing prints.

mod capacity;
mod configuration;
mod evidence;
mod member;
mod naming;
mod pool;
mod program;
mod role;
mod statistics;
mod survey;
mod title;

pub use capacity::Capacity;
pub use configuration::{Configuration, WorkerLimit};
pub use member::{Depth, Measure, Member};
pub use pool::{Master, Pool, PoolKind, Role, WorkerGroup, total};
pub use program::ServerProgram;
pub use statistics::Statistics;
pub use survey::{Survey, survey};
