//! The limit: the system calls that a question cannot be answered without, and nothing else.
//!
//! One descriptor on /proc, getdents, and for every process the files of the question, read into
//! the same buffers. Runs as a process of its own, to pay for its start like the others.

use crate::question::Question;
use anyhow::{Context, Result};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, RawDir, openat, readlinkat_raw};
use rustix::io::{Errno, read};
use std::ffi::CStr;
use std::mem::MaybeUninit;

/// The role of a process that touches only what the question needs.
pub const ROLE: &str = "role:limit";

/// Reads the files that the question needs.
pub fn ask(question: &Question) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = openat(CWD, "/proc", flags, Mode::empty()).context("opening /proc")?;
    let mut entries = [MaybeUninit::uninit(); 32 * 1024];
    let mut content = [0; 64 * 1024];
    let mut directory = RawDir::new(&proc, &mut entries);
    while let Some(entry) = directory.next() {
        let entry = entry.context("reading /proc")?;
        let pid = entry.file_name().to_bytes();
        if !pid[0].is_ascii_digit() {
            continue;
        }
        for file in question.files {
            touch(&proc, pid, file, &mut content)?;
        }
    }
    Ok(())
}

fn touch(proc: &OwnedFd, pid: &[u8], file: &str, content: &mut [u8]) -> Result<()> {
    let mut buffer = [0; 32];
    let end = pid.len() + 1 + file.len();
    buffer[..pid.len()].copy_from_slice(pid);
    buffer[pid.len()] = b'/';
    buffer[pid.len() + 1..end].copy_from_slice(file.as_bytes());
    let path = CStr::from_bytes_with_nul(&buffer[..=end])?;
    let result = match file {
        "exe" => readlinkat_raw(proc, path, content),
        _ => openat(proc, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .and_then(|file| read(file, content)),
    };
    match result {
        Ok(_) | Err(Errno::NOENT | Errno::SRCH | Errno::ACCESS) => Ok(()),
        Err(error) => Err(error).context("reading a process"),
    }
}
