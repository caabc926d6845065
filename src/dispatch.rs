//! Dispatch: a pure function from the arguments to the request. It never guesses.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::applets::Applet;
use crate::path::base_name;

/// The request of a command line.
pub enum Request<'a> {
    /// An applet to run, its name as messages show it, and the arguments after its name.
    Run { applet: &'static Applet, name: String, arguments: &'a [OsString] },
    /// `proctool --list`
    List,
    /// `proctool --list-links`
    ListLinks,
    /// `proctool --help`
    Help,
    /// `proctool help APPLET`
    HelpOn(&'static Applet),
    /// `proctool --version`
    Version,
    /// Wrong usage, with the message.
    Wrong(String),
}

const HINT: &str = "try 'proctool --list' for the applets, 'proctool --help' for what they do";

/// Returns the request of these arguments: the applet of the link that the base name of `argv[0]`
/// is, else the applet that `argv[1]` is. Both must match exactly.
pub fn dispatch<'a>(argv: &'a [OsString], applets: &'static [&'static Applet]) -> Request<'a> {
    let called =
        argv.first().map(|path| OsStr::from_bytes(base_name(path.as_bytes()))).unwrap_or_default();
    if let Some(applet) =
        applets.iter().find(|applet| applet.links.iter().any(|link| called == *link))
    {
        return Request::Run {
            applet,
            name: called.to_string_lossy().into_owned(),
            arguments: &argv[1..],
        };
    }
    let (word, rest) = match argv {
        [_, word, rest @ ..] => (word, rest),
        _ => return Request::Wrong(format!("no applet given: {HINT}")),
    };
    let find = |name: &OsStr| applets.iter().find(|applet| name == applet.name);
    match (word.to_str(), rest) {
        (Some("--list"), []) => Request::List,
        (Some("--list-links"), []) => Request::ListLinks,
        (Some("--help" | "-h" | "help"), []) => Request::Help,
        (Some("--version" | "-V"), []) => Request::Version,
        (Some("help"), [name]) => {
            find(name).map_or_else(|| unknown(name), |applet| Request::HelpOn(applet))
        }
        (
            Some(
                option
                @ ("--list" | "--list-links" | "--help" | "-h" | "help" | "--version" | "-V"),
            ),
            [.., extra],
        ) => Request::Wrong(format!(
            "'{option}' takes no argument '{}': {HINT}",
            extra.to_string_lossy()
        )),
        _ => match find(word) {
            Some(applet) => {
                Request::Run { applet, name: format!("proctool {}", applet.name), arguments: rest }
            }
            None => unknown(word),
        },
    }
}

fn unknown(word: &OsStr) -> Request<'static> {
    let kind = if word.as_bytes().starts_with(b"-") { "option" } else { "applet" };
    Request::Wrong(format!("unknown {kind} '{}': {HINT}", word.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applets::ManSection;
    use crate::exit::Exit;

    fn applet(name: &'static str, links: &'static [&'static str]) -> Applet {
        Applet {
            name,
            links,
            about: "",
            section: ManSection::Commands,
            command: clap::Command::default,
            exits: &[],
            notes: String::new,
            run: |_, _| Ok(Exit::Done),
        }
    }

    fn request(argv: &[&str]) -> String {
        let table: &'static [&'static Applet] = Vec::leak(vec![
            &*Box::leak(Box::new(applet("kill", &[]))),
            Box::leak(Box::new(applet("cron", &["cron-graceful"]))),
        ]);
        let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
        match dispatch(&argv, table) {
            Request::Run { applet, name, arguments } => {
                format!("{}|{name}|{arguments:?}", applet.name)
            }
            Request::List => "list".to_owned(),
            Request::ListLinks => "links".to_owned(),
            Request::Help => "help".to_owned(),
            Request::HelpOn(applet) => format!("help {}", applet.name),
            Request::Version => "version".to_owned(),
            Request::Wrong(message) => message.split(": ").next().unwrap_or_default().to_owned(),
        }
    }

    #[test]
    fn a_link_is_matched_exactly() {
        assert_eq!(request(&["/usr/sbin/cron-graceful", "-n"]), "cron|cron-graceful|[\"-n\"]");
        assert_eq!(request(&["cron-graceful"]), "cron|cron-graceful|[]");
        assert_eq!(request(&["xcron-graceful", "kill"]), "kill|proctool kill|[]");
        // A name without a link, such as that of a shell builtin, stays with other programs.
        assert_eq!(request(&["kill", "kill", "1"]), "kill|proctool kill|[\"1\"]");
    }

    #[test]
    fn a_name_is_matched_exactly() {
        assert_eq!(request(&["proctool", "kill", "--list"]), "kill|proctool kill|[\"--list\"]");
        assert_eq!(request(&["proctool", "kil"]), "unknown applet 'kil'");
        assert_eq!(request(&["proctool", "cron-graceful"]), "unknown applet 'cron-graceful'");
        assert_eq!(request(&["proctool", "--kill"]), "unknown option '--kill'");
        assert_eq!(request(&["proctool", "help", "kil"]), "unknown applet 'kil'");
    }

    #[test]
    fn the_program_itself() {
        assert_eq!(request(&["proctool", "--list"]), "list");
        assert_eq!(request(&["proctool", "--list-links"]), "links");
        assert_eq!(request(&["proctool", "help"]), "help");
        assert_eq!(request(&["proctool", "-h"]), "help");
        assert_eq!(request(&["proctool", "help", "kill"]), "help kill");
        assert_eq!(request(&["proctool", "--version"]), "version");
        assert_eq!(request(&["proctool", "--version", "x"]), "'--version' takes no argument 'x'");
        assert_eq!(request(&["proctool"]), "no applet given");
        assert_eq!(request(&[]), "no applet given");
    }
}
