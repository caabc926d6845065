//! The integration tests: one file for each subject.

// Tests print messages for the developer, and fail by panicking.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic)]

mod apache;
mod command_line;
mod cron;
mod denied_calls;
mod desktop;
mod escape;
mod find;
mod gpg;
mod held_up;
mod install;
mod json;
mod odd_processes;
mod pid_reuse;
mod race;
mod rare_conditions;
mod scale;
mod show;
mod signals;
mod storeys;
mod support;
mod terminal;
mod time;
mod tree;
mod usage_errors;
mod users;
mod wait;
