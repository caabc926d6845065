//! The priority of our own process.

use rustix::process::setpriority_process;

use super::kernel::enter_real_time;

/// The highest priority of an ordinary process (setpriority(2)).
const HIGHEST: i32 = -20;

/// Lets us run before other processes as soon as something has happened: what is to be read of a
/// process is gone with it. The nice value alone does not do on a machine where many processes wait
/// for a processor. Reports whether the best is permitted.
pub fn run_first() -> bool {
    // If that is not permitted either, we run as we are.
    let _ = setpriority_process(None, HIGHEST);
    enter_real_time().is_ok()
}
