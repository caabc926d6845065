//! Options that set how much the program reports of its own work, on standard error. The log goes
//! there as lines, and to syslog for the applets that change something.

use clap::{ArgAction, ArgMatches, Args};
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::exit::Refusal;
use crate::output::message::Log;
use crate::output::syslog::Syslog;

/// The environment variable with a filter, such as `debug` or `proctool::tree=trace`.
const FILTER: &str = "PROCTOOL_LOG";

/// `-v` and `-q`.
#[derive(Args, Default)]
pub struct Verbosity {
    /// Tell more about what is done; twice, how much was skipped
    #[arg(short, long, action = ArgAction::Count, help_heading = "General")]
    verbose: u8,
    /// Tell less: no messages about what was not found
    #[arg(short, long, help_heading = "General")]
    quiet: bool,
}

impl Verbosity {
    /// Starts the log that the options ask for. Without `-v` and PROCTOOL_LOG there is none.
    /// Errors: a bad filter in PROCTOOL_LOG.
    pub fn start(&self) -> Result<(), Refusal> {
        if let Some(targets) = self.targets()? {
            tracing_subscriber::registry().with(lines().with_filter(targets)).init();
        }
        Ok(())
    }

    /// Starts the log as [`Verbosity::start`] does. If the work `matters` to others and a syslog
    /// listens, it also logs signals and their outcomes there.
    pub fn start_with_syslog(&self, name: &str, matters: bool) -> Result<(), Refusal> {
        let to_user = self.targets()?.map(|targets| lines().with_filter(targets));
        let to_syslog = if matters { syslog(name) } else { None };
        if to_user.is_some() || to_syslog.is_some() {
            tracing_subscriber::registry().with(to_user).with(to_syslog).init();
        }
        Ok(())
    }

    fn targets(&self) -> Result<Option<Targets>, Refusal> {
        let filter = std::env::var_os(FILTER).filter(|filter| !filter.is_empty());
        Ok(match (filter, self.verbose) {
            (Some(filter), _) => {
                let unreadable =
                    |_| Refusal::usage(format!("{FILTER} is not UTF-8: try {FILTER}=debug"));
                let filter = filter.into_string().map_err(unreadable)?;
                Some(filter.parse::<Targets>().map_err(|error| {
                    Refusal::usage(format!(
                        "bad filter in {FILTER} '{filter}': {error}: try {FILTER}=debug"
                    ))
                })?)
            }
            (None, 0) => None,
            (None, 1) => Some(Targets::new().with_default(Level::INFO)),
            (None, _) => Some(Targets::new().with_default(Level::DEBUG)),
        })
    }

    /// Reports whether messages about things that were not found are unwanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Reports whether `--quiet` was given to any applet. Some applets have no such option.
    pub fn is_quiet_in(matches: &ArgMatches) -> bool {
        // The name of the field above is the id of the option.
        matches.try_get_one("quiet").is_ok_and(|quiet| quiet == Some(&true))
    }
}

/// Returns a layer that writes events as lines to standard error.
fn lines<S: Subscriber + for<'s> LookupSpan<'s>>() -> impl Layer<S> {
    tracing_subscriber::fmt::layer().with_writer(|| Log).with_ansi(false).without_time()
}

/// Returns a layer that writes to syslog what is done to processes; `None` if no syslog listens.
fn syslog<S: Subscriber + for<'s> LookupSpan<'s>>(name: &str) -> Option<impl Layer<S>> {
    let syslog = Syslog::connect(&name.replace(' ', "-"))?;
    let messages =
        tracing_subscriber::fmt::layer().with_writer(syslog).with_ansi(false).without_time();
    let done = Targets::new().with_target("proctool::control", Level::INFO);
    Some(messages.with_level(false).with_target(false).with_filter(done))
}
