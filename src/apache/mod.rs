//! Servers that answer with a pool of similar processes, Apache above all: which processes belong
//! together, how much memory they really use, and how many more would fit.
//!
//! [`survey()`] looks at all of them once, and [`ranking()`] at all programs of the machine. Nothing
//! here knows the command line, and nothing prints.

mod capacity;
mod configuration;
mod evidence;
mod maximum;
mod member;
mod naming;
mod pattern;
mod pool;
mod program;
mod ranking;
mod role;
mod statistics;
mod survey;
mod title;

pub use capacity::Capacity;
pub use configuration::{Configuration, WorkerLimit};
pub use maximum::GroupMaximum;
pub use member::{Depth, Measure, Member};
pub use pool::{Master, Pool, PoolKind, Role, WorkerGroup, total};
pub use program::ServerProgram;
pub use ranking::{Consumer, RankBy, Ranking, ranking};
pub use statistics::Statistics;
pub use survey::{Survey, survey};
