//! The policy by which a process gets the processor, and its priority (sched(7)).

use std::fmt;

use memchr::memrchr;

use super::error::{ReadError, ReadResult};
use super::file::File;
use super::{Process, number};

/// Names of the policies, by their numbers (include/uapi/linux/sched.h).
const POLICIES: [&str; 8] = ["other", "fifo", "rr", "batch", "iso", "idle", "deadline", "ext"];

/// How a process is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    policy: u64,
    /// The real-time priority, from 1 to 99; 0 for policies that have none.
    priority: u64,
}

impl Schedule {
    /// Parses a line of /proc/PID/stat.
    fn parse(line: &[u8]) -> Option<Schedule> {
        // The name may contain `)`, and no later field does. The field after it is the third one.
        let fields = line.get(memrchr(b')', line)? + 2..)?;
        let mut fields = fields.split(|&byte| byte == b' ').skip(40 - 3);
        Some(Schedule {
            priority: number::parse(fields.next()?)?,
            policy: number::parse(fields.next()?.trim_ascii())?,
        })
    }
}

/// Writes the policy, and the priority where there is one: `other`, `fifo 50`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match POLICIES.get(self.policy as usize) {
            Some(name) => f.write_str(name)?,
            None => write!(f, "{}", self.policy)?,
        }
        if self.priority > 0 { write!(f, " {}", self.priority) } else { Ok(()) }
    }
}

impl Process<'_> {
    /// Returns how its first thread is scheduled.
    pub fn schedule(&self) -> ReadResult<Schedule> {
        Schedule::parse(self.file(File::Stat)?).ok_or(ReadError::malformed("stat"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(priority: &str, policy: &str) -> String {
        let fields: Vec<String> = (4..40).map(|field| field.to_string()).collect();
        format!("5 (a) b) S {} {priority} {policy} 0 0 0\n", fields.join(" "))
    }

    #[test]
    fn policies_have_names_and_some_a_priority() {
        for (priority, policy, text) in [
            ("0", "0", "other"),
            ("50", "1", "fifo 50"),
            ("99", "2", "rr 99"),
            ("0", "3", "batch"),
            ("0", "5", "idle"),
            ("0", "6", "deadline"),
            ("0", "9", "9"),
        ] {
            let schedule = Schedule::parse(line(priority, policy).as_bytes()).unwrap();
            assert_eq!(schedule.to_string(), text);
        }
        assert_eq!(Schedule::parse(b"5 (a) S 1 2"), None);
    }

    #[test]
    fn any_change_is_survived() {
        crate::fuzz::survives(&[line("50", "1").as_bytes()], |text| {
            _ = Schedule::parse(text).map(|schedule| schedule.to_string());
        });
    }
}
