//! Data of each process that is kept while the tree is read. It is small, because there may be a
//! million processes.

use std::borrow::Cow;

use crate::output::json;
use crate::output::table::Table;
use crate::process::{File, Pid, Process, Property, ReadResult, if_available, items, title};

/// Data of a process that is kept until its tree is complete.
#[derive(Clone, Copy, Debug, Default)]
pub struct TreeRow {
    /// Offset of its text in [`Rows::text`]: its name, then its arguments; or its JSON.
    pub start: u32,
    /// Bytes behind the name: the arguments; or all of the JSON.
    pub rest_length: u32,
    /// Index into [`Rows::details`].
    pub detail: u32,
    /// Bytes of the name.
    pub name_length: u16,
    /// Letter of the run state; `?` if unavailable.
    pub state: u8,
    pub marks: Marks,
}

/// Facts about a process in one byte, because there may be a million processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u8);

impl Marks {
    /// A match, not only a relative of one.
    pub const MATCH: Marks = Marks(1);
    /// A thread of the kernel.
    pub const KERNEL_THREAD: Marks = Marks(2);
    /// Its executable was removed or replaced since it was started.
    pub const EXE_DELETED: Marks = Marks(4);

    /// Returns these marks, and `mark` if `is_so`.
    pub fn with_if(self, mark: Marks, is_so: bool) -> Marks {
        if is_so { Marks(self.0 | mark.0) } else { self }
    }

    /// Reports whether `mark` is among these.
    pub fn has(self, mark: Marks) -> bool {
        self.0 & mark.0 != 0
    }
}

/// Data of a process that is kept only if options ask for it.
#[derive(Clone, Debug, Default)]
pub struct Detail {
    pub pgrp: Option<Pid>,
    /// Effective user.
    pub uid: Option<u32>,
    /// In the order of [`File::NAMESPACES`].
    pub namespaces: Vec<Option<u64>>,
    /// All threads but the first, by id and name.
    pub threads: Vec<(Pid, Vec<u8>)>,
    /// The cells at the left of the tree.
    pub cells: Vec<u8>,
}

/// Text and details that rows refer to.
#[derive(Default)]
pub struct Rows {
    pub text: Vec<u8>,
    pub details: Vec<Detail>,
}

/// Data to keep of each process besides its name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extent {
    pub cells: bool,
    pub arguments: bool,
    pub process_groups: bool,
    pub users: bool,
    pub namespaces: bool,
    pub threads: bool,
}

/// Text in place of a name that is unavailable.
const UNKNOWN: &[u8] = b"?";

impl Rows {
    /// Begins the row of another process; `None` if there is too much text, from 4 GiB on.
    pub fn begin(&self, marks: Marks) -> Option<TreeRow> {
        let start = u32::try_from(self.text.len()).ok()?;
        Some(TreeRow { start, marks, ..TreeRow::default() })
    }

    /// Completes a row with the process as JSON, without the last brace.
    pub fn end_as_json(
        &mut self,
        row: TreeRow,
        process: &Process<'_>,
        members: &[&Property],
    ) -> ReadResult<TreeRow> {
        json::object(&mut self.text, process, members)?;
        self.text.pop();
        Ok(TreeRow { rest_length: self.text.len() as u32 - row.start, ..row })
    }

    /// Completes a row with the process as text.
    pub fn end_as_text(
        &mut self,
        row: TreeRow,
        process: &Process<'_>,
        extent: Extent,
        table: &mut Table,
    ) -> ReadResult<TreeRow> {
        let name = if_available(process.name_or_comm())?.unwrap_or(Cow::Borrowed(UNKNOWN));
        let name_length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        self.text.extend_from_slice(&name[..usize::from(name_length)]);
        let state = if_available(process.stat())?.map_or(b'?', |stat| stat.state);
        // Kernel threads and zombies have no executable, and this test is cheaper than asking for
        // it.
        let has_exe = !row.marks.has(Marks::KERNEL_THREAD) && state != b'Z';
        let exe_deleted = has_exe && if_available(process.exe_deleted())?.unwrap_or(false);
        if extent.arguments
            && let Some(arguments) = if_available(process.cmdline())?
        {
            self.text.extend(arguments_shown(arguments));
        }
        let detail = self.details.len() as u32;
        if extent.has_details() {
            self.details.push(extent.detail(process, table)?);
        }
        let rest_length = self.text.len() as u32 - row.start - u32::from(name_length);
        let marks = row.marks.with_if(Marks::EXE_DELETED, exe_deleted);
        Ok(TreeRow { name_length, rest_length, detail, state, marks, ..row })
    }
}

impl Extent {
    fn has_details(self) -> bool {
        self.cells || self.process_groups || self.users || self.namespaces || self.threads
    }

    fn detail(self, process: &Process<'_>, table: &mut Table) -> ReadResult<Detail> {
        let mut detail = Detail::default();
        if self.cells {
            table.cells(&mut detail.cells, process)?;
        }
        if self.process_groups {
            detail.pgrp = if_available(process.stat())?.map(|stat| stat.pgrp);
        }
        if self.users {
            detail.uid = if_available(process.user_ids())?.map(|ids| ids[1]);
        }
        if self.namespaces {
            for file in File::NAMESPACES {
                detail.namespaces.push(if_available(process.namespace(file))?);
            }
        }
        if self.threads && if_available(process.stat())?.is_some_and(|stat| stat.threads > 1) {
            detail.threads = if_available(process.other_threads())?.unwrap_or_default();
        }
        Ok(detail)
    }
}

/// Returns the arguments behind the name of the program. A title that a process gave itself is
/// returned whole.
fn arguments_shown(arguments: &[u8]) -> Vec<u8> {
    let shown: Vec<&[u8]> = match title(arguments) {
        Some(title) => vec![title],
        None => items(arguments).skip(1).collect(),
    };
    shown.join(&b' ')
}
