//! Commands of other programs: finding them, and becoming one.

pub mod answer;
pub mod exec;
pub mod program;
