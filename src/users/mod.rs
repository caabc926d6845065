//! Users and groups, and the numbers that belong to their names. The C library answers first, then
//! getent(1), which also asks directory services.

pub mod getent;
mod names;

pub use names::Users;
