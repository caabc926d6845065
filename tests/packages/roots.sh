#!/bin/sh
# roots.sh DIRECTORY: installs, uses, upgrades and removes the packages of a release in clean roots of
# their own, as root: the one for Debian in two suites of Debian, and the one for RPM with a database of
# its own. Packages for other machines are only checked.
set -eu
fail() { echo "roots.sh: $*" >&2; exit 1; }
release=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Runs a command in a root, in namespaces of its own, with a /proc.
inside() {
    root=$1
    shift
    # shellcheck disable=SC2016 # The shell there expands it.
    unshare --mount --pid --fork --kill-child --propagation private sh -c \
        'mount -t proc none "$1/proc" && shift && exec chroot "$@"' sh "$root" "$root" "$@"
}

# Uses what was installed in a root.
use() {
    # shellcheck disable=SC2016 # The shell there expands it.
    inside "$1" sh -c 'sleep 100 & proctool find -q --exe-path "$(readlink /proc/$!/exe)" && proctool terminate --quiet $!' ||
        fail "$1: find or terminate does not work"
    for link in $(inside "$1" proctool --list-links); do
        inside "$1" "$link" --version >"$work/log" || fail "$1: $link does not work"
    done
    [ -e "$1/usr/share/man/man8/cron-graceful.8.gz" ] || fail "$1: there is no man page"
    [ -s "$1/usr/share/doc/proctool/copyright" ] || fail "$1: there is no copyright"
}

# Fails if something is left below a root; the second argument limits what that may be.
is_clean() {
    # shellcheck disable=SC2086 # a list of words
    left=$(find "$1" -xdev $2 \( -name '*proctool*' -o -name '*cron-graceful*' \) ! -path "*/var/log/*" ! -path "*/var/lib/*")
    [ -z "$left" ] || fail "left behind: $left"
}

# Makes a package with the same files and a later version.
later_deb() {
    dpkg-deb -R "$1" "$work/later"
    sed -i 's/^Version: .*/&.1/' "$work/later/DEBIAN/control"
    dpkg-deb --root-owner-group -b "$work/later" "$2" >/dev/null
}

lintian --fail-on error,warning "$release"/*.deb
deb=$(ls "$release"/*_"$(dpkg --print-architecture)".deb)
later_deb "$deb" "$work/later.deb"
for suite in bookworm trixie; do
    root=$work/$suite
    debootstrap --variant=minbase "$suite" "$root" >"$work/log" 2>&1 || { cat "$work/log"; fail "no root of $suite"; }
    cp "$deb" "$root/first.deb"
    cp "$work/later.deb" "$root/later.deb"
    inside "$root" dpkg -i /first.deb >/dev/null
    use "$root"
    inside "$root" dpkg -i /later.deb >/dev/null
    use "$root"
    inside "$root" dpkg -P proctool >/dev/null
    is_clean "$root" ""
    echo "Debian $suite: installed, used, upgraded and removed."
done

for rpm in "$release"/*.rpm; do
    ! rpm -qpR "$rpm" | grep -qv "^rpmlib(" || fail "$rpm needs other packages"
done
rpm=$(ls "$release"/*."$(uname -m)".rpm)
root=$work/bookworm
rpm --root "$root" --initdb
rpm --force-debian --root "$root" -i "$rpm"
use "$root"
rpm --root "$root" -V proctool
rpm --force-debian --root "$root" -e proctool
is_clean "$root" ""
echo "RPM: installed, used, verified and removed."

for archive in "$release"/*-"$(uname -m)".tar.gz; do
    tar -C "$root" -xf "$archive"
    inside "$root" /usr/local/bin/cron-graceful --version >/dev/null
    # As README says it.
    tar -tzf "$archive" | (cd "$root" && xargs rm)
    is_clean "$root" "! -type d"
    echo "Archive: unpacked, used and removed."
done
