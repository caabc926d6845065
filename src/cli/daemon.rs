//! The options that choose a cron daemon.

use std::ffi::OsString;

use clap::Args;

use super::parse;
use crate::cron::DaemonSelector;
use crate::process::Pid;

/// The daemon that the user means.
#[derive(Args)]
pub struct DaemonChoice {
    /// The daemon has this name
    #[arg(long, value_name = "NAME", help_heading = "Selection")]
    daemon: Option<OsString>,
    /// The daemon is this process
    #[arg(
        long,
        value_name = "PID",
        value_parser = parse::pid,
        conflicts_with = "daemon",
        allow_negative_numbers = true,
        help_heading = "Selection"
    )]
    pid: Option<Pid>,
}

impl DaemonChoice {
    /// Returns what to search for: the usual names where the user has chosen none.
    pub fn selector(&self) -> DaemonSelector {
        match (&self.daemon, self.pid) {
            (_, Some(pid)) => DaemonSelector::Pid(pid),
            (Some(name), _) => DaemonSelector::Named(name.as_encoded_bytes().to_vec()),
            _ => DaemonSelector::USUAL,
        }
    }
}
