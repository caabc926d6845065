//! Refuses arguments that mean something else in kill(1), pkill(1) or the shell's kill, before
//! anything is done.
//!
//! There, `-n 14`, `-s 1`, `-q 3` and `-USR1` name signals. Parsed as our options, they would leave
//! a number that counts as a process id.

use std::ffi::OsString;

use clap::{Arg, Command};

use crate::control::Signal;
use crate::exit::Refusal;

/// Letters that take a number in another kill: the letter, our long option, and the reason to
/// refuse it.
const LETTERS: [(char, &str, &str); 4] = [
    ('n', "--newest", "a signal is named with --signal"),
    ('o', "--oldest", "a signal is named with --signal"),
    ('q', "--quiet", "it takes no value"),
    ('s', "--session", "a signal is named with --signal"),
];

/// Refuses arguments that may mean something else, for a command that acts on processes. Errors:
/// usage.
pub fn check(command: &Command, arguments: &[OsString]) -> Result<(), Refusal> {
    if !acts_on_processes(command) {
        return Ok(());
    }
    let words = CommandWords::parse(command, arguments);
    if let Some((typed, signal)) = words.signals.first() {
        return Err(Refusal::usage(format!(
            "unexpected argument '{typed}': a signal is named with kill --signal {signal}"
        )));
    }
    let ambiguous = LETTERS.iter().find(|(letter, ..)| words.letters.contains(letter));
    match ambiguous.filter(|_| words.has_operands) {
        Some((letter, long, why)) => Err(Refusal::usage(format!(
            "-{letter} beside process ids may be a mistake: {why}; {long} is written in full there"
        ))),
        None => Ok(()),
    }
}

/// Reports whether a command acts on processes: only such a command has both arguments.
fn acts_on_processes(command: &Command) -> bool {
    let has_argument = |id| command.get_arguments().any(|arg| arg.get_id() == id);
    has_argument("operands") && has_argument("dry_run")
}

/// A command line split into words as clap will parse it.
#[derive(Default)]
struct CommandWords {
    /// Letters behind a single dash.
    letters: Vec<char>,
    /// Signals behind a single dash: the word as typed, and the name of the signal.
    signals: Vec<(String, String)>,
    has_operands: bool,
}

impl CommandWords {
    fn parse(command: &Command, arguments: &[OsString]) -> CommandWords {
        let mut words = CommandWords::default();
        let mut arguments = arguments.iter().map(|argument| argument.to_string_lossy());
        while let Some(argument) = arguments.next() {
            let takes_next = match argument.strip_prefix('-') {
                None | Some("") => {
                    words.has_operands = true;
                    false
                }
                Some("-") => {
                    words.has_operands |= arguments.next().is_some();
                    break;
                }
                Some(word) => match word.strip_prefix('-') {
                    Some(long) => command
                        .get_arguments()
                        .any(|arg| arg.get_long() == Some(long) && takes_value(arg)),
                    None => words.cluster(command, word),
                },
            };
            if takes_next {
                arguments.next();
            }
        }
        words
    }

    /// Parses the letters behind a single dash. Returns whether the next word is the value of the
    /// last letter.
    fn cluster(&mut self, command: &Command, word: &str) -> bool {
        // A number may be a process group, so the parser of operands decides about it.
        if let Some(signal) =
            Signal::parse(word).filter(|_| !word.starts_with(|first: char| first.is_ascii_digit()))
        {
            self.signals.push((format!("-{word}"), signal.to_string()));
            return false;
        }
        let mut letters = word.chars();
        while let Some(letter) = letters.next() {
            self.letters.push(letter);
            if command
                .get_arguments()
                .any(|arg| arg.get_short() == Some(letter) && takes_value(arg))
            {
                return letters.as_str().is_empty();
            }
        }
        false
    }
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;

    use super::*;

    fn checked(words: &str) -> Result<(), String> {
        let flag = |letter: char, long: &'static str| {
            Arg::new(long).short(letter).long(long).action(ArgAction::SetTrue)
        };
        let command = Command::new("kill")
            .arg(flag('n', "newest"))
            .arg(flag('o', "oldest"))
            .arg(flag('q', "quiet"))
            .arg(Arg::new("session").short('s').long("session"))
            .arg(Arg::new("pattern").long("pattern"))
            .arg(Arg::new("user").short('u').long("euid"))
            .arg(flag('y', "dry_run"))
            .arg(Arg::new("operands").num_args(0..));
        let arguments: Vec<OsString> = words.split_whitespace().map(OsString::from).collect();
        check(&command, &arguments).map_err(|refusal| refusal.message)
    }

    #[test]
    fn signals_behind_a_dash_are_told_how_they_are_written() {
        for (typed, name) in [
            ("-hup 21", "HUP"),
            ("-USR1", "USR1"),
            ("21 -pipe", "PIPE"),
            ("-SIGKILL 1", "KILL"),
            ("-rtmin+3 1", "RTMIN+3"),
            ("-RTMAX-2 1", "RTMIN+28"),
            ("-io 1", "IO"),
            ("-u 0 -term", "TERM"),
        ] {
            let told = checked(typed).unwrap_err();
            assert!(told.ends_with(&format!("--signal {name}")), "{typed}: {told}");
        }
    }

    #[test]
    fn letters_that_take_a_number_elsewhere_are_refused_beside_process_ids() {
        for words in [
            "-n 14 13",
            "-q 12 20",
            "-o 5",
            "13 -n",
            "-qn 1",
            "-s 1 1234",
            "-s1 1234",
            "--pattern x -q -- 5",
        ] {
            assert!(checked(words).is_err(), "{words}");
        }
        for words in [
            "-n --pattern x",
            "-q --pattern -n",
            "-s 1",
            "-u n --pattern q",
            "--newest 13",
            "-u 5 -q",
            "-9 5",
            "- --newest",
        ] {
            assert!(checked(words).is_ok(), "{words}");
        }
    }
}
