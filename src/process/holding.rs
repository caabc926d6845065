//! The files that a process holds: open, mapped, run, or as a directory that it works in.

use std::ffi::CStr;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, Mode, OFlags, RawDir, readlinkat, readlinkat_raw, statat};
use rustix::io::{Errno, retry_on_intr};

use super::below::{open_at, show_lines};
use super::directory::Directory;
use super::file::File;
use super::inode::FileIdentity;
use super::mapping::Mapping;
use super::program::{DELETED, MEMFD};
use super::sought::{Found, Sought};
use super::{Process, ReadError, ReadResult, number};

/// The links of a process that are no descriptors.
const LINKS: [&CStr; 3] = [c"exe", c"cwd", c"root"];

/// A descriptor of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    pub number: u64,
    /// Its file as the kernel names it, without the mark of a removed one.
    pub path: Vec<u8>,
    /// How it is open: `r`, `w`, `rw`, or `-` for one that only refers to a file (O_PATH).
    pub mode: &'static str,
    /// Whether the file was removed or replaced.
    pub is_deleted: bool,
}

impl Process<'_> {
    /// Reports whether the process holds any of these: it has it open or mapped, runs it, or has it
    /// as its working or root directory. Kernel threads and zombies hold nothing: for them this is
    /// unavailable as absent.
    pub fn holds(&self, sought: &Arc<Vec<Sought>>) -> ReadResult<bool> {
        match self.exe() {
            Err(error) if error == ReadError::absent(File::Exe.absent()) => return Err(error),
            // Its directory may be too deep for the text of a link, and the file still be held.
            Err(error) if error == ReadError::DENIED || !error.is_unavailable() => {
                return Err(error);
            }
            _ => {}
        }
        Ok(self.directory.links_lead_to(sought)?
            || sought.iter().any(Sought::can_be_mapped) && self.directory.maps(sought)?)
    }

    /// Returns its open descriptors. Errors: also when it holds up its readers.
    pub fn descriptors(&self) -> ReadResult<Vec<Descriptor>> {
        self.directory.descriptors()
    }

    /// Returns the names of the program files that it has mapped and that were removed or replaced
    /// since: a restart would load the new ones. Its executable is not among them.
    pub fn deleted_libraries(&self) -> ReadResult<Vec<Vec<u8>>> {
        let mut files = self.directory.deleted_programs()?;
        if self.exe_deleted()? {
            let executable = self.exe_path()?;
            files.retain(|file| file != executable);
        }
        Ok(files)
    }

    /// Reports whether its executable or a mapped library was removed or replaced since it was
    /// started.
    pub fn runs_deleted(&self) -> ReadResult<bool> {
        Ok(self.exe_deleted()? || !self.deleted_libraries()?.is_empty())
    }
}

impl Directory<'_> {
    /// Reports whether a descriptor, or another link of the process, leads to any of these.
    fn links_lead_to(&self, sought: &Arc<Vec<Sought>>) -> ReadResult<bool> {
        let path = self.path_of_threads("")?;
        let sought = Arc::clone(sought);
        let found = self.on_thread("fd", move |base| {
            let place = open_at(base, &or_here(path), OFlags::PATH | OFlags::DIRECTORY)?;
            let mut links = Links { sought: &sought, text: Vec::new(), doubt: None };
            for link in LINKS {
                if links.lead_to(place.as_fd(), link) {
                    return Ok(true);
                }
            }
            let mut is_found = false;
            each_descriptor(place.as_fd(), |directory, name| {
                is_found = links.lead_to(directory, name);
                if is_found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            match links.doubt {
                Some(errno) if !is_found => Err(errno),
                _ => Ok(is_found),
            }
        })?;
        self.answer("fd", found)
    }

    /// Reports whether any of these is mapped to the memory of the process.
    fn maps(&self, sought: &Arc<Vec<Sought>>) -> ReadResult<bool> {
        let sought = Arc::clone(sought);
        self.mappings(false, move |is_found, place, mapping| {
            // Only the superuser may follow these links (proc_pid_map_files(5)).
            let opened = || {
                let path = format!("map_files/{}", mapping.range);
                FileIdentity::read(place, path.as_str(), AtFlags::empty()).ok()
            };
            let mounts =
                || readlinkat(place, "ns/mnt", Vec::new()).ok().map(|text| text.into_bytes());
            *is_found = sought.iter().any(|sought| sought.is_mapped(mapping, opened, mounts));
            if *is_found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }

    /// Returns the paths of the mapped program files that were removed or replaced.
    fn deleted_programs(&self) -> ReadResult<Vec<Vec<u8>>> {
        self.mappings(Vec::new(), |files: &mut Vec<Vec<u8>>, _, mapping| {
            let file = mapping.deleted_program().filter(|file| !files.contains(file));
            files.extend(file);
            ControlFlow::Continue(())
        })
    }

    /// Passes on the mappings of files until `look` has seen enough, with a value that it changes
    /// and that is returned. The directory of the process is passed on too.
    fn mappings<T, L>(&self, mut value: T, mut look: L) -> ReadResult<T>
    where
        T: Send + 'static,
        L: FnMut(&mut T, BorrowedFd<'_>, &Mapping<'_>) -> ControlFlow<()> + Send + 'static,
    {
        let path = self.path_of_threads("")?;
        let read = self.on_thread("maps", move |base| {
            let place = open_at(base, &or_here(path), OFlags::PATH | OFlags::DIRECTORY)?;
            let maps = open_at(place.as_fd(), b"maps", OFlags::RDONLY)?;
            show_lines(maps, |line| match Mapping::parse(line) {
                Some(mapping) => look(&mut value, place.as_fd(), &mapping),
                None => ControlFlow::Continue(()),
            })?;
            Ok(value)
        })?;
        self.answer("maps", read)
    }

    /// Returns the open descriptors in the order of their numbers.
    fn descriptors(&self) -> ReadResult<Vec<Descriptor>> {
        let path = self.path_of_threads("")?;
        let read = self.on_thread("fd", move |base| {
            let place = open_at(base, &or_here(path), OFlags::PATH | OFlags::DIRECTORY)?;
            let mut descriptors = Vec::new();
            each_descriptor(place.as_fd(), |directory, name| {
                descriptors.extend(descriptor(directory, name).transpose());
                ControlFlow::Continue(())
            })?;
            descriptors.into_iter().collect::<Result<Vec<_>, Errno>>()
        })?;
        let mut descriptors = self.answer("fd", read)?;
        descriptors.sort_unstable_by_key(|descriptor| descriptor.number);
        Ok(descriptors)
    }

    /// Turns the result of reading a file of the process into ours.
    pub fn answer<T>(&self, file: &'static str, read: Result<T, Errno>) -> ReadResult<T> {
        read.map_err(|errno| {
            ReadError::from_errno(errno, file, || self.absent_or_exited("the file is missing"))
        })
    }
}

/// The links of a process, and what they are compared with.
struct Links<'s> {
    sought: &'s [Sought],
    /// The text of a link.
    text: Vec<u8>,
    /// The first reason why a link could not be followed.
    doubt: Option<Errno>,
}

impl Links<'_> {
    /// Reports whether this link leads to what is sought.
    fn lead_to(&mut self, directory: BorrowedFd<'_>, name: &CStr) -> bool {
        match self.is_followed(directory, name) {
            // The process has closed it meanwhile, or has ended.
            Err(Errno::NOENT | Errno::SRCH) => false,
            Err(errno) => {
                self.doubt = self.doubt.or(Some(errno));
                false
            }
            Ok(is_found) => is_found,
        }
    }

    fn is_followed(&mut self, directory: BorrowedFd<'_>, name: &CStr) -> Result<bool, Errno> {
        let text = match link_text(directory, name, &mut self.text) {
            Ok(()) => Some(&self.text[..]),
            Err(Errno::NAMETOOLONG) => None,
            Err(errno) => return Err(errno),
        };
        let may_be = |sought: &Sought| text.is_none_or(|text| sought.may_be_at(text));
        if !self.sought.iter().any(may_be) {
            return Ok(false);
        }
        let file = FileIdentity::read(directory, name, AtFlags::empty())?;
        let found = Found { text, file };
        Ok(self.sought.iter().any(|sought| sought.is_at(&found)))
    }
}

/// Reads the text of a link, which is shorter than a page.
pub(super) fn link_text(
    directory: BorrowedFd<'_>,
    name: &CStr,
    text: &mut Vec<u8>,
) -> Result<(), Errno> {
    text.clear();
    text.reserve(2 * 4096);
    retry_on_intr(|| readlinkat_raw(directory, name, spare_capacity(text)))?;
    Ok(())
}

/// Passes on the directory of the descriptors and the name of each of them, until `look` has seen
/// enough.
pub(super) fn each_descriptor(
    place: BorrowedFd<'_>,
    mut look: impl FnMut(BorrowedFd<'_>, &CStr) -> ControlFlow<()>,
) -> Result<(), Errno> {
    let directory = open_at(place, b"fd", OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut buffer = Vec::with_capacity(8 * 1024);
    let mut entries = RawDir::new(&directory, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Err(Errno::INTR) => continue,
            entry => entry?,
        };
        let name = entry.file_name();
        if !name.to_bytes().starts_with(b".") && look(directory.as_fd(), name).is_break() {
            break;
        }
    }
    Ok(())
}

/// Returns the facts about a descriptor; `None` if it was closed meanwhile.
fn descriptor(directory: BorrowedFd<'_>, name: &CStr) -> Result<Option<Descriptor>, Errno> {
    let Some(number) = number::parse(name.to_bytes()) else { return Ok(None) };
    let mut text = Vec::new();
    let read = link_text(directory, name, &mut text).and_then(|()| {
        // The mode of the link says how the file is open (proc_pid_fd(5)).
        retry_on_intr(|| statat(directory, name, AtFlags::SYMLINK_NOFOLLOW))
    });
    let mode = match read {
        Err(Errno::NOENT | Errno::SRCH) => return Ok(None),
        read => Mode::from_raw_mode(read?.st_mode),
    };
    let mode = match (mode.contains(Mode::RUSR), mode.contains(Mode::WUSR)) {
        (true, true) => "rw",
        (true, false) => "r",
        (false, true) => "w",
        (false, false) => "-",
    };
    let is_marked = text.starts_with(b"/") && text.ends_with(DELETED);
    // Memory never had a name, and the kernel marks all of it.
    let is_deleted = is_marked && !text.starts_with(MEMFD);
    if is_marked {
        text.truncate(text.len() - DELETED.len());
    }
    Ok(Some(Descriptor { number, path: text, mode, is_deleted }))
}

/// Returns the path of a directory; an empty one is the directory itself.
pub(super) fn or_here(path: Vec<u8>) -> Vec<u8> {
    if path.is_empty() { b".".to_vec() } else { path }
}
