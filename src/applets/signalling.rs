//! The common part of the applets that act on processes: their options and help, and the way from
//! targets to an exit status. The applets differ in their [`Order`].

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;

use crate::cli::exit_status::{AFTER_SIGINT, ExitRow, Status};
use crate::cli::format::Format;
use crate::cli::targets::Targets;
use crate::cli::verbosity::Verbosity;
use crate::cli::{tell_doubts, told};
use crate::control::{
    Action, Conclusion, Ended, Interrupts, Operation, Order, Refused, Target, check_references,
    self_and_ancestors,
};
use crate::exit::{self, Exit, Refusal};
use crate::output::message::last_message;
use crate::output::outcome::{OutcomeOptions, OutcomeReport};
use crate::output::{Colour, outlet};
use crate::process::{Pid, Proc};

/// Options of all applets that act on processes.
#[derive(Args)]
pub struct Acting {
    #[command(flatten)]
    targets: Targets,
    /// All their descendants too
    #[arg(long, help_heading = "Relations")]
    tree: bool,
    /// Only print who would be concerned, and how
    #[arg(long, help_heading = "Action")]
    dry_run: bool,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    verbosity: Verbosity,
}

/// The option of the applets that send signals.
#[derive(Args)]
pub struct Force {
    /// Also act on the first process, on this command itself and on its ancestors
    #[arg(long, help_heading = "Action")]
    force: bool,
}

impl Force {
    /// Returns the processes that may be signalled.
    pub fn reach(&self) -> Reach {
        if self.force { Reach::All } else { Reach::Others }
    }
}

/// The processes to which an order may send signals. Kernel threads are never among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// None: the order only waits.
    None,
    /// All but the first process, ourselves and our ancestors.
    Others,
    /// All (`--force`).
    All,
}

/// Outcomes of targets, for the help of all these applets.
pub const OUTCOMES: &str = "\
Outcomes:
  ended          it ended, or was a zombie already
  killed         it ended after we sent KILL
  signalled      it got the signal
  stopped        all its threads are stopped (suspend; in JSON: signalled)
  continued      it got CONT (resume; in JSON: signalled)
  gone before    it was not there any more when its turn came, whoever has its
                 number now
  not permitted  it belongs to another user, or it could not be examined
  timed out      it had not come that far when the time was over
  refused        it is the first process, this command or one that it runs below
                 (see --force), or a thread of the kernel
  no match       its id was given, but it does not meet the conditions that were
                 given too
  still running  it was not waited for any longer
  left alone     it may belong to the tree, and nothing proves it (--tree)
  incomplete     of no process (JSON: pid null): more descendants may have
                 escaped (--tree)
  spared         nothing was done, because of --dry-run

Reasons:
  What keeps a process from ending follows its outcome, as far as the kernel shows it (in JSON: \
reason), and --dry-run says it before: it ignores or blocks TERM; it is the first process of its pid \
namespace and has no handler for TERM; it is in uninterruptible sleep (the function of the kernel); its \
control group is frozen; 12 (gdb) traces it; it is stopped; it is a zombie that 34 (sh) does not reap.";

/// Exit statuses of the applets that send signals.
pub const EXITS: &[ExitRow] = &[
    Status(Exit::Done, "done, with all of them"),
    Status(Exit::Nothing, "none matched, or it could be done with none"),
    Status(
        Exit::Usage,
        "wrong usage; beside process ids, also -n, -o, -q and -s, which take a number in other \
        kills: --newest and the like are written in full there",
    ),
    Status(
        Exit::Fatal,
        "fatal, with nothing done: no pidfds (before Linux 5.3, or in a sandbox), /proc \
        unreadable, out of descriptors; or output failed",
    ),
    Status(
        Exit::Partial,
        "done with some of them, or not certainly with all: descendants may have escaped, or a \
        process could not be examined",
    ),
    Status(Exit::TimedOut, "timed out; the time counts from the start of the command"),
    Status(AFTER_SIGINT, "interrupted (128 and the number of the signal); nothing is left stopped"),
];

/// Files and notes on security, for the help of the applets that send signals.
pub const FILES: &str = "\
Files:
  /dev/log  where it exists, syslog is told of every signal and of what became
            of the process

Security:
  A process is held by a pidfd before its conditions are judged for the last time, and signalled \
through it: whoever gets its number later is left alone. Names and arguments are the process's own \
choice, and its executable is no proof either: in a user namespace anybody can mount a file of his \
own at any path. Where others may run programs, select by the user too, whom nobody forges, or by \
PID:INODE. How a daemon is proved, cron-graceful shows: it is the superuser's, in our own pid \
namespace, and holds the lock on its pid file. Not to be made set-user-ID: it would act with the \
rights of its owner.";

/// Opens /proc. Errors: it belongs to another pid namespace, where pids mean other processes.
pub fn open_own_procfs() -> anyhow::Result<Proc> {
    let proc = Proc::open(Path::new("/proc"))?;
    if !proc.is_ours().context("cannot tell which pid namespace /proc belongs to")? {
        anyhow::bail!(
            "/proc belongs to another pid namespace than ours: mount our own first (mount -t \
            proc proc /proc)"
        );
    }
    Ok(proc)
}

impl Acting {
    /// Returns the options that name the targets.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Returns the options that say how much to tell.
    pub fn verbosity(&self) -> &Verbosity {
        &self.verbosity
    }

    /// Returns when to use colour.
    pub fn colour(&self) -> Colour {
        self.format.colour()
    }

    /// Reports whether nothing is to be done but to say what would be.
    pub fn is_rehearsal(&self) -> bool {
        self.dry_run
    }

    /// Takes `-v` from --inverse and gives it the meaning that it has in most programs. pkill has
    /// no letter for inverse either.
    pub fn arrange(command: clap::Command) -> clap::Command {
        command
            .mut_arg("inverse", |inverse| inverse.short(None))
            .mut_arg("pid", |pid| pid.short('p'))
            .mut_arg("quiet", |quiet| {
                quiet.help("Print nothing but JSON, only exit with the status")
            })
            .mut_arg("verbose", |verbose| {
                verbose.help("Tell what is done; twice, how much was read and skipped")
            })
    }

    /// Carries out an order on the targets, and returns the exit status. Errors: wrong usage, or a
    /// fatal error with nothing done; or output failed.
    pub fn run(
        &self,
        name: &str,
        begin: Instant,
        order: Order,
        reach: Reach,
    ) -> anyhow::Result<Exit> {
        let order = Order { tree: self.tree, ..order };
        self.verbosity.start_with_syslog(name, reach != Reach::None && !self.dry_run)?;
        check_references()?;
        let proc = open_own_procfs()?;
        let interrupts = Interrupts::catch(&proc)?;
        let (is_quiet, layout) = (self.verbosity.is_quiet(), self.format.json());
        let limit = order.limit(begin);
        outlet::open();
        outlet::limit(limit);
        let overseer =
            interrupts.oversee(order.timeout.and_then(|timeout| begin.checked_add(timeout)), {
                let name = name.to_owned();
                let what = if reach == Reach::None {
                    "all that is to be waited for was found"
                } else {
                    ALL_DONE
                };
                move |ended| leave(&name, ended, Exit::TimedOut, what, is_quiet)
            })?;
        let mut operation = Operation::new(&proc, order, &interrupts).begun(begin);
        let found = self.targets.find(&proc, order.signal(), |target| operation.add(target))?;
        operation.check_room()?;
        let self_and_ancestors = self_and_ancestors(&proc)?;
        let is_matched = self.targets.are_matched();
        operation.refuse(|target| refusal(target, &self_and_ancestors, reach, is_matched));
        check_count(order, operation.targets().len())?;
        overseer.iter().for_each(|overseer| overseer.trust(limit));

        let form = OutcomeOptions { colour: self.format.colour(), layout, is_quiet };
        let mut report = OutcomeReport::new(name, &proc, &interrupts, order, form);
        let conclusion = if self.dry_run {
            operation.rehearse(&mut report)?
        } else {
            operation.carry_out(&mut report)?
        };
        let is_doubtful = !proc.held_up().is_empty() || !found.unexamined.unusual().is_empty();
        if !is_quiet {
            let is_empty = operation.targets().is_empty();
            tell_doubts(name, &proc, &found.unexamined, is_empty, Some("no process matches"))?;
        }
        let exit = exit(order, &operation, conclusion, is_doubtful);
        told(exit, report.finish(&operation, conclusion))
    }
}

/// Returns the reason to refuse a target. `self_and_ancestors` are our process and its ancestors;
/// `is_matched` is `true` if targets are selected by conditions, not named by process ids.
fn refusal(
    target: &Target,
    self_and_ancestors: &[Pid],
    reach: Reach,
    is_matched: bool,
) -> Option<Refused> {
    let is_us = self_and_ancestors.first() == Some(&target.pid);
    match reach {
        // Waiting for oneself takes for ever. Any other wait is harmless.
        Reach::None => is_us.then_some(Refused::Waiter),
        _ if target.is_kernel_thread => Some(Refused::KernelThread),
        Reach::All => None,
        Reach::Others if is_us => Some(Refused::Ourselves),
        Reach::Others if target.pid == 1 => Some(Refused::FirstProcess),
        Reach::Others => {
            self_and_ancestors.contains(&target.pid).then_some(Refused::Ancestor { is_matched })
        }
    }
}

fn check_count(order: Order, targets: usize) -> Result<(), Refusal> {
    // With --tree, descendants are added to the count later.
    match order.action {
        Action::Wait { count: Some(count), .. }
            if count > targets && targets > 0 && !order.tree =>
        {
            Err(Refusal::usage(format!(
                "--count {count} is more than there are processes to wait for ({targets})"
            )))
        }
        _ => Ok(()),
    }
}

/// Returns the exit status of an operation. Processes that could not be examined or that may have
/// escaped count as not done.
fn exit(
    order: Order,
    operation: &Operation<'_>,
    conclusion: Conclusion,
    is_doubtful: bool,
) -> Exit {
    match conclusion {
        Conclusion::TimedOut => return Exit::TimedOut,
        Conclusion::Interrupted(signal) => return Exit::Interrupted(signal.number() as u8),
        Conclusion::Finished => {}
    }
    let targets = operation.targets();
    let done = targets.iter().filter(|target| order.is_done(target)).count();
    let missing = usize::from(is_doubtful || !operation.is_tree_complete());
    match order.action {
        Action::Wait { count: Some(count), .. } => Exit::from_counts(done, count),
        _ => Exit::from_counts(done, targets.len() + missing),
    }
}

/// Description of unfinished work, for [`leave`].
pub const ALL_DONE: &str = "all could be done: nothing is left stopped";

/// Ends the program where it hangs, with a message that `before` had not happened yet. `timed_out`
/// is the exit status after the time limit.
pub fn leave(name: &str, ended: Ended, timed_out: Exit, before: &str, is_quiet: bool) -> ! {
    let (what, exit) = match ended {
        Ended::Interrupted(signal) => ("interrupted", Exit::Interrupted(signal.number() as u8)),
        Ended::TimedOut => ("timed out", timed_out),
    };
    if !is_quiet {
        last_message(name, format_args!("{what} before {before}"));
    }
    exit::leave(exit)
}
