//! A mounted procfs: the place where all reading begins, and the facts that it holds about the
//! whole machine. [`Proc::scan`] visits every process, [`Proc::process`] pins one.

use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use once_cell::unsync::OnceCell;
use procfs::FromRead;
use rustix::buffer::spare_capacity;
use rustix::fs::{self, Access, AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::container::ContainerNames;
use super::error::{Error, Lookup, ReadError, ReadResult};
use super::file::Files;
use super::id::Numbering;
use super::rate::Rounds;
use super::reader::{HeldUp, Readers};
use super::scan::Scan;
use super::socket::Networks;
use super::{Pid, Process, clock, number};
use crate::users::{Logins, Users};

/// An open procfs, or a directory that is laid out like one.
///
/// Everything here is read once, when it is first asked for.
pub struct Proc {
    dir: Arc<OwnedFd>,
    path: PathBuf,
    is_procfs: bool,
    own_pid: OnceCell<Option<Pid>>,
    numbering: OnceCell<ReadResult<Numbering>>,
    boot_time: OnceCell<ReadResult<f64>>,
    uptime: OnceCell<ReadResult<f64>>,
    boot_id: OnceCell<ReadResult<Vec<u8>>>,
    ticks_per_second: OnceCell<f64>,
    page_size: OnceCell<u64>,
    executables: RefCell<BTreeMap<Vec<u8>, bool>>,
    users: Users,
    logins: Logins,
    containers: ContainerNames,
    readers: Readers,
    rounds: RefCell<Option<Rounds>>,
    networks: Networks,
}

impl Proc {
    /// Opens a procfs, usually /proc.
    ///
    /// A directory of another file system is accepted when it holds at least one process directory,
    /// so that a test can lay one out. Anything else would look like an empty machine.
    ///
    /// Errors: `Directory` when it cannot be read, `NotProc` when it is neither.
    pub fn open(path: &Path) -> Result<Proc, Error> {
        let failed = |errno| Error::Directory { path: path.to_owned(), errno };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = fs::open(path, flags, Mode::empty()).map_err(failed)?;
        // The types of the two differ on s390x.
        let kind = fs::fstatfs(&dir).map_err(failed)?.f_type as u64;
        let is_procfs = kind == fs::PROC_SUPER_MAGIC as u64;
        // A directory inside a procfs, such as /proc/1, would look like one that hides all
        // processes. The root has a fixed inode (PROC_ROOT_INO).
        let is_inside = is_procfs && fs::fstat(&dir).map_err(failed)?.st_ino != 1;
        if is_inside || !is_procfs && !holds_a_process(dir.as_fd()).map_err(failed)? {
            return Err(Error::NotProc(path.to_owned()));
        }
        Ok(Proc {
            dir: Arc::new(dir),
            path: path.to_owned(),
            is_procfs,
            own_pid: OnceCell::new(),
            numbering: OnceCell::new(),
            boot_time: OnceCell::new(),
            uptime: OnceCell::new(),
            boot_id: OnceCell::new(),
            ticks_per_second: OnceCell::new(),
            page_size: OnceCell::new(),
            executables: RefCell::default(),
            users: Users::default(),
            logins: Logins::default(),
            containers: ContainerNames::default(),
            readers: Readers::default(),
            rounds: RefCell::default(),
            networks: Networks::default(),
        })
    }

    /// Opens the same procfs again, so that nothing of it is remembered but the rounds of looks.
    pub fn anew(self) -> Result<Proc, Error> {
        self.readers.begin_anew();
        Ok(Proc { readers: self.readers, rounds: self.rounds, ..Proc::open(&self.path)? })
    }

    /// Begins a round of looks at processes. Rates such as that of processor time are then those
    /// since the round before.
    pub fn begin_round(&self) {
        let now = clock::since_boot().as_secs_f64();
        self.rounds.borrow_mut().get_or_insert_default().begin(now);
    }

    /// Begins a scan that visits every process, in the order of the directory (ascending pids in a
    /// real procfs). `expected` are the files that every visit reads in any case.
    pub fn scan(&self, expected: Files) -> Result<Scan<'_>, Error> {
        Scan::start(self, expected)
    }

    /// Pins the process that has this number now: its properties are never mixed with those of a
    /// later process. `expected` as in [`Proc::scan`].
    pub fn process(&self, pid: Pid, expected: Files) -> Result<Lookup<Process<'_>>, Error> {
        self.lookup(pid, Process::pin(self, pid, expected))
    }

    /// Returns the children of the process that has this number now: see [`Process::children`]. It
    /// costs less than a pinned process, for looks that are repeated all the time.
    pub fn children(&self, pid: Pid) -> Result<Lookup<Vec<Pid>>, Error> {
        let mut process = Process::by_number(self, Files::NONE);
        process.visit(pid);
        self.lookup(pid, process.children())
    }

    /// Looks up something that was read about the process of this number: see [`Process::lookup`].
    pub fn lookup<T>(&self, pid: Pid, read: ReadResult<T>) -> Result<Lookup<T>, Error> {
        match read {
            Ok(value) => Ok(Lookup::Found(value)),
            Err(ReadError::Exited) => Ok(Lookup::Exited),
            Err(ReadError::Failed { file, errno }) => Err(self.failure(pid, file, errno)),
            Err(ReadError::Unavailable(reason)) => Ok(Lookup::Unavailable(reason)),
        }
    }

    /// Returns our own pid in this procfs; `None` when it does not show us: it is a fake one, or
    /// that of another pid namespace.
    pub fn own_pid(&self) -> Option<Pid> {
        *self.own_pid.get_or_init(|| {
            let text = fs::readlinkat(&self.dir, c"self", Vec::new()).ok()?;
            number::parse(text.as_bytes())?.try_into().ok()
        })
    }

    /// Reports whether the processes of other users are invisible (hidepid=invisible in proc(5)):
    /// even pid 1, which always exists, is missing then.
    pub fn hides_others(&self) -> Result<bool, Error> {
        Ok(self.is_procfs && matches!(self.process(1, Files::NONE)?, Lookup::Exited))
    }

    /// Returns the users and groups of this machine.
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// Returns the logins to this machine, as logind and utmp record them.
    pub(super) fn logins(&self) -> &Logins {
        &self.logins
    }

    /// Returns the names of the containers that were looked up so far.
    pub(super) fn containers(&self) -> &ContainerNames {
        &self.containers
    }

    /// Returns the path where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the seconds from the epoch to the boot. The value is the same at every read until
    /// the clock is set. `btime` of /proc/stat is the same, cut to whole seconds; it serves where
    /// this is no procfs of our own kernel.
    pub fn boot_time(&self) -> ReadResult<f64> {
        *self.boot_time.get_or_init(|| {
            if self.is_procfs {
                return Ok(clock::boot_time());
            }
            let statistics = self.whole_file("/stat")?;
            let boot = statistics
                .split(|&byte| byte == b'\n')
                .find_map(|line| line.strip_prefix(b"btime "));
            let seconds = boot
                .and_then(number::parse)
                .ok_or(ReadError::absent("this procfs tells no boot time"))?;
            Ok(seconds as f64)
        })
    }

    /// Returns the seconds from the boot until now. The uptime of a procfs that is not of our own
    /// kernel is read only once. That of our own kernel is taken from CLOCK_BOOTTIME, because
    /// /proc/uptime may be that of a container (lxcfs) while start times are still the kernel's.
    pub fn uptime(&self) -> ReadResult<f64> {
        if self.is_procfs {
            return Ok(clock::since_boot().as_secs_f64());
        }
        *self.uptime.get_or_init(|| {
            let text = self.whole_file("/uptime")?;
            let uptime = procfs::Uptime::from_read(&text[..]);
            uptime
                .map(|uptime| uptime.uptime)
                .map_err(|_| ReadError::absent("this procfs tells no uptime"))
        })
    }

    /// Returns the random id of this boot, as text.
    pub fn boot_id(&self) -> ReadResult<&[u8]> {
        let ask = || Ok(self.whole_file("/sys/kernel/random/boot_id")?.trim_ascii().to_vec());
        self.boot_id.get_or_init(ask).as_deref().map_err(|&error| error)
    }

    /// Returns the clock ticks per second: the unit of times in /proc/PID/stat.
    pub fn ticks_per_second(&self) -> f64 {
        // Every Linux answers 100, and sysconf(3) cannot fail for this name.
        let ask = || {
            nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100)
                as f64
        };
        *self.ticks_per_second.get_or_init(ask)
    }

    /// Returns the process or thread id that was given last in our pid namespace (the last field of
    /// loadavg in proc(5)). It is only a hint; `None` where it cannot be read, or where another
    /// file is mounted there, as by lxcfs with `-l`: its number may be seconds old, and reading it
    /// may block.
    pub fn latest_pid(&self) -> Option<Pid> {
        let (flags, mode) = (OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let file = match fs::openat2(&self.dir, "loadavg", flags, mode, ResolveFlags::NO_XDEV) {
            // openat2(2) is missing before Linux 5.6, and some sandboxes forbid it.
            Err(Errno::NOSYS | Errno::PERM) => {
                fs::openat(&self.dir, "loadavg", flags, mode).ok()?
            }
            file => file.ok()?,
        };
        let mut text = [0; 128];
        let length = rustix::io::read(&file, &mut text).ok()?;
        let text = text.get(..length)?;
        number::parse(text.trim_ascii().rsplit(|&byte| byte == b' ').next()?)?.try_into().ok()
    }

    /// Returns the clock ticks from the boot until now, on the clock that start times use.
    pub fn ticks_now(&self) -> u64 {
        (clock::since_boot().as_secs_f64() * self.ticks_per_second()) as u64
    }

    /// Returns the bytes per page.
    pub fn page_size(&self) -> u64 {
        let ask = || {
            nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096)
                as u64
        };
        *self.page_size.get_or_init(ask)
    }

    /// Reports whether this path is a file that we may execute. The answer is remembered, because
    /// many processes run the same file.
    pub(super) fn is_executable(&self, path: &[u8]) -> bool {
        if let Some(&known) = self.executables.borrow().get(path) {
            return known;
        }
        let answer =
            fs::accessat(fs::CWD, OsStr::from_bytes(path), Access::EXEC_OK, AtFlags::EACCESS)
                .is_ok()
                && Path::new(OsStr::from_bytes(path)).is_file();
        self.executables.borrow_mut().insert(path.to_vec(), answer);
        answer
    }

    /// Reports whether a command of this name is on $PATH.
    pub(super) fn is_command(&self, name: &[u8]) -> bool {
        let Some(path) = std::env::var_os("PATH") else { return false };
        path.into_vec()
            .split(|&byte| byte == b':')
            .filter(|directory| directory.starts_with(b"/"))
            .any(|directory| self.is_executable(&[directory, b"/", name].concat()))
    }

    /// Returns the relation between the pids here and those that our system calls take.
    pub(super) fn numbering(&self) -> ReadResult<Numbering> {
        *self.numbering.get_or_init(|| Numbering::detect(self))
    }

    /// Returns the descriptor of the procfs.
    pub(super) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Returns the descriptor of the procfs, for a thread that may outlive us.
    pub(super) fn shared_dir(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.dir)
    }

    /// Returns the seconds from the epoch to the begin of the present round of looks; until now where
    /// there are no rounds.
    pub fn looked_at(&self) -> ReadResult<f64> {
        let present = self.rounds.borrow().as_ref().and_then(Rounds::present);
        Ok(self.boot_time()? + present.map_or_else(|| self.uptime(), Ok)?)
    }

    /// Returns the rounds of looks, if there are any.
    pub(super) fn rounds(&self) -> RefMut<'_, Option<Rounds>> {
        self.rounds.borrow_mut()
    }

    /// Returns the threads that read the files with which a process can hold up its readers.
    pub(super) fn readers(&self) -> &Readers {
        &self.readers
    }

    /// Returns the tables of sockets that were read.
    pub(super) fn networks(&self) -> &Networks {
        &self.networks
    }

    /// Returns the comm of the process that has this number now, where it can be read.
    pub fn comm_of(&self, pid: Pid) -> Option<Vec<u8>> {
        let process = Process::pin(self, pid, Files::NONE).ok()?;
        process.comm().ok().map(|comm| comm.into_owned())
    }

    /// Returns the processes that held up their readers and were given up, each of them once.
    pub fn held_up(&self) -> Vec<HeldUp> {
        self.readers.held_up()
    }

    /// Makes an error with the whole path of the file that could not be read.
    pub(super) fn failure(&self, pid: Pid, file: &str, errno: Errno) -> Error {
        let path = match file.strip_prefix('/') {
            Some(name) => self.path.join(name),
            None => self.path.join(pid.to_string()).join(file),
        };
        Error::File { path, errno }
    }

    /// Reads a file outside of the process directories. Its name begins with a slash.
    pub(super) fn whole_file(&self, name: &'static str) -> ReadResult<Vec<u8>> {
        let read_error = |errno| {
            ReadError::from_errno(errno, name, || ReadError::absent("this procfs does not have it"))
        };
        let fd = fs::openat(
            &self.dir,
            name.trim_start_matches('/'),
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(read_error)?;
        let mut bytes = Vec::with_capacity(4096);
        while rustix::io::read(&fd, spare_capacity(&mut bytes)).map_err(read_error)? > 0 {
            bytes.reserve(4096);
        }
        Ok(bytes)
    }
}

/// Reports whether an entry of this directory is named like a process and holds the file that is
/// needed most.
fn holds_a_process(dir: BorrowedFd<'_>) -> Result<bool, Errno> {
    let mut buffer = vec![MaybeUninit::uninit(); 4096];
    let mut entries = fs::RawDir::new(dir, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if number::parse(name).is_some()
            && fs::statat(dir, [name, b"/stat"].concat(), AtFlags::empty()).is_ok()
        {
            return Ok(true);
        }
    }
    Ok(false)
}
