//! `notify-send-headless`: a desktop notification from where there is no desktop.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueEnum, value_parser};

use super::{Applet, Context};
use crate::cli::desktop::{enter, find, refusal};
use crate::cli::usage;
use crate::cli::verbosity::Verbosity;
use crate::desktop::notification::{End, Hint};
use crate::desktop::{BusError, Notification, Session, Variables, Wanted};
use crate::exec::{Environment, become_command};
use crate::exit::{Exit, Refusal};
use crate::output::message::message;
use crate::output::{self, Colour, Output};
use crate::process::Proc;

/// The row in the table of applets.
pub static APPLET: Applet = Applet {
    name: "notify-send-headless",
    links: &["notify-send-headless"],
    about: "Show a desktop notification to who sits at the screen",
    command,
    notes,
    run,
};

/// The program whose arguments these are.
const PROGRAM: &str = "notify-send";

/// What needs nobody to see it.
const QUESTIONS: [&str; 5] = ["--help", "--help-all", "-?", "--version", "-v"];

fn command() -> Command {
    Command::new("notify-send-headless")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(
            Arg::new("arguments")
                .value_name("ARGUMENT")
                .num_args(0..)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .value_parser(value_parser!(OsString))
                .help("As of notify-send, see notify-send --help"),
        )
        .long_about(
            "Shows a desktop notification to who sits at the screen, from cron, from a daemon, as root or over ssh. The \
             arguments are those of notify-send, --help among them, and are passed on as they are. Who is reached, and that \
             nobody can divert it, is as with with-gui-environment(1).\n\n\
             Without a program notify-send it speaks to the message bus itself, with the same options.",
        )
}

fn notes() -> String {
    format!("{EXIT_STATUS}\n\n{VARIABLES}\n\n{SECURITY}\n\n{EXAMPLES}")
}

const EXIT_STATUS: &str = "\
Exit status:
  0    the notification was delivered
  1    it was not: nobody is logged in graphically, it is not clear who is meant, or nobody shows notifications there
  2    wrong usage, without a program notify-send
  125  something of our own failed, such as becoming the user
  126  notify-send could not be executed
  Otherwise that of notify-send.";

const VARIABLES: &str = "\
Environment:
  PROCTOOL_USER
                whose session it is to be, by name or number
  PROCTOOL_SESSION
                what logind calls the session, see with-gui-environment --list
  PROCTOOL_LOG  what to log on standard error, such as debug";

const SECURITY: &str = "\
Security:
  The text is for whoever sits at the screen, and for every program that this user runs. As root, notify-send is run with
  the user's rights, by with-gui-environment's rules.";

const EXAMPLES: &str = "\
Examples:
  notify-send-headless -u critical 'Backup failed' 'See /var/log/backup.log'
  PROCTOOL_USER=alice notify-send-headless 'Your job is done'
  */5 * * * * root mountpoint -q /srv || notify-send-headless 'The disk /srv is gone'

See also:
  proctool(1), notify-send(1), with-gui-environment(1)";

/// How to say who is meant.
const ADVICE: &str = "choose with PROCTOOL_USER or PROCTOOL_SESSION in the environment";

fn run(matches: &ArgMatches, context: &Context) -> anyhow::Result<Exit> {
    Verbosity::default().start()?;
    let arguments: Vec<OsString> = matches.get_many("arguments").unwrap_or_default().cloned().collect();
    let words: Vec<OsString> = std::iter::once(PROGRAM.into()).chain(arguments.iter().cloned()).collect();
    if let [question] = &arguments[..]
        && QUESTIONS.iter().any(|known| question == known)
    {
        return match become_command(&words, &Environment::default()) {
            missing if missing.exit == Exit::NotFound => answer(question),
            refusal => Err(refusal.into()),
        };
    }
    let proc = Proc::open(Path::new("/proc")).map_err(|error| refusal(&error.into(), ADVICE))?;
    let wanted = Wanted { user: variable("PROCTOOL_USER")?, session: variable("PROCTOOL_SESSION")? };
    let (session, variables) = find(&proc, &wanted, ADVICE)?;
    if variables.bus.is_none() {
        return Err(Refusal::nothing(format!("{session}: its message bus does not answer")).into());
    }
    let environment = enter(&session, &variables)?;
    match become_command(&words, &environment) {
        missing if missing.exit == Exit::NotFound => show(&context.name, &words, &session, &variables),
        refusal => Err(refusal.into()),
    }
}

fn variable(name: &str) -> Result<Option<String>, Refusal> {
    let value = env::var_os(name).filter(|value| !value.is_empty());
    let text = value.map(OsString::into_string).transpose();
    text.map_err(|value| Refusal::usage(format!("{name} is not UTF-8: '{}'", value.display())))
}

/// What notify-send takes, for where there is none.
#[derive(Args)]
struct Options {
    /// In one line, what happened
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    summary: String,
    /// What there is to say about it
    body: Option<String>,
    /// How urgent it is
    #[arg(short, long, value_name = "LEVEL", value_enum, ignore_case = true, default_value = "normal")]
    urgency: Urgency,
    /// Milliseconds until it disappears
    #[arg(short = 't', long, value_name = "TIME", default_value = "-1", allow_negative_numbers = true, value_parser = integer::<i32>)]
    expire_time: i32,
    /// The name of the application
    #[arg(short, long, value_name = "NAME", default_value = PROGRAM)]
    app_name: String,
    /// The file name of an icon, or its name in the icon theme
    #[arg(short, long, value_name = "ICON", default_value = "")]
    icon: String,
    /// What kind of notification it is
    #[arg(short, long, value_name = "TYPE[,TYPE...]")]
    category: Option<String>,
    /// It is not to be kept
    #[arg(short = 'e', long)]
    transient: bool,
    /// More about it; types are BOOLEAN, BYTE, DOUBLE, INT and STRING
    #[arg(short = 'h', long, value_name = "TYPE:NAME:VALUE", value_parser = hint)]
    hint: Vec<(String, Hint)>,
    /// Print its number
    #[arg(short, long)]
    print_id: bool,
    /// The number of a notification that it takes the place of
    #[arg(short, long, value_name = "ID", default_value = "0", value_parser = integer::<u32>)]
    replace_id: u32,
    /// Wait until it is closed
    #[arg(short, long)]
    wait: bool,
    /// Something to choose: its name is printed then
    #[arg(short = 'A', long, value_name = "[NAME=]TEXT")]
    action: Vec<String>,
    /// Print this help
    #[arg(short = '?', long, action = ArgAction::Help)]
    help: Option<bool>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Urgency {
    Low,
    Normal,
    Critical,
}

/// A number, in decimal or, behind `0x`, in hexadecimal.
fn integer<T: TryFrom<i64>>(text: &str) -> Result<T, String> {
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    T::try_from(number.map_err(|error| error.to_string())?).map_err(|_| "it is too large or too small".to_owned())
}

fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err(format!("'{text}' is neither true nor false")),
    }
}

/// `TYPE:NAME:VALUE`.
fn hint(text: &str) -> Result<(String, Hint), String> {
    let mut parts = text.splitn(3, ':');
    let (Some(kind), Some(name), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("it is not TYPE:NAME:VALUE".to_owned());
    };
    if name.is_empty() {
        return Err("it has no name".to_owned());
    }
    let hint = match kind.to_ascii_lowercase().as_str() {
        "string" => Ok(Hint::Text(value.to_owned())),
        "int" => integer(value).map(Hint::Number),
        "byte" => integer(value).map(Hint::Byte),
        "double" => value.parse().map(Hint::Real).map_err(|error| error.to_string()),
        "boolean" => flag(value).map(Hint::Flag),
        _ => Err(format!("'{kind}' is none of BOOLEAN, BYTE, DOUBLE, INT and STRING")),
    };
    hint.map(|hint| (name.to_owned(), hint))
}

fn own_command() -> Command {
    Options::augment_args(Command::new(PROGRAM).disable_help_flag(true))
        .about("Shows a desktop notification")
        .args_override_self(true)
}

/// What notify-send would print.
fn answer(question: &OsStr) -> anyhow::Result<Exit> {
    let text = match question == "--version" || question == "-v" {
        true => format!("proctool {}\n", env!("CARGO_PKG_VERSION")),
        false => own_command().render_help().to_string(),
    };
    output::print(&text)?;
    Ok(Exit::Done)
}

/// Do what notify-send would.
fn show(name: &str, words: &[OsString], session: &Session, variables: &Variables) -> anyhow::Result<Exit> {
    let matches = own_command().try_get_matches_from(words).map_err(|error| usage::refusal(name, &error))?;
    let options = Options::from_arg_matches(&matches)?;
    let undelivered = |error: BusError| Refusal::nothing(format!("the notification was not delivered: {error}"));
    let bus = variables.bus.as_ref().context("no message bus")?;
    let shown = options.notification().show(bus, session.account.uid).map_err(undelivered)?;
    let mut output = Output::stdout(Colour::Never);
    if options.print_id {
        writeln!(output, "{}", shown.id)?;
        output.flush()?;
    }
    if !options.action.is_empty() && !shown.has_actions {
        message(name, "who shows notifications here offers nothing to choose");
    }
    if options.wait || shown.has_actions {
        let limit = u64::try_from(options.expire_time).ok().filter(|&limit| limit > 0).map(Duration::from_millis);
        if let End::Chosen(action) = shown.wait(limit).map_err(undelivered)? {
            let action = output::shown(action.as_bytes(), &output.terminal).into_owned();
            output.write_all(&[&action[..], b"\n"].concat())?;
        }
    }
    output.finish().context("what was chosen was not printed")?;
    Ok(Exit::Done)
}

impl Options {
    fn notification(&self) -> Notification {
        let mut hints = vec![
            ("urgency".to_owned(), Hint::Byte(self.urgency as u8)),
            ("sender-pid".to_owned(), Hint::Long(std::process::id().into())),
        ];
        let category = self.category.clone().filter(|category| !category.is_empty());
        hints.extend(category.map(|category| ("category".to_owned(), Hint::Text(category))));
        hints.extend(self.transient.then(|| ("transient".to_owned(), Hint::Flag(true))));
        // As notify-send leaves out what is empty.
        hints.extend(self.hint.iter().filter(|(_, hint)| *hint != Hint::Text(String::new())).cloned());
        let actions = self.action.iter().enumerate().map(|(number, action)| match action.split_once('=') {
            Some((name, label)) => (name.to_owned(), label.to_owned()),
            None => (number.to_string(), action.clone()),
        });
        let actions = actions.filter(|(name, label)| !name.is_empty() && !label.is_empty());
        Notification {
            application: self.app_name.clone(),
            replaces: self.replace_id,
            icon: self.icon.clone(),
            summary: self.summary.clone(),
            body: self.body.as_deref().map(compressed).unwrap_or_default(),
            actions: actions.collect(),
            hints,
            expires: self.expire_time,
        }
    }
}

/// The escapes of C in a body, as notify-send resolves them (g_strcompress of GLib).
fn compressed(text: &str) -> String {
    let mut result = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let Some((&escaped, after)) = rest.split_first().filter(|_| byte == b'\\') else {
            result.push(byte);
            continue;
        };
        rest = after;
        result.push(match escaped {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            b'0'..=b'7' => {
                let mut value = escaped - b'0';
                for _ in 0..2 {
                    let Some((&digit @ b'0'..=b'7', after)) = rest.split_first() else { break };
                    value = value.wrapping_mul(8).wrapping_add(digit - b'0');
                    rest = after;
                }
                value
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&result).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        assert_eq!(compressed(r"a\nb\\n\t\x\101é\"), "a\nb\\n\tx\u{41}é\\");
    }

    #[test]
    fn hints() {
        assert_eq!(hint("int:x:0x10"), Ok(("x".to_owned(), Hint::Number(16))));
        assert_eq!(hint("boolean:t:1"), Ok(("t".to_owned(), Hint::Flag(true))));
        assert_eq!(hint("int:x:-5"), Ok(("x".to_owned(), Hint::Number(-5))));
        assert_eq!(hint("STRING:image-path:/a:b"), Ok(("image-path".to_owned(), Hint::Text("/a:b".to_owned()))));
        assert_eq!(hint("boolean:t:True"), Ok(("t".to_owned(), Hint::Flag(true))));
        for wrong in ["", "int", "int:x", "int:x:y", "byte:x:256", "variant:x:1", "int::1"] {
            assert!(hint(wrong).is_err(), "{wrong}");
        }
    }
}
