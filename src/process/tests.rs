//! The invariants of the model, on a fake procfs and on real processes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid as RawPid, PidfdFlags, pidfd_open};
use rustix::thread::gettid;
use tempfile::TempDir;

use super::*;

/// A directory that is laid out like a procfs.
struct Fake(TempDir);

impl Fake {
    fn new() -> Fake {
        Fake(tempfile::tempdir().unwrap())
    }

    fn file(&self, pid: Pid, name: &str, content: &[u8]) -> &Fake {
        let directory = self.0.path().join(pid.to_string());
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(name), content).unwrap();
        self
    }

    fn link(&self, pid: Pid, name: &str, target: &[u8]) -> &Fake {
        let directory = self.0.path().join(pid.to_string());
        fs::create_dir_all(&directory).unwrap();
        symlink(OsStr::from_bytes(target), directory.join(name)).unwrap();
        self
    }

    fn process(&self, pid: Pid, ppid: Pid, comm: &[u8]) -> &Fake {
        let head = format!("{pid} (");
        let tail = format!(
            ") S {ppid} {pid} {pid} 0 -1 4194304 0 0 0 0 10 20 0 0 20 0 1 0 500 4096 2 0 0 0\n"
        );
        self.file(pid, "stat", &[head.as_bytes(), comm, tail.as_bytes()].concat());
        self.file(pid, "comm", &[comm, b"\n"].concat())
    }

    fn open(&self) -> Proc {
        Proc::open(self.0.path()).unwrap()
    }
}

fn found<T>(lookup: Result<Lookup<T>, Error>) -> T {
    match lookup.unwrap() {
        Lookup::Found(value) => value,
        _ => panic!("it should be known"),
    }
}

fn process(proc: &Proc, pid: Pid) -> Process<'_> {
    found(proc.process(pid, Files::NONE))
}

/// Returns a value of every process in a scan.
fn scanned<T>(proc: &Proc, files: Files, get: impl Fn(&Process<'_>) -> T) -> BTreeMap<Pid, T> {
    let mut scan = proc.scan(files).unwrap();
    let mut found = BTreeMap::new();
    while let Some(process) = scan.next().unwrap() {
        found.insert(process.pid(), get(process));
    }
    found
}

#[test]
fn bytes_are_kept() {
    let fake = Fake::new();
    fake.process(7, 1, b"caf\xe9 a) R 1")
        .file(7, "cmdline", b"caf\xe9\0\0\n\0")
        .file(7, "environ", b"A=\xff\0A=2\0")
        .link(7, "exe", b"/opt/caf\xe9")
        .link(7, "cwd", b"/tmp/\xfe");
    let proc = fake.open();
    let process = process(&proc, 7);
    assert_eq!(&*process.comm().unwrap(), b"caf\xe9 a) R 1");
    assert_eq!(
        items(process.cmdline().unwrap()).collect::<Vec<_>>(),
        [&b"caf\xe9"[..], b"", b"\n"]
    );
    assert_eq!(items(process.environ().unwrap()).collect::<Vec<_>>(), [&b"A=\xff"[..], b"A=2"]);
    assert_eq!(&*process.exe_name().unwrap(), b"caf\xe9");
    assert_eq!(process.file(File::Cwd), Ok(&b"/tmp/\xfe"[..]));
}

#[test]
fn the_three_sources_of_a_name_agree() {
    let fake = Fake::new();
    fake.process(7, 1, b"a\nb\\c").file(
        7,
        "status",
        b"Name:\ta\\nb\\\\c\nState:\tS (sleeping)\nTgid:\t7\nPPid:\t1\n",
    );
    let proc = fake.open();
    for files in [Files::NONE, Files::new(&[File::Stat]), Files::new(&[File::Status])] {
        let facts = |process: &Process<'_>| {
            (
                process.comm().unwrap().into_owned(),
                process.state().unwrap(),
                process.ppid().unwrap(),
            )
        };
        assert_eq!(scanned(&proc, files, facts)[&7], (b"a\nb\\c".to_vec(), b'S', 1), "{files:?}");
    }
}

#[test]
fn a_process_that_ended_is_gone_and_a_file_that_it_lacks_is_absent() {
    let fake = Fake::new();
    fake.process(7, 1, b"x").file(8, "comm", b"only a directory left\n");
    let proc = fake.open();
    let scan = scanned(&proc, Files::NONE, |process| {
        (process.stat().err(), process.exe().err(), process.cmdline().err())
    });
    let absent = Some(ReadError::absent(File::Exe.absent()));
    assert_eq!(scan[&7], (None, absent, Some(ReadError::absent(File::Cmdline.absent()))));
    assert_eq!(
        scan[&8],
        (Some(ReadError::Exited), Some(ReadError::Exited), Some(ReadError::Exited))
    );
    assert!(matches!(proc.process(9, Files::NONE), Ok(Lookup::Exited)));
}

#[test]
fn a_file_that_cannot_be_read_is_unavailable() {
    let fake = Fake::new();
    // Reading a directory as a file is EISDIR.
    fake.process(7, 1, b"x");
    fs::create_dir(fake.0.path().join("7/cmdline")).unwrap();
    let proc = fake.open();
    let process = process(&proc, 7);
    let broken = Unavailable::Broken { file: "cmdline", errno: Errno::ISDIR };
    assert_eq!(process.lookup(process.cmdline()).unwrap(), Lookup::Unavailable(broken));
    assert!(broken.to_string().starts_with("cmdline cannot be read: "), "{broken}");
}

#[test]
fn our_own_want_of_descriptors_and_memory_ends_the_run() {
    let proc = Fake::new().process(7, 1, b"x").open();
    for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
        let read: ReadResult<()> = Err(ReadError::from_errno(errno, "stat", || ReadError::Exited));
        let message = proc.lookup(7, read).unwrap_err().to_string();
        assert!(message.contains("7/stat"), "{message}");
    }
}

#[test]
fn a_stat_that_is_none_is_unavailable() {
    let fake = Fake::new();
    fake.file(7, "stat", b"nonsense");
    let proc = fake.open();
    let process = process(&proc, 7);
    assert_eq!(
        process.lookup(process.stat().copied()).unwrap(),
        Lookup::Unavailable(Unavailable::Broken { file: "stat", errno: Errno::BADMSG })
    );
}

#[test]
fn a_directory_that_is_no_procfs_is_refused() {
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(Proc::open(empty.path()), Err(Error::NotProc(_))));
    assert!(matches!(Proc::open(Path::new("/nonexistent")), Err(Error::Directory { .. })));
}

#[test]
fn names_that_the_kernel_cut_are_completed() {
    let fake = Fake::new();
    fake.process(1, 0, b"exactly-15-byte").link(1, "exe", b"/usr/bin/exactly-15-bytes-and-more");
    fake.process(2, 0, b"exactly-15-byte").link(2, "exe", b"/usr/bin/exactly-15-bytes (deleted)");
    fake.process(3, 0, b"a-script-with-a").link(3, "exe", b"/usr/bin/dash").file(
        3,
        "cmdline",
        b"/bin/sh\0-e\0/opt/a-script-with-a-long-name\0x\0",
    );
    fake.process(4, 0, b"exactly-15-byte").link(4, "exe", b"/usr/bin/other").file(
        4,
        "cmdline",
        b"exactly-15-byte\0",
    );
    fake.process(5, 0, b"short").link(5, "exe", b"/usr/bin/shorter");
    let proc = fake.open();
    let names = scanned(&proc, Files::NONE, |process| process.name().unwrap().into_owned());
    let expected: [&[u8]; 5] = [
        b"exactly-15-bytes-and-more",
        b"exactly-15-bytes",
        b"a-script-with-a-long-name",
        b"exactly-15-byte",
        b"short",
    ];
    assert_eq!(names.into_values().collect::<Vec<_>>(), expected);
}

#[test]
fn the_executable_and_its_fallbacks() {
    let fake = Fake::new();
    fake.process(1, 0, b"x").link(1, "exe", b"/usr/sbin/cron (deleted)");
    fake.process(2, 0, b"x").file(2, "cmdline", b"/bin/sh\0-c\0true\0");
    fake.process(3, 0, b"x").file(3, "cmdline", b"sh\0");
    fake.process(4, 0, b"comm").file(4, "cmdline", b"no such command\0");
    fake.process(5, 0, b"kthreadd").file(5, "cmdline", b"");
    let proc = fake.open();
    let facts = scanned(&proc, Files::NONE, |process| {
        let path = process.exe_path().ok().map(<[u8]>::to_vec);
        (path, process.exe_name().unwrap().into_owned(), process.exe_deleted().ok())
    });
    assert_eq!(facts[&1], (Some(b"/usr/sbin/cron".to_vec()), b"cron".to_vec(), Some(true)));
    assert_eq!(facts[&2], (Some(b"/bin/sh".to_vec()), b"sh".to_vec(), None));
    assert_eq!(facts[&3], (None, b"sh".to_vec(), None));
    assert_eq!(facts[&4], (None, b"comm".to_vec(), None));
    assert_eq!(facts[&5], (None, b"kthreadd".to_vec(), None));
}

#[test]
fn a_long_file_is_read_to_its_end() {
    let fake = Fake::new();
    let arguments = b"argument\0".repeat(50_000);
    fake.process(7, 1, b"x").file(7, "cmdline", &arguments).link(
        7,
        "cwd",
        &[b"/", &b"d".repeat(3000)[..]].concat(),
    );
    let proc = fake.open();
    let process = process(&proc, 7);
    assert_eq!(process.cmdline().unwrap(), arguments);
    assert_eq!(process.file(File::Cwd).unwrap().len(), 3001);
}

#[test]
fn a_scan_does_not_show_one_process_what_it_read_of_another() {
    let fake = Fake::new();
    fake.process(1, 0, b"first").file(1, "cmdline", b"first\0");
    fake.process(2, 1, b"second").process(3, 2, b"third").file(3, "cmdline", b"3\0");
    let proc = fake.open();
    let all = Files::new(&[File::Stat, File::Cmdline]);
    let facts = scanned(&proc, all, |process| {
        (process.comm().unwrap().into_owned(), process.cmdline().ok().map(<[u8]>::to_vec))
    });
    assert_eq!(facts[&1], (b"first".to_vec(), Some(b"first\0".to_vec())));
    assert_eq!(facts[&2], (b"second".to_vec(), None));
    assert_eq!(facts[&3], (b"third".to_vec(), Some(b"3\0".to_vec())));
}

#[test]
fn each_file_is_read_once() {
    let fake = Fake::new();
    fake.process(7, 1, b"before");
    let proc = fake.open();
    let process = process(&proc, 7);
    assert_eq!(&*process.comm().unwrap(), b"before");
    fake.process(7, 1, b"after");
    assert_eq!(&*process.comm().unwrap(), b"before");
}

#[test]
fn the_start_is_the_same_at_every_read() {
    let proc = Proc::open(Path::new("/proc")).unwrap();
    let start = |proc: &Proc| process(proc, std::process::id()).start_time().unwrap();
    let first = start(&proc);
    for _ in 0..20 {
        assert_eq!(start(&Proc::open(Path::new("/proc")).unwrap()), first);
    }
}

#[test]
fn a_thread_is_not_a_process() {
    let proc = Proc::open(Path::new("/proc")).unwrap();
    let thread = std::thread::spawn(|| gettid().as_raw_nonzero().get() as Pid).join().unwrap();
    assert_ne!(thread, std::process::id());
    assert!(matches!(proc.process(thread, Files::NONE), Ok(Lookup::Exited)));
}

#[test]
fn we_know_ourselves() {
    let proc = Proc::open(Path::new("/proc")).unwrap();
    assert_eq!(proc.own_pid(), Some(std::process::id()));
    let fake = Fake::new();
    fake.process(7, 1, b"x");
    let proc = fake.open();
    assert_eq!(proc.own_pid(), None);
    assert_eq!(
        process(&proc, 7).pidfd_inode(),
        Err(ReadError::absent("only known in our own pid namespace"))
    );
}

/// Starts a child that lives until its input ends.
fn waiting_child() -> Child {
    let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    child.unwrap()
}

#[test]
fn what_is_pinned_is_gone_after_its_end_and_a_zombie_is_not() {
    let mut child = waiting_child();
    let proc = Proc::open(Path::new("/proc")).unwrap();
    let pinned = process(&proc, child.id());
    assert!(pinned.pidfd_inode().is_ok_and(|inode| inode > 0), "{:?}", pinned.pidfd_inode());
    drop(child.stdin.take());
    // The pidfd becomes readable when the child has exited, even before it is reaped.
    let pidfd = pidfd_open(RawPid::from_child(&child), PidfdFlags::empty()).unwrap();
    poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None).unwrap();
    let zombie = process(&proc, child.id());
    assert_eq!(zombie.state(), Ok(b'Z'));
    assert_eq!(zombie.exe(), Err(ReadError::absent(File::Exe.absent())));
    assert_eq!(zombie.memory(), Err(ReadError::absent(File::SmapsRollup.absent())));
    child.wait().unwrap();
    assert_eq!(pinned.cmdline(), Err(ReadError::Exited));
    assert_eq!(pinned.pidfd_inode(), Err(ReadError::Exited));
}

/// Set where [`a_pinned_process_is_never_mixed_with_a_later_one`] runs in its own pid namespace.
const INSIDE: &str = "PROCTOOL_TEST_INSIDE_PID_NAMESPACE";

#[test]
fn a_pinned_process_is_never_mixed_with_a_later_one() {
    if std::env::var_os(INSIDE).is_some() {
        return reuse_a_pid();
    }
    let unshare =
        ["--user", "--map-root-user", "--pid", "--fork", "--mount", "--mount-proc", "--kill-child"];
    let probe = Command::new("unshare").args(unshare).arg("true").output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        return skip(
            "a_pinned_process_is_never_mixed_with_a_later_one",
            "no private pid namespace",
        );
    }
    let mut child = Command::new("unshare")
        .args(unshare)
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "process::tests::a_pinned_process_is_never_mixed_with_a_later_one",
            "--nocapture",
        ])
        .env(INSIDE, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<String> =
        BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    assert!(child.wait().unwrap().success(), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("1 passed")), "{lines:#?}");
}

/// Gives the pid of a pinned process to another one.
fn reuse_a_pid() {
    let mut victim = waiting_child();
    let pid = victim.id();
    let proc = Proc::open(Path::new("/proc")).unwrap();
    let pinned = process(&proc, pid);
    let early = process(&proc, pid);
    let start = early.stat().unwrap().start_ticks;
    let inode = early.pidfd_inode().unwrap();
    victim.kill().unwrap();
    victim.wait().unwrap();
    let mut newcomer = loop {
        // Sets the pid that the kernel gives out next in this namespace.
        fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).unwrap();
        let mut child = waiting_child();
        if child.id() == pid {
            break child;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    };
    assert!(process(&proc, pid).stat().is_ok(), "the newcomer can be read by its number");
    for read in
        [pinned.cmdline().err(), pinned.stat().err(), pinned.exe().err(), pinned.fd_count().err()]
    {
        assert_eq!(read, Some(ReadError::Exited));
    }
    assert_eq!(early.stat().unwrap().start_ticks, start, "what was read stays");
    assert_eq!(early.environ(), Err(ReadError::Exited), "and nothing of the newcomer is added");
    assert_ne!(process(&proc, pid).pidfd_inode().unwrap(), inode);
    newcomer.kill().unwrap();
    newcomer.wait().unwrap();
}

/// Says that a test could not run here. `tests/run` shows it at the end.
fn skip(name: &str, reason: &str) {
    use std::io::Write;
    if let Some(path) = std::env::var_os("PROCTOOL_SKIPPED") {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "{name}: {reason}").unwrap();
    }
}
