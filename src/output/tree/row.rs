//! What is kept of each process while the tree is read: small, because there may be a million of
//! them.

use std::borrow::Cow;

use crate::output::json;
use crate::process::{File, Pid, Process, Property, ReadResult, if_available, items, title};

/// What is kept of a process until its tree is complete.
#[derive(Clone, Copy, Debug, Default)]
pub struct TreeRow {
    /// Where its text begins in [`Rows::text`]: its name, then its arguments; or its JSON.
    pub start: u32,
    pub rest_length: u32,
    /// Index into [`Rows::details`].
    pub detail: u32,
    pub name_length: u16,
    pub state: u8,
    pub marks: Marks,
}

/// What is true of a process, in one byte: there may be a million of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u8);

impl Marks {
    /// It is one that was asked for, not only related to one.
    pub const MATCH: Marks = Marks(1);
    pub const KERNEL_THREAD: Marks = Marks(2);
    pub const EXE_DELETED: Marks = Marks(4);

    /// These and, if so, that one.
    pub fn with_if(self, mark: Marks, is_so: bool) -> Marks {
        if is_so { Marks(self.0 | mark.0) } else { self }
    }

    /// Whether that one is among these.
    pub fn has(self, mark: Marks) -> bool {
        self.0 & mark.0 != 0
    }
}

/// What is only kept when options ask for it.
#[derive(Clone, Debug, Default)]
pub struct Detail {
    pub pgrp: Option<Pid>,
    pub uid: Option<u32>,
    /// In the order of [`File::NAMESPACES`].
    pub namespaces: Vec<Option<u64>>,
    /// All threads but the first.
    pub threads: Vec<(Pid, Vec<u8>)>,
}

/// Everything that rows refer to.
#[derive(Default)]
pub struct Rows {
    pub text: Vec<u8>,
    pub details: Vec<Detail>,
}

/// What to keep of each process beyond its name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extent {
    pub arguments: bool,
    pub process_groups: bool,
    pub users: bool,
    pub namespaces: bool,
    pub threads: bool,
}

/// In place of a name that is kept from us.
const UNKNOWN: &[u8] = b"?";

impl Rows {
    /// A row for another process. `None` when there is too much text already, which begins at 4
    /// GiB.
    pub fn begin(&self, marks: Marks) -> Option<TreeRow> {
        let start = u32::try_from(self.text.len()).ok()?;
        Some(TreeRow { start, marks, ..TreeRow::default() })
    }

    /// The row of a process as JSON without its last brace.
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

    /// The row of a process as text.
    pub fn end_as_text(
        &mut self,
        row: TreeRow,
        process: &Process<'_>,
        extent: Extent,
    ) -> ReadResult<TreeRow> {
        let name = if_available(process.name_or_comm())?.unwrap_or(Cow::Borrowed(UNKNOWN));
        let name_length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        self.text.extend_from_slice(&name[..usize::from(name_length)]);
        let state = if_available(process.stat())?.map_or(b'?', |stat| stat.state);
        // Neither has one, and asking costs more than knowing.
        let has_exe = !row.marks.has(Marks::KERNEL_THREAD) && state != b'Z';
        let exe_deleted = has_exe && if_available(process.exe_deleted())?.unwrap_or(false);
        if extent.arguments
            && let Some(arguments) = if_available(process.cmdline())?
        {
            self.text.extend(arguments_shown(arguments));
        }
        let detail = self.details.len() as u32;
        if extent.has_details() {
            self.details.push(extent.detail(process)?);
        }
        let rest_length = self.text.len() as u32 - row.start - u32::from(name_length);
        let marks = row.marks.with_if(Marks::EXE_DELETED, exe_deleted);
        Ok(TreeRow { name_length, rest_length, detail, state, marks, ..row })
    }
}

impl Extent {
    fn has_details(self) -> bool {
        self.process_groups || self.users || self.namespaces || self.threads
    }

    fn detail(self, process: &Process<'_>) -> ReadResult<Detail> {
        let mut detail = Detail::default();
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

/// The arguments behind the name of the program. A title that a process gave itself is shown whole.
fn arguments_shown(arguments: &[u8]) -> Vec<u8> {
    let shown: Vec<&[u8]> = match title(arguments) {
        Some(title) => vec![title],
        None => items(arguments).skip(1).collect(),
    };
    shown.join(&b' ')
}
