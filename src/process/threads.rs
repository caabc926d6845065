//! The threads of a process.

use super::error::{ReadError, ReadResult};
use super::{Pid, Process, number};

impl Process<'_> {
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
