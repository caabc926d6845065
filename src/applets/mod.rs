//! The doors: what each applet is called, which options it takes, and what it runs.
//!
//! A new applet is one file and two lines here: its module and its row.

mod apache_mem;
mod completions;
mod cron_graceful;
mod find;
mod kill;
mod notify_send_headless;
mod resume;
mod show;
mod signalling;
mod suspend;
mod terminate;
mod tree;
mod wait;
mod with_gpg_agent;
mod with_gui_environment;

use std::time::Instant;

use clap::{Arg, ArgMatches, Command};

use crate::cli::{ENVIRONMENT, EXIT_STATUS};
use crate::exit::Exit;

/// An applet.
pub struct Applet {
    /// `proctool NAME`
    pub name: &'static str,
    /// Names of links that call it. Separate from its name, which may belong to another program
    /// already.
    pub links: &'static [&'static str],
    /// One line of help.
    pub about: &'static str,
    /// Its options, each with its help.
    pub command: fn() -> Command,
    /// What follows the options in its long help and in its man page: paragraphs, each below a
    /// title that ends with a colon. The first one is the exit status, which the short help has
    /// too.
    pub notes: fn() -> String,
    /// What it does.
    pub run: fn(&ArgMatches, &Context) -> anyhow::Result<Exit>,
}

/// How it was called.
pub struct Context {
    /// As messages show it: `proctool find`, or the name of the link.
    pub name: String,
    /// When the program began, which time limits count from.
    pub begin: Instant,
}

/// All applets, in the order of `--list`.
pub static APPLETS: &[&Applet] = &[
    &tree::APPLET,
    &find::APPLET,
    &show::APPLET,
    &suspend::APPLET,
    &resume::APPLET,
    &terminate::APPLET,
    &kill::APPLET,
    &wait::APPLET,
    &cron_graceful::APPLET,
    &apache_mem::APPLET,
    &with_gpg_agent::APPLET,
    &notify_send_headless::APPLET,
    &with_gui_environment::APPLET,
    &completions::APPLET,
];

/// The parser of an applet, with what all of them have but the notes: nobody pays for them who does
/// not read them.
pub fn named(applet: &Applet) -> Command {
    (applet.command)()
        .name(applet.name)
        .bin_name(format!("proctool {}", applet.name))
        .about(applet.about)
        .version(env!("CARGO_PKG_VERSION"))
        .mut_args(
            |arg| if is_repeatable(&arg) { arg.clone().overrides_with(arg.get_id()) } else { arg },
        )
        .max_term_width(100)
}

/// Whether an option may be given again: a switch, which is on then too, and what an alias of a
/// shell may have. Of the others, lists grow; anything else would silently be lost, and is refused.
fn is_repeatable(arg: &Arg) -> bool {
    !arg.get_action().takes_values() && !arg.is_positional() || arg.get_long() == Some("color")
}

const FILES_AND_SECURITY: &str = "\
Files:
  /proc         the processes, see proc(5)
  /dev/log      where it exists, syslog is told of what was done to processes

Security:
  Not to be made set-user-ID. Processes are known by what the kernel says of them, and by what \
they call themselves only where that was asked for.";

/// What the code asks kernels for, and what it does on those that have no answer.
const KERNELS: &str = "\
Kernels:
  Reading works on any kernel. Signals and waiting take Linux 5.3 or later; on an older one, or \
where a sandbox forbids the calls, nothing is begun, and the status is 3. What needs more, and \
what is done without it:
  4.14   /proc/PID/smaps_rollup: pss and uss, and what apache-mem makes of
         them; unavailable before
  5.3    pidfd_open(2), and signals through pidfds, of 5.1: suspend, resume,
         terminate, kill, wait, cron-graceful
  5.6    openat2(2): apache-mem finds the files of a server in a container;
         before, it follows each part of a path by itself
  5.9    close_range(2): guardians close what they do not need; before, they
         keep open what the caller had open
  6.9    pidfds with inodes of their own: PID:INODE, and more targets than
         descriptors. Before, there are no ids, the limit of descriptors has
         to be as high as there are targets, and signal 0 through a pidfd
         tells whether its process was reaped
  6.9    PIDFD_SIGNAL_PROCESS_GROUP: --tree knows an orphan by its process
         group, though the leader was reaped; before, only while another
         target is still in it
  6.13   PIDFD_GET_INFO: our own ancestors, though /proc hides them
         (hidepid); before, those that it hides are not known as ancestors
  6.15   PIDFD_INFO_EXIT: wait --status tells how any process ended; before,
         only of one that is still a zombie";

const SEE_ALSO: &str = "\
See also:
  pgrep(1), pstree(1), ps(1), proc(5)";

/// Likewise, with all of its help.
pub fn documented(applet: &Applet) -> Command {
    let notes = (applet.notes)();
    let exit_status = notes.split("\n\n").next().unwrap_or_default().to_owned();
    named(applet).after_help(exit_status).after_long_help(notes)
}

/// The whole program as one command, for its help, its completions and its man page. Calls are
/// dispatched without it.
pub fn program() -> Command {
    Command::new("proctool")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Linux process tools that administrators and scripts can trust")
        .long_about(
            "Linux process tools in one program, that administrators and scripts can trust. They \
             read /proc, and they never take an error for an empty answer.\n\n\
             The first argument names the applet, exactly. Each has a help of its own: proctool \
             help APPLET. Results go to standard output, everything else to standard error. Text \
             is for people; --json and --jsonl are for programs: UTF-8, null for what is \
             unavailable, sizes in bytes, times in seconds, and {\"bytes\": BASE64} for a value \
             that is not UTF-8.",
        )
        .override_usage(
            "proctool APPLET [OPTIONS] [ARGS]\n       proctool --list | --list-links | \
        --help | --version | help APPLET",
        )
        .subcommand_help_heading("Applets")
        .disable_help_subcommand(true)
        .arg(clap::arg!(--list "Print the names of the applets, one a line"))
        .arg(clap::arg!(--"list-links" "Print the names of links that call applets, one a line"))
        .after_help(EXIT_STATUS)
        .after_long_help(format!(
            "{EXIT_STATUS}\n\n{ENVIRONMENT}\n\n{KERNELS}\n\n{FILES_AND_SECURITY}\n\n{SEE_ALSO}"
        ))
        .subcommands(APPLETS.iter().map(|applet| documented(applet)))
        .max_term_width(100)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn names_and_links_are_unique() {
        // A link may have the name of its applet.
        let links = |applet: &&&Applet| {
            applet.links.iter().copied().filter(|link| *link != applet.name).collect::<Vec<_>>()
        };
        let mut names: Vec<&str> = APPLETS.iter().map(|applet| applet.name).collect();
        names.extend(APPLETS.iter().flat_map(|applet| links(&applet)));
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_file_has_its_row() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/applets");
        let mut files: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| {
                entry
                    .unwrap()
                    .file_name()
                    .into_string()
                    .unwrap()
                    .replace(".rs", "")
                    .replace('_', "-")
            })
            .filter(|name| !["mod", "signalling"].contains(&name.as_str()))
            .collect();
        files.sort_unstable();
        let mut names: Vec<&str> = APPLETS.iter().map(|applet| applet.name).collect();
        names.sort_unstable();
        assert_eq!(files, names);
    }

    #[test]
    fn every_parser_is_consistent_and_explained() {
        program().debug_assert();
        for applet in APPLETS {
            assert!(!applet.about.is_empty() && !applet.about.ends_with('.'), "{}", applet.name);
            let command = named(applet);
            command.clone().debug_assert();
            assert!(command.get_long_about().is_some(), "{} explains itself", applet.name);
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{}: {} has help",
                    applet.name,
                    argument.get_id()
                );
            }
        }
    }
}
