//! The four questions: proctool's command, the files that the answer needs, the commands of other
//! programs, and the target ratios.

use anyhow::{Context, Result};
use std::ffi::OsString;

/// A ratio of wall times that proctool must not exceed.
#[derive(Clone, Copy)]
pub struct Bound {
    /// proctool's time divided by the other's.
    pub ratio: f64,
    /// The smallest number of processes where this is asked for: below, start-up decides.
    pub from: usize,
}

/// Another program that answers the question.
pub struct Peer {
    /// Program and arguments.
    pub command: &'static [&'static str],
    /// The target ratio, if there is one.
    pub bound: Option<Bound>,
}

/// A question about all processes.
pub struct Question {
    /// The word for it on the command line.
    pub name: &'static str,
    /// The words for it in the report.
    pub title: &'static str,
    /// The files that must be touched of every process: one readlink for `exe`, open, read and
    /// close for each other one.
    pub files: &'static [&'static str],
    /// The files in words.
    pub limit: &'static str,
    /// Target ratio to the limit.
    pub bound: Bound,
    /// proctool's arguments.
    pub arguments: &'static [&'static str],
    /// Target number of user instructions for each process.
    pub instructions: u32,
    /// `true` if the memory must not grow with the number of processes.
    pub streams: bool,
    /// The other programs.
    pub peers: &'static [Peer],
}

impl Question {
    /// Returns the question of that name.
    pub fn named(name: Option<&OsString>) -> Result<&'static Question> {
        QUESTIONS
            .iter()
            .find(|question| name.is_some_and(|name| name == question.name))
            .context("a question is one of: find, list, full, tree")
    }

    /// Returns the target number of system calls for each process.
    pub fn system_calls(&self) -> usize {
        self.files.iter().map(|&file| if file == "exe" { 1 } else { 3 }).sum()
    }

    /// Returns the fewest words that are an answer. pstree has several processes on a line and cuts
    /// long lines.
    pub fn words(&self, size: usize) -> usize {
        match self.name {
            "find" => crate::load::NEEDLES,
            "tree" => size / 2,
            _ => size,
        }
    }
}

const fn bound(ratio: f64) -> Bound {
    Bound { ratio, from: 1_000 }
}

const fn peer(command: &'static [&'static str], bound: Option<Bound>) -> Peer {
    Peer { command, bound }
}

/// All questions.
pub const QUESTIONS: &[Question] = &[
    Question {
        name: "find",
        title: "Find processes by executable",
        files: &["exe"],
        limit: "readlink of exe",
        bound: bound(1.15),
        arguments: &["find", "--exe", "needle"],
        instructions: 400,
        streams: true,
        peers: &[
            peer(&["pgrep", "-x", "needle"], Some(bound(0.12))),
            peer(&["pidof", "needle"], Some(bound(0.25))),
            peer(&["busybox", "pidof", "needle"], None),
            peer(&["toybox", "pidof", "needle"], Some(bound(0.65))),
        ],
    },
    Question {
        name: "list",
        title: "List pid, name and memory",
        files: &["stat"],
        limit: "stat",
        bound: bound(1.15),
        arguments: &["find", "--fields", "pid,comm,rss"],
        instructions: 2_500,
        streams: true,
        peers: &[
            peer(&["ps", "-eo", "pid,comm,rss"], Some(bound(0.30))),
            peer(&["busybox", "ps", "-o", "pid,comm,rss"], Some(bound(1.0))),
            peer(&["toybox", "ps", "-eo", "pid,comm,rss"], None),
        ],
    },
    Question {
        name: "full",
        title: "List pid, user, executable and arguments",
        files: &["status", "cmdline", "exe"],
        limit: "status, cmdline, readlink of exe",
        bound: bound(1.15),
        arguments: &["find", "--fields", "pid,user,exe,cmdline"],
        instructions: 3_000,
        streams: true,
        peers: &[
            peer(&["ps", "-eo", "pid,user,exe,args"], Some(bound(0.55))),
            peer(&["toybox", "ps", "-eo", "pid,user,args"], None),
        ],
    },
    Question {
        name: "tree",
        title: "The tree of all processes",
        files: &["stat", "exe"],
        limit: "stat, readlink of exe",
        bound: bound(1.20),
        arguments: &["tree"],
        instructions: 2_500,
        streams: false,
        peers: &[
            peer(&["ps", "-e", "--forest"], Some(Bound { ratio: 0.25, from: 10_000 })),
            peer(&["pstree", "-p"], Some(Bound { ratio: 0.25, from: 10_000 })),
        ],
    },
];
