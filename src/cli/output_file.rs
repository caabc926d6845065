//! The file of `--output`, which is replaced as a whole.

use std::io;
use std::path::Path;

use anyhow::Context as _;

use crate::output::replace::replace;

/// Replaces a file by a result. Errors: as for standard output, with the path.
pub fn write(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    replace(path, text)
        .map_err(|error| io::Error::new(error.kind(), format!("'{}': {error}", path.display())))
        .context("cannot write the result")
}
