//! Private pid and mount namespaces without other processes, where pids can be reused.

use std::process::Command;
use std::sync::LazyLock;

use super::command::{PROCTOOL, clean};

/// A shell script in namespaces of its own, with `$P` for the program; `None` when we may not make
/// any.
///
/// The script's shell is pid 1 there: when it ends, so does everything that it started.
pub fn script(script: &str) -> Option<Command> {
    if !are_permitted() {
        return None;
    }
    let mut command = unshare();
    command.args(["bash", "-c", script]).env("P", PROCTOOL);
    Some(command)
}

/// Makes a script for the superuser only, with a command `nobody` that runs the program as an
/// ordinary user.
pub fn script_with_nobody(text: &str) -> Option<Command> {
    if !is_root() {
        return None;
    }
    // A copy is run, because the build directory may be closed to other users.
    let copy =
        "mount -t tmpfs none /mnt && cp \"$P\" /mnt/proctool && chmod 755 /mnt/proctool || exit 78";
    let nobody =
        "nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups /mnt/proctool \"$@\"; }";
    script(&format!("{copy}\n{nobody}\n{text}"))
}

/// Reports whether we may make namespaces. In some containers not even the superuser may.
pub fn are_permitted() -> bool {
    static PERMITTED: LazyLock<bool> =
        LazyLock::new(|| unshare().arg("true").output().is_ok_and(|probe| probe.status.success()));
    *PERMITTED
}

fn unshare() -> Command {
    let mut command = clean("unshare");
    command.args([
        "--pid",
        "--mount",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--propagation",
        "private",
    ]);
    if !is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command
}

/// Returns the version of the kernel: its first two numbers.
pub fn kernel() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .expect("reading the release of the kernel");
    let mut numbers = release
        .split(|letter: char| !letter.is_ascii_digit())
        .map_while(|number| number.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Reports whether we are the superuser.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
