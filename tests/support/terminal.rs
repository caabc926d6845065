//! The bytes that the program writes to a terminal.

use std::process::Command;

use super::command::{Outcome, PROCTOOL, clean, finish};

/// Why there is no terminal.
pub const NO_TERMINAL: &str = "script(1) or stty(1) is missing";

/// Locales of terminals, and whether each can show all of Unicode.
pub const LOCALES: [(&str, bool); 6] = [
    ("C.UTF-8", true),
    ("C", false),
    ("", false),
    ("de_DE.ISO-8859-1", false),
    ("de_DE@euro", false),
    ("ja_JP.eucJP", false),
];

/// Returns the words of a command that runs a shell script on a terminal of its own.
pub fn on_terminal(script: &str) -> [&str; 4] {
    ["script", "-qec", script, "/dev/null"]
}

/// Reports whether a terminal can be made.
pub fn is_there() -> bool {
    let mut probe = clean("sh");
    probe.args(["-c", "command -v script && command -v stty"]);
    finish(probe).code() == 0
}

/// Returns a command that runs a shell command with both outputs on a terminal of its own, with
/// `$P` for the program. The terminal is so wide that nothing is cut, has no colours, and passes
/// all bytes on unchanged.
pub fn command(script: &str, locale: &str) -> Command {
    let script = format!("stty cols 1000 -opost; {script}");
    let [program, arguments @ ..] = on_terminal(&script);
    let mut command = clean(program);
    command.args(arguments);
    command.env("LANG", locale).env("TERM", "dumb").env("P", PROCTOOL);
    command
}

/// Checks that the output does nothing to a terminal but show itself.
#[track_caller]
pub fn is_harmless(outcome: &Outcome, is_unicode: bool) {
    let text = std::str::from_utf8(&outcome.stdout)
        .unwrap_or_else(|_| panic!("not UTF-8\n{}", outcome.report()));
    let harmful = text.chars().find(|&character| {
        character.is_control() && character != '\n'
            || !is_unicode && !character.is_ascii()
            || is_unseen(character)
    });
    assert!(harmful.is_none(), "{harmful:?} reaches the terminal\n{text:?}");
}

/// Reports whether a character reorders or hides others, or cannot be seen. It knows some of them.
fn is_unseen(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}
