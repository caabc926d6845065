//! The signals that a process ignores and blocks, by name (signal(7)).

use std::borrow::Cow;

use nix::sys::signal::Signal;

use super::error::{ReadError, ReadResult};
use super::status::Status;
use super::{Pid, Process, number};

/// The first and the last real-time signal, as programs that are linked to glibc count them. The C
/// library that we are linked to may reserve more of them.
pub const REAL_TIME: (i32, i32) = (34, 64);

/// Returns the name of a signal without SIG, such as `TERM` or `RTMIN+2`; its number where it has
/// none.
pub fn signal_name(signal: i32) -> Cow<'static, str> {
    let (first, last) = REAL_TIME;
    match signal {
        _ if signal == first => "RTMIN".into(),
        _ if signal == last => "RTMAX".into(),
        _ if (first..last).contains(&signal) => format!("RTMIN+{}", signal - first).into(),
        _ => match Signal::try_from(signal) {
            Ok(named) => named.as_str().trim_start_matches("SIG").into(),
            Err(_) => signal.to_string().into(),
        },
    }
}

/// Returns the names of the signals in a mask. Its lowest bit is signal 1.
pub(super) fn signal_names(mask: u64) -> Vec<Cow<'static, str>> {
    (1..=64).filter(|&signal| contains(mask, signal)).map(signal_name).collect()
}

fn contains(mask: u64, signal: i32) -> bool {
    mask >> (signal - 1) & 1 == 1
}

impl Process<'_> {
    /// Returns a mask of signals from status, such as `SigIgn`: that of its first thread, or of
    /// another one where the first one has exited.
    pub fn signal_mask(&self, name: &str) -> ReadResult<u64> {
        let mask = match self.directory.other_thread()? {
            None => self.status()?.mask(name),
            Some(thread) => Status(&self.directory.thread_status(thread)?).mask(name),
        };
        mask.ok_or(ReadError::malformed("status"))
    }

    /// Reports whether it ignores this signal.
    pub fn ignores(&self, signal: i32) -> ReadResult<bool> {
        Ok(contains(self.signal_mask("SigIgn")?, signal))
    }

    /// Reports whether it has a handler for this signal.
    pub fn handles(&self, signal: i32) -> ReadResult<bool> {
        Ok(contains(self.signal_mask("SigCgt")?, signal))
    }

    /// Reports whether each of its threads blocks this signal, so that none of them takes it.
    pub fn blocks(&self, signal: i32) -> ReadResult<bool> {
        if !contains(self.signal_mask("SigBlk")?, signal) || self.stat()?.threads <= 1 {
            return Ok(contains(self.signal_mask("SigBlk")?, signal));
        }
        let mut ids = Vec::new();
        self.directory.list("task", |id| ids.extend(number::parse(id.to_bytes())))?;
        for id in ids.into_iter().filter_map(|id| Pid::try_from(id).ok()) {
            let status = match self.directory.thread_status(id) {
                Err(ReadError::Exited) => continue,
                status => status?,
            };
            let mask = Status(&status).mask("SigBlk").ok_or(ReadError::malformed("status"))?;
            let has_exited =
                Status(&status).field("State").is_some_and(|state| state.starts_with(b"Z"));
            if !contains(mask, signal) && !has_exited {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_names() {
        assert_eq!(signal_names(0), [""; 0]);
        assert_eq!(signal_names(1 << 14 | 1), ["HUP", "TERM"]);
        assert_eq!(signal_names(7 << 30), ["SYS", "32", "33"]);
        assert_eq!(signal_names(1 << 33 | 1 << 36 | 1 << 63), ["RTMIN", "RTMIN+3", "RTMAX"]);
        assert_eq!(signal_names(u64::MAX).len(), 64);
    }
}
