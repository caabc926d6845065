//! The command line of notify-send, for machines without that program.

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args, Command, ValueEnum};

use crate::desktop::Notification;
use crate::desktop::notification::Hint;

/// The program whose arguments these are.
pub const PROGRAM: &str = "notify-send";

/// The arguments of notify-send.
#[derive(Args)]
pub struct Options {
    /// In one line, what happened
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    summary: String,
    /// What there is to say about it
    body: Option<String>,
    /// How urgent it is
    #[arg(
        short,
        long,
        value_name = "LEVEL",
        value_enum,
        ignore_case = true,
        default_value = "normal"
    )]
    urgency: Urgency,
    /// Milliseconds until it disappears
    #[arg(
        short = 't',
        long,
        value_name = "TIME",
        default_value = "-1",
        allow_negative_numbers = true,
        value_parser = integer::<i32>
    )]
    pub expire_time: i32,
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
    pub print_id: bool,
    /// The number of a notification that it takes the place of
    #[arg(short, long, value_name = "ID", default_value = "0", value_parser = integer::<u32>)]
    replace_id: u32,
    /// Wait until it is closed
    #[arg(short, long)]
    pub wait: bool,
    /// Something to choose: its name is printed then
    #[arg(short = 'A', long, value_name = "[NAME=]TEXT")]
    action: Vec<String>,
    /// Print the version
    #[arg(short, long)]
    pub version: bool,
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

/// Parses a number, in decimal or, after `0x`, in hexadecimal. Errors: a text for the user.
fn integer<T: TryFrom<i64>>(text: &str) -> Result<T, String> {
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    T::try_from(number.map_err(|error| error.to_string())?)
        .map_err(|_| "it is too large or too small".to_owned())
}

/// Parses a boolean value of a hint.
fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err(format!("'{text}' is neither true nor false")),
    }
}

/// Parses a hint, `TYPE:NAME:VALUE`.
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

/// Returns the parser of the command line.
pub fn command() -> Command {
    Options::augment_args(Command::new(PROGRAM).disable_help_flag(true))
        .about("Shows a desktop notification")
        .args_override_self(true)
}

impl Options {
    /// Reports whether it waits for the user at the screen.
    pub fn waits(&self) -> bool {
        self.wait || !self.action.is_empty()
    }

    /// Returns the notification to show.
    pub fn notification(&self) -> Notification {
        let mut hints = vec![
            ("urgency".to_owned(), Hint::Byte(self.urgency as u8)),
            ("sender-pid".to_owned(), Hint::Long(std::process::id().into())),
        ];
        let category = self.category.clone().filter(|category| !category.is_empty());
        hints.extend(category.map(|category| ("category".to_owned(), Hint::Text(category))));
        hints.extend(self.transient.then(|| ("transient".to_owned(), Hint::Flag(true))));
        // notify-send leaves out empty values.
        hints.extend(
            self.hint.iter().filter(|(_, hint)| *hint != Hint::Text(String::new())).cloned(),
        );
        let actions =
            self.action.iter().enumerate().map(|(number, action)| match action.split_once('=') {
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

/// Resolves the escapes of C in a body, as notify-send does (g_strcompress of GLib).
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
        assert_eq!(
            hint("STRING:image-path:/a:b"),
            Ok(("image-path".to_owned(), Hint::Text("/a:b".to_owned())))
        );
        assert_eq!(hint("boolean:t:True"), Ok(("t".to_owned(), Hint::Flag(true))));
        for wrong in ["", "int", "int:x", "int:x:y", "byte:x:256", "variant:x:1", "int::1"] {
            assert!(hint(wrong).is_err(), "{wrong}");
        }
    }
}
