//! `--interval`: an applet looks again and again. On a terminal it draws each answer over the one
//! before, elsewhere it prints JSON lines with the time.

use std::io::{IsTerminal as _, stdout};
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;

use super::format::Format;
use super::parse;
use crate::exit::Exit;
use crate::output::json::Layout;
use crate::output::{Colour, Output};
use crate::process::{Proc, Property, property};

/// `--interval`.
#[derive(Args)]
pub struct Interval {
    /// Look again after this time, until it is interrupted: redrawn on a terminal, else JSON lines
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = parse::interval,
        conflicts_with_all = ["json", "quiet"],
        help_heading = "Output"
    )]
    interval: Option<Duration>,
}

/// One of several looks, or the only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Only,
    Redrawn,
    Lines,
}

impl Interval {
    /// Looks once, or again and again. Nothing that one look has read serves the next one. Returns the
    /// result of the only look, or `last`, the result that ends the looks. Errors: those of the
    /// looks, such as an output that nobody reads.
    pub fn run(
        &self,
        proc: Proc,
        format: &Format,
        last: Option<Exit>,
        mut look: impl FnMut(&Proc, Look) -> anyhow::Result<Exit>,
    ) -> anyhow::Result<Exit> {
        let Some(interval) = self.interval else { return look(&proc, Look::Only) };
        let is_redrawn = stdout().is_terminal() && format.json().is_none();
        let kind = if is_redrawn { Look::Redrawn } else { Look::Lines };
        let (mut proc, mut next) = (proc, Instant::now());
        loop {
            proc.begin_round();
            let exit = look(&proc, kind)?;
            if last.is_some_and(|last| last == exit) {
                return Ok(exit);
            }
            let now = Instant::now();
            while next <= now {
                next += interval;
            }
            sleep(next - now);
            proc = proc.anew()?;
        }
    }
}

impl Look {
    /// Opens standard output for the look.
    pub fn output(self, colour: Colour) -> Output {
        match self {
            Look::Redrawn => Output::redrawn(colour),
            Look::Only | Look::Lines => Output::stdout(colour),
        }
    }

    /// Returns the layout of JSON; `None` for text.
    pub fn layout(self, format: &Format) -> Option<Layout> {
        match self {
            Look::Lines => Some(Layout::Lines),
            Look::Only | Look::Redrawn => format.json(),
        }
    }

    /// Returns the members of an object in JSON: with the time where there are several looks.
    pub fn members(self, mut properties: Vec<&'static Property>) -> Vec<&'static Property> {
        if self == Look::Lines && properties.iter().all(|property| property.name != "time") {
            properties.extend(property("time"));
        }
        properties
    }
}
