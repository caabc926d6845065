//! Calls into the kernel that no safe wrapper offers: the one file that may be unsafe.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SIGCHLD, SigHandler, SigSet};
use nix::unistd;
use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use rustix::process::Signal as RawSignal;

use super::descriptors::DescriptorLimit;
use crate::process::Pid;

pub use std::process::ExitStatus;

/// What PIDFD_GET_INFO fills in (struct pidfd_info, include/uapi/linux/pidfd.h): its first version,
/// of 64 bytes, which every later kernel accepts.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroupid: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ids: [u32; 8],
    exit_code: i32,
}

/// Always answered, for a process that was not reaped.
const PIDFD_INFO_PID: u64 = 1 << 0;

/// Asked for, and answered, when the exit status is known.
const PIDFD_INFO_EXIT: u64 = 1 << 3;

const PIDFD_GET_INFO: Opcode = opcode::read_write::<PidfdInfo>(0xFF, 11);

/// What the kernel tells through a pidfd about the end of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitInfo {
    /// It ended so (Linux 6.15, once the process was reaped).
    Known(ExitStatus),
    /// It was not reaped yet.
    Pending,
    /// This kernel will not tell.
    Never,
}

/// How the process of a pidfd ended.
pub fn exit_info(pidfd: impl AsFd) -> Result<ExitInfo, Errno> {
    Ok(match info(pidfd, PIDFD_INFO_EXIT)? {
        Some(info) if info.mask & PIDFD_INFO_EXIT != 0 => {
            ExitInfo::Known(ExitStatus::from_raw(info.exit_code))
        }
        Some(_) => ExitInfo::Pending,
        None => ExitInfo::Never,
    })
}

/// The parent of the process of a pidfd, also where /proc hides it (Linux 6.13); 0 is one outside
/// of the pid namespace.
pub fn parent(pidfd: impl AsFd) -> Result<Option<Pid>, Errno> {
    Ok(info(pidfd, PIDFD_INFO_PID)?.map(|info| info.ppid))
}

fn info(pidfd: impl AsFd, mask: u64) -> Result<Option<PidfdInfo>, Errno> {
    let mut info = PidfdInfo { mask, ..PidfdInfo::default() };
    // SAFETY: this request reads and writes one struct pidfd_info, whose size is part of its
    // number.
    let answer = unsafe { ioctl(pidfd, Updater::<PIDFD_GET_INFO, PidfdInfo>::new(&mut info)) };
    match answer {
        Ok(()) => Ok(Some(info)),
        // Unknown before Linux 6.13 (ENOTTY, or EINVAL), to an emulator (ENOSYS), or forbidden by a
        // sandbox (EPERM, EACCES); reaped, and not remembered before 6.15 (ESRCH).
        Err(
            Errno::NOTTY | Errno::INVAL | Errno::NOSYS | Errno::PERM | Errno::ACCESS | Errno::SRCH,
        ) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Which processes a signal through a pidfd goes to (pidfd_send_signal(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The process itself.
    Process,
    /// Every process of the process group that it leads, or led (PIDFD_SIGNAL_PROCESS_GROUP, Linux
    /// 6.9).
    ProcessGroup,
}

/// Whether a pidfd leads to anything that takes signals: a process that was reaped does not, nor
/// does a process group without members. A zombie does.
pub fn takes_signals(pidfd: impl AsFd, scope: Scope) -> Result<bool, Errno> {
    match ask_by_signal(pidfd, scope) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        // The kernel looks for the process first, and asks for permission then
        // (check_kill_permission).
        Err(Errno::PERM) => Ok(true),
        Err(errno) => Err(errno),
    }
}

/// Send signal 0 through a pidfd, which nobody gets.
pub fn ask_by_signal(pidfd: impl AsFd, scope: Scope) -> Result<(), Errno> {
    let flags: nix::libc::c_uint = match scope {
        Scope::Process => 0,
        Scope::ProcessGroup => 1 << 2,
    };
    let pidfd = pidfd.as_fd().as_raw_fd();
    // pidfd_send_signal(2), which has one number on every architecture
    // (include/uapi/asm-generic/unistd.h); rustix has no signal 0.
    const SEND_SIGNAL: nix::libc::c_long = 424;
    // SAFETY: without a siginfo_t the call reads no memory of ours.
    let answer = unsafe {
        let no_info = std::ptr::null::<nix::libc::siginfo_t>();
        nix::libc::syscall(SEND_SIGNAL, pidfd, 0, no_info, flags)
    };
    nix::errno::Errno::result(answer)
        .map(drop)
        .map_err(|errno| Errno::from_raw_os_error(errno as i32))
}

/// Whether commands that we start get these descriptors too. They are our own, inherited, and open.
pub fn give_to_children(descriptors: &[RawFd], gives: bool) -> Result<(), Errno> {
    for &descriptor in descriptors {
        // SAFETY: it is only used for this call, and one that is not open any more is an error.
        let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
        match fcntl_setfd(descriptor, if gives { FdFlags::empty() } else { FdFlags::CLOEXEC }) {
            Ok(()) | Err(Errno::BADF) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Whether a command that we start gets this descriptor, which is one of our own.
pub fn is_given_to_children(descriptor: RawFd) -> bool {
    // SAFETY: as above.
    let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
    fcntl_getfd(descriptor).is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC))
}

/// Learn how our children end, also when whoever started us does not care for its own: that SIGCHLD
/// is ignored is inherited, and then the kernel tells nobody (waitpid(2)). As timeout(1) does, and
/// so for what we become too.
pub fn reset_sigchld() -> Result<(), Errno> {
    // SAFETY: the default has no handler, which would have to be safe at any moment.
    let before = unsafe { nix::sys::signal::signal(SIGCHLD, SigHandler::SigDfl) };
    before.map(drop).map_err(|errno| Errno::from_raw_os_error(errno as i32))
}

/// Have a command begin with these signals not blocked, and with this limit of descriptors. It
/// inherits ours otherwise (execve(2), getrlimit(2)).
pub fn prepare_child(
    command: &mut Command,
    unblocked: SigSet,
    descriptors: Option<DescriptorLimit>,
) {
    let prepare = move || {
        unblocked.thread_unblock()?;
        Ok(descriptors
            .map_or(Ok(()), |(soft, hard)| setrlimit(Resource::RLIMIT_NOFILE, soft, hard))?)
    };
    // SAFETY: between fork and exec only what is safe in a signal handler may be called, as
    // pthread_sigmask and the bare system call are (signal-safety(7)); nothing is allocated.
    unsafe { command.pre_exec(prepare) };
}

/// Do something in a process of its own, our child, which ends with it. Of our descriptors it has
/// these and, where it may say something, standard error: whoever waits for the end of the others
/// does not wait for it. The parent gets its number.
pub fn fork(kept: &[RawFd], may_say: bool, act: impl FnOnce()) -> io::Result<unistd::Pid> {
    // SAFETY: where we have other threads, one of them may hold a lock for ever in the child. Those
    // of the allocator are taken care of by glibc and musl (1.2.2); for any other, the child waits,
    // and nobody waits for it without a limit.
    match unsafe { unistd::fork() }? {
        unistd::ForkResult::Parent { child } => Ok(child),
        unistd::ForkResult::Child => {
            // A panic ends the release build by itself.
            let ended = catch_unwind(AssertUnwindSafe(|| {
                keep_only(kept, may_say);
                act();
            }));
            // SAFETY: it never returns, and so nothing runs twice that belongs to the end of the
            // parent.
            unsafe { nix::libc::_exit(i32::from(ended.is_err())) }
        }
    }
}

/// In a child that never returns: have no descriptors but these and the standard ones, which lead
/// nowhere.
fn keep_only(kept: &[RawFd], may_say: bool) {
    let null = std::fs::File::options().read(true).write(true).open("/dev/null");
    let null = null.map_or(-1, IntoRawFd::into_raw_fd);
    let mut kept = kept.to_vec();
    kept.sort_unstable();
    // SAFETY: what had these numbers belongs to objects that are not used any more. What does not
    // work, such as close_range(2) before Linux 5.9, leaves more open than is needed, and nothing
    // else.
    unsafe {
        for number in 0..if may_say { 2 } else { 3 } {
            nix::libc::dup2(null, number);
        }
        let mut first = 3;
        for number in kept.into_iter().filter(|&number| number >= 3) {
            nix::libc::syscall(nix::libc::SYS_close_range, first, number - 1, 0);
            first = number + 1;
        }
        nix::libc::syscall(nix::libc::SYS_close_range, first, nix::libc::c_uint::MAX, 0);
    }
}

/// Leave the keyring of whoever called for a new one (KEYCTL_JOIN_SESSION_KEYRING in keyctl(2)).
pub fn new_session_keyring() -> Result<(), Errno> {
    const JOIN_SESSION_KEYRING: nix::libc::c_int = 1;
    // SAFETY: without a name it reads no memory of ours.
    let answer = unsafe {
        nix::libc::syscall(
            nix::libc::SYS_keyctl,
            JOIN_SESSION_KEYRING,
            std::ptr::null::<nix::libc::c_char>(),
        )
    };
    match nix::errno::Errno::result(answer) {
        // A kernel without keys, or a container that forbids them, has none to give away.
        Ok(_)
        | Err(nix::errno::Errno::ENOSYS | nix::errno::Errno::EPERM | nix::errno::Errno::EACCES) => {
            Ok(())
        }
        Err(errno) => Err(Errno::from_raw_os_error(errno as i32)),
    }
}

/// The signal of this number, from 1 to 64, the real-time ones included.
pub fn signal(number: i32) -> Option<RawSignal> {
    // SAFETY: these are the numbers that the kernel has signals for (_NSIG). The C library keeps 32
    // and 33 to itself where handlers are installed; here they are only sent, by the kernel's own
    // call.
    (1..=64).contains(&number).then(|| unsafe { RawSignal::from_raw_unchecked(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_the_one_of_64_bytes() {
        assert_eq!(size_of::<PidfdInfo>(), 64);
    }

    #[test]
    fn signals_have_the_numbers_of_the_kernel() {
        assert_eq!(signal(9), Some(RawSignal::KILL));
        assert_eq!(signal(64).map(RawSignal::as_raw), Some(64));
        assert_eq!((signal(0), signal(65), signal(-1)), (None, None, None));
    }
}
