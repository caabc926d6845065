//! The open descriptors of a process.

use super::Process;
use super::below::OpenFile;
use super::error::{ReadError, ReadResult};
use super::number;

impl Process<'_> {
    /// Returns the number of its open descriptors.
    pub fn fd_count(&self) -> ReadResult<u64> {
        self.directory.list("fd", |_| {})
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
}
