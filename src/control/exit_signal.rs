//! A signal that the kernel sends to another process when our own process ends, whatever ends it.
//!
//! A socket can tell by a signal that its peer has closed (O_ASYNC and F_SETSIG, fcntl(2)), and
//! that signal can go to any process that we may signal (F_SETOWN). Here both ends are our own. When
//! we end, the kernel closes one of them first, and the other one still sends its signal. No process
//! of ours has to be alive for that, not even a guardian.

use std::os::fd::OwnedFd;

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::descriptors::is_spare;
use super::kernel::set_owner;
use super::reference::Life;
use super::{Reference, Signal};

/// The signal, which is sent when this is dropped, too.
pub struct ExitSignal {
    ends: [OwnedFd; 2],
}

impl ExitSignal {
    /// Lets the kernel send this signal to this process. Errors: the process was reaped (`SRCH`),
    /// descriptors are few, or a sandbox forbids it.
    pub fn arm(reference: &Reference, signal: Signal) -> Result<ExitSignal, Errno> {
        let (one, other) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        if !is_spare(&one) || !is_spare(&other) {
            return Err(Errno::MFILE);
        }
        let ends = [one, other];
        for end in &ends {
            set_owner(end, reference.pid(), signal.number())?;
        }
        // The kernel has taken the number for a process, which it keeps from now on. If that of the
        // reference was not reaped since, it was its own. No signal is sent before O_ASYNC is set.
        if !matches!(reference.life(), Ok(Life::Alive | Life::Zombie)) {
            return Err(Errno::SRCH);
        }
        let armed = ExitSignal { ends };
        for end in &armed.ends {
            if let Err(errno) = fcntl_setfl(end, OFlags::ASYNC) {
                armed.disarm();
                return Err(errno);
            }
        }
        Ok(armed)
    }

    /// Drops this without sending the signal.
    pub fn disarm(self) {
        for end in &self.ends {
            // This cannot fail for a socket of our own.
            let _ = fcntl_setfl(end, OFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};
    use std::thread::yield_now;

    use super::*;

    /// Starts a child that is stopped, and a reference to it.
    fn stopped() -> (Child, Reference) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let reference = Reference::by_number(child.id()).unwrap();
        reference.send(Signal::STOP).unwrap();
        while state(&child) != "T" {
            yield_now();
        }
        (child, reference)
    }

    fn state(child: &Child) -> String {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        stat.rsplit(") ").next().unwrap()[..1].to_owned()
    }

    #[test]
    fn a_process_runs_on_when_its_exit_signal_is_dropped_and_not_when_it_is_disarmed() {
        let (mut child, reference) = stopped();
        ExitSignal::arm(&reference, Signal::CONT).unwrap().disarm();
        assert_eq!(state(&child), "T");
        drop(ExitSignal::arm(&reference, Signal::CONT).unwrap());
        assert_ne!(state(&child), "T");
        child.kill().and_then(|()| child.wait()).unwrap();
        assert_eq!(ExitSignal::arm(&reference, Signal::CONT).err(), Some(Errno::SRCH));
    }
}
