//! Paths of executables and directories that the kernel cannot tell, or that look deleted.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::support::command::run;
use super::support::target::Program;

/// Makes nested directories below this one, with a path that can just be used.
fn deep(directory: &Path) -> PathBuf {
    let deepest = (0..18).fold(directory.to_owned(), |path, _| path.join("d".repeat(200)));
    fs::create_dir_all(&deepest).expect("making directories");
    deepest
}

/// Moves the directory of a program to where its path is longer than the kernel can tell (PATH_MAX
/// is 4096).
fn move_far_away(program: &Program, directory: &Path) {
    let near = directory.join("near");
    let program = program.path();
    fs::rename(program.parent().expect("finding its directory"), deep(&near).join("program"))
        .expect("renaming it");
    fs::rename(near, deep(directory).join("far")).expect("renaming it twice");
}

/// Any user can start such a process, which must not spoil the answers about others.
#[test]
fn paths_that_are_too_long_for_the_kernel_are_unavailable_and_end_no_run() {
    let program = Program::new("far");
    let target = program.start_with(|command| {
        command.current_dir(program.path().parent().expect("finding its directory"));
    });
    let directory = tempfile::tempdir().expect("making a temporary directory");
    move_far_away(&program, directory.path());
    let pid = &target.pid().to_string();
    let link = fs::read_link(format!("/proc/{pid}/exe"));
    assert!(
        link.as_ref().is_err_and(|error| error.raw_os_error() == Some(36)),
        "the path is not too long: {link:?}"
    );
    run(&["tree", "--depth", "0", pid]).succeeds().prints(format!("{}({pid})\n", program.name));
    // Its executable is named by the next best, the name that the kernel keeps.
    run(&["find", "--pid", pid, "--exe", &program.name]).succeeds().prints(format!("{pid}\n"));
    run(&["find", "--pid", pid, "--exe-path", "/nosuch"]).exits(1).prints("");
    run(&["find", "--pid", pid, "--json"]).succeeds();
    run(&["find", "--children-of", &format!("no{}", program.name)]).refuses(1, "no process runs");
    let shown = run(&["show", "--json", "--fields", "exe,exe_path,cwd", pid]).succeeds().json();
    assert_eq!(shown, serde_json::json!([{ "exe": null, "exe_path": null, "cwd": null }]));
    let text = run(&["show", pid]).succeeds();
    assert!(
        text.lines().iter().any(|line| line.starts_with("  cwd            - (")),
        "{}",
        text.report()
    );
}

#[test]
fn a_file_that_is_really_called_deleted_is_not_deleted() {
    let program = Program::named(OsStr::new("x (deleted)"));
    let target = program.start();
    let pid = &target.pid().to_string();
    let shown = run(&["show", "--json", "--fields", "exe_name,exe_deleted", pid]).succeeds().json();
    assert_eq!(shown, serde_json::json!([{ "exe_name": "x (deleted)", "exe_deleted": false }]));
    fs::remove_file(program.path()).expect("removing it");
    let shown = run(&["show", "--json", "--fields", "exe_name,exe_deleted", pid]).succeeds().json();
    assert_eq!(shown, serde_json::json!([{ "exe_name": "x (deleted)", "exe_deleted": true }]));
}
