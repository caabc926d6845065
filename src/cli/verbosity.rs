//! How much the program tells about its own work, on standard error.

use std::io::{IsTerminal, stderr};

use clap::{ArgAction, Args};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::exit::Refusal;

/// The environment variable with a filter, such as `debug` or `proctool::tree=trace`.
const FILTER: &str = "PROCTOOL_LOG";

/// `-v` and `-q`.
#[derive(Args)]
pub struct Verbosity {
    /// Tell more about what is done; twice, how much was skipped
    #[arg(short, long, action = ArgAction::Count, help_heading = "General")]
    verbose: u8,
    /// Tell less: no messages about what was not found
    #[arg(short, long, help_heading = "General")]
    quiet: bool,
}

impl Verbosity {
    /// Begin to log what was asked for. Without -v and PROCTOOL_LOG nothing is set up.
    pub fn start(&self) -> Result<(), Refusal> {
        let filter = std::env::var_os(FILTER).filter(|filter| !filter.is_empty());
        let targets = match (filter, self.verbose) {
            (Some(filter), _) => {
                let unreadable = |_| Refusal::usage(format!("{FILTER} is not UTF-8: try {FILTER}=debug"));
                let filter = filter.into_string().map_err(unreadable)?;
                filter.parse::<Targets>().map_err(|error| {
                    Refusal::usage(format!("bad filter in {FILTER} '{filter}': {error}: try {FILTER}=debug"))
                })?
            }
            (None, 0) => return Ok(()),
            (None, 1) => Targets::new().with_default(Level::INFO),
            (None, _) => Targets::new().with_default(Level::DEBUG),
        };
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(stderr)
            .with_ansi(stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
            .without_time();
        tracing_subscriber::registry().with(targets).with(lines).init();
        Ok(())
    }

    /// Whether messages about what was not found are unwanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }
}
