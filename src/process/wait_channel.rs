//! /proc/PID/wchan: the function of the kernel in which a thread waits (proc_pid_wchan(5)).

use super::Process;
use super::error::{ReadError, ReadResult};
use super::file::File;

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
}
