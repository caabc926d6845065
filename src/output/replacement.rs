//! Replaces a file in a thread of its own: a file system that does not answer must not stop us.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::replace::replace;
use crate::thread::{self, Mailbox};

/// A file that is being replaced.
pub struct Replacement {
    begun: Instant,
    outcome: Arc<Mailbox<io::Result<()>>>,
}

impl Replacement {
    /// Begins to replace the content of a file: see [`replace`].
    pub fn start(path: PathBuf, content: Vec<u8>) -> Replacement {
        let outcome = Arc::new(Mailbox::default());
        let theirs = Arc::clone(&outcome);
        let started = thread::start("replace", move || theirs.put(replace(&path, &content)));
        if let Err(error) = started {
            outcome.put(Err(error));
        }
        Replacement { begun: Instant::now(), outcome }
    }

    /// Returns the time since its beginning.
    pub fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Waits for its end, for this time at most. `None`: it goes on.
    pub fn outcome_within(&self, time: Duration) -> Option<io::Result<()>> {
        self.outcome.take_within(time)
    }
}
