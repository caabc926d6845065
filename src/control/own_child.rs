//! Children of our own process, where the kernel has no pidfds. A number is safe here: no other
//! process has the number of a child before we reap it.

use nix::sys::signal::{Signal as NixSignal, kill};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::{Error, Signal};
use crate::process;

/// Reports whether a child has exited, without reaping it.
pub fn has_ended(child: process::Pid) -> Result<bool, Error> {
    let Some(pid) = i32::try_from(child).ok().and_then(Pid::from_raw) else {
        return Ok(false);
    };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::Pid(pid), options) {
        Ok(status) => Ok(status.is_some()),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(errno) => Err(Error::kernel("ask for a child")(errno)),
    }
}

/// Sends a signal to a child that we have not reaped.
pub fn signal_child(child: process::Pid, signal: Signal) {
    let (Ok(pid), Ok(signal)) = (i32::try_from(child), NixSignal::try_from(signal.number())) else {
        return;
    };
    // Errors are ignored: a child that has exited needs no signal, and a child that runs as another
    // user takes none.
    let _ = kill(nix::unistd::Pid::from_raw(pid), signal);
}
