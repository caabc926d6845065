//! /proc/PID/io: the bytes that a process moves (proc_pid_io(5)).

use super::Process;
use super::error::{ReadError, ReadResult};
use super::file::File;
use super::status::Status;

impl Process<'_> {
    /// Returns a number of bytes that really came from storage, or went to it: `read_bytes` or
    /// `write_bytes`. It includes what its children did that it has reaped. Errors: denied without
    /// ptrace access.
    pub fn storage_bytes(&self, name: &str) -> ReadResult<u64> {
        let text = Status(self.file(File::Io)?);
        text.number(name).ok_or(ReadError::malformed(File::Io.name()))
    }
}
