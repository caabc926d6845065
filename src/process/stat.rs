//! /proc/PID/stat, parsed from bytes, because the name in it may consist of any bytes. It is on the
//! hot path of every scan.

use memchr::{memchr, memrchr};

use super::{Pid, number};

/// Those numbers of /proc/PID/stat that have a property, as the kernel gives them
/// (proc_pid_stat(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Begin and end of the name in the line.
    comm: (usize, usize),
    /// The state, one of RSDTtZXIWP.
    pub state: u8,
    /// Pid of the parent; 0 when the parent is outside of the pid namespace.
    pub ppid: Pid,
    /// Process group; 0 when its leader is outside of the pid namespace.
    pub pgrp: Pid,
    /// Session; 0 when its leader is outside of the pid namespace.
    pub session: Pid,
    /// Device number of the controlling terminal, 0 for none.
    pub tty: u32,
    /// PF_* flags of the kernel's include/linux/sched.h.
    pub flags: u32,
    /// Clock ticks in user mode.
    pub user_ticks: u64,
    /// Clock ticks in kernel mode.
    pub system_ticks: u64,
    /// Nice value, from 19 (low priority) to -20 (high).
    pub nice: i64,
    /// Number of threads.
    pub threads: u64,
    /// Clock ticks from boot to the start of the process.
    pub start_ticks: u64,
    /// Virtual memory in bytes.
    pub vsize: u64,
    /// Resident memory in pages. The kernel may lag behind by some pages per thread.
    pub rss_pages: u64,
}

/// The flag of a kernel thread. An empty command line is no proof, because zombies have one too.
const PF_KTHREAD: u32 = 0x0020_0000;

/// The flag of a thread that has begun to exit.
const PF_EXITING: u32 = 0x0000_0004;

/// Maximum number of bytes of a name: a kernel thread shows its work queue in it (proc_task_name in
/// fs/proc/array.c). The name of a user's process has at most 15.
const LONGEST_NAME: usize = 64;

impl Stat {
    /// Parses a line of /proc/PID/stat. `None` if it is malformed, for example cut short.
    pub fn parse(line: &[u8]) -> Option<Stat> {
        let open = memchr(b'(', line)?;
        // The name may contain `)`, and no later field does: the last one ends it. Searching from
        // the end of the longest possible name, not of the line, saves half of the parsing.
        let end = line.len().min(open + 1 + LONGEST_NAME + 1);
        let close = open + 1 + memrchr(b')', &line[open + 1..end])?;
        let mut fields = StatFields(line.get(close + 1..)?);
        Some(Stat {
            comm: (open + 1, close),
            state: *fields.next()?.first()?,
            ppid: fields.number()?.try_into().ok()?,
            // The number is signed in the kernel: -1 means a zombie whose session is gone.
            pgrp: fields.signed()?.max(0).try_into().ok()?,
            session: fields.signed()?.max(0).try_into().ok()?,
            tty: fields.signed()? as u32,
            flags: fields.skip(1)?.number()?.try_into().ok()?,
            user_ticks: fields.skip(4)?.number()?,
            system_ticks: fields.number()?,
            nice: fields.skip(3)?.signed()?,
            threads: fields.number()?,
            start_ticks: fields.skip(1)?.number()?,
            vsize: fields.number()?,
            rss_pages: fields.signed()?.max(0) as u64,
        })
    }

    /// Returns the name from the line that was parsed.
    pub fn comm<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        line.get(self.comm.0..self.comm.1).unwrap_or_default()
    }

    /// Combines the numbers of the first thread, which has exited, with those that only a thread
    /// that still runs has: the state and the memory of the process.
    pub fn with_running_thread(self, other: &Stat) -> Stat {
        Stat { state: other.state, vsize: other.vsize, rss_pages: other.rss_pages, ..self }
    }

    /// Reports whether this is a kernel thread.
    pub fn is_kernel_thread(&self) -> bool {
        self.flags & PF_KTHREAD != 0
    }

    /// Reports whether the first thread has exited.
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }

    /// Reports whether the first thread is exiting and there is no other one.
    pub fn is_ending(&self) -> bool {
        self.flags & PF_EXITING != 0 && self.threads <= 1
    }

    /// Reports whether any thread still runs: the first one may exit before the others.
    pub fn is_alive(&self) -> bool {
        !self.is_zombie() || self.threads > 1
    }
}

/// The fields after the name, one space before each. Every byte is read once.
struct StatFields<'a>(&'a [u8]);

impl<'a> StatFields<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let field = self.0.strip_prefix(b" ")?;
        self.skip(1)?;
        Some(&field[..field.len() - self.0.len()])
    }

    fn skip(&mut self, count: usize) -> Option<&mut Self> {
        for _ in 0..count {
            let rest = self.0.strip_prefix(b" ")?;
            let end = rest.iter().position(|&byte| byte <= b' ').unwrap_or(rest.len());
            self.0 = &rest[end..];
        }
        Some(self)
    }

    fn number(&mut self) -> Option<u64> {
        let digits = self.0.strip_prefix(b" ")?;
        let (number, rest) = number::leading(digits)?;
        self.0 = rest;
        Some(number)
    }

    fn signed(&mut self) -> Option<i64> {
        match self.0.strip_prefix(b" -") {
            None => self.number()?.try_into().ok(),
            Some(digits) => {
                let (number, rest) = number::leading(digits)?;
                self.0 = rest;
                0i64.checked_sub_unsigned(number)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use procfs::FromRead;
    use proptest::prelude::*;

    use super::*;

    const TAIL: &str = " 0 -1 4194560 1 2 3 4 55 66 7 8 20 -5 3 0 241671 25174016 408 184467 1 1 0 \
    0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

    fn line(comm: &[u8], head: &str) -> Vec<u8> {
        [b"42 (", comm, b") ", head.as_bytes(), TAIL.as_bytes()].concat()
    }

    #[test]
    fn a_name_may_hold_parentheses_newlines_and_any_byte() {
        for comm in [&b"a) R 7 (b"[..], b"", b")", b"caf\xe9", b"x\ny\x1b[31m", b"(((", b") Z 1 1"]
        {
            let line = line(comm, "S 7 41 40");
            let stat = Stat::parse(&line).unwrap();
            assert_eq!(stat.comm(&line), comm);
            assert_eq!((stat.state, stat.ppid, stat.pgrp, stat.session), (b'S', 7, 41, 40));
            assert_eq!((stat.nice, stat.threads, stat.start_ticks), (-5, 3, 241671));
            assert_eq!((stat.user_ticks, stat.system_ticks), (55, 66));
            assert_eq!((stat.vsize, stat.rss_pages), (25_174_016, 408));
        }
    }

    #[test]
    fn a_long_name_of_a_kernel_thread_is_whole() {
        let comm = [b'k'; 64];
        let line = line(&comm, "I 2 0 0");
        assert_eq!(Stat::parse(&line).unwrap().comm(&line), comm);
    }

    #[test]
    fn what_is_not_a_stat_line_is_refused() {
        for bad in [
            &b""[..],
            b"42",
            b"42 (x",
            b"42 (x) S",
            b") (",
            b"42 (x) S one 2 3",
            b"42 (x) S -1 2 3",
        ] {
            assert_eq!(Stat::parse(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Stat::parse(&bytes);
        }

        /// The parser of the scan and that of the crate procfs agree about every field.
        #[test]
        fn agrees_with_procfs(
            comm in "[^\0]{0,15}",
            state in prop::sample::select(vec!["R", "S", "D", "Z", "T", "t", "I"]),
            ids in prop::array::uniform3(0i32..4_194_304),
            flags in any::<u32>(),
            ticks in prop::array::uniform3(0u64..1 << 50),
            nice in -20i64..20,
            threads in 1i64..100_000,
            memory in prop::array::uniform2(0u64..1 << 46),
        ) {
            let [ppid, pgrp, session] = ids;
            let line = format!(
                "42 ({comm}) {state} {ppid} {pgrp} {session} 34816 -1 {flags} 1 2 3 4 {} {} 7 8 20 \
                {nice} {threads} 0 {} {} {} 184467 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 \
                0 0 0 0\n",
                ticks[0], ticks[1], ticks[2], memory[0], memory[1],
            );
            let ours = Stat::parse(line.as_bytes()).unwrap();
            let theirs = procfs::process::Stat::from_read(line.as_bytes()).unwrap();
            prop_assert_eq!(ours.comm(line.as_bytes()), theirs.comm.as_bytes());
            prop_assert_eq!(ours.state as char, theirs.state);
            prop_assert_eq!(ours.ppid as i32, theirs.ppid);
            prop_assert_eq!(ours.pgrp as i32, theirs.pgrp);
            prop_assert_eq!(ours.session as i32, theirs.session);
            prop_assert_eq!(ours.tty as i32, theirs.tty_nr);
            prop_assert_eq!(ours.flags, theirs.flags);
            prop_assert_eq!((ours.user_ticks, ours.system_ticks), (theirs.utime, theirs.stime));
            prop_assert_eq!((ours.nice, ours.threads as i64), (theirs.nice, theirs.num_threads));
            prop_assert_eq!(
                (ours.start_ticks, ours.vsize, ours.rss_pages),
                (theirs.starttime, theirs.vsize, theirs.rss)
            );
        }
    }

    #[test]
    fn any_change_is_survived() {
        let line = b"7 (a b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 100 200 300 \
        18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
        crate::fuzz::survives(&[line, b"1 ()) R 0"], |line| {
            if let Some(stat) = Stat::parse(line) {
                assert!(stat.comm(line).len() <= line.len());
            }
        });
    }
}
