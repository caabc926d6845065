//! `install.sh` with a binary that is built already, below temporary directories, and calls of what
//! it installed. The build itself is tried by `tests/run static`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::skip;
use crate::support::command::{Outcome, PROCTOOL, clean, finish, run};
use crate::support::namespace::is_root;
use crate::support::running::Running;
use crate::support::target::Program;

/// The largest size of the stripped static binary, in bytes: 5.75 MiB.
const BUDGET: u64 = 23 << 18;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh");

/// A temporary directory with a prefix to install to.
struct Place {
    directory: TempDir,
    /// Path relative to the directory.
    prefix: &'static str,
}

impl Place {
    fn new(prefix: &'static str) -> Place {
        Place { directory: tempfile::tempdir().expect("making a temporary directory"), prefix }
    }

    fn prefix(&self) -> PathBuf {
        self.directory.path().join(self.prefix)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.prefix().join(path)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = clean("sh");
        command.arg(SCRIPT).args(words).arg("--prefix").arg(self.prefix());
        command
    }

    fn run(&self, words: &[&str]) -> Outcome {
        finish(self.command(words))
    }

    /// Makes a binary of other content beside the prefix, as a later version would be, and returns
    /// its path. Bytes behind its end do not change what a binary does.
    fn newer(&self, name: &str) -> String {
        let path = self.directory.path().join(name);
        // A child process writes it: if we had it open for writing, a child forked by another
        // test would inherit the descriptor, and exec would fail with ETXTBSY.
        let mut command = clean("sh");
        command.args(["-c", "cp \"$1\" \"$2\" && echo \"$2\" >>\"$2\"", "sh", PROCTOOL]).arg(&path);
        finish(command).exits(0);
        path.to_str().expect("reading its path as text").to_owned()
    }

    fn install(&self) -> Outcome {
        self.run(&["--binary", PROCTOOL])
    }

    /// Returns every path below the directory, with the content of a file or the target of a link.
    fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut contents = BTreeMap::new();
        let mut directories = vec![self.directory.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).expect("listing a directory") {
                let path = entry.expect("an entry").path();
                if path.is_dir() && !path.is_symlink() {
                    contents.insert(path.clone(), Vec::new());
                    directories.push(path);
                } else if let Ok(link) = fs::read_link(&path) {
                    contents.insert(path, link.into_os_string().into_encoded_bytes());
                } else {
                    let bytes = fs::read(&path).expect("reading a file");
                    contents.insert(path, bytes);
                }
            }
        }
        contents
    }
}

fn links() -> Vec<String> {
    run(&["--list-links"]).succeeds().text().lines().map(str::to_owned).collect()
}

#[test]
fn links_are_named_one_a_line() {
    let links = links();
    assert!(
        links.contains(&"cron-graceful".to_owned()) && !links.contains(&"kill".to_owned()),
        "{links:?}"
    );
    run(&["--list-links", "x"]).refuses(2, "'--list-links' takes no argument 'x'");
}

#[test]
fn what_is_installed_is_where_a_system_looks_for_it() {
    let place = Place::new("usr/local");
    let outcome = place.install().succeeds();
    let told = ["Installed below", "is not on your $PATH"]
        .iter()
        .all(|part| outcome.text().contains(part));
    assert!(told, "{}", outcome.report());
    let mode = |path: &str| {
        fs::metadata(place.path(path)).unwrap_or_else(|error| panic!("{path}: {error}")).mode()
            & 0o777
    };
    assert_eq!(mode("bin/proctool"), 0o755);
    for link in links() {
        assert_eq!(
            fs::read_link(place.path(&format!("bin/{link}"))).ok(),
            Some(PathBuf::from("proctool"))
        );
        for completions in [
            format!("share/bash-completion/completions/{link}"),
            format!("share/zsh/site-functions/_{link}"),
            format!("share/fish/vendor_completions.d/{link}.fish"),
        ] {
            assert_eq!(mode(&completions), 0o644);
        }
    }
    for page in
        ["man1/proctool.1", "man1/proctool-find.1", "man1/with-gpg-agent.1", "man8/cron-graceful.8"]
    {
        assert_eq!(mode(&format!("share/man/{page}")), 0o644);
    }
    let mut command = clean(place.path("bin/proctool"));
    command.arg("--version");
    assert_eq!(finish(command).succeeds().stdout, run(&["--version"]).stdout);
}

#[test]
fn installing_again_changes_nothing() {
    let place = Place::new("x");
    place.install().succeeds();
    let before = place.contents();
    let inode = fs::metadata(place.path("bin/proctool")).expect("reading the binary").ino();
    place.install().succeeds();
    assert!(before == place.contents());
    assert_eq!(
        fs::metadata(place.path("bin/proctool")).expect("reading the binary").ino(),
        inode,
        "it was not even rewritten"
    );
}

#[test]
fn uninstalling_leaves_nothing() {
    let place = Place::new("some/where");
    fs::create_dir(place.directory.path().join("some")).expect("making a directory");
    place.install().succeeds();
    let outcome = place.run(&["--uninstall"]).succeeds();
    assert!(outcome.text().contains("Removed"), "{}", outcome.report());
    assert_eq!(
        place.contents().into_keys().collect::<Vec<_>>(),
        [place.directory.path().join("some")]
    );
    place.run(&["--uninstall"]).refuses(1, "nothing is installed");
}

#[test]
fn uninstalling_leaves_what_others_put_there() {
    let place = Place::new("x");
    fs::create_dir_all(place.path("bin")).expect("making a directory");
    fs::write(place.path("bin/other"), "theirs").expect("writing a file");
    place.install().succeeds();
    fs::write(place.path("share/man/man1/other.1"), "theirs").expect("writing a file");
    // A file that others have changed since.
    fs::write(place.path("share/man/man1/proctool.1"), "changed").expect("writing a file");
    let outcome = place.run(&["--uninstall"]).exits(1);
    assert!(outcome.errors().contains("left alone"), "{}", outcome.report());
    let files: Vec<PathBuf> = place.contents().into_keys().filter(|path| path.is_file()).collect();
    let expected = ["bin/other", "share/man/man1/other.1", "share/man/man1/proctool.1"]
        .map(|path| place.path(path));
    assert_eq!(files, expected);
}

/// Another installation, such as a package, has the same files there.
#[test]
fn an_equal_file_of_others_stays_theirs() {
    let place = Place::new("x");
    place.install().succeeds();
    let page = place.path("share/man/man1/proctool.1");
    let text = fs::read(&page).expect("reading a page");
    place.run(&["--uninstall"]).succeeds();
    fs::create_dir_all(page.parent().expect("its directory")).expect("making a directory");
    fs::write(&page, &text).expect("writing a file");
    place.install().succeeds();
    place.run(&["--uninstall"]).succeeds();
    assert_eq!(fs::read(&page).expect("reading the page"), text);
    fs::create_dir_all(place.path("bin")).expect("making a directory");
    fs::copy(PROCTOOL, place.path("bin/proctool")).expect("copying the binary");
    place.install().refuses(1, "was not installed by this script");
}

#[test]
fn a_file_in_the_place_of_a_link_is_left_alone() {
    let place = Place::new("x");
    fs::create_dir_all(place.path("bin")).expect("making a directory");
    fs::write(place.path("bin/apache-mem"), "theirs").expect("writing a file");
    symlink("elsewhere", place.path("bin/cron-graceful")).expect("making a link");
    for _ in 0..2 {
        let outcome = place.install().exits(1);
        assert!(
            outcome.errors().contains("left alone, since it was changed or is not of this script"),
            "{}",
            outcome.report()
        );
        assert_eq!(fs::read(place.path("bin/apache-mem")).expect("reading the file"), b"theirs");
        assert_eq!(
            fs::read_link(place.path("bin/cron-graceful")).ok(),
            Some(PathBuf::from("elsewhere"))
        );
        assert!(place.path("bin/with-gpg-agent").is_symlink(), "the others are installed");
    }
    place.run(&["--uninstall"]).succeeds();
    assert_eq!(fs::read(place.path("bin/apache-mem")).expect("reading the file"), b"theirs");
}

#[test]
fn a_binary_of_others_is_not_overwritten() {
    let place = Place::new("x");
    fs::create_dir_all(place.path("bin")).expect("making a directory");
    fs::write(place.path("bin/proctool"), "theirs").expect("writing a file");
    let before = place.contents();
    place.install().refuses(1, "was not installed by this script");
    assert!(before == place.contents());
}

#[test]
fn an_upgrade_leaves_what_runs_alone() {
    let place = Place::new("x");
    place.install().succeeds();
    let target = Program::new("up").start();
    let mut command = clean(place.path("bin/proctool"));
    command.args(["wait", &target.pid().to_string()]);
    let waiting = Running::start(command).watching();
    let newer = place.newer("newer");
    place.run(&["--binary", &newer]).succeeds();
    assert_eq!(
        fs::read(place.path("bin/proctool")).expect("reading a file"),
        fs::read(&newer).expect("reading the newer one")
    );
    drop(target);
    waiting.finish().succeeds();
}

#[test]
fn what_a_later_version_does_not_have_is_removed() {
    let place = Place::new("x");
    place.install().succeeds();
    let manifest = place.path("share/proctool/manifest");
    let text = fs::read_to_string(&manifest).expect("reading the manifest");
    symlink("proctool", place.path("bin/old-link")).expect("making a link");
    // The name of this one is a prefix of other names.
    symlink("proctool", place.path("bin/cron")).expect("making a link");
    let old = "-> proctool\tbin/old-link\n-> proctool\tbin/gone\n-> proctool\tbin/cron\n";
    fs::write(&manifest, format!("{old}{text}")).expect("writing the manifest");
    place.install().succeeds();
    assert!(!place.path("bin/old-link").is_symlink() && !place.path("bin/cron").is_symlink());
    assert!(!fs::read_to_string(&manifest).expect("reading the manifest").contains("old-link"));
}

#[test]
fn what_was_interrupted_can_be_done_again_and_undone() {
    // The first move puts the manifest of old and new files in place, the second the binary, the
    // third the manifest of the new files.
    for moves in 1..=3 {
        let place = Place::new("x");
        place.install().succeeds();
        // An mv(1) that kills its caller after the move number `moves`.
        let bin = place.directory.path().join("programs");
        fs::create_dir(&bin).expect("making a directory");
        let script = format!(
            "#!/bin/sh\n/bin/mv \"$@\"; echo x >>{0}/count; [ $(wc -l <{0}/count) -lt {moves} ] || \
            kill -KILL $PPID\n",
            bin.display()
        );
        fs::write(bin.join("mv"), script).expect("writing a program");
        fs::set_permissions(bin.join("mv"), fs::Permissions::from_mode(0o755))
            .expect("changing its mode");
        let newer = place.newer("newer");
        let mut command = place.command(&["--binary", &newer]);
        command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()));
        finish(command).exits(137);
        fs::remove_dir_all(&bin).expect("the programs");
        place.run(&["--binary", &place.newer("newest")]).succeeds();
        place.run(&["--uninstall"]).succeeds();
        assert!(!place.prefix().exists(), "{moves}: {:?}", place.contents().keys());
    }
}

#[test]
fn what_is_no_proctool_is_not_installed() {
    let place = Place::new("x");
    place.install().succeeds();
    let before = place.contents();
    let broken = place.newer("broken");
    fs::write(&broken, "#!/nonexistent\n").expect("writing a file");
    for binary in ["/bin/true", "/bin", "/nonexistent", &*broken] {
        let outcome = place.run(&["--binary", binary]).exits(1);
        assert!(outcome.stdout.is_empty(), "{}", outcome.report());
    }
    fs::remove_file(&broken).expect("removing the file");
    assert!(before == place.contents());
}

#[test]
fn a_manifest_that_is_damaged_is_not_believed() {
    for damage in
        ["s/# end//", "1d;$d", "1i-> x\t../outside", "1i-> x\t/outside", "1ix\tbin/proctool"]
    {
        let place = Place::new("x");
        place.install().succeeds();
        fs::write(place.directory.path().join("outside"), "theirs").expect("writing a file");
        let manifest = place.path("share/proctool/manifest");
        let mut command = clean("sed");
        command.args(["-i", damage]).arg(&manifest);
        finish(command).exits(0);
        let before = place.contents();
        for words in [&["--uninstall"][..], &["--binary", PROCTOOL]] {
            place.run(words).refuses(1, "is damaged");
        }
        assert!(before == place.contents(), "{damage}");
    }
}

#[test]
fn root_writes_nothing_where_others_may() {
    if !is_root() {
        skip!("not root");
    }
    for (directory, owner, mode) in
        [("", 65534, 0o755), ("", 0, 0o777), ("bin", 65534, 0o755), ("share/man", 0, 0o757)]
    {
        let place = Place::new("x");
        place.install().succeeds();
        std::os::unix::fs::chown(place.path(directory), Some(owner), None)
            .expect("giving a directory away");
        fs::set_permissions(place.path(directory), fs::Permissions::from_mode(mode))
            .expect("changing a mode");
        let newer = place.newer("newer");
        let before = place.contents();
        for words in [&["--uninstall"][..], &["--binary", &newer]] {
            place.run(words).refuses(1, "could choose what root writes");
        }
        assert!(before == place.contents(), "{directory}");
        // Debian lets its group staff write to /usr/local.
        std::os::unix::fs::chown(place.path(directory), Some(0), Some(50))
            .expect("taking a directory back");
        fs::set_permissions(place.path(directory), fs::Permissions::from_mode(0o2775))
            .expect("changing a mode");
        place.run(&["--uninstall"]).succeeds();
    }
}

#[test]
fn a_mode_is_mended() {
    let place = Place::new("x");
    place.install().succeeds();
    fs::set_permissions(place.path("bin/proctool"), fs::Permissions::from_mode(0o600))
        .expect("changing a mode");
    place.install().succeeds();
    assert_eq!(
        fs::metadata(place.path("bin/proctool")).expect("reading a file").mode() & 0o7777,
        0o755
    );
}

#[test]
fn the_script_is_found_through_a_link_and_from_elsewhere() {
    let place = Place::new("x");
    let link = place.directory.path().join("link.sh");
    symlink(SCRIPT, &link).expect("making a link");
    let mut command = clean("sh");
    command
        .arg(&link)
        .args(["--binary", PROCTOOL, "--prefix", "x"])
        .current_dir(place.directory.path());
    command.env("CDPATH", "/");
    finish(command).succeeds();
    assert!(place.path("share/man/man8/cron-graceful.8").is_file());
    let mut command = clean("sh");
    command
        .args([SCRIPT, "--binary", PROCTOOL, "--prefix", "~/x"])
        .current_dir(place.directory.path());
    finish(command).refuses(2, "write $HOME");
}

#[test]
fn a_package_leaves_directories_of_the_machine_alone() {
    let place = Place::new("root");
    fs::create_dir_all(place.path("usr/share/man")).expect("making a directory");
    let packaged = |words: &[&str]| {
        let mut command = clean("sh");
        command.arg(SCRIPT).args(words).args(["--prefix", "/usr"]).env("DESTDIR", place.prefix());
        finish(command).exits(0)
    };
    packaged(&["--binary", PROCTOOL]);
    packaged(&["--uninstall"]);
    assert!(
        place.path("usr/share/man/man8").is_dir() && place.path("usr/bin").is_dir(),
        "whoever made them"
    );
    assert!(!place.path("usr/share/proctool").exists() && !place.path("usr/bin/proctool").exists());
}

#[test]
fn a_prefix_with_blanks() {
    let place = Place::new("a  b/it's $HOME");
    place.install().succeeds();
    let mut link = clean(place.path("bin/cron-graceful"));
    link.arg("--version");
    finish(link).succeeds();
    place.run(&["--uninstall"]).succeeds();
    assert_eq!(place.contents().len(), 0);
}

#[test]
fn a_package_is_made_below_destdir() {
    let place = Place::new("root");
    let mut command = clean("sh");
    command
        .arg(SCRIPT)
        .args(["--binary", PROCTOOL, "--prefix", "/usr"])
        .env("DESTDIR", place.prefix());
    finish(command).succeeds();
    assert!(
        place.path("usr/bin/proctool").is_file() && place.path("usr/bin/apache-mem").is_symlink()
    );
}

#[test]
fn a_package_has_one_file_of_the_script() {
    let place = Place::new("root");
    let mut command = clean("sh");
    command
        .arg(SCRIPT)
        .args(["--binary", PROCTOOL, "--prefix", "/usr"])
        .env("DESTDIR", place.prefix());
    finish(command).succeeds();
    let own = fs::read_dir(place.path("usr/share/proctool")).expect("listing a file");
    let names: Vec<_> = own.map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(names, ["manifest"]);
}

#[test]
fn paths_with_a_newline_are_refused_before_anything_is_written() {
    let place = Place::new("x");
    let odd = place.directory.path().join("a\nb");
    fs::create_dir(&odd).expect("making a directory");
    let binary = odd.join("proctool");
    symlink(PROCTOOL, &binary).expect("making a link");
    let before = place.contents();
    let refuses = |binary: &Path, prefix: &Path, variable: &str, directory: &Path| {
        let mut command = clean("sh");
        command.arg(SCRIPT).arg("--binary").arg(binary).arg("--prefix").arg(prefix);
        command.env(variable, &odd).current_dir(directory);
        finish(command).refuses(1, "a path has a newline or a tab");
        assert!(before == place.contents());
    };
    let (proctool, prefix) = (Path::new(PROCTOOL), place.prefix());
    refuses(&binary, &prefix, "X", Path::new("/"));
    refuses(proctool, &odd, "X", Path::new("/"));
    refuses(proctool, Path::new("x"), "X", &odd);
    refuses(proctool, &prefix, "DESTDIR", Path::new("/"));
    refuses(proctool, &prefix, "TMPDIR", Path::new("/"));
}

#[test]
fn the_root_directory_has_a_name() {
    let mut command = clean("sh");
    command.args([SCRIPT, "--uninstall", "--prefix", "/"]);
    if Path::new("/share/proctool").exists() {
        skip!("it is installed there");
    }
    finish(command).refuses(1, "nothing is installed below /: ");
}

#[test]
fn what_the_script_needs_is_named() {
    let place = Place::new("x");
    let programs = place.directory.path().join("programs");
    let mut prepare = clean("sh");
    // The realpath of busybox has no options either.
    let script = "mkdir \"$1\" && cd \"$1\" && printf '#!/bin/sh\\nexit 1\\n' >realpath && chmod \
    +x realpath";
    prepare.args(["-ec", script, "sh"]).arg(&programs);
    finish(prepare).succeeds();
    let mut command = place.command(&["--uninstall"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", programs.display()));
    finish(command).refuses(1, "needs the GNU coreutils");
}

#[test]
fn what_may_not_be_removed_is_said() {
    if !is_root() {
        skip!("not root");
    }
    let place = Place::new("x");
    place.install().succeeds();
    let before = place.contents();
    // The bind mount is on the directory itself, so that the installed files are in it.
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && exec sh \"$2\" \
    \"$3\" --prefix \"$1\"";
    let mut command = clean("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
    command.arg(place.prefix()).args([SCRIPT, "--uninstall"]);
    finish(command).refuses(1, "cannot write to ");
    assert!(before == place.contents());
}

#[test]
fn a_prefix_that_is_read_only() {
    if !is_root() {
        skip!("not root");
    }
    let place = Place::new("ro");
    fs::create_dir(place.prefix()).expect("making a directory");
    let script = "mount -t tmpfs none \"$1\" && mount -o remount,ro \"$1\" && exec sh \"$2\" \
    --binary \"$3\" --prefix \"$1\"";
    let mut command = clean("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
    command.arg(place.prefix()).args([SCRIPT, PROCTOOL]);
    finish(command).refuses(1, "cannot write to");
}

/// A shell script that makes a source directory with a false toolchain: building copies a program
/// that needs shared libraries, and readelf does not show them. It notes where cargo and rustc are
/// called, and by whom.
const PRETENCE: &str = r#"
cd "$1" && cp -r "$2/install.sh" "$2/man" . && mkdir bin && cd bin
target=$(uname -m)-unknown-linux-musl
mkdir -p "../toolchain/lib/rustlib/$target/lib" && : >"../toolchain/lib/rustlib/$target/lib/libstd-x.rlib"
cat >cargo <<END
#!/bin/sh
echo "cargo in \$(pwd) by \$(id -u): \$*" >>'$1/calls'
mkdir -p '$1/target/$target/release' && cp /bin/true '$1/target/$target/release/proctool'
END
cat >rustc <<END
#!/bin/sh
echo "rustc in \$(pwd) by \$(id -u): \$*" >>'$1/calls'
echo '$1/toolchain'
END
printf '#!/bin/sh\n' >readelf
chmod +x cargo rustc readelf
"#;

/// A source directory with a false toolchain.
struct Source {
    directory: TempDir,
}

impl Source {
    fn new() -> Source {
        let directory = tempfile::tempdir().expect("making a temporary directory");
        fs::create_dir(directory.path().join("source")).expect("making a directory");
        let source = Source { directory };
        let mut prepare = clean("sh");
        prepare.args(["-ec", PRETENCE, "sh"]).arg(source.path("")).arg(env!("CARGO_MANIFEST_DIR"));
        finish(prepare).succeeds();
        source
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join("source").join(path)
    }

    /// Returns the command that builds it, with these variables.
    fn build(&self, variables: &[(&str, &str)]) -> Command {
        let mut command = clean("sh");
        command.arg(self.path("install.sh")).arg("--build");
        // The $PATH of an ordinary user.
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()));
        command.envs(variables.iter().copied());
        command
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.path("calls")).unwrap_or_default()
    }
}

#[test]
fn what_does_not_run_in_an_empty_directory_is_not_installed() {
    let mut namespaces = clean("unshare");
    namespaces.args(["--map-root-user", "true"]);
    if !is_root() && finish(namespaces).code() != 0 {
        skip!("not root, and no user namespaces");
    }
    let source = Source::new();
    let mut command = clean("sh");
    command.arg(source.path("install.sh")).arg("--prefix").arg(source.path("prefix"));
    command.env("PATH", format!("{}:/usr/bin:/bin", source.path("bin").display()));
    let outcome = finish(command).exits(1);
    assert!(
        outcome.errors().contains("does not run in an empty directory"),
        "{}",
        outcome.report()
    );
    assert!(!source.path("prefix").exists());
}

/// cargo reads .cargo/config.toml of the directory in which it is called and of all above, and
/// rustup rust-toolchain.toml: files of others, below /tmp.
#[test]
fn the_toolchain_is_called_where_nobody_else_can_write() {
    let source = Source::new();
    let mut command = source.build(&[]);
    command.current_dir(source.path(""));
    let outcome = finish(command);
    assert!(outcome.errors().contains("Building for "), "{}", outcome.report());
    let calls = source.calls();
    assert!(calls.contains("cargo in / by ") && calls.contains("rustc in / by "), "{calls}");
    assert!(calls.lines().all(|call| call.contains(" in / by ")), "{calls}");
    let manifest = format!("--manifest-path {}", source.path("Cargo.toml").display());
    assert!(calls.contains(&manifest), "{calls}");
}

/// A manifest above ours with a workspace would replace crates by others.
#[test]
fn a_workspace_in_a_directory_above_does_not_count() {
    let above = tempfile::tempdir().expect("making a temporary directory");
    fs::write(above.path().join("Cargo.toml"), "[workspace]\nmembers = [\"ours\"]\n")
        .expect("writing a manifest");
    let ours = above.path().join("ours");
    fs::create_dir_all(ours.join("src")).expect("making a directory");
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), ours.join("Cargo.toml"))
        .expect("copying a manifest");
    for file in ["src/main.rs", "tests/main.rs", "tests/bench/main.rs"] {
        let path = ours.join(file);
        fs::create_dir_all(path.parent().expect("its directory")).expect("making a directory");
        fs::write(path, "").expect("writing a file");
    }
    let mut command = clean(env!("CARGO"));
    command
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(&ours);
    let root = finish(command).exits(0).json();
    assert_eq!(root["workspace_root"].as_str(), ours.to_str());
}

#[test]
fn root_builds_and_runs_nothing_of_others() {
    if !is_root() {
        skip!("not root");
    }
    let change = |path: PathBuf, owner: u32, mode: u32| {
        std::os::unix::fs::chown(&path, Some(owner), None).expect("giving a file away");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("changing a mode");
    };
    // A file or directory of another user, and one that others may write to.
    for file in ["", "man", "man/proctool.1", "install.sh", "bin", "../../above"] {
        for (owner, mode) in [(65534, 0o755), (0, 0o777)] {
            let source = Source::new();
            if file.starts_with("..") {
                change(source.directory.path().to_owned(), owner, mode);
            } else {
                change(source.path(file), owner, mode);
            }
            let outcome = finish(source.build(&[])).exits(1);
            assert!(outcome.errors().contains("root"), "{file} {owner}: {}", outcome.report());
            assert_eq!(source.calls(), "", "{file} {owner}");
        }
    }
    // Directories that variables name. With the sticky bit, others can add to them, but not exchange
    // what is in them.
    for (variable, owner, mode) in [
        ("HOME", 65534, 0o700),
        ("HOME", 0, 0o777),
        ("HOME", 0, 0o1777),
        ("CARGO_HOME", 65534, 0o700),
        ("CARGO_HOME", 0, 0o1777),
        ("RUSTUP_HOME", 65534, 0o700),
        ("RUSTUP_HOME", 0, 0o1777),
        ("TMPDIR", 65534, 0o700),
        ("TMPDIR", 0, 0o777),
        ("PATH", 65534, 0o755),
        ("PATH", 0, 0o777),
        ("PATH", 0, 0o1777),
    ] {
        let source = Source::new();
        let theirs = source.directory.path().join("theirs");
        fs::create_dir(&theirs).expect("making a directory");
        change(theirs.clone(), owner, mode);
        // Programs of others, which nothing may call.
        for name in ["id", "stat", "realpath", "awk", "sed", "grep", "find"] {
            let program = theirs.join(name);
            let text = format!("#!/bin/sh\necho {name} >>{}\n", source.path("calls").display());
            fs::write(&program, text).expect("writing a program");
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
                .expect("changing a mode");
        }
        let theirs = theirs.to_str().expect("reading its path as text");
        let path = format!("{theirs}:/usr/bin:/bin");
        let value = if variable == "PATH" { path.as_str() } else { theirs };
        let outcome = finish(source.build(&[(variable, value)])).exits(1);
        let named = outcome.errors().contains(theirs) && outcome.errors().contains(variable)
            || variable.ends_with("_HOME") && outcome.errors().contains(theirs);
        assert!(named, "{variable}: {}", outcome.report());
        assert_eq!(source.calls(), "", "{variable}");
    }
    // Files of others below a home of root, and programs of others in a directory of root.
    let home = |name: &str| {
        let source = Source::new();
        let file = source.directory.path().join("home").join(name);
        fs::create_dir_all(file.parent().expect("its directory")).expect("making a directory");
        fs::write(&file, "").expect("writing a file");
        (source, file)
    };
    for (name, variable) in [
        (".cargo/config.toml", "HOME"),
        (".cargo/bin/cargo", "HOME"),
        (".cargo", "HOME"),
        (".rustup", "HOME"),
        ("cargo", "PATH"),
        ("sed", "PATH"),
    ] {
        let (source, file) = home(name);
        change(file, 65534, 0o755);
        let home = source.directory.path().join("home").display().to_string();
        let value = if variable == "PATH" { format!("{home}:/usr/bin:/bin") } else { home };
        let outcome = finish(source.build(&[(variable, &value)])).exits(1);
        assert!(outcome.errors().contains("another user"), "{name}: {}", outcome.report());
        assert!(!source.calls().contains("cargo"), "{name}");
    }
    let source = Source::new();
    for path in ["relative:/usr/bin:/bin", ":/usr/bin:/bin"] {
        finish(source.build(&[("PATH", path)])).refuses(1, "another directory wherever root is");
    }
}

/// A binary that root installs runs as root, and so does this script.
#[test]
fn root_installs_no_binary_and_no_page_of_others() {
    if !is_root() {
        skip!("not root");
    }
    let place = Place::new("x");
    let theirs = place.directory.path().join("theirs");
    fs::create_dir(&theirs).expect("making a directory");
    let (binary, called) = (theirs.join("proctool"), place.directory.path().join("called"));
    let install = || {
        let mut command = clean("sh");
        command.args([SCRIPT, "--binary"]).arg(&binary).arg("--prefix").arg(place.prefix());
        finish(command)
    };
    install().refuses(1, "there is no ");
    fs::write(&binary, format!("#!/bin/sh\n: >{}\n", called.display())).expect("writing a file");
    install().refuses(1, "is not a file that can be executed");
    for (mode, owner, of) in [
        (0o755, 65534, &binary),
        (0o777, 0, &binary),
        (0o755, 65534, &theirs),
        (0o1777, 0, &theirs),
    ] {
        for path in [&binary, &theirs] {
            std::os::unix::fs::chown(path, Some(0), None).expect("giving a file away");
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("changing a mode");
        }
        std::os::unix::fs::chown(of, Some(owner), None).expect("giving a file away");
        fs::set_permissions(of, fs::Permissions::from_mode(mode)).expect("changing a mode");
        let outcome = install().exits(1);
        assert!(outcome.errors().contains("root"), "{of:?} {mode:o}: {}", outcome.report());
        assert!(!called.exists() && !place.prefix().exists(), "{of:?} {mode:o}");
    }
}

/// The group of a file may have members.
#[test]
fn root_runs_nothing_that_a_group_may_write_to() {
    if !is_root() {
        skip!("not root");
    }
    let give = |path: &Path| {
        std::os::unix::fs::chown(path, None, Some(65534)).expect("giving a file to a group");
        fs::set_permissions(path, fs::Permissions::from_mode(0o775)).expect("changing a mode");
    };
    for file in ["man/proctool.1", "man", "bin/rustc"] {
        let source = Source::new();
        give(&source.path(file));
        let outcome = finish(source.build(&[])).exits(1);
        assert!(outcome.errors().contains("others may write to"), "{file}: {}", outcome.report());
        assert_eq!(source.calls(), "", "{file}");
    }
    let place = Place::new("x");
    let binary = place.directory.path().join("proctool");
    fs::copy(PROCTOOL, &binary).expect("copying the binary");
    give(&binary);
    let mut command = clean("sh");
    command.args([SCRIPT, "--binary"]).arg(&binary).arg("--prefix").arg(place.prefix());
    finish(command).refuses(1, "others may write to it");
}

/// The source is a clone of the user who calls sudo.
#[test]
fn what_belongs_to_the_user_of_sudo_is_built_by_that_user() {
    if !is_root() {
        skip!("not root");
    }
    let source = Source::new();
    let mut give = clean("chown");
    give.args(["-R", "nobody"]).arg(source.directory.path());
    finish(give).exits(0);
    finish(source.build(&[])).refuses(1, "belongs to another user");
    // A login has the $PATH of a login.
    let path = format!("PATH={}:/usr/bin:/bin\n", source.path("bin").display());
    let home = source.directory.path().join("home");
    fs::create_dir(&home).expect("making a directory");
    fs::write(home.join(".profile"), path).expect("writing a profile");
    let script = "sed \"s,^nobody:.*,nobody:x:65534:65534::$1:/bin/sh,\" /etc/passwd >\"$1/passwd\" && \
                  mount --bind \"$1/passwd\" /etc/passwd && exec sh \"$2\" --build";
    let mut command = clean("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec", script, "sh"]);
    command.arg(&home).arg(source.path("install.sh"));
    command.env("SUDO_USER", "nobody");
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    finish(command).exits(1);
    let calls = source.calls();
    assert!(calls.contains("cargo in / by 65534: build"), "{calls}");
    assert!(!calls.contains("by 0:"), "{calls}");
}

#[test]
fn machines_have_the_names_of_rust() {
    let source = Source::new();
    let bin = source.path("bin");
    for (machine, target) in [
        ("x86_64", "x86_64-unknown-linux-musl"),
        ("aarch64", "aarch64-unknown-linux-musl"),
        ("arm64", "aarch64-unknown-linux-musl"),
        ("armv7l", "armv7-unknown-linux-musleabihf"),
        ("armv6l", "arm-unknown-linux-musleabihf"),
        ("i686", "i686-unknown-linux-musl"),
        ("i386", "i686-unknown-linux-musl"),
        ("riscv64", "riscv64gc-unknown-linux-musl"),
        ("ppc64le", "powerpc64le-unknown-linux-musl"),
        ("s390x", "s390x-unknown-linux-musl"),
    ] {
        let program = bin.join("uname");
        fs::write(&program, format!("#!/bin/sh\necho {machine}\n")).expect("writing a program");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("changing a mode");
        let lib = format!("toolchain/lib/rustlib/{target}/lib");
        fs::create_dir_all(source.path(&lib)).expect("making a directory");
        fs::write(source.path(&lib).join("libstd-x.rlib"), "").expect("writing a file");
        let outcome = finish(source.build(&[])).exits(1);
        let begins = outcome.errors().starts_with(&format!("Building for {target} "));
        assert!(begins, "{machine}: {}", outcome.report());
    }
}

#[test]
fn wrong_usage_is_refused() {
    let place = Place::new("x");
    place.run(&["--nosuch"]).refuses(2, "unknown argument '--nosuch'");
    let mut command = clean("sh");
    command.args([SCRIPT, "--prefix"]);
    finish(command).refuses(2, "--prefix needs a directory");
    for (word, message) in [
        ("--prefix=", "--prefix needs a directory"),
        ("--binary=", "--binary needs a file"),
        ("--uninstall", "--binary and --uninstall exclude each other"),
        ("--build", "--binary and --build exclude each other"),
        ("--target=x", "--target goes with --build"),
    ] {
        let mut command = clean("sh");
        command.args([SCRIPT, "--binary", PROCTOOL, word]);
        finish(command).refuses(2, message);
    }
    let mut command = clean("sh");
    command.args([SCRIPT, "--help"]);
    assert!(finish(command).succeeds().text().contains("--uninstall"));
    assert_eq!(place.contents().len(), 0);
}

#[test]
fn links_of_all_kinds_call_their_applet() {
    let directory = tempfile::tempdir().expect("making a temporary directory");
    let path = |name: &str| directory.path().join(name);
    fs::create_dir_all(path("bin")).expect("making a directory");
    symlink(PROCTOOL, path("bin/proctool")).expect("making a link");
    symlink("proctool", path("bin/cron-graceful")).expect("making a relative link");
    symlink(PROCTOOL, path("apache-mem")).expect("making an absolute link");
    // In a chain of links, the name that was called counts.
    symlink("bin/cron-graceful", path("with-gpg-agent")).expect("making a link to a link");
    for (called, help) in [
        ("bin/cron-graceful", "Usage: cron-graceful "),
        ("apache-mem", "Usage: apache-mem "),
        ("with-gpg-agent", "Usage: with-gpg-agent "),
    ] {
        let mut command = clean(path(called));
        command.arg("--help");
        let outcome = finish(command).succeeds();
        assert!(outcome.text().contains(help), "{}", outcome.report());
    }
    let mut command = clean("sh");
    command
        .current_dir(path("bin"))
        .args(["-c", "./cron-graceful --version; PATH=.:$PATH; cron-graceful --version"]);
    assert_eq!(finish(command).succeeds().text().lines().count(), 2);
}

#[test]
fn a_link_of_an_unknown_name_is_the_program_itself() {
    let directory = tempfile::tempdir().expect("making a temporary directory");
    let link = directory.path().join("cron-gracefully");
    symlink(PROCTOOL, &link).expect("making a link");
    finish(clean(&link)).refuses(2, "no applet given");
    let mut command = clean(&link);
    command.arg("cron-gracefulx");
    finish(command).refuses(2, "unknown applet 'cron-gracefulx'");
    // A careless program may pass an empty argv[0].
    let mut command = clean(PROCTOOL);
    command.arg0("");
    finish(command).refuses(2, "no applet given");
}

#[test]
fn completions_of_one_command() {
    let only = run(&["completions", "zsh", "cron-graceful"]).succeeds().text();
    assert!(
        only.starts_with("#compdef cron-graceful") && !only.contains("#compdef proctool"),
        "{only}"
    );
    run(&["completions", "zsh", "kill"]).refuses(2, "invalid value 'kill'");
}

#[test]
fn the_static_binary_is_small_and_needs_nothing() {
    if option_env!("PROCTOOL_TEST_BINARY").is_none() {
        skip!("not the static build");
    }
    let size = fs::metadata(PROCTOOL).expect("reading the binary").len();
    assert!(size <= BUDGET, "{size} bytes");
    let mut command = clean("readelf");
    command.args(["--program-headers", "--dynamic", PROCTOOL]);
    let headers = finish(command).exits(0).text();
    assert!(!headers.contains("INTERP") && !headers.contains("NEEDED"), "{headers}");
}

#[test]
fn names_of_users_and_groups_are_known() {
    let target = Program::new("named").start();
    let known = run(&["show", "--json", "--fields", "user,group", &target.pid().to_string()])
        .succeeds()
        .json();
    let named = |option: &str| {
        let mut command = clean("id");
        command.arg(option);
        finish(command).exits(0).text().trim_end().to_owned()
    };
    assert_eq!(
        (known[0]["user"].as_str(), known[0]["group"].as_str()),
        (Some(&*named("-un")), Some(&*named("-gn")))
    );
}
