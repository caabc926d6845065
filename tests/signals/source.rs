//! Rules that the source itself must keep.

use super::*;

/// Collects all files of the program, without their unit tests.
fn sources(directory: &Path, sources: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(directory).expect("listing a directory of sources") {
        let path = entry.expect("reading a directory entry").path();
        if path.is_dir() {
            self::sources(&path, sources);
        } else if path.extension() == Some(OsStr::new("rs")) {
            let text = fs::read_to_string(&path).expect("reading a source");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            sources.push((path, code.to_owned()));
        }
    }
}

/// Returns the files below src/ whose code, without comments, contains one of these words.
fn files_with(words: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    sources(&root, &mut all);
    assert!(all.len() > 40, "only {} files", all.len());
    let has = |code: &str| {
        let mut lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.any(|line| words.iter().any(|word| line.replace("unsafe_code", "").contains(word)))
    };
    let found = all.iter().filter(|(_, code)| has(code));
    found
        .map(|(path, _)| {
            path.strip_prefix(&root)
                .expect("finding the path below src")
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

#[test]
fn no_signal_is_ever_sent_to_a_number() {
    assert_eq!(files_with(&["pidfd_send_signal"]), ["control/reference.rs"]);
    let by_number = [
        "kill_process",
        "kill_current_process_group",
        "signal::kill",
        "signal::{kill",
        "libc::kill",
        "killpg",
        "tgkill",
        "tkill",
        "sigqueue",
        "new(\"pkill",
    ];
    assert_eq!(files_with(&by_number), [""; 0]);
}

#[test]
fn one_file_only_is_unsafe() {
    assert_eq!(files_with(&["unsafe"]), ["control/kernel.rs"]);
}
