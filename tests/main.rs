//! The integration tests: one file for each subject.

// Tests print messages for the developer, and fail by panicking.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic)]

mod apache;
mod bad_input;
mod cron;
mod denied;
mod desktop;
mod escape;
mod find;
mod gpg;
mod held_up;
mod hostile;
mod house;
mod install;
mod json;
mod race;
mod reuse;
mod scale;
mod show;
mod signals;
mod storeys;
mod support;
mod terminal;
mod time;
mod tree;
mod unusual;
mod users;
mod wait;
