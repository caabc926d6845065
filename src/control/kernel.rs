//! System calls without a safe wrapper. This is the only file that may use `unsafe`.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use nix::sys::resource::{Resource, rlim_t, setrlimit};
use nix::sys::signal::{SIGCHLD, SigHandler, SigSet};
use nix::unistd;
use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use rustix::process::Signal as RawSignal;

use crate::process::Pid;

pub use std::process::ExitStatus;

/// The soft and the hard limit of descriptors.
pub type DescriptorLimit = (rlim_t, rlim_t);

/// Converts an error number of nix to that of rustix: signals and limits come from nix, pidfds from
/// rustix.
pub fn errno_of_nix(errno: nix::errno::Errno) -> Errno {
    Errno::from_raw_os_error(errno as i32)
}

/// The answer of PIDFD_GET_INFO (struct pidfd_info, include/uapi/linux/pidfd.h): its first version
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

/// The bit of `mask` that is set in every answer for a process that was not reaped.
const PIDFD_INFO_PID: u64 = 1 << 0;

/// The bit of `mask` that asks for the exit status, and that the answer sets when it is known.
const PIDFD_INFO_EXIT: u64 = 1 << 3;

const PIDFD_GET_INFO: Opcode = opcode::read_write::<PidfdInfo>(0xFF, 11);

/// The kernel's answer, through a pidfd, about the end of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitInfo {
    /// The process has exited with this status (Linux 6.15, once it was reaped).
    Known(ExitStatus),
    /// The process was not reaped yet.
    Pending,
    /// This kernel will never tell its exit status.
    Never,
}

/// Returns the exit status of the process of a pidfd.
pub fn exit_info(pidfd: impl AsFd) -> Result<ExitInfo, Errno> {
    let pidfd = pidfd.as_fd();
    // The kernel looks for the status first and for the process after that: one that is reaped in
    // between has neither, and its status at the next look (pidfd_info in fs/pidfs.c).
    let info = match info(pidfd, PIDFD_INFO_EXIT)? {
        None => info(pidfd, PIDFD_INFO_EXIT)?,
        info => info,
    };
    Ok(match info {
        Some(info) if info.mask & PIDFD_INFO_EXIT != 0 => {
            ExitInfo::Known(ExitStatus::from_raw(info.exit_code))
        }
        Some(_) => ExitInfo::Pending,
        None => ExitInfo::Never,
    })
}

/// Returns the parent of the process of a pidfd, even where /proc hides it (Linux 6.13); 0 is a
/// parent outside of the pid namespace.
pub fn parent(pidfd: impl AsFd) -> Result<Option<Pid>, Errno> {
    Ok(info(pidfd, PIDFD_INFO_PID)?.map(|info| info.ppid))
}

/// Asks for the facts in `mask` by PIDFD_GET_INFO; `None` where the kernel has no answer.
fn info(pidfd: impl AsFd, mask: u64) -> Result<Option<PidfdInfo>, Errno> {
    let mut info = PidfdInfo { mask, ..PidfdInfo::default() };
    // SAFETY: this request reads and writes one struct pidfd_info, whose size is part of its
    // number.
    let answer = unsafe { ioctl(pidfd, Updater::<PIDFD_GET_INFO, PidfdInfo>::new(&mut info)) };
    match answer {
        Ok(()) => Ok(Some(info)),
        // Before Linux 6.13 the request is unknown (ENOTTY, or EINVAL), as it is to an emulator
        // (ENOSYS); a sandbox forbids it (EPERM, EACCES). ESRCH is a process that was reaped, which
        // kernels before 6.15 do not remember.
        Err(
            Errno::NOTTY | Errno::INVAL | Errno::NOSYS | Errno::PERM | Errno::ACCESS | Errno::SRCH,
        ) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// The processes that a signal through a pidfd goes to (pidfd_send_signal(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The process itself.
    Process,
    /// Every process of the process group that it leads or led (PIDFD_SIGNAL_PROCESS_GROUP, Linux
    /// 6.9).
    ProcessGroup,
}

/// Reports whether a process, or a process group with members, exists that takes signals through
/// this pidfd. A zombie takes them; a process that was reaped does not.
pub fn takes_signals(pidfd: impl AsFd, scope: Scope) -> Result<bool, Errno> {
    match ask_by_signal(pidfd, scope) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        // The kernel looks for the process first, and checks the permission after that
        // (check_kill_permission).
        Err(Errno::PERM) => Ok(true),
        Err(errno) => Err(errno),
    }
}

/// Sends signal 0 through a pidfd: it is checked but not delivered.
pub fn ask_by_signal(pidfd: impl AsFd, scope: Scope) -> Result<(), Errno> {
    let flags: nix::libc::c_uint = match scope {
        Scope::Process => 0,
        Scope::ProcessGroup => 1 << 2,
    };
    let pidfd = pidfd.as_fd().as_raw_fd();
    // rustix has no signal 0.
    // SAFETY: without a siginfo_t the call reads no memory of ours.
    let answer = unsafe {
        let no_info = std::ptr::null::<nix::libc::siginfo_t>();
        nix::libc::syscall(SEND_SIGNAL, pidfd, 0, no_info, flags)
    };
    nix::errno::Errno::result(answer).map(drop).map_err(errno_of_nix)
}

/// The number of pidfd_send_signal(2), the same on every architecture
/// (include/uapi/asm-generic/unistd.h).
const SEND_SIGNAL: nix::libc::c_long = 424;

/// The siginfo_t of a signal that carries a number (include/uapi/asm-generic/siginfo.h). On 64-bit
/// machines, `queued` begins behind a gap.
#[repr(C)]
struct QueuedSignal {
    number: nix::libc::c_int,
    error: nix::libc::c_int,
    code: nix::libc::c_int,
    queued: Queued,
    /// The kernel reads 128 bytes. The rest is zero.
    rest: [u8; 112 - 2 * size_of::<usize>()],
}

/// The sender, and the number in the place of a pointer (union sigval).
#[repr(C)]
struct Queued {
    pid: nix::libc::pid_t,
    uid: nix::libc::uid_t,
    value: SignalValue,
}

#[repr(C)]
#[derive(Clone, Copy)]
union SignalValue {
    pointer: usize,
    number: nix::libc::c_int,
}

/// Sends a signal with a number through a pidfd, as sigqueue(3) does by the number of a process.
pub fn queue_signal(pidfd: impl AsFd, signal: i32, value: i32) -> Result<(), Errno> {
    let pidfd = pidfd.as_fd().as_raw_fd();
    let mut carried = SignalValue { pointer: 0 };
    carried.number = value;
    let info = QueuedSignal {
        number: signal,
        error: 0,
        code: nix::libc::SI_QUEUE,
        queued: Queued {
            pid: unistd::getpid().as_raw(),
            uid: unistd::getuid().as_raw(),
            value: carried,
        },
        rest: [0; _],
    };
    // SAFETY: the call reads one siginfo_t, which `info` is as large as.
    let answer = unsafe { nix::libc::syscall(SEND_SIGNAL, pidfd, signal, &raw const info, 0) };
    nix::errno::Errno::result(answer).map(drop).map_err(errno_of_nix)
}

/// Lets a descriptor with O_ASYNC send this signal to this process (fcntl(2)). The kernel finds the
/// process by its number now, and no later one of that number gets the signal.
pub fn set_owner(descriptor: impl AsFd, pid: Pid, signal: i32) -> Result<(), Errno> {
    // include/uapi/asm-generic/fcntl.h; every architecture has this number.
    const F_SETSIG: nix::libc::c_int = 10;
    let pid = i32::try_from(pid).map_err(|_| Errno::SRCH)?;
    for (request, value) in [(nix::libc::F_SETOWN, pid), (F_SETSIG, signal)] {
        // SAFETY: these requests take a number, and no memory of ours.
        let answer = unsafe { nix::libc::fcntl(descriptor.as_fd().as_raw_fd(), request, value) };
        nix::errno::Errno::result(answer).map_err(errno_of_nix)?;
    }
    Ok(())
}

/// Decides whether commands that we start inherit these descriptors. They are descriptors of ours,
/// which we inherited and have not closed.
pub fn give_to_children(descriptors: &[RawFd], gives: bool) -> Result<(), Errno> {
    for &descriptor in descriptors {
        // SAFETY: the descriptor is used for this call only, and a closed one gives an error.
        let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
        match fcntl_setfd(descriptor, if gives { FdFlags::empty() } else { FdFlags::CLOEXEC }) {
            Ok(()) | Err(Errno::BADF) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Reports whether a command that we start inherits this descriptor of ours.
pub fn is_given_to_children(descriptor: RawFd) -> bool {
    // SAFETY: as above.
    let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
    fcntl_getfd(descriptor).is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC))
}

/// One instruction of a socket filter: code, jumps if true and if false, operand (struct
/// sock_filter).
pub type FilterStep = (u16, u8, u8, u32);

/// Lets a socket receive only the messages that this program accepts (SO_ATTACH_FILTER in
/// socket(7)).
pub fn attach_filter(socket: impl AsFd, program: &[FilterStep]) -> Result<(), Errno> {
    let step = |&(code, jt, jf, k): &FilterStep| nix::libc::sock_filter { code, jt, jf, k };
    let mut steps: Vec<nix::libc::sock_filter> = program.iter().map(step).collect();
    let program = nix::libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: the call reads the struct and the steps that it leads to, which live until then.
    let answer = unsafe {
        nix::libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            nix::libc::SOL_SOCKET,
            nix::libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of_val(&program) as nix::libc::socklen_t,
        )
    };
    nix::errno::Errno::result(answer).map(drop).map_err(errno_of_nix)
}

/// Resets SIGCHLD to its default. If it is ignored, this is inherited, and the kernel reports no
/// end of a child (waitpid(2)). timeout(1) does the same, and so does every program that we become.
pub fn reset_sigchld() -> Result<(), Errno> {
    // SAFETY: the default has no handler, which would have to be safe at any moment.
    let before = unsafe { nix::sys::signal::signal(SIGCHLD, SigHandler::SigDfl) };
    before.map(drop).map_err(errno_of_nix)
}

/// Makes a command begin without these blocked signals, and with this limit of descriptors.
/// Otherwise it would inherit ours (execve(2), getrlimit(2)).
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
    // SAFETY: between fork and exec only calls that are safe in a signal handler are allowed, such
    // as pthread_sigmask and the bare system call (signal-safety(7)). Nothing is allocated.
    unsafe { command.pre_exec(prepare) };
}

/// Gives every signal its default action again, and blocks none: the program that we become inherits
/// both (execve(2)).
pub fn reset_signals() {
    // This cannot fail for a full set.
    let _ = SigSet::all().thread_unblock();
    // The kernel's struct sigaction of zeros is the default: no handler, no flags, no mask. The call
    // of the C library would refuse its own signals, which may be ignored too.
    let default = [0u64; 4];
    for number in 1..=LAST_SIGNAL {
        // SAFETY: the call reads no more than the struct, which has at most 32 bytes. KILL and STOP
        // refuse this, and nothing else happens.
        unsafe {
            let none = std::ptr::null_mut::<u64>();
            nix::libc::syscall(nix::libc::SYS_rt_sigaction, number, &raw const default, none, 8);
        }
    }
}

/// The number of the last signal (_NSIG).
const LAST_SIGNAL: i32 = 64;

/// Enters the real-time policy SCHED_RR with its lowest priority (sched(7)). Later threads inherit
/// it, and so do children.
pub fn enter_real_time() -> Result<(), Errno> {
    // SAFETY: it consists of numbers, for which zero is a value.
    let mut parameters: nix::libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = 1;
    // SAFETY: the call reads one struct sched_param, for the calling thread.
    let answer = unsafe {
        let policy = nix::libc::SCHED_RR;
        nix::libc::syscall(nix::libc::SYS_sched_setscheduler, 0, policy, &raw const parameters)
    };
    nix::errno::Errno::result(answer).map(drop).map_err(errno_of_nix)
}

/// Leaves a real-time policy for the normal one (sched(7)).
pub fn leave_real_time() -> Result<(), Errno> {
    // SAFETY: it consists of numbers, for which zero is a value.
    let parameters: nix::libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: the call reads one struct sched_param, for the calling thread.
    let answer = unsafe {
        match nix::libc::syscall(nix::libc::SYS_sched_getscheduler, 0) {
            policy if is_real_time(policy) => nix::libc::syscall(
                nix::libc::SYS_sched_setscheduler,
                0,
                nix::libc::SCHED_OTHER,
                &raw const parameters,
            ),
            answer => answer.min(0),
        }
    };
    nix::errno::Errno::result(answer).map(drop).map_err(errno_of_nix)
}

/// Reports whether a policy gives its processes the processor before all others. The kernel adds a
/// flag to its number (SCHED_RESET_ON_FORK).
fn is_real_time(policy: nix::libc::c_long) -> bool {
    const RESET_ON_FORK: nix::libc::c_long = 0x4000_0000;
    const DEADLINE: nix::libc::c_long = 6;
    let policy = policy & !RESET_ON_FORK;
    [nix::libc::SCHED_FIFO.into(), nix::libc::SCHED_RR.into(), DEADLINE].contains(&policy)
}

/// Runs a closure in a child process, which exits with its result, and returns the child's pid to
/// the parent. The child keeps the descriptors in `kept`, the standard ones among them. It closes
/// all others, so that no reader of those waits for its end.
pub fn fork(kept: &[RawFd], act: impl FnOnce() -> u8) -> io::Result<unistd::Pid> {
    fork_with_files(|| {
        keep_only(kept);
        act()
    })
}

/// Runs a closure in a child process as [`fork`] does. The child keeps all descriptors.
pub fn fork_with_files(act: impl FnOnce() -> u8) -> io::Result<unistd::Pid> {
    // SAFETY: if we have other threads, one of them may hold a lock that is never released in the
    // child. glibc and musl (1.2.2) take care of the locks of the allocator, and the environment,
    // which std reads for a command, is never changed here.
    match unsafe { unistd::fork() }? {
        unistd::ForkResult::Parent { child } => Ok(child),
        unistd::ForkResult::Child => {
            // In the release build, a panic ends the process by itself.
            let ended = catch_unwind(AssertUnwindSafe(act));
            // SAFETY: it never returns, so that no cleanup of the parent runs twice.
            unsafe { nix::libc::_exit(i32::from(ended.unwrap_or(1))) }
        }
    }
}

/// Divides our process, which has no other thread, and returns in both: the child's pid in the parent,
/// and `None` in the child.
pub fn divide_process() -> io::Result<Option<unistd::Pid>> {
    // SAFETY: without another thread, no lock is held and nothing is half done.
    match unsafe { unistd::fork() }? {
        unistd::ForkResult::Parent { child } => Ok(Some(child)),
        unistd::ForkResult::Child => Ok(None),
    }
}

/// Closes descriptors that we were started with. None of our objects may own one of them.
pub fn close_given(numbers: &[RawFd]) {
    for &number in numbers {
        // SAFETY: no object refers to it, so that none can use or close it later.
        unsafe { nix::libc::close(number) };
    }
}

/// Closes all descriptors but these, in a child that never returns, and lets the other standard ones
/// lead to /dev/null.
fn keep_only(kept: &[RawFd]) {
    let null = std::fs::File::options().read(true).write(true).open("/dev/null");
    let null = null.map_or(-1, IntoRawFd::into_raw_fd);
    let mut kept = kept.to_vec();
    kept.sort_unstable();
    // SAFETY: the objects that own these descriptors are not used any more. Where a call fails,
    // such as close_range(2) before Linux 5.9, more descriptors stay open than needed, and nothing
    // else happens.
    unsafe {
        for number in (0..3).filter(|number| !kept.contains(number)) {
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

/// Replaces the session keyring of the caller by a new one (KEYCTL_JOIN_SESSION_KEYRING in
/// keyctl(2)).
pub fn new_session_keyring() -> Result<(), Errno> {
    const JOIN_SESSION_KEYRING: nix::libc::c_int = 1;
    // SAFETY: without a name the call reads no memory of ours.
    let answer = unsafe {
        nix::libc::syscall(
            nix::libc::SYS_keyctl,
            JOIN_SESSION_KEYRING,
            std::ptr::null::<nix::libc::c_char>(),
        )
    };
    match nix::errno::Errno::result(answer) {
        // A kernel without keys, or a container that forbids them, has no keys to inherit.
        Ok(_)
        | Err(nix::errno::Errno::ENOSYS | nix::errno::Errno::EPERM | nix::errno::Errno::EACCES) => {
            Ok(())
        }
        Err(errno) => Err(errno_of_nix(errno)),
    }
}

/// Returns the signal of this number, from 1 to 64, including the real-time signals.
pub fn signal(number: i32) -> Option<RawSignal> {
    // SAFETY: the kernel has signals of these numbers (_NSIG). The C library reserves 32 and 33
    // where handlers are installed; here they are only sent, by the kernel's own call.
    (1..=LAST_SIGNAL).contains(&number).then(|| unsafe { RawSignal::from_raw_unchecked(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_the_one_of_64_bytes() {
        assert_eq!(size_of::<PidfdInfo>(), 64);
    }

    #[test]
    fn a_queued_signal_is_laid_out_as_the_kernel_reads_it() {
        assert_eq!(size_of::<QueuedSignal>(), size_of::<nix::libc::siginfo_t>());
        assert_eq!(std::mem::offset_of!(QueuedSignal, queued), 8 + size_of::<usize>());
    }

    #[test]
    fn signals_have_the_numbers_of_the_kernel() {
        assert_eq!(signal(9), Some(RawSignal::KILL));
        assert_eq!(signal(64).map(RawSignal::as_raw), Some(64));
        assert_eq!((signal(0), signal(65), signal(-1)), (None, None, None));
    }
}
