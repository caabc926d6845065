//! Commands of other programs: where they are, and how we become one.

pub mod exec;
pub mod program;
