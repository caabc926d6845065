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
mod capability;
mod cgroup;
mod clock;
mod control_group;
mod directory;
mod error;
mod file;
mod headroom;
mod id;
mod mount;
mod number;
mod path;
mod proc;
mod property;
mod read_ahead;
mod reader;
mod root;
mod scan;
mod socket;
mod stat;
mod status;
pub mod terminal;
#[cfg(test)]
mod tests;
mod unexamined;
mod value;

use std::borrow::Cow;

use once_cell::unsync::OnceCell;
use procfs::FromRead;

use self::directory::Directory;
use crate::path::base_name;

pub use below::OpenFile;
pub use cgroup::Cgroups;
pub use clock::since_boot;
pub use control_group::{ControlGroup, leave_control_groups};
pub use error::{Error, Lookup, ReadError, ReadResult, Unavailable, if_available};
pub use file::{File, Files};
pub use headroom::Headroom;
pub use id::{open_pidfd, pidfd_inode};
pub use proc::Proc;
pub use property::{Cost, PROPERTIES, Property, Section, certain_files, properties, property};
pub use reader::HeldUp;
pub use root::{Root, RootEntry};
pub use scan::Scan;
pub use stat::Stat;
pub use status::Status;
pub use unexamined::Unexamined;
pub use value::{Value, items, title};

/// A process id as a procfs shows it. 0 stands for a process outside of its pid namespace.
pub type Pid = u32;

/// The text that the kernel appends to the link of an executable whose file was removed or
/// replaced.
const DELETED: &[u8] = b" (deleted)";

/// The beginning of the link of an executable that never had a name (memfd_create(2)). The kernel
/// appends [`DELETED`] to each.
const MEMFD: &[u8] = b"/memfd:";

/// Maximum number of bytes that the kernel keeps of the name of a user's process (TASK_COMM_LEN
/// without its zero byte).
const COMM_MAX: usize = 15;

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

    // The following methods give files a meaning. Properties that are only a field of stat or
    // status stand in the table of properties.

    /// Returns comm, the name that the kernel keeps: at most 15 bytes for a user's process, and any
    /// bytes.
    pub fn comm(&self) -> ReadResult<Cow<'_, [u8]>> {
        if self.has(File::Stat) {
            Ok(Cow::Borrowed(self.stat()?.comm(self.file(File::Stat)?)))
        } else if self.has(File::Status) {
            self.status()?.comm().map(Cow::Owned).ok_or(ReadError::malformed("status"))
        } else {
            let line = self.file(File::Comm)?;
            Ok(Cow::Borrowed(line.strip_suffix(b"\n").unwrap_or(line)))
        }
    }

    /// Returns the name for users: comm, or where the kernel cut it, the whole name, taken from the
    /// name of the executable or, for a script, from its path among the arguments. Errors: where
    /// the name may be longer and cannot be completed.
    pub fn name(&self) -> ReadResult<Cow<'_, [u8]>> {
        let comm = self.name_by_link()?;
        if comm.len() != COMM_MAX || !self.has_memory()? {
            return Ok(comm);
        }
        // The kernel puts at most one option between interpreter and script: `interpreter [option]
        // script`.
        let arguments = match self.cmdline() {
            Err(ReadError::Unavailable(Unavailable::Denied | Unavailable::Absent(_))) => b"",
            arguments => arguments?,
        };
        match arguments
            .split(|&byte| byte == 0)
            .take(3)
            .find_map(|argument| completion(argument, &comm))
        {
            Some(whole) => Ok(Cow::Borrowed(whole)),
            None => Ok(comm),
        }
    }

    /// Returns the name for users, or comm where that cannot be completed.
    pub fn name_or_comm(&self) -> ReadResult<Cow<'_, [u8]>> {
        match self.name() {
            Err(error) if error.is_unavailable() => self.comm(),
            name => name,
        }
    }

    /// Returns comm, completed from the name of the executable only: nothing is read with which the
    /// process can hold us up.
    pub fn name_by_link(&self) -> ReadResult<Cow<'_, [u8]>> {
        let comm = self.comm()?;
        if comm.len() == COMM_MAX
            && let Some(path) = if_available(self.linked_path())?
            && let Some(whole) = completion(path, &comm)
        {
            return Ok(Cow::Borrowed(whole));
        }
        Ok(comm)
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

    /// Returns the arguments, each ended by a zero byte. Kernel threads and zombies have none.
    pub fn cmdline(&self) -> ReadResult<&[u8]> {
        self.file(File::Cmdline)
    }

    /// Returns the arguments in one line, as `find --full` matches them.
    pub fn command_line(&self) -> ReadResult<Vec<u8>> {
        let arguments = self.cmdline()?;
        // The whole text counts: a title that overwrote the arguments fills their place.
        let end = arguments.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        Ok(arguments[..end].iter().map(|&byte| if byte == 0 { b' ' } else { byte }).collect())
    }

    /// Reports whether the process has memory, and therefore arguments: kernel threads and zombies
    /// have none.
    fn has_memory(&self) -> ReadResult<bool> {
        let stat = self.stat()?;
        Ok(!stat.is_kernel_thread() && !stat.is_zombie())
    }

    /// Returns the first argument of a process that shows no executable. A title that overwrote the
    /// arguments is no argument.
    fn first_argument(&self) -> ReadResult<&[u8]> {
        if !self.has_memory()? {
            return Ok(b"");
        }
        let arguments = self.cmdline()?;
        let is_title = title(arguments).is_some();
        Ok(if is_title {
            b""
        } else {
            arguments.split(|&byte| byte == 0).next().unwrap_or_default()
        })
    }

    /// Returns the link to the executable as the kernel gives it, with its " (deleted)".
    pub fn exe(&self) -> ReadResult<&[u8]> {
        self.file(File::Exe)
    }

    /// Reports whether the file of the executable was removed or replaced since the process began
    /// to run it.
    ///
    /// Only the link decides: a stat of the file would ask its file system, which may not answer.
    pub fn exe_deleted(&self) -> ReadResult<bool> {
        let exe = self.exe()?;
        if !exe.ends_with(DELETED) || exe.starts_with(MEMFD) {
            return Ok(false);
        }
        // A file may really have such a name, and the kernel names the process after it.
        let comm = self.comm()?;
        let name = base_name(exe);
        let is_name = *comm == *name
            || comm.len() == COMM_MAX
                && name.len() - DELETED.len() < COMM_MAX
                && name.starts_with(&comm);
        Ok(!is_name)
    }

    /// Returns the link to the executable without " (deleted)".
    fn linked_path(&self) -> ReadResult<&[u8]> {
        let exe = self.exe()?;
        Ok(match exe.strip_suffix(DELETED) {
            Some(path) if exe.starts_with(MEMFD) || self.exe_deleted()? => path,
            _ => exe,
        })
    }

    /// Returns the path of the executable: the link without " (deleted)", else an absolute first
    /// argument.
    pub fn exe_path(&self) -> ReadResult<&[u8]> {
        let error = match self.linked_path() {
            Err(error)
                if error == ReadError::DENIED || error == ReadError::absent(File::Exe.absent()) =>
            {
                error
            }
            outcome => return outcome,
        };
        let argument = self.first_argument()?;
        if argument.starts_with(b"/") { Ok(argument) } else { Err(error) }
    }

    /// Returns the name of the executable: the last part of its path, else a first argument that is
    /// a command on $PATH, else comm.
    pub fn exe_name(&self) -> ReadResult<Cow<'_, [u8]>> {
        match self.exe_path() {
            Ok(path) => return Ok(Cow::Borrowed(base_name(path))),
            Err(error) if error.is_unavailable() => {}
            Err(error) => return Err(error),
        }
        let argument = self.first_argument()?;
        if !argument.is_empty() && !argument.contains(&b'/') && self.proc().is_command(argument) {
            return Ok(Cow::Borrowed(argument));
        }
        self.comm()
    }

    /// Returns a size from status in bytes, such as `VmSwap`; `None` where this process has no such
    /// line.
    pub fn size(&self, name: &str) -> ReadResult<Option<u64>> {
        match self.directory.other_thread()? {
            None => Ok(self.status()?.size(name)),
            Some(thread) => Ok(Status(&self.directory.thread_status(thread)?).size(name)),
        }
    }

    /// Reports whether the process is a kernel thread.
    pub fn is_kernel_thread(&self) -> ReadResult<bool> {
        Ok(self.stat()?.is_kernel_thread())
    }

    /// Returns the environment that it was started with: NAME=value, each ended by a zero byte, in
    /// order and with duplicates.
    pub fn environ(&self) -> ReadResult<&[u8]> {
        let environ = self.file(File::Environ)?;
        // Until Linux 6.16 that of a kernel thread or a zombie could be read, and was empty.
        if environ.is_empty() && (self.is_kernel_thread()? || self.stat()?.is_zombie()) {
            return Err(ReadError::absent(File::Environ.absent()));
        }
        Ok(environ)
    }

    /// Returns the first `most` bytes of its environment, which a process can make arbitrarily
    /// long.
    pub fn environ_start(&self, most: usize) -> ReadResult<Vec<u8>> {
        self.directory.start_of(File::Environ, most)
    }

    /// Returns the first `most` bytes of its arguments, which a process can make arbitrarily long;
    /// see [`Process::cmdline`].
    pub fn cmdline_start(&self, most: usize) -> ReadResult<Vec<u8>> {
        self.directory.start_of(File::Cmdline, most)
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

    /// Returns the resident memory in bytes. The counters of the kernel lag behind, by up to 64
    /// pages per thread before Linux 6.2 and by those of each CPU since then (proc_pid_stat(5)).
    /// Where the exact sum is read too, it is used, so that no part of it is larger.
    pub fn resident(&self) -> ReadResult<u64> {
        let counted = self.stat()?.rss_pages.saturating_mul(self.proc().page_size());
        if !self.has(File::SmapsRollup) {
            return Ok(counted);
        }
        Ok(self.memory().map_or(counted, |memory| memory.resident))
    }

    /// Returns the parts of its memory. The kernel walks all its pages for the answer.
    pub fn memory(&self) -> ReadResult<Memory> {
        let text = self.file(File::SmapsRollup)?;
        let broken = ReadError::malformed("smaps_rollup");
        let rollup = procfs::process::SmapsRollup::from_read(text).map_err(|_| broken)?;
        let map = rollup.memory_map_rollup.0.first().ok_or(broken)?;
        let sum =
            |names: &[&str]| names.iter().filter_map(|&name| map.extension.map.get(name)).sum();
        let huge = sum(&["Private_Hugetlb"]);
        let proportional: u64 = sum(&["Pss"]);
        Ok(Memory {
            resident: sum(&["Rss"]),
            proportional: proportional.saturating_add(huge),
            huge,
            unique: sum(&["Private_Clean", "Private_Dirty", "Private_Hugetlb"]),
            swap: sum(&["Swap"]),
            swap_share: sum(&["SwapPss"]),
        })
    }

    /// Returns the number in a file that holds one, such as oom_score.
    pub fn number_in(&self, file: File) -> ReadResult<u64> {
        let broken = ReadError::malformed(file.name());
        number::parse(self.file(file)?.trim_ascii()).ok_or(broken)
    }

    /// Returns the inode of a namespace, as in `pid:[4026531836]`.
    pub fn namespace(&self, file: File) -> ReadResult<u64> {
        let broken = ReadError::malformed(file.name());
        let text = self.file(file)?;
        let number =
            text.split(|&byte| byte == b'[').nth(1).and_then(|number| number.strip_suffix(b"]"));
        number.and_then(number::parse).ok_or(broken)
    }

    /// Returns the number of its open descriptors.
    pub fn fd_count(&self) -> ReadResult<u64> {
        self.directory.list("fd", |_| {})
    }

    /// Returns the state of each thread that has not exited. The process is really stopped when all
    /// of them are T.
    pub fn thread_states(&self) -> ReadResult<Vec<u8>> {
        let stat = self.stat()?;
        if stat.threads <= 1 {
            return Ok(vec![stat.state]);
        }
        let mut ids = Vec::new();
        self.directory.list("task", |id| ids.extend(number::parse(id.to_bytes())))?;
        let mut states = Vec::with_capacity(ids.len());
        for id in ids.into_iter().filter_map(|id| Pid::try_from(id).ok()) {
            match self.directory.thread_state(id) {
                Ok(b'Z' | b'X') | Err(ReadError::Exited) => {}
                Ok(state) => states.push(state),
                Err(error) => return Err(error),
            }
        }
        Ok(states)
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

    /// Returns the first of the wanted files that the process holds a lock on. The link of a
    /// descriptor tells which file it is. A lock is not shown for a process that only shares the
    /// descriptor.
    ///
    /// Other descriptors are not examined: fdinfo of some kinds, such as epoll, waits for a lock
    /// that the process can hold for any time.
    pub fn locked_file(&self, is_wanted: impl Fn(&[u8]) -> bool) -> ReadResult<Option<Vec<u8>>> {
        let mut descriptors = Vec::new();
        self.directory.list("fd", |name| descriptors.extend(number::parse(name.to_bytes())))?;
        for descriptor in descriptors {
            let Some(link) = self.descriptor(descriptor)?.filter(|link| is_wanted(link)) else {
                continue;
            };
            let info = match self.directory.descriptor_info(descriptor) {
                Err(ReadError::Exited) => continue,
                info => info?,
            };
            if info.split(|&byte| byte == b'\n').any(|line| line.starts_with(b"lock:")) {
                return Ok(Some(link));
            }
        }
        Ok(None)
    }

    /// Returns the target of one of its descriptors, such as `/dev/null` or `pipe:[123]`; `None` if
    /// it is not open.
    pub fn descriptor(&self, number: u64) -> ReadResult<Option<Vec<u8>>> {
        match self.directory.descriptor_link(number) {
            Ok(link) => Ok(Some(link)),
            Err(ReadError::Exited) if self.exists() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the facts about the file behind one of its descriptors.
    pub fn open_file(&self, number: u64) -> ReadResult<OpenFile> {
        self.directory.open_file(number)
    }

    /// Returns its threads except the first one, by id, with their names.
    pub fn other_threads(&self) -> ReadResult<Vec<(Pid, Vec<u8>)>> {
        let mut ids = Vec::new();
        self.directory.list("task", |id| ids.extend(number::parse(id.to_bytes())))?;
        let mut threads = Vec::with_capacity(ids.len());
        for id in
            ids.into_iter().filter_map(|id| Pid::try_from(id).ok()).filter(|&id| id != self.pid())
        {
            match self.directory.thread_name(id) {
                Ok(name) => threads.push((id, name)),
                Err(ReadError::Exited) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(threads)
    }
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All its pages (RSS), counted at this moment. The number in stat is updated in batches.
    pub resident: u64,
    /// Its own pages and its share of the shared ones (PSS), with its own huge pages, which the kernel
    /// leaves out.
    pub proportional: u64,
    /// Its own pages in files of hugetlbfs. They come from a pool of their own, and not from what
    /// the machine has available (hugetlbpage.rst).
    pub huge: u64,
    /// Memory that would become free if it exited (USS).
    pub unique: u64,
    /// Its pages in swap.
    pub swap: u64,
    /// Its own pages in swap, and its share of the shared ones.
    pub swap_share: u64,
}

/// Returns the base name of a path, if the kernel cut this comm from it.
fn completion<'a>(path: &'a [u8], comm: &[u8]) -> Option<&'a [u8]> {
    let name = base_name(path);
    (name.len() > comm.len() && name.starts_with(comm)).then_some(name)
}
