//! The process model: what /proc says about processes, read lazily, kept in bytes, and never mixed
//! between two processes.
//!
//! [`Proc`] is a mounted procfs. [`Proc::scan`] visits every process and reads only what is asked
//! for, by number and into reused buffers; [`Proc::process`] pins one process through a descriptor
//! of its directory. Both give the same [`Process`], so that a property has one meaning.
//!
//! The crate `procfs` parses what is not on the hot path. Its own way of opening files is not used:
//! it costs 1.4 to 3.8 times the system calls, and its `cmdline()` fails for arguments that are not
//! UTF-8.

mod batch;
mod below;
mod bound_socket;
mod capability;
mod cgroup;
mod clock;
mod container;
mod control_group;
mod crowd;
mod descriptors;
mod directory;
mod error;
mod file;
mod freezer;
mod headroom;
mod holding;
mod id;
mod inode;
mod io;
mod label;
mod limit;
mod lock;
mod login;
mod mapping;
mod memory;
mod mount;
mod number;
mod path;
mod proc;
mod program;
mod property;
mod rate;
mod read_ahead;
mod reader;
mod root;
mod scan;
mod schedule;
mod signals;
mod socket;
mod sought;
mod stat;
mod status;
pub mod terminal;
#[cfg(test)]
mod tests;
mod threads;
mod unexamined;
mod value;
mod wait_channel;

use once_cell::unsync::OnceCell;

use self::directory::Directory;

pub use cgroup::Cgroups;
pub use clock::since_boot;
pub use control_group::{ControlGroup, leave_control_groups};
pub use error::{Error, Lookup, ReadError, ReadResult, Unavailable, if_available};
pub use file::{File, Files};
pub use freezer::Freezers;
pub use headroom::Headroom;
pub use id::{open_pidfd, pidfd_inode};
pub use login::Login;
pub use proc::Proc;
pub use property::{
    Cost, Property, SECTIONS, ValueKind, all_properties, certain_files, properties, property,
};
pub use reader::HeldUp;
pub use root::{Root, RootEntry};
pub use scan::Scan;
pub use signals::{REAL_TIME, signal_name};
pub use socket::{Endpoint, NetworkId, Protocol};
pub use sought::{FileSystem, PathError, Resolved, Sought, SoughtFile};
pub use stat::Stat;
pub use status::Status;
pub use unexamined::Unexamined;
pub use value::{Value, items, title};

/// A process id as a procfs shows it. 0 stands for a process outside of its pid namespace.
pub type Pid = u32;

/// One process.
///
/// When it is pinned, all its properties are of this one process, even if its pid is given to
/// another one later: they are read through a descriptor of its directory. In a scan they are read
/// by number, each file once and within microseconds. Callers that keep a process beyond its turn,
/// or act on it, pin it first.
pub struct Process<'p> {
    directory: Directory<'p>,
    /// Files that will be read in any case. A property that several files hold is taken from one of
    /// these.
    expected: Files,
    stat: OnceCell<ReadResult<Stat>>,
}

impl<'p> Process<'p> {
    /// Pins the process that has this number now. A thread is refused, though /proc/TID can be
    /// opened.
    fn pin(proc: &'p Proc, pid: Pid, expected: Files) -> ReadResult<Process<'p>> {
        let process =
            Process { directory: Directory::pin(proc, pid)?, expected, stat: OnceCell::new() };
        match process.status() {
            Ok(status) if status.number("Tgid").is_some_and(|leader| leader != u64::from(pid)) => {
                Err(ReadError::Exited)
            }
            Err(error) if !error.is_unavailable() => Err(error),
            _ => Ok(process),
        }
    }

    /// Makes a process without a number yet, for [`Process::visit`].
    fn by_number(proc: &'p Proc, expected: Files) -> Process<'p> {
        Process { directory: Directory::by_number(proc), expected, stat: OnceCell::new() }
    }

    /// Turns to another process and keeps the buffers.
    fn visit(&mut self, pid: Pid) {
        self.directory.visit(pid);
        self.stat.take();
    }

    /// Stores the content of a file that was read ahead.
    fn take(&self, file: File, found: directory::BatchAnswer<'_>) {
        self.directory.take(file, found);
    }

    /// Pins the process that has our number now. Nothing of it is read yet.
    fn pinned(&self) -> ReadResult<Process<'p>> {
        Process::pin(self.proc(), self.pid(), self.expected)
    }

    /// Returns the procfs that the process belongs to.
    pub fn proc(&self) -> &'p Proc {
        self.directory.proc
    }

    /// Reports whether the process is read through a descriptor of its directory.
    pub fn is_pinned(&self) -> bool {
        self.directory.is_pinned()
    }

    /// Returns the pid, in the pid namespace of the procfs.
    pub fn pid(&self) -> Pid {
        self.directory.pid
    }

    /// Splits the result of a read into what callers must keep apart: the value, the reason why it
    /// is unavailable, or the exit of the process. Errors: those that end the run.
    pub fn lookup<T>(&self, read: ReadResult<T>) -> Result<Lookup<T>, Error> {
        self.proc().lookup(self.pid(), read)
    }

    /// Returns the bytes of a file, or the text of a link.
    pub fn file(&self, file: File) -> ReadResult<&[u8]> {
        self.directory.file(file)
    }

    /// Reports whether this kernel has such a file, even if it cannot be read.
    pub fn has_file(&self, file: File) -> bool {
        self.directory.has(file)
    }

    /// Reports whether the process still exists, if only as a zombie.
    fn exists(&self) -> bool {
        self.directory.exists()
    }

    /// Reports whether the file is read in any case, or was read already.
    fn has(&self, file: File) -> bool {
        self.expected.contains(file) || self.directory.holds(file)
    }

    /// Returns the parsed /proc/PID/stat.
    pub fn stat(&self) -> ReadResult<&Stat> {
        self.stat.get_or_init(|| self.parse_stat()).as_ref().map_err(|&error| error)
    }

    /// Parses /proc/PID/stat, with the numbers of another thread where the first one has exited.
    fn parse_stat(&self) -> ReadResult<Stat> {
        let stat = Stat::parse(self.file(File::Stat)?).ok_or(ReadError::malformed("stat"))?;
        match self.directory.other_thread()? {
            None => Ok(stat),
            Some(thread) => Ok(stat.with_running_thread(&self.directory.thread_stat(thread)?)),
        }
    }

    /// Returns the text of /proc/PID/status.
    pub fn status(&self) -> ReadResult<Status<'_>> {
        self.file(File::Status).map(Status)
    }

    /// Returns the state, one of RSDTtZXI (proc_pid_stat(5)).
    pub fn state(&self) -> ReadResult<u8> {
        if !self.has(File::Status) || self.has(File::Stat) {
            return Ok(self.stat()?.state);
        }
        let state = self.status()?.field("State").and_then(|state| state.first().copied());
        state.ok_or(ReadError::malformed("status"))
    }

    /// Returns the pid of the parent; 0 when the parent is outside of the pid namespace.
    pub fn ppid(&self) -> ReadResult<Pid> {
        if !self.has(File::Status) || self.has(File::Stat) {
            return Ok(self.stat()?.ppid);
        }
        let ppid = self.status()?.number("PPid").and_then(|ppid| ppid.try_into().ok());
        ppid.ok_or(ReadError::malformed("status"))
    }

    /// Returns the real, effective, saved and file system user id.
    pub fn user_ids(&self) -> ReadResult<[u32; 4]> {
        self.status()?.ids("Uid").ok_or(ReadError::malformed("status"))
    }

    /// Returns the real, effective, saved and file system group id.
    pub fn group_ids(&self) -> ReadResult<[u32; 4]> {
        self.status()?.ids("Gid").ok_or(ReadError::malformed("status"))
    }

    /// Reports whether the process is a kernel thread.
    pub fn is_kernel_thread(&self) -> ReadResult<bool> {
        Ok(self.stat()?.is_kernel_thread())
    }

    /// Returns the seconds from the epoch to its start. The value is the same at every read.
    pub fn start_time(&self) -> ReadResult<f64> {
        Ok(self.proc().boot_time()? + self.seconds(self.stat()?.start_ticks))
    }

    /// Returns the seconds since its start.
    pub fn runtime(&self) -> ReadResult<f64> {
        Ok((self.proc().uptime()? - self.seconds(self.stat()?.start_ticks)).max(0.0))
    }

    /// Converts clock ticks to seconds.
    pub fn seconds(&self, ticks: u64) -> f64 {
        ticks as f64 / self.proc().ticks_per_second()
    }

    /// Returns the number in a file that holds one, such as oom_score.
    pub fn number_in(&self, file: File) -> ReadResult<u64> {
        let broken = ReadError::malformed(file.name());
        number::parse(self.file(file)?.trim_ascii()).ok_or(broken)
    }

    /// Returns the inode of a namespace, as in `pid:[4026531836]`.
    pub fn namespace(&self, file: File) -> ReadResult<u64> {
        let broken = ReadError::malformed(file.name());
        namespace_inode(self.file(file)?).ok_or(broken)
    }

    /// Returns the children of the first thread, as they are at this moment. Errors: unavailable
    /// where this kernel does not list them.
    pub fn children(&self) -> ReadResult<Vec<Pid>> {
        self.directory.children()
    }

    /// Returns the exit status of a zombie, as wait(2) encodes it.
    pub fn wait_status(&self) -> ReadResult<i32> {
        if !self.stat()?.is_zombie() {
            return Err(ReadError::absent("it has not ended"));
        }
        // Without ptrace access the kernel shows exit_code 0 (proc_pid_stat(5)). Only the links
        // then fail with EACCES.
        if self.exe() == Err(ReadError::DENIED) {
            return Err(ReadError::DENIED);
        }
        let broken = ReadError::malformed("stat");
        let last = self.file(File::Stat)?.trim_ascii().rsplit(|&byte| byte == b' ').next();
        last.and_then(number::parse).and_then(|status| status.try_into().ok()).ok_or(broken)
    }
}

/// Parses the inode in the text of a namespace, such as `pid:[4026531836]`.
fn namespace_inode(text: &[u8]) -> Option<u64> {
    let number = text.split(|&byte| byte == b'[').nth(1)?.strip_suffix(b"]")?;
    number::parse(number)
}
