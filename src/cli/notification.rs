//! The command line of notify-send, for machines without that program.

use clap::{ArgAction, Args, Command, ValueEnum};

use crate::desktop::Notification;
use crate::desktop::notification::Hint;
use crate::desktop::variant;

/// The program whose arguments these are.
pub const PROGRAM: &str = "notify-send";

/// The arguments of notify-send.
#[derive(Args)]
pub struct Options {
    /// In one line, what happened
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
    /// That of the application, where the icon is another one
    #[arg(short = 'n', long, value_name = "ICON")]
    app_icon: Option<String>,
    /// What kind of notification it is
    #[arg(short, long, value_name = "TYPE[,TYPE...]")]
    category: Option<String>,
    /// It is not to be kept
    #[arg(short = 'e', long)]
    transient: bool,
    /// More about it; types are BOOLEAN, BYTE, DOUBLE, INT, STRING and VARIANT
    #[arg(short = 'h', long, value_name = "TYPE:NAME:VALUE", value_parser = hint)]
    hint: Vec<(String, Hint)>,
    /// Print its number
    #[arg(short, long)]
    pub print_id: bool,
    /// Write its number to this descriptor
    #[arg(long, value_name = "FD", value_parser = integer::<i32>)]
    pub id_fd: Option<i32>,
    /// The number of a notification that it takes the place of
    #[arg(short, long, value_name = "ID", default_value = "0", value_parser = integer::<u32>)]
    replace_id: u32,
    /// Wait until it is closed
    #[arg(short, long)]
    pub wait: bool,
    /// Something to choose: its name is printed then
    #[arg(short = 'A', long, value_name = "[NAME=]TEXT")]
    action: Vec<String>,
    /// Write the name of what was chosen to this descriptor
    #[arg(long, value_name = "FD", value_parser = integer::<i32>)]
    pub selected_action_fd: Option<i32>,
    /// Write a token for a window of what was chosen to this descriptor
    #[arg(long, value_name = "FD", value_parser = integer::<i32>)]
    pub activation_token_fd: Option<i32>,
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

/// Parses a number of an option as C does: in octal after `0`, and in hexadecimal after `0x`. Errors: a
/// text for the user.
fn integer<T: TryFrom<i128>>(text: &str) -> Result<T, String> {
    let number = variant::integer(text).ok_or("it is no number")?;
    T::try_from(number).map_err(|_| "it is too large or too small".to_owned())
}

/// Parses a number of a hint: decimal digits, or hexadecimal ones after `0x`. notify-send ignores what
/// is behind them.
fn leading<T: TryFrom<i128>>(text: &str) -> Result<T, String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let (base, digits) = match digits.strip_prefix("0x") {
        Some(digits) => (16, digits),
        None => (10, digits),
    };
    let end = digits.find(|digit: char| !digit.is_digit(base)).unwrap_or(digits.len());
    let number = i128::from_str_radix(&format!("{sign}{}", &digits[..end]), base);
    T::try_from(number.map_err(|_| format!("'{text}' is no number"))?)
        .map_err(|_| format!("'{text}' is too large or too small"))
}

/// Parses the real number that a text begins with.
fn leading_real(text: &str) -> Result<f64, String> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let longest = text.bytes().take_while(|byte| is_part(byte)).count();
    let numbers = (1..=longest).rev().filter_map(|end| text[..end].parse().ok());
    numbers.into_iter().next().ok_or_else(|| format!("'{text}' is no number"))
}

/// Parses a boolean value of a hint as notify-send does: only `true` and numbers but 0 are true.
fn flag(text: &str) -> bool {
    text.eq_ignore_ascii_case("true")
        || text.bytes().take_while(u8::is_ascii_digit).any(|digit| digit != b'0')
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
        "int" => leading(value).map(Hint::Number),
        "byte" => leading(value).map(Hint::Byte),
        "double" => leading_real(value).map(Hint::Real),
        "boolean" => Ok(Hint::Flag(flag(value))),
        "variant" => variant::parse(value).map(Hint::Any),
        _ => Err(format!("'{kind}' is none of BOOLEAN, BYTE, DOUBLE, INT, STRING and VARIANT")),
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

    /// Returns the name of an option by which a descriptor of ours is written to.
    pub fn descriptor_option(&self) -> Option<&'static str> {
        let id = self.id_fd.map(|_| "--id-fd");
        let action = self.selected_action_fd.map(|_| "--selected-action-fd");
        id.or(action).or(self.activation_token_fd.map(|_| "--activation-token-fd"))
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
        // The icon of the notification itself is a hint where the application has another one.
        let own_icon = self.app_icon.as_ref().map(|_| self.icon.clone());
        hints.extend(
            own_icon
                .filter(|icon| !icon.is_empty())
                .map(|icon| ("image-path".to_owned(), Hint::Text(icon))),
        );
        let actions =
            self.action.iter().enumerate().map(|(number, action)| match action.split_once('=') {
                Some((name, label)) => {
                    (name.trim_ascii().to_owned(), label.trim_ascii().to_owned())
                }
                None => (number.to_string(), action.trim_ascii().to_owned()),
            });
        let actions = actions.filter(|(name, label)| !name.is_empty() && !label.is_empty());
        Notification {
            application: self.app_name.clone(),
            replaces: self.replace_id,
            icon: self.app_icon.as_ref().unwrap_or(&self.icon).clone(),
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
        let is = |text: &str, value: Hint| {
            assert_eq!(hint(text), Ok(("x".to_owned(), value)), "{text}");
        };
        is("int:x:0x10", Hint::Number(16));
        is("int:x:-5", Hint::Number(-5));
        is("int:x:5abc", Hint::Number(5));
        is("int:x:010", Hint::Number(10));
        is("byte:x:0x7", Hint::Byte(7));
        is("double:x:1,5", Hint::Real(1.0));
        is("double:x:1.5e1x", Hint::Real(15.0));
        is("STRING:x:/a:b", Hint::Text("/a:b".to_owned()));
        for (word, is_true) in
            [("True", true), ("1", true), ("2x", true), ("0", false), ("xyz", false), ("", false)]
        {
            is(&format!("boolean:x:{word}"), Hint::Flag(is_true));
        }
        is("variant:x:uint32 7", Hint::Any(7_u32.into()));
        is("Variant:x:'a:b'", Hint::Any("a:b".into()));
        for wrong in ["", "int", "int:x", "int:x:y", "byte:x:256", "variant:x:y", "int::1", "x:y:z"]
        {
            assert!(hint(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_of_options_are_those_of_c() {
        assert_eq!(integer::<i32>("010"), Ok(8));
        assert_eq!(integer::<i32>("-0x10"), Ok(-16));
        assert!(integer::<u32>("-1").is_err() && integer::<i32>("5a").is_err());
    }
}
