//! The storeys of the source: what is above may use what is below, and never the other way round.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of src/, floor by floor from the top. A room imports only from floors below its own.
const FLOORS: [&[&str]; 13] = [
    &["main"],
    &["dispatch", "manual"],
    &["applets"],
    &["cli"],
    &["output"],
    &["apache", "cron", "desktop", "gpg"],
    &["select"],
    &["control", "tree"],
    &["process"],
    &["users"],
    &["command", "peer"],
    &["deadline"],
    &["deadlines", "escape", "exit", "fuzz", "path", "small_file", "thread", "zone"],
];

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

/// Returns all source files with their text, without comments and unit tests.
fn sources(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("listing a directory of the source") {
        let path = entry.expect("reading a directory of the source").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("reading a file of the source");
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            found.push((path, lines.collect::<Vec<_>>().join("\n")));
        }
    }
    found
}

/// Returns the names behind each `PREFIX::` in a text, also those in braces.
fn imported(text: &str, prefix: &str) -> BTreeSet<String> {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    let name = |text: &str| text.chars().take_while(|&character| is_name(character)).collect();
    let mut names = BTreeSet::new();
    for (at, found) in text.match_indices(prefix) {
        if text[..at].ends_with(is_name) || text[..at].ends_with("::") {
            continue;
        }
        let rest = &text[at + found.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.insert(name(rest));
            continue;
        };
        let group = group.split(';').next().unwrap_or_default();
        let mut depth = 0;
        for item in group.split_inclusive([',', '{', '}']) {
            if depth == 0 {
                names.insert(name(item.trim_start()));
            }
            depth += i32::from(item.ends_with('{')) - i32::from(item.ends_with('}'));
        }
    }
    names.remove("");
    names
}

/// Returns the room of a file: the folder or the file below src/.
fn room(path: &Path) -> String {
    let below = path.strip_prefix(SOURCE).expect("finding a path below src/");
    let first = below.iter().next().expect("finding a name below src/").to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn floor(room: &str) -> usize {
    let floor = FLOORS.iter().position(|rooms| rooms.contains(&room));
    floor.unwrap_or_else(|| panic!("src/{room} has no floor in this test"))
}

#[test]
fn no_room_reaches_up() {
    let mut count = 0;
    for (path, text) in sources(Path::new(SOURCE)) {
        let own = room(&path);
        for other in imported(&text, "crate::").into_iter().filter(|other| *other != own) {
            assert!(floor(&own) < floor(&other), "{} uses {other}", path.display());
            count += 1;
        }
    }
    assert!(count > 100, "only {count} imports were found");
}

#[test]
fn no_files_of_a_folder_import_each_other_in_a_circle() {
    let mut folders: BTreeMap<PathBuf, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (path, text) in sources(Path::new(SOURCE)) {
        let (Some(folder), Some(name)) = (path.parent(), path.file_stem()) else { continue };
        let name = name.to_string_lossy().into_owned();
        folders.entry(folder.to_owned()).or_default().insert(name, imported(&text, "super::"));
    }
    for (folder, mut files) in folders {
        // Files that import only files which were removed cannot be in a circle.
        loop {
            let left: BTreeSet<String> = files.keys().cloned().collect();
            files.retain(|name, others| {
                others.iter().any(|other| other != name && left.contains(other))
            });
            if files.len() == left.len() {
                break;
            }
        }
        assert!(files.is_empty(), "{} has a circle in {files:?}", folder.display());
    }
}

#[test]
fn imports_in_braces_are_found() {
    let text = "use super::{a::{b, c}, D, e::F};\nuse super::g::H;\nlet x = super::super::i();";
    let names: Vec<String> = imported(text, "super::").into_iter().collect();
    assert_eq!(names, ["D", "a", "e", "g", "super"]);
}
