//! `completions`: what a shell needs to complete our command lines.

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::{Shell, generate};

use super::{APPLETS, Applet, Context, named, program};
use crate::exit::{Exit, Refusal};
use crate::output::{Colour, Output};

/// The row in the table of applets.
pub static APPLET: Applet =
    Applet { name: "completions", links: &[], about: "Print completions for a shell", command, notes, run };

fn command() -> Command {
    Command::new("completions")
        .long_about(
            "Prints a script that makes a shell complete proctool's command lines, and those of its links.\n\n\
             bash: source it from ~/.bashrc, or save it as /usr/share/bash-completion/completions/proctool. \
             zsh: save it as _proctool in a directory of $fpath. fish: save it as \
             ~/.config/fish/completions/proctool.fish.",
        )
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .required(true)
                .value_parser(value_parser!(Shell))
                .hide_possible_values(true)
                .help("bash, elvish, fish, powershell or zsh"),
        )
}

fn notes() -> String {
    format!("{EXIT_STATUS}\n\n{EXAMPLES}")
}

const EXIT_STATUS: &str = "\
Exit status:
  0   the script was printed
  2   wrong usage, such as an unknown shell
  3   fatal: output failed";

const EXAMPLES: &str = "\
Examples:
  source <(proctool completions bash)
  proctool completions fish > ~/.config/fish/completions/proctool.fish

See also:
  proctool(1), bash(1)";

fn run(matches: &ArgMatches, _: &Context) -> anyhow::Result<Exit> {
    let shell = *matches.get_one::<Shell>("shell").ok_or_else(|| Refusal::usage("no shell given"))?;
    let mut script = Vec::new();
    generate(shell, &mut program(), "proctool", &mut script);
    for applet in APPLETS {
        for link in applet.links {
            generate(shell, &mut named(applet), *link, &mut script);
        }
    }
    let mut output = Output::stdout(Colour::Never);
    std::io::Write::write_all(&mut output, &script)?;
    output.finish()?;
    Ok(Exit::Done)
}
