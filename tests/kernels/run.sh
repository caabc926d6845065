#!/bin/sh
# run.sh PROGRAM [KERNEL...]: boots Debian's kernels, or these of them, two at a time, and runs
# checks.py and reuse.py on each with the program, which must be static. Prints what they found, and
# ends with 1 if a check failed. Kernels that cannot be fetched are named in the file $PROCTOOL_SKIPPED.
set -u
here=$(cd "$(dirname "$0")" && pwd)
program=$1
shift
cache=$here/../../target/kernels
# The number of targets whose pid is reused. Before Linux 6.9, where the inode of a pidfd does not
# identify the process, it is higher.
MANY=1000
FEW=200
# Seconds for a machine. It takes three minutes, and longer when the processors are busy.
LIMIT=780

# Prints the suites of Debian that may have a kernel.
suites() {
    case $1 in
    5.10) echo bullseye-security ;;
    6.1) echo bookworm ;;
    6.12) echo trixie ;;
    newest) echo trixie-backports sid ;;
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
    case $1 in
    5.10 | 6.1) reuses=$MANY ;;
    *) reuses=$FEW ;;
    esac
    command="uname -r
        python3 -I /opt/kernels/checks.py /opt/bin/proctool && checked=0 || checked=1
        python3 -I /opt/kernels/reuse.py /opt/bin/proctool $reuses && [ \$checked = 0 ]"
    exec "$here/box.sh" boot "$cache/$1/vmlinuz" "$work/root.cpio" "$work/console.$1" $LIMIT "$command" \
        >"$work/log.$1" 2>&1
}

# show KERNEL STATUS prints what the checks on a kernel found.
show() {
    echo "-- Linux $1: $(cat "$cache/$1/package")"
    tr -d '\r' <"$work/console.$1" | grep -v -e '^FINISHED ' -e '^holds: ' -e 'reboot: Power down'
    cat "$work/log.$1"
    [ "$2" != 124 ] || echo "It did not end within $LIMIT s."
    [ "$2" = 0 ] || failed="$failed $1"
}

[ "$#" != 0 ] || set -- 5.10 6.1 6.12 newest
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
"$here/box.sh" make "$program" "$work" || exit 1
kernels=
for kernel; do
    if ! suites=$(suites "$kernel"); then
        echo "no kernel $kernel is known: 5.10, 6.1, 6.12, newest" >&2
        exit 2
    fi
    # shellcheck disable=SC2086 # a list of words
    if why=$("$here/fetch.sh" "$cache/$kernel" $suites 2>&1); then
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
