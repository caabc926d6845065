//! The ways in which a daemon is stopped. `stop.rs` chooses one and carries it out.

use super::Supervisor;

/// The way in which a daemon is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopMethod {
    /// By systemd, which runs it as the main process of this unit.
    Unit(String),
    /// By TERM, followed by CONT because it is paused. The flag says whether its parent may start
    /// it again, which shows soon after its exit.
    Signal { may_return: bool },
    /// Not at all: this process would start it again.
    Supervised(Supervisor),
    /// Not at all: it is pid 1, which takes no signal from inside.
    First,
    /// Not at all: systemd runs here, and gives no answer whether it would start the daemon again.
    Untold,
}

impl StopMethod {
    /// Reports whether the daemon must be left running, which is certain before any job ends.
    pub fn is_refusal(&self) -> bool {
        matches!(self, StopMethod::Supervised(_) | StopMethod::Untold)
    }
}
