//! Daemons that start while others are paused, as when the package of cron is upgraded in a
//! maintenance window.

use super::{Daemon, DaemonProof, DaemonSelector, Error, Plan, daemon_search};
use crate::process::{Pid, Proc};

/// The identity of a daemon: pid and inode.
pub type DaemonId = (Pid, Option<u64>);

/// Returns the identity of a daemon.
pub fn id(daemon: &Daemon) -> DaemonId {
    (daemon.pid, daemon.reference.inode())
}

/// The search for newcomers.
pub struct Newcomers {
    /// The ways to search: the usual names, and the name that the user gave.
    selectors: Vec<DaemonSelector>,
    /// The daemons that are no newcomers, or that were returned already.
    known: Vec<DaemonId>,
    /// The daemons that the last search has found for the first time.
    starting: Vec<DaemonId>,
    /// The latest pid at the last search.
    latest: Option<Pid>,
    /// Number of searches that were left out because no process has started since.
    left_out: usize,
}

/// Most searches in a row that are left out. A process that existed before can become a daemon by
/// execve(2).
const LEFT_OUT: usize = 8;

impl Newcomers {
    /// Begins the search. These daemons are known; where the user has chosen them, so are all
    /// others that run now. A cron that is just starting is a newcomer, even if it exists already.
    pub fn begin(proc: &Proc, daemons: &[Daemon], plan: &Plan) -> Result<Newcomers, Error> {
        let wanted = &plan.wanted;
        let mut selectors = vec![DaemonSelector::USUAL];
        selectors.extend(plan.with_at.then_some(DaemonSelector::AT));
        if let DaemonSelector::Named(_) = wanted {
            selectors.push(wanted.clone());
        }
        let mut newcomers = Newcomers {
            selectors,
            known: daemons.iter().map(id).collect(),
            starting: Vec::new(),
            latest: None,
            left_out: 0,
        };
        if wanted.is_named() {
            let others: Vec<DaemonId> = newcomers.unknown(proc)?.iter().map(id).collect();
            newcomers.known.extend(others);
        }
        Ok(newcomers)
    }

    /// Returns the daemons that have started, each of them when a second search finds it. At the
    /// first one it may be just starting: Debian's cron locks its pid file before it writes its pid
    /// there, and the parent of a daemon may exist beside it for a moment.
    pub fn find(&mut self, proc: &Proc) -> Result<Vec<Daemon>, Error> {
        if self.may_leave_out(proc) {
            return Ok(Vec::new());
        }
        let found = self.unknown(proc)?;
        let (ready, starting): (Vec<Daemon>, Vec<Daemon>) =
            found.into_iter().partition(|daemon| self.starting.contains(&id(daemon)));
        self.starting = starting.iter().map(id).collect();
        Ok(ready)
    }

    /// Notes that a daemon is paused, so that it is no newcomer any more.
    pub fn admit(&mut self, daemon: &Daemon) {
        self.known.push(id(daemon));
    }

    /// Reports whether this search can be left out.
    fn may_leave_out(&mut self, proc: &Proc) -> bool {
        let latest = proc.latest_pid();
        let is_same = latest.is_some() && latest == self.latest && self.starting.is_empty();
        self.latest = latest;
        self.left_out = if is_same && self.left_out < LEFT_OUT { self.left_out + 1 } else { 0 };
        self.left_out > 0
    }

    /// Returns the daemons that are not known. Errors: a process that cannot be examined may be one.
    fn unknown(&self, proc: &Proc) -> Result<Vec<Daemon>, Error> {
        let mut found: Vec<Daemon> = Vec::new();
        for selector in &self.selectors {
            let scan = daemon_search::find(proc, selector)?;
            if !scan.unexamined.is_empty() {
                return Err(Error::UnexaminedDaemons(scan.unexamined.count()));
            }
            for daemon in scan.daemons {
                // A name that is no kind of daemon may be that of any program, such as python3.
                let is_certain =
                    !selector.is_named() || matches!(daemon.proof, DaemonProof::Lock(_));
                let is_other = |other: &Daemon| id(other) != id(&daemon);
                if is_certain && !self.known.contains(&id(&daemon)) && found.iter().all(is_other) {
                    found.push(daemon);
                }
            }
        }
        Ok(found)
    }
}
