//! `show`: everything about a process.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::{Applet, Context, ManSection};
use crate::cli::exit_status::{ExitRow, Status};
use crate::cli::format::{self, FieldList};
use crate::cli::interval::{Interval, Look};
use crate::cli::{Common, ENVIRONMENT, FILES_AND_SECURITY, absence, parse, tell_held_up};
use crate::exit::Exit;
use crate::output::Terminal;
use crate::output::json::{self, Layout};
use crate::output::message::message;
use crate::output::record::record;
use crate::process::{
    File, Files, Lookup, Pid, Proc, Process, Property, ReadError, ReadResult, Unexamined,
    certain_files, if_available, property,
};
use crate::select::RelativeIdentity;

/// The row in the table of applets.
pub static APPLET: Applet = Applet {
    name: "show",
    links: &[],
    about: "Show everything about some processes",
    section: ManSection::Commands,
    command,
    exits: EXITS,
    notes,
    run,
};

#[derive(Args)]
struct Options {
    /// Process ids, or self
    #[arg(
        value_name = "PID|self",
        required = true,
        value_parser = target,
        allow_negative_numbers = true
    )]
    targets: Vec<Subject>,
    /// Show only these, with commas between; --help has the list
    #[arg(long, value_name = "FIELDS", value_parser = format::fields, help_heading = "Output")]
    fields: Vec<FieldList>,
    /// Show the environment too, which may hold secrets
    #[arg(long, help_heading = "Output")]
    environ: bool,
    #[command(flatten)]
    interval: Interval,
    #[command(flatten)]
    common: Common,
}

fn command() -> Command {
    Options::augment_args(Command::new("show")).long_about(
        "Shows everything about some processes, grouped: sizes in units of 1024, times as date and \
             as age. What is unavailable says why. All properties of one process are read through \
             one descriptor, so that they never mix it with a later process of the same id.\n\n\
             The environment is shown only with --environ or when --fields names it.",
    )
}

fn notes() -> String {
    format!("{}\n\n{ENVIRONMENT}\n\n{FILES_AND_SECURITY}\n\n{EXAMPLES}", format::fields_help())
}

const EXITS: &[ExitRow] = &[
    Status(Exit::Done, "all of them were shown"),
    Status(Exit::Nothing, "none of them exists"),
    Status(Exit::Usage, "wrong usage"),
    Status(Exit::Fatal, "fatal: /proc unreadable, out of descriptors, output failed"),
    Status(Exit::Partial, "some of them do not exist"),
];

const EXAMPLES: &str = "\
Examples:
  proctool show 1
  proctool show --fields exe_path,cwd,rss,uss self
  proctool show --json 1 | jq '.[0].capabilities'

See also:
  proctool(1), ps(1), proc(5)";

#[derive(Clone, Copy)]
enum Subject {
    Pid(Pid),
    Own,
}

fn target(text: &str) -> Result<Subject, String> {
    if text == "self" { Ok(Subject::Own) } else { parse::pid(text).map(Subject::Pid) }
}

fn run(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    let options = Options::from_arg_matches(matches)?;
    let proc = options.common.start()?;
    let mut seen = Seen::default();
    let answer = |proc: &Proc, look| options.answer(proc, look, &mut seen, context);
    options.interval.run(proc, &options.common.format, Some(Exit::Nothing), answer)
}

/// What the looks have in common.
#[derive(Default)]
struct Seen {
    /// The processes of the first look, by which later looks know them.
    identities: BTreeMap<Pid, RelativeIdentity>,
    /// The messages that were printed: each is printed once.
    messages: BTreeSet<String>,
}

impl Seen {
    /// Notes the identity of a process. Errors: a later process has its pid. One whose identity is
    /// unavailable is believed to be the same.
    fn check(&mut self, process: &Process<'_>) -> ReadResult<()> {
        if let Some(identity) = self.identities.get(&process.pid()) {
            let is_same = if_available(identity.matches(process))?.unwrap_or(true);
            return if is_same { Ok(()) } else { Err(ReadError::Exited) };
        }
        if let Some(identity) = if_available(RelativeIdentity::of(process))? {
            self.identities.insert(process.pid(), identity);
        }
        Ok(())
    }
}

/// The layout of JSON, or text for a terminal.
type Form<'t> = (Option<Layout>, &'t Terminal);

/// The result of an attempt to show a process.
enum Rendered {
    Shown,
    /// The process cannot be shown, for this reason.
    NotShown(String),
}

impl Options {
    /// Prints the answer of one look.
    fn answer(
        &self,
        proc: &Proc,
        look: Look,
        seen: &mut Seen,
        context: &Context,
    ) -> anyhow::Result<Exit> {
        let properties = look.members(self.properties());
        let mut output = look.output(self.common.format.colour());
        let layout = look.layout(&self.common.format);
        let mut block = Vec::new();
        let mut shown = 0;
        output.write_all(layout.map_or(b"", |layout| layout.begin()))?;
        for target in &self.targets {
            block.clear();
            let form = (layout, &output.terminal);
            let rendered = self.render(&mut block, proc, *target, &properties, form, seen)?;
            if let Rendered::NotShown(why) = rendered {
                if !self.common.verbosity.is_quiet() && seen.messages.insert(why.clone()) {
                    message(&context.name, why);
                }
                continue;
            }
            let between = layout.map_or(&b"\n"[..], |layout| layout.between());
            output.write_all(if shown > 0 { between } else { b"" })?;
            output.write_all(&block)?;
            shown += 1;
        }
        output.write_all(layout.map_or(b"", |layout| layout.end(shown)))?;
        output.finish()?;
        if !self.common.verbosity.is_quiet() {
            tell_held_up(&context.name, proc);
        }
        tracing::info!(shown, "processes shown");
        Ok(Exit::from_counts(shown, self.targets.len()))
    }

    fn properties(&self) -> Vec<&'static Property> {
        let mut properties = format::joined(&self.fields).unwrap_or_else(format::default_fields);
        if self.environ && properties.iter().all(|property| property.name != "environ") {
            properties.extend(property("environ"));
        }
        properties
    }

    /// Appends a process to `block`, if it can be shown. Errors end the run: reading failed for a
    /// reason of our own.
    fn render(
        &self,
        block: &mut Vec<u8>,
        proc: &Proc,
        target: Subject,
        properties: &[&Property],
        form: Form<'_>,
        seen: &mut Seen,
    ) -> anyhow::Result<Rendered> {
        let pid = match (target, proc.own_pid()) {
            (Subject::Pid(pid), _) | (Subject::Own, Some(pid)) => pid,
            (Subject::Own, None) => {
                let why = format!("we ourselves are not in {}", proc.path().display());
                return Ok(Rendered::NotShown(why));
            }
        };
        // Read these two always. A property that either of them holds then needs no third file.
        let files = Files::new(&[File::Stat, File::Status]) | certain_files(properties);
        let process = match proc.process(pid, files)? {
            Lookup::Found(process) => process,
            Lookup::Unavailable(reason) => {
                return Ok(Rendered::NotShown(format!("process {pid}: {reason}")));
            }
            Lookup::Exited => {
                let what = format!("there is no process {pid}");
                let why = absence(&what, proc, &Unexamined::default())?;
                return Ok(Rendered::NotShown(why));
            }
        };
        let rendered =
            seen.check(&process).and_then(|()| self.rendered(block, &process, properties, form));
        Ok(match process.lookup(rendered)? {
            Lookup::Found(()) => Rendered::Shown,
            Lookup::Unavailable(reason) => Rendered::NotShown(format!("process {pid}: {reason}")),
            Lookup::Exited => Rendered::NotShown(format!("process {pid} ended while it was read")),
        })
    }

    fn rendered(
        &self,
        block: &mut Vec<u8>,
        process: &Process<'_>,
        properties: &[&Property],
        (layout, terminal): Form<'_>,
    ) -> ReadResult<()> {
        match layout {
            Some(_) => json::object(block, process, properties),
            None => record(block, process, properties, self.fields.is_empty(), terminal),
        }
    }
}
