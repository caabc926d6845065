//! The integration tests: one file for each subject.

// Tests print messages for the developer, and fail by panicking.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic)]

mod apache;
mod colours;
mod completions;
mod conditions;
mod container;
mod cron;
mod cron_jobs;
mod denied_calls;
mod desktop;
mod dispatch;
mod escape;
mod examples;
mod facts;
mod files;
mod find;
mod fleet;
mod gpg;
mod held_up;
mod install;
mod interval;
mod json;
mod limits;
mod names;
mod paths;
mod permissions;
mod pid_file;
mod pid_reuse;
mod procfs;
mod race;
mod scale;
mod show;
mod signals;
mod sockets;
mod storeys;
mod streams;
mod support;
mod terminal;
mod time;
mod tree;
mod usage_errors;
mod users;
mod verbosity;
mod wait;
