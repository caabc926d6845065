//! Pools of processes and their memory: as a table, as JSON, as metrics.

mod chart;
pub mod json;
pub mod metrics;
pub mod ranking;
mod report;

pub use report::PoolReport;
