//! Evidence for and against a process being a master. Its parent does not run the same program.

use crate::process::{Pid, Process, ReadResult, items};

use super::program::ServerProgram;
use super::role::{OpenSockets, SocketTables};

/// The facts about the process.
pub struct Evidence {
    pub is_apache: bool,
    /// Its open sockets; `None` where its descriptors are unavailable.
    pub held: Option<OpenSockets>,
    pub process_group: Pid,
    is_root: bool,
    is_alone: bool,
    is_started: bool,
}

/// The kind of process that the evidence shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classification {
    /// The master of an Apache.
    Server,
    /// A process of an Apache whose master has exited.
    Orphan,
    /// The master of another program.
    Pool,
    /// A process of another program.
    Single,
    /// None of these.
    Rejected(Rejection),
}

/// The reason why a process does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub why: &'static str,
    /// Whether the superuser would find out more.
    pub is_unproved: bool,
}

impl Evidence {
    /// Collects the evidence about a process.
    pub fn collect(
        process: &Process<'_>,
        program: &ServerProgram,
        sockets: &SocketTables,
    ) -> ReadResult<Evidence> {
        let is_apache = program.is_apache(process)?;
        let held = if is_apache { sockets.held_by(process)? } else { None };
        let stat = process.stat()?;
        // A worker never leads its process group, and with -X there are no workers.
        let is_alone = stat.pgrp == process.pid()
            || items(process.cmdline()?).any(|argument| argument == b"-X");
        let is_root = process.user_ids()?[1] == 0;
        // A master may be without workers for a second. A process that only checks a configuration
        // is no daemon.
        let is_start = |argument: &[u8]| argument == b"start" || argument.ends_with(b"FOREGROUND");
        let is_started = stat.session == process.pid() || items(process.cmdline()?).any(is_start);
        Ok(Evidence { is_apache, held, process_group: stat.pgrp, is_root, is_alone, is_started })
    }

    /// Classifies the process. A master listens, or runs as the superuser, whose processes no other
    /// user can imitate. A process that neither listens nor has workers only checks a
    /// configuration, or is about to exit.
    pub fn classification(&self, has_children: bool) -> Classification {
        let rejected = |why| Classification::Rejected(Rejection { why, is_unproved: false });
        match (&self.held, has_children) {
            (_, true) if !self.is_apache => Classification::Pool,
            (_, false) if !self.is_apache => Classification::Single,
            (None, true) if self.is_root => Classification::Server,
            (None, false) if self.is_root && self.is_started => Classification::Server,
            (None, _) => Classification::Rejected(Rejection {
                why: "it keeps from us whether it listens",
                is_unproved: true,
            }),
            (Some(held), true) if self.is_root || held.listens() => Classification::Server,
            (Some(held), false) if held.listens() && (self.is_root || self.is_alone) => {
                Classification::Server
            }
            (Some(held), false) if held.listens() || !held.wsgi.is_empty() => {
                Classification::Orphan
            }
            (Some(_), true) => rejected("it is not the superuser's and does not listen"),
            (Some(_), false) => rejected("it has no workers and does not listen"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masters_and_others() {
        let listens = &Some(OpenSockets { listeners: vec![5], ..OpenSockets::default() });
        let nothing = &Some(OpenSockets::default());
        let classification = |held: &Option<OpenSockets>, is_root, is_alone, has_children| {
            Evidence {
                is_apache: true,
                held: held.clone(),
                process_group: 1,
                is_root,
                is_alone,
                is_started: is_alone,
            }
            .classification(has_children)
        };
        let is_rejected = |classification| matches!(classification, Classification::Rejected(_));
        assert_eq!(classification(listens, true, false, true), Classification::Server);
        assert_eq!(classification(listens, true, false, false), Classification::Server);
        assert_eq!(classification(listens, false, false, true), Classification::Server);
        assert_eq!(classification(listens, false, true, false), Classification::Server);
        assert_eq!(classification(listens, false, false, false), Classification::Orphan);
        assert_eq!(classification(&None, true, false, true), Classification::Server);
        assert_eq!(classification(&None, true, true, false), Classification::Server);
        assert!(is_rejected(classification(&None, true, false, false)));
        assert!(is_rejected(classification(&None, false, true, false)));
        assert!(is_rejected(classification(&None, false, false, true)));
        assert!(is_rejected(classification(nothing, false, false, true)));
        assert!(is_rejected(classification(nothing, true, false, false)));
    }
}
