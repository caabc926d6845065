//! The applets: the name, the options and the help of each, and the function that runs it.
//!
//! A new applet is one file, and two lines here: its module and its row in [`APPLETS`].

mod apache_mem;
mod completions;
mod cron_graceful;
mod cron_jobs;
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

use crate::cli::ENVIRONMENT;
use crate::cli::exit_status::{self, ExitRow};
use crate::exit::Exit;

/// An applet, as each file of this folder describes it.
pub struct Applet {
    /// Name of the applet, as in `proctool NAME`.
    pub name: &'static str,
    /// Names of links that call it. Separate from its name, which may belong to another program
    /// already.
    pub links: &'static [&'static str],
    /// One line of help.
    pub about: &'static str,
    /// Section of its man page. Only the generator of the pages reads it, which is a test.
    #[cfg_attr(not(test), allow(dead_code))]
    pub section: ManSection,
    /// Returns its options, each with its help.
    pub command: fn() -> Command,
    /// Its exit statuses, which follow the options in its help and in its man page.
    pub exits: &'static [ExitRow],
    /// Returns the text that follows in its long help and in its man page: paragraphs, each below
    /// a title that ends with a colon.
    pub notes: fn() -> String,
    /// Runs it. Errors end the program: a [`crate::exit::Refusal`] has its own status, any other is
    /// fatal.
    pub run: fn(&ArgMatches, &Context) -> anyhow::Result<Exit>,
}

/// Section of a man page (man(1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManSection {
    /// 1: commands of all users.
    Commands,
    /// 8: commands that change how a machine is run, or that only administrators need.
    Administration,
}

/// The way in which an applet was called.
pub struct Context {
    /// Name in messages: `proctool find`, or the name of the link.
    pub name: String,
    /// Start of the program, from which time limits count.
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
    &cron_jobs::APPLET,
    &apache_mem::APPLET,
    &with_gpg_agent::APPLET,
    &notify_send_headless::APPLET,
    &with_gui_environment::APPLET,
    &completions::APPLET,
];

/// Returns the parser of an applet, with the settings that all share, but without its long help:
/// that costs start-up time, and only `--help` needs it.
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

/// Reports whether an option may be repeated: a switch, which stays on, and `--color`, which an
/// alias of a shell may hold. Options with lists grow when repeated. For all others, a value would
/// be lost silently, so that clap refuses them.
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

/// Kernel versions that the code depends on, and what it does on older ones.
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
  6.15   PIDFD_INFO_EXIT: wait --status tells how any process ended, as does
         cron-jobs in a container; before, only of one that is still a zombie";

const SEE_ALSO: &str = "\
See also:
  pgrep(1), pstree(1), ps(1), proc(5)";

/// Returns the parser of an applet with its long help.
pub fn documented(applet: &Applet) -> Command {
    let exit_status = exit_status::paragraph(applet.exits);
    let notes = format!("{exit_status}\n\n{}", (applet.notes)());
    named(applet).after_help(exit_status).after_long_help(notes)
}

/// Returns the whole program as one command, for its help, its completions and its man page. The
/// dispatch of calls does not use it.
pub fn program() -> Command {
    let exit_status = exit_status::paragraph(exit_status::GENERAL);
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
        .after_help(exit_status.clone())
        .after_long_help(format!(
            "{exit_status}\n\n{ENVIRONMENT}\n\n{KERNELS}\n\n{FILES_AND_SECURITY}\n\n{SEE_ALSO}"
        ))
        .subcommands(APPLETS.iter().map(|applet| documented(applet)))
        .max_term_width(100)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::exit_status::{AFTER_SIGINT, GENERAL, Note, Status};

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
        // An applet may have a folder beside its file.
        files.dedup();
        let mut names: Vec<&str> = APPLETS.iter().map(|applet| applet.name).collect();
        names.sort_unstable();
        assert_eq!(files, names);
    }

    /// Statuses of our own: all but those that a command passes on.
    const OWN: [Exit; 12] = [
        Exit::Done,
        Exit::Nothing,
        Exit::Usage,
        Exit::Fatal,
        Exit::Absent,
        Exit::Supervised,
        Exit::Partial,
        Exit::TimedOut,
        Exit::NotRun,
        Exit::NotExecutable,
        Exit::NotFound,
        AFTER_SIGINT,
    ];

    #[test]
    fn every_table_of_exit_statuses_names_our_own_in_order() {
        let tables = APPLETS.iter().map(|applet| (applet.name, applet.exits));
        for (name, rows) in tables.chain([("proctool", GENERAL)]) {
            let is_usage = |row: &ExitRow| matches!(row, Status(Exit::Usage, _));
            assert!(rows.iter().any(is_usage), "{name}: wrong usage");
            // A note begins another group of statuses.
            for group in rows.split(|row| matches!(row, Note(_))) {
                let exits: Vec<Exit> = group
                    .iter()
                    .filter_map(|row| if let Status(exit, _) = row { Some(*exit) } else { None })
                    .collect();
                assert!(exits.iter().all(|exit| OWN.contains(exit)), "{name}: {exits:?}");
                let is_ascending = exits.is_sorted_by(|one, next| one.status() < next.status());
                assert!(is_ascending, "{name}: {exits:?}");
            }
        }
    }

    /// The rows of the README's table of exit statuses: the statuses, and the meaning.
    fn exits_of_readme() -> Vec<(Vec<String>, String)> {
        let readme = include_str!("../../README.md");
        let table = readme.split_once("| exit status | meaning |\n| --- | --- |\n").unwrap().1;
        let row = |line: &str| {
            let (statuses, meaning) =
                line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
            Some((statuses.split(", ").map(str::to_owned).collect(), meaning.to_owned()))
        };
        table.lines().map_while(row).collect()
    }

    #[test]
    fn the_readme_has_the_exit_statuses_of_the_program() {
        let readme = exits_of_readme();
        let label = |exit: &Exit| match exit {
            Exit::Interrupted(_) => "128 + n".to_owned(),
            exit => exit.status().to_string(),
        };
        let statuses: Vec<&String> = readme.iter().flat_map(|(statuses, _)| statuses).collect();
        assert_eq!(statuses, OWN.iter().map(label).collect::<Vec<_>>().iter().collect::<Vec<_>>());
        for row in GENERAL {
            let Status(exit, meaning) = row else { panic!("{row:?} is a status") };
            let of_readme = readme.iter().find(|(statuses, _)| statuses.contains(&label(exit)));
            // Of wrappers and of signals, the README tells more in other words.
            let is_in_full = exit.status() < Exit::NotRun.status();
            assert!(
                of_readme
                    .is_some_and(|row| !is_in_full || row.1.replace('`', "").starts_with(meaning)),
                "{exit:?}"
            );
        }
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
