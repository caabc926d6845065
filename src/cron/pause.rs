//! Pausing daemons so that it cannot be forgotten.

use std::time::Duration;

use super::{Audience, Daemon, Error, Event};
use crate::control::{Conclusion, Guardian, Interrupts, Operation, Order, Outcome, Signal, Silent, Target, Until};
use crate::process::Proc;

/// How long a daemon may take to stop. It does so at once, unless the kernel is stuck in something.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Daemons that are paused, each with a guardian. Unless they are said to have ended, they run on when this is dropped.
pub struct Pause<'p> {
    paused: Vec<(&'p Daemon, Option<Guardian>)>,
}

/// What came of it.
pub enum Paused<'p> {
    All(Pause<'p>),
    /// This one did not stop, and all of them run on.
    Not(&'p Daemon),
    /// We were told to end, and all of them run on.
    Interrupted(Signal),
}

impl<'p> Pause<'p> {
    /// Pause daemons. On return, they have really stopped.
    pub fn begin(
        proc: &Proc,
        daemons: &[&'p Daemon],
        interrupts: &Interrupts,
        audience: &mut dyn Audience,
    ) -> Result<Paused<'p>, Error> {
        let mut pause = Pause { paused: Vec::new() };
        for &daemon in daemons {
            // First, so that there is no moment without one.
            pause.paused.push((daemon, Guardian::over(proc, &daemon.reference)?));
            let order = Order { until: Until::Stopped, timeout: Some(TIMEOUT), ..Order::default() };
            let mut operation = Operation::new(proc, order, interrupts);
            operation.add(Target::named(daemon.reference.clone(), &daemon.name))?;
            let conclusion = operation.carry_out(&mut Silent)?;
            let outcome = operation.targets().first().and_then(|target| target.outcome);
            match (conclusion, outcome) {
                (Conclusion::Interrupted(signal), _) => return Ok(Paused::Interrupted(signal)),
                (_, Some(Outcome::Signalled)) if daemon.is_stopped => audience.event(Event::WasPaused(daemon)),
                (_, Some(Outcome::Signalled)) => audience.event(Event::Paused(daemon)),
                // It has ended by itself, and starts nothing either.
                (_, Some(Outcome::Ended | Outcome::GoneBefore)) => {}
                _ => return Ok(Paused::Not(daemon)),
            }
        }
        Ok(Paused::All(pause))
    }

    /// Let them run on.
    pub fn resume(mut self, audience: &mut dyn Audience) {
        for (daemon, guardian) in self.paused.drain(..) {
            if continue_daemon(daemon) {
                audience.event(Event::Resumed(daemon));
            }
            guardian.into_iter().for_each(Guardian::dismiss);
        }
    }

    /// They have ended, and nobody has to run on.
    pub fn finish(mut self) {
        self.paused.drain(..).filter_map(|(_, guardian)| guardian).for_each(Guardian::dismiss);
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        for (daemon, guardian) in self.paused.drain(..) {
            continue_daemon(daemon);
            guardian.into_iter().for_each(Guardian::dismiss);
        }
    }
}

/// Continue daemons that somebody left stopped; tell whether there was one.
pub fn resume(daemons: &[Daemon], audience: &mut dyn Audience) -> bool {
    let mut any = false;
    for daemon in daemons.iter().filter(|daemon| daemon.is_stopped) {
        any = true;
        if continue_daemon(daemon) {
            audience.event(Event::Resumed(daemon));
        } else {
            audience.event(Event::Warning(format!("process {} could not be continued: is it yours?", daemon.pid)));
        }
    }
    any
}

fn continue_daemon(daemon: &Daemon) -> bool {
    daemon.reference.send(Signal::CONT).is_ok()
}
