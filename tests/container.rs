//! Containers with nothing but the static binary, as README describes them.

use super::support::command::finish;
use super::support::namespace;
use crate::skip;

/// Makes an empty root at /mnt/root with the binary, and functions that run it there: `beside` in a pid
/// namespace of its own with the procfs of the others at /host/proc, `sidecar` in that of the others.
const CONTAINER: &str = r#"
    mount -t tmpfs none /mnt && mkdir -p /mnt/root/proc /mnt/root/host/proc || exit 77
    cp "$P" /mnt/root/proctool
    beside() {
        unshare --mount --pid --fork --kill-child --propagation private sh -c '
            mount -t proc none /mnt/root/proc && mount -o ro,bind /proc /mnt/root/host/proc &&
            exec chroot /mnt/root /proctool "$@"' sh "$@"
    }
    sidecar() {
        unshare --mount --propagation private sh -c '
            mount -t proc none /mnt/root/proc && exec chroot /mnt/root /proctool "$@"' sh "$@"
    }
    setpriv --reuid 33 --clear-groups sleep 1000 & target=$!
    until read -r name < /proc/$target/comm && [ "$name" = sleep ]; do :; done
"#;

fn container(script: &str) -> Option<Vec<String>> {
    let command = namespace::script(&format!("{CONTAINER}{script}"))?;
    // The binary of a test build needs shared libraries.
    option_env!("PROCTOOL_TEST_BINARY")?;
    Some(finish(command).succeeds().lines())
}

#[test]
fn beside_the_host_it_reads_the_processes_of_the_host() {
    let Some(lines) = container(
        r#"
        beside find --proc /host/proc --comm sleep --fields user,cmdline | tail -n 1
        [ "$(beside tree --proc /host/proc --comm sleep)" = "sleep($target)" ] || echo 'no tree'
        beside show --proc /host/proc --json --fields name,user $target
        beside kill $target 2>/dev/null; echo "status $?"
        [ -e /proc/$target ] || echo gone"#,
    ) else {
        skip!("no static binary, or no namespaces")
    };
    let shown = r#"[{"name":"sleep","user":"33"}]"#;
    assert_eq!(lines, ["33         sleep 1000", shown, "status 1"]);
}

#[test]
fn in_a_shared_pid_namespace_it_shows_and_signals_the_others() {
    let Some(lines) = container(
        r#"
        sidecar find --comm sleep --fields user,cmdline | tail -n 1
        sidecar terminate --quiet $target; echo "status $?"
        [ -e /proc/$target ] || echo gone"#,
    ) else {
        skip!("no static binary, or no namespaces")
    };
    assert_eq!(lines, ["33         sleep 1000", "status 0", "gone"]);
}
