//! `--not`: conditions inverted one by one.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::{Args, Command};

use crate::cli::nearest::hint;
use crate::cli::usage;
use crate::exit::Refusal;
use crate::select::Test;

/// The option that inverts a condition.
#[derive(Args)]
pub struct NegationOptions {
    /// Without this condition, such as user=root or unit=cron: an option with its value
    #[arg(long, value_name = "CONDITION", group = "read", help_heading = "Selection")]
    not: Vec<OsString>,
}

/// Options that are no conditions by themselves: they change others, or choose among matches.
const NO_CONDITIONS: [&str; 10] = [
    "not",
    "inverse",
    "full",
    "exact",
    "ignore-case",
    "newest",
    "oldest",
    "ignore-ancestors",
    "logpidfile",
    "nslist",
];

/// Options that [`NegationOptions`] hands on to a condition that is a pattern.
const PATTERNS: [&str; 2] = ["pattern", "literal"];

impl NegationOptions {
    /// Returns the inverted conditions as tests. `T` is the set of options that they are written
    /// as, and `tests` makes tests of it. Patterns are read with these flags. Errors: usage, and
    /// those of the options themselves.
    pub fn tests<T: Args>(
        &self,
        flags: &[&str],
        tests: impl Fn(&T) -> anyhow::Result<Vec<Test>>,
    ) -> anyhow::Result<Vec<Test>> {
        let invert = |typed: &OsString| Ok(Test::Not(tests(&condition(typed, flags)?)?));
        self.not.iter().map(invert).collect()
    }
}

/// Parses a condition by the options that it is written as.
fn condition<T: Args>(typed: &OsStr, flags: &[&str]) -> Result<T, Refusal> {
    let refuse =
        |why: String| Refusal::usage(format!("--not '{}': {why}", typed.to_string_lossy()));
    let command = T::augment_args(Command::new("not").no_binary_name(true).disable_help_flag(true));
    let name = typed.as_bytes().split(|&byte| byte == b'=').next().unwrap_or_default();
    let name = String::from_utf8_lossy(name).into_owned();
    let is_known = conditions(&command).any(|known| known == name);
    if !is_known {
        return Err(refuse(format!(
            "a condition is wanted, as an option without its dashes, such as user=root{}",
            hint(&name, conditions(&command))
        )));
    }
    let flags = flags.iter().filter(|_| PATTERNS.contains(&&*name));
    let option = OsString::from_vec([b"--", typed.as_bytes()].concat());
    let words = flags.map(OsString::from).chain([option]);
    let parsed = command.try_get_matches_from(words).and_then(|found| T::from_arg_matches(&found));
    parsed.map_err(|error| refuse(usage::explanation(&error)))
}

/// Returns the long names of the options that are conditions.
fn conditions(command: &Command) -> impl Iterator<Item = &str> {
    let names = command.get_arguments().filter_map(|argument| argument.get_long());
    names.filter(|name| !NO_CONDITIONS.contains(name))
}
