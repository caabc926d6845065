//! Daemons that start while others are paused, as when the package of cron is upgraded in a
//! maintenance window.

use super::daemon::{self, DaemonProof};
use super::{Daemon, DaemonSelector, Error};
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
    /// The daemons without a lock that the last search has found.
    unlocked: Vec<DaemonId>,
}

impl Newcomers {
    /// Begins the search. These daemons are known; where the user has chosen them, so are all
    /// others that run now. A cron that is just starting is a newcomer, even if it exists already.
    pub fn begin(
        proc: &Proc,
        daemons: &[Daemon],
        wanted: &DaemonSelector,
    ) -> Result<Newcomers, Error> {
        let mut selectors = vec![DaemonSelector::Usual];
        match wanted {
            DaemonSelector::Usual => {}
            DaemonSelector::Named(_) => selectors.push(wanted.clone()),
            DaemonSelector::Pid(_) => {
                let name = |daemon: &Daemon| DaemonSelector::Named(daemon.name.clone());
                selectors.extend(daemons.iter().map(name));
            }
        }
        let (known, unlocked) = (daemons.iter().map(id).collect(), Vec::new());
        let mut newcomers = Newcomers { selectors, known, unlocked };
        if *wanted != DaemonSelector::Usual {
            let others: Vec<DaemonId> = newcomers.unknown(proc)?.iter().map(id).collect();
            newcomers.known.extend(others);
        }
        Ok(newcomers)
    }

    /// Returns the daemons that have started since the last search. One without a lock on a pid
    /// file is returned by the second search that finds it: until then it may be the parent of the
    /// real one, and the program that has started it waits for its end.
    pub fn find(&mut self, proc: &Proc) -> Result<Vec<Daemon>, Error> {
        let found = self.unknown(proc)?;
        let is_locked = |daemon: &Daemon| matches!(daemon.proof, DaemonProof::Lock(_));
        let (ready, starting): (Vec<Daemon>, Vec<Daemon>) = found
            .into_iter()
            .partition(|daemon| is_locked(daemon) || self.unlocked.contains(&id(daemon)));
        self.unlocked = starting.iter().map(id).collect();
        self.known.extend(ready.iter().map(id));
        Ok(ready)
    }

    /// Returns the daemons that are not known.
    fn unknown(&self, proc: &Proc) -> Result<Vec<Daemon>, Error> {
        let mut found: Vec<Daemon> = Vec::new();
        for selector in &self.selectors {
            for daemon in daemon::find(proc, selector)?.daemons {
                let is_other = |other: &Daemon| id(other) != id(&daemon);
                if !self.known.contains(&id(&daemon)) && found.iter().all(is_other) {
                    found.push(daemon);
                }
            }
        }
        Ok(found)
    }
}
