//! Pools of processes and their memory: as a table, as JSON, as metrics.

mod chart;
pub mod json;
pub mod metrics;
mod report;

pub use report::PoolReport;
