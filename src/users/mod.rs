//! Users and groups: which name belongs to which number. The C library answers first, then
//! getent(1), which also asks directory services.

pub mod getent;
mod names;

pub use names::Users;
