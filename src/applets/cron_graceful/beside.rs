//! What starts jobs beside cron: the daemon of at(1), and the timers of systemd.

use super::{Options, With};
use crate::control::Interrupts;
use crate::cron::{self, ActiveTimers, Asker, DaemonScan, DaemonSelector};
use crate::exit::Refusal;
use crate::output::cron::NotIncluded;
use crate::process::Proc;

/// What starts jobs beside cron, as far as the user wants to know.
pub struct Beside {
    /// The daemons of at(1) that the user wants to include, or that somebody has left paused.
    pub at: DaemonScan,
    /// The timers that the user wants to include.
    pub timers: Option<ActiveTimers>,
    /// What else runs.
    pub not_included: NotIncluded,
}

impl Beside {
    /// Looks for them. Errors: the user wants to include timers, and systemd does not tell them.
    pub fn find(options: &Options, proc: &Proc, interrupts: &Interrupts) -> anyhow::Result<Beside> {
        let mut at = cron::find(proc, &DaemonSelector::AT)?;
        let (with_at, with_timers) = (options.includes(With::At), options.includes(With::Timers));
        let mut not_included = NotIncluded::default();
        // Whoever lets everything run on needs no word about what else runs.
        let wants_word = !options.resume;
        if !with_at {
            not_included.at_jobs = if wants_word { at.jobs() } else { 0 };
            at.daemons.retain(|daemon| options.finds_paused() && daemon.is_stopped);
            at.rejected.clear();
        }
        let asker = Asker::new(proc, interrupts);
        let timers = match with_timers.then(|| asker.timers(&[])).transpose() {
            Err(error @ cron::Error::Timers) => {
                return Err(Refusal::nothing(format!("{error}: nothing was done")).into());
            }
            found => found?,
        };
        not_included.timers = if !with_timers && wants_word {
            asker.system_timers()?.map(|timers| timers.len())
        } else {
            Some(0)
        };
        Ok(Beside { at, timers, not_included })
    }
}
