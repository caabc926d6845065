//! /proc/PID/wchan: the function of the kernel in which a thread waits (proc_pid_wchan(5)).

use super::error::{ReadError, ReadResult};
use super::file::File;
use super::{Pid, Process, number};

/// What the kernel shows for a thread that waits nowhere, and to who may not know.
const NOWHERE: &[u8] = b"0";

impl Process<'_> {
    /// Returns the function in which its first thread waits, or another thread where the first one
    /// has exited. Errors: absent where it runs; denied without ptrace access, where the kernel shows
    /// the same.
    pub fn wait_channel(&self) -> ReadResult<Vec<u8>> {
        let name = match self.directory.other_thread()? {
            None => self.file(File::Wchan)?.trim_ascii().to_vec(),
            Some(thread) => self.directory.thread_wait_channel(thread)?,
        };
        if name != NOWHERE && !name.is_empty() {
            return Ok(name);
        }
        // Only the links fail with EACCES.
        match self.exe() {
            Err(ReadError::DENIED) => Err(ReadError::DENIED),
            _ => Err(ReadError::absent("it waits nowhere")),
        }
    }

    /// Returns the function in which a thread waits without interruption (state D), `None` where the
    /// kernel does not tell it. Errors: absent where no thread does.
    pub fn uninterruptible_at(&self) -> ReadResult<Option<Vec<u8>>> {
        let mut ids = Vec::new();
        self.directory.list("task", |id| ids.extend(number::parse(id.to_bytes())))?;
        for id in ids.into_iter().filter_map(|id| Pid::try_from(id).ok()) {
            if self.directory.thread_state(id) == Ok(b'D') {
                let name = self.directory.thread_wait_channel(id).ok();
                return Ok(name.filter(|name| name != NOWHERE && !name.is_empty()));
            }
        }
        Err(ReadError::absent("no thread of it waits so"))
    }
}
