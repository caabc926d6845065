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
             bash: source it from ~/.bashrc. zsh and fish load them from a file a command, for which COMMAND is there: _proctool \
             in a directory of $fpath, ~/.config/fish/completions/proctool.fish. install.sh does all of it.",
        )
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .required(true)
                .value_parser(value_parser!(Shell))
                .hide_possible_values(true)
                .help("bash, elvish, fish, powershell or zsh"),
        )
        .arg(
            Arg::new("command")
                .value_name("COMMAND")
                .value_parser(std::iter::once("proctool").chain(links().map(|(_, link)| link)).collect::<Vec<_>>())
                .hide_possible_values(true)
                .help("Only for proctool, or for the link of this name"),
        )
}

/// Every link, and what it calls.
fn links() -> impl Iterator<Item = (&'static Applet, &'static str)> {
    APPLETS.iter().flat_map(|applet| applet.links.iter().map(|link| (*applet, *link)))
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
  proctool completions fish proctool \\
    > ~/.config/fish/completions/proctool.fish

See also:
  proctool(1), bash(1)";

fn run(matches: &ArgMatches, _: &Context) -> anyhow::Result<Exit> {
    let shell = *matches.get_one::<Shell>("shell").ok_or_else(|| Refusal::usage("no shell given"))?;
    let wanted = matches.get_one::<String>("command");
    let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted == name);
    let mut script = Vec::new();
    if is_wanted("proctool") {
        generate(shell, &mut program(), "proctool", &mut script);
    }
    for (applet, link) in links().filter(|(_, link)| is_wanted(link)) {
        generate(shell, &mut named(applet), link, &mut script);
    }
    let mut output = Output::stdout(Colour::Never);
    std::io::Write::write_all(&mut output, &script)?;
    output.finish()?;
    Ok(Exit::Done)
}
