//! Words for the reason why a process still runs.

use super::text::escaped;
use crate::control::{Neighbour, Reason};

/// Returns a clause about the process.
pub(super) fn words(reason: &Reason) -> String {
    match reason {
        Reason::Ignores(signal) => format!("it ignores {signal}"),
        Reason::Blocks(signal) => format!("it blocks {signal}"),
        Reason::FirstWithoutHandler(signal) => {
            format!("it is the first process of its pid namespace and has no handler for {signal}")
        }
        Reason::Uninterruptible { function: Some(function) } => {
            format!("it is in uninterruptible sleep ({})", escaped(function))
        }
        Reason::Uninterruptible { function: None } => "it is in uninterruptible sleep".to_owned(),
        Reason::Frozen => "its control group is frozen".to_owned(),
        Reason::Traced { by: Neighbour { pid: 0, .. } } => {
            "it is traced from outside of this pid namespace".to_owned()
        }
        Reason::Traced { by } => format!("{} traces it", named(by)),
        Reason::Stopped => "it is stopped".to_owned(),
        Reason::Unreaped { parent: Neighbour { pid: 0, .. } } => {
            "it is a zombie that its parent does not reap".to_owned()
        }
        Reason::Unreaped { parent } => {
            format!("it is a zombie that {} does not reap", named(parent))
        }
    }
}

fn named(process: &Neighbour) -> String {
    match &process.name {
        Some(name) => format!("{} ({})", process.pid, escaped(name)),
        None => process.pid.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Signal;

    #[test]
    fn each_reason_is_a_clause() {
        let by = Neighbour { pid: 7, name: Some(b"a\n".to_vec()) };
        let outside = Neighbour { pid: 0, name: None };
        for (reason, clause) in [
            (Reason::Ignores(Signal::TERM), "it ignores TERM"),
            (Reason::Blocks(Signal::INT), "it blocks INT"),
            (
                Reason::Uninterruptible { function: Some(b"nfs_wait".to_vec()) },
                "it is in uninterruptible sleep (nfs_wait)",
            ),
            (Reason::Traced { by: by.clone() }, "7 (a\\n) traces it"),
            (Reason::Unreaped { parent: by }, "it is a zombie that 7 (a\\n) does not reap"),
            (Reason::Unreaped { parent: outside }, "it is a zombie that its parent does not reap"),
        ] {
            assert_eq!(words(&reason), clause);
        }
    }
}
