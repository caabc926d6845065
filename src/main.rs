//! proctool: Linux process tools in one program. Start, dispatch, and the one place where it ends.

mod apache;
mod applets;
mod cli;
mod command;
mod control;
mod cron;
mod deadline;
mod desktop;
mod dispatch;
mod escape;
mod exit;
#[cfg(test)]
mod fuzz;
mod gpg;
#[cfg(test)]
mod manual;
mod output;
mod peer;
mod process;
mod select;
mod thread;
mod tree;
mod users;

use std::env;
use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::Command;
use clap::error::ErrorKind;

use crate::applets::{APPLETS, Applet, Context};
use crate::dispatch::{Request, dispatch};
use crate::exit::{Exit, Refusal};
use crate::output::message::message;

fn main() -> ExitCode {
    let begin = Instant::now();
    let argv: Vec<OsString> = env::args_os().collect();
    let request = dispatch(&argv, APPLETS);
    let name = match &request {
        Request::Run { name, .. } => name.clone(),
        _ => "proctool".to_owned(),
    };
    let heeded = control::reset_sigchld().context("cannot heed children");
    let exit = match heeded.and_then(|()| answer(request, begin)) {
        Ok(exit) => exit,
        Err(error) => report(&name, &error),
    };
    output::outlet::close();
    exit.into()
}

fn answer(request: Request<'_>, begin: Instant) -> anyhow::Result<Exit> {
    let text = match request {
        Request::Run { applet, name, arguments } => return run(applet, name, arguments, begin),
        Request::List => APPLETS.iter().map(|applet| format!("{}\n", applet.name)).collect(),
        Request::ListLinks => {
            APPLETS.iter().flat_map(|applet| applet.links).map(|link| format!("{link}\n")).collect()
        }
        Request::Help => applets::program().render_long_help().to_string(),
        Request::HelpOn(applet) => applets::documented(applet).render_long_help().to_string(),
        Request::Version => format!("proctool {}\n", env!("CARGO_PKG_VERSION")),
        Request::Wrong(message) => return Err(Refusal::usage(message).into()),
    };
    output::print(&text)?;
    Ok(Exit::Done)
}

fn run(
    applet: &Applet,
    name: String,
    arguments: &[OsString],
    begin: Instant,
) -> anyhow::Result<Exit> {
    let parse = |command: Command| {
        // Who has no help of its own passes everything on, a `--` in front too.
        let separator = command.is_disable_help_flag_set().then(|| OsString::from("--"));
        let words = std::iter::once(OsString::from(&name))
            .chain(separator)
            .chain(arguments.iter().cloned());
        command.bin_name(&name).display_name(&name).try_get_matches_from(words)
    };
    let command = applets::named(applet);
    cli::spelling::check(&command, arguments)?;
    let parsed = match parse(command) {
        Err(error) if error.kind() == ErrorKind::DisplayHelp => parse(applets::documented(applet)),
        outcome => outcome,
    };
    let matches = match parsed {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => return Err(cli::usage::refusal(&name, &error).into()),
        // Help, or the version.
        Err(error) => {
            output::print(&error.render().to_string())?;
            return Ok(Exit::Done);
        }
    };
    let is_quiet = matches.try_get_one("quiet").ok().flatten().copied().unwrap_or(false);
    match (applet.run)(&matches, &Context { name, begin }) {
        // The status says it.
        Err(error) if is_quiet && error.downcast_ref().is_some_and(Refusal::is_nothing) => {
            Ok(Exit::Nothing)
        }
        outcome => outcome,
    }
}

/// Tell what went wrong, and choose the status for it.
fn report(name: &str, error: &anyhow::Error) -> Exit {
    if error.chain().any(is_closed_pipe) {
        return Exit::Done;
    }
    message(name, format_args!("{error:#}"));
    error.downcast_ref::<Refusal>().map_or(Exit::Fatal, |refusal| refusal.exit)
}

/// Whoever read our output has seen enough.
fn is_closed_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
