#!/bin/sh
# run.sh PROGRAM ARM64_PROGRAM [KERNEL...]: boots Debian's kernels, or these of them, two at a time, and
# runs checks.py and reuse.py on each with the program of its architecture, which must be static. Prints
# what they found, and ends with 1 if a check failed. Kernels that cannot be fetched are named in the
# file $PROCTOOL_SKIPPED, and so is that of arm64 where its program is ''.
set -u
here=$(cd "$(dirname "$0")" && pwd)
program=$1
arm64_program=$2
shift 2
cache=$here/../../target/kernels
# The number of targets whose pid is reused. Before Linux 6.9, where the inode of a pidfd does not
# identify the process, it is higher.
MANY=1000
FEW=200
# Seconds for a machine. It takes three minutes, and longer when the processors are busy.
LIMIT=780

# Prints the architecture of a kernel, and the suites of Debian that may have it.
origin() {
    case $1 in
    5.10) echo amd64 bullseye-security ;;
    6.1) echo amd64 bookworm ;;
    6.12) echo amd64 trixie ;;
    newest) echo amd64 trixie-backports sid ;;
    arm64) echo arm64 trixie ;;
    *) return 1 ;;
    esac
}

skip() {
    echo "skipped: $1"
    [ -z "${PROCTOOL_SKIPPED:-}" ] || echo "$1" >>"$PROCTOOL_SKIPPED"
}

# Boots a kernel and runs the checks there. It replaces the shell by box.sh, so that a signal to this
# child reaches box.sh.
try() {
    reuses=$FEW
    architecture=amd64
    case $1 in
    5.10 | 6.1) reuses=$MANY ;;
    arm64) architecture=arm64 ;;
    esac
    command="uname -r
        python3 -I /opt/kernels/checks.py /opt/bin/proctool && checked=0 || checked=1
        python3 -I /opt/kernels/reuse.py /opt/bin/proctool $reuses && [ \$checked = 0 ]"
    exec "$here/box.sh" boot $architecture "$cache/$1/vmlinuz" "$work/$architecture/root.cpio" "$work/console.$1" \
        $LIMIT "$command" >"$work/log.$1" 2>&1
}

# show KERNEL STATUS prints what the checks on a kernel found.
show() {
    echo "-- Linux $1: $(cat "$cache/$1/package")"
    tr -d '\r' <"$work/console.$1" | grep -v -e '^FINISHED ' -e '^holds: ' -e 'reboot: Power down'
    cat "$work/log.$1"
    [ "$2" != 124 ] || echo "It did not end within $LIMIT s."
    [ "$2" = 0 ] || failed="$failed $1"
}

# Makes the root file system of an architecture, once.
make_root() {
    [ ! -d "$work/$1" ] || return 0
    made=$program
    [ "$1" = amd64 ] || made=$arm64_program
    mkdir "$work/$1" && "$here/box.sh" make "$1" "$made" "$("$program" --list-links)" "$work/$1"
}

[ "$#" != 0 ] || set -- 5.10 6.1 6.12 newest arm64
for name in qemu-system-x86_64 busybox python3 bash unshare setpriv; do
    if ! command -v "$name" >/dev/null; then
        skip "kernels: no $name"
        exit 0
    fi
done
if [ "$(uname -m)" != x86_64 ]; then
    skip "kernels: the virtual machines are x86-64, and this machine is not"
    exit 0
fi
work=$(mktemp -d) || exit 1
children=
trap 'kill $children 2>/dev/null; wait; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
kernels=
for kernel; do
    if ! origin=$(origin "$kernel"); then
        echo "no kernel $kernel is known: 5.10, 6.1, 6.12, newest, arm64" >&2
        exit 2
    fi
    if [ "${origin%% *}" = arm64 ] && { [ -z "$arm64_program" ] || ! command -v qemu-system-aarch64 mmdebstrap >/dev/null; }; then
        skip "kernels: arm64: there is no program for it, no qemu-system-aarch64, or no mmdebstrap"
        continue
    fi
    # shellcheck disable=SC2086 # a list of words
    if why=$("$here/fetch.sh" "$cache/$kernel" $origin 2>&1); then
        make_root "${origin%% *}" || exit 1
        kernels="$kernels $kernel"
    else
        skip "kernels: Debian's Linux $kernel cannot be fetched: $(echo "$why" | tail -n 1)"
    fi
done
failed=
# shellcheck disable=SC2086 # a list of words
set -- $kernels
while [ $# -gt 0 ]; do
    first=$1 second=${2:-}
    shift $(($# < 2 ? $# : 2))
    children=
    for kernel in $first $second; do
        try "$kernel" &
        children="$children $!"
    done
    for kernel in $first $second; do
        child=${children# }
        child=${child%% *}
        wait "$child"
        show "$kernel" $?
        children=${children# "$child"}
    done
done
if [ -n "$failed" ]; then
    echo "FAILED on Linux:$failed"
    exit 1
fi
