//! `completions`: prints a script with which a shell completes our command lines.

use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};
use clap_complete::{Shell, generate};

use super::{APPLETS, Applet, Context, ManSection, named, program};
use crate::cli::exit_status::{ExitRow, Status};
use crate::exit::{Exit, Refusal};
use crate::output::{Colour, Output};

/// The row in the table of applets.
pub static APPLET: Applet = Applet {
    name: "completions",
    links: &[],
    about: "Print completions for a shell",
    section: ManSection::Commands,
    command,
    exits: EXITS,
    notes,
    run,
};

fn command() -> Command {
    Command::new("completions")
        .long_about(
            "Prints a script that makes a shell complete proctool's command lines, and those of \
            its links.\n\n\
             bash: source it from ~/.bashrc. zsh and fish load them from a file a command, for \
             which COMMAND is there: _proctool in a directory of $fpath, \
             ~/.config/fish/completions/proctool.fish. install.sh does all of it.\n\n\
             A command behind the options of with-gpg-agent, with-gui-environment and \
             cron-graceful is completed as it is by itself; in bash and fish only behind the \
             links, and in bash without bash-completion only its name.",
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
                .value_parser(
                    std::iter::once("proctool")
                        .chain(links().map(|(_, link)| link))
                        .collect::<Vec<_>>(),
                )
                .hide_possible_values(true)
                .help("Only for proctool, or for the link of this name"),
        )
}

/// Returns every link with its applet.
fn links() -> impl Iterator<Item = (&'static Applet, &'static str)> {
    APPLETS.iter().flat_map(|applet| applet.links.iter().map(|link| (*applet, *link)))
}

fn notes() -> String {
    EXAMPLES.to_owned()
}

const EXITS: &[ExitRow] = &[
    Status(Exit::Done, "the script was printed"),
    Status(Exit::Usage, "wrong usage, such as an unknown shell"),
    Status(Exit::Fatal, "fatal: output failed"),
];

const EXAMPLES: &str = "\
Examples:
  source <(proctool completions bash)
  proctool completions fish proctool \\
    > ~/.config/fish/completions/proctool.fish

See also:
  proctool(1), bash(1)";

fn run(matches: &ArgMatches, _: &Context) -> anyhow::Result<Exit> {
    let shell =
        *matches.get_one::<Shell>("shell").ok_or_else(|| Refusal::usage("no shell given"))?;
    let wanted = matches.get_one::<String>("command");
    let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted == name);
    let mut text = String::new();
    if is_wanted("proctool") {
        text += &script(shell, &mut program(), "proctool");
    }
    for (applet, link) in links().filter(|(_, link)| is_wanted(link)) {
        text += &script(shell, &mut named(applet), link);
    }
    let mut output = Output::stdout(Colour::Never);
    std::io::Write::write_all(&mut output, text.as_bytes())?;
    output.finish()?;
    Ok(Exit::Done)
}

fn script(shell: Shell, command: &mut Command, name: &str) -> String {
    let mut generated = Vec::new();
    generate(shell, command, name, &mut generated);
    let generated = String::from_utf8_lossy(&generated).into_owned();
    match (shell, Wrapper::new(command, name)) {
        (Shell::Bash, Some(wrapper)) => generated + &wrapper.bash(),
        (Shell::Fish, Some(wrapper)) => wrapper.fish(&generated),
        (Shell::Zsh, _) => generated.replace(":_cmdambivalent'", ZSH),
        _ => generated,
    }
}

/// Replacement of a line in the script for zsh, which takes a `--` before the name of a command for
/// the command.
const ZSH: &str = ":{ [[ $words[1] != -- ]] || { shift words; (( CURRENT-- )) }; _cmdambivalent }'";

/// A wrapper's command line: behind our options stands a command with options of its own. The
/// scripts that clap generates for bash and fish do not know of it.
struct Wrapper<'a> {
    name: &'a str,
    /// Our options that take a value, long and short.
    valued: Vec<String>,
    /// `true` if the command begins only behind `--`.
    is_behind_dashes: bool,
}

impl Wrapper<'_> {
    fn new<'a>(command: &Command, name: &'a str) -> Option<Wrapper<'a>> {
        let operand = command
            .get_positionals()
            .find(|it| it.get_value_hint() == ValueHint::CommandWithArguments)?;
        let valued = command
            .get_opts()
            .filter(|option| option.get_action().takes_values())
            .flat_map(|option| {
                let long = option.get_long().map(|long| format!("--{long}"));
                long.into_iter().chain(option.get_short().map(|short| format!("-{short}")))
            });
        Some(Wrapper { name, valued: valued.collect(), is_behind_dashes: operand.is_last_set() })
    }

    fn bash(&self) -> String {
        let (operand, option) = if self.is_behind_dashes {
            ("at+=1", "")
        } else {
            ("break", " && ${COMP_WORDS[at]} == -*")
        };
        BASH.replace("GENERATED", &format!("_{}", self.name.replace('-', "__")))
            .replace("NAME", self.name)
            .replace("VALUED", &self.valued.join("|"))
            .replace("OPERAND", operand)
            .replace("OPTION", option)
    }

    fn fish(&self, generated: &str) -> String {
        let begins = format!("complete -c {} ", self.name);
        let function = format!("__fish_{}_options", self.name.replace('-', "_"));
        let (operand, condition) = if self.is_behind_dashes {
            ("return 0", format!("-n 'not {function}' "))
        } else {
            ("return 1", String::new())
        };
        let ours = generated.replace(&begins, &format!("{begins}-n {function} "));
        let functions = FISH
            .replace("FUNCTION", &function)
            .replace("VALUED", &self.valued.join(" "))
            .replace("OPERAND", operand);
        // The first word must not look like an option. `--` would not do: fish would take it for
        // one of our options with a value.
        let subcommand = format!("__fish_complete_subcommand - {}", self.valued.join(" "));
        format!("{functions}{ours}{begins}{condition}-f -a '({subcommand})'\n")
    }
}

/// Completes a word of our own options, or passes the words on from the one that begins the
/// command. bash makes `=` a word of its own.
const BASH: &str = r#"
GENERATED_or_command() {
    local -i at=1
    local offset dashes=
    while ((at < COMP_CWORD)); do
        case ${COMP_WORDS[at]} in
            --) at+=1; dashes=yes; break ;;
            VALUED)
                [[ ${COMP_WORDS[at + 1]} != = ]] || at+=1
                at+=2
                ;;
            -*) at+=1 ;;
            *) OPERAND ;;
        esac
    done
    if ((at > COMP_CWORD)) || [[ -z ${dashes}OPTION ]]; then
        GENERATED "$@"
        return
    fi
    for offset in _comp_command_offset _command_offset; do
        if declare -F "$offset" >/dev/null; then
            "$offset" "$at"
            return
        fi
    done
    COMPREPLY=()
    ((at < COMP_CWORD)) || mapfile -t COMPREPLY < <(compgen -c -- "$2")
}

complete -F GENERATED_or_command -o bashdefault -o default NAME
"#;

/// Succeeds while the command has not begun.
const FISH: &str = "\
function FUNCTION
    set -l words (commandline -opc)[2..]
    while set -q words[1]
        switch $words[1]
            case --
                return 1
            case VALUED
                set -e words[1]
            case '-*'
            case '*'
                OPERAND
        end
        set -e words[1]
    end
end
";
