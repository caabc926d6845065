#!/bin/sh
# fetch.sh DIRECTORY ARCHITECTURE SUITE...: fetches Debian's kernel for virtual machines of an
# architecture (amd64, arm64) from the first of these suites that has one, as DIRECTORY/vmlinuz, and
# writes the name of its package to DIRECTORY/package.
# A kernel that is there already is kept: remove the directory to fetch it again.
#
# apt fetches it from the mirror of the machine, and checks the signatures. It uses lists and a cache
# below DIRECTORY, so that nothing on the machine changes, and it installs nothing.
set -u

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

fail() {
    echo "$*" >&2
    exit 1
}

mkdir -p "$1" && directory=$(cd "$1" && pwd) || exit 1
architecture=$2
shift 2
[ ! -s "$directory/vmlinuz" ] || exit 0
for program in apt-get apt-cache dpkg-deb; do
    command -v "$program" >/dev/null || fail "no $program here"
done
[ -e "$KEYRING" ] || fail "no $KEYRING to check signatures with"
work=$directory/work

# Runs a program of apt with its files below $work. Debian stops renewing the lists of an old suite,
# so an expired list is accepted: its signature is checked nevertheless.
apt() {
    program=$1
    shift
    "$program" -qq -o Dir::Etc::SourceList="$work/sources" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State="$work/state" -o Dir::State::Status="$work/status" -o Dir::Cache="$work/cache" \
        -o APT::Architecture="$architecture" -o APT::Architectures::="$architecture" -o APT::Sandbox::User= \
        -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
        -o Acquire::Check-Valid-Until=false -o Acquire::Retries=2 "$@"
}

# Prints the URI of the mirror of a suite. Security updates have another one than the rest.
mirror() {
    case $1 in
    *-security) name=debian-security ;;
    *) name=debian ;;
    esac
    # shellcheck disable=SC2016 # apt-get expands it
    apt-get indextargets --format '$(REPO_URI)' | grep "/$name/*\$" | head -n 1
}

# Prints the name of the package of the newest kernel. A metapackage depends on it; since Linux 7.3,
# on an empty package that depends on it.
package() {
    image=$(apt apt-cache depends "linux-image-cloud-$architecture" |
        sed -n 's/^ *Depends: \(linux-image-.*\)$/\1/p' | head -n 1)
    binary=linux-binary-${image#linux-image-}
    [ -z "$(apt apt-cache show "$binary" 2>/dev/null)" ] || image=$binary
    echo "$image"
}

fetch() {
    uri=$(mirror "$1")
    [ -n "$uri" ] || fail "apt has no mirror of Debian for $1"
    rm -rf "$work"
    mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" || fail "no place for lists"
    : >"$work/status" || fail "no place for lists"
    echo "deb [signed-by=$KEYRING] $uri $1 main" >"$work/sources"
    apt apt-get update || fail "no lists of $1"
    package=$(package)
    [ -n "$package" ] || fail "$1 has no linux-image-cloud-$architecture"
    (cd "$work" && apt apt-get download "$package") || fail "$package cannot be fetched"
    archive=$(ls "$work"/linux-*.deb)
    kernel=$(dpkg-deb --fsys-tarfile "$archive" | tar -t | grep '/vmlinuz')
    [ -n "$kernel" ] || fail "$package holds no kernel"
    dpkg-deb --fsys-tarfile "$archive" | tar -xO "$kernel" >"$work/vmlinuz" || fail "$package cannot be unpacked"
    basename "$archive" .deb >"$directory/package"
    mv "$work/vmlinuz" "$directory/vmlinuz"
}

for suite; do
    why=$( (fetch "$suite") 2>&1) && found=yes || found=
    rm -rf "$work"
    [ -z "$found" ] || exit 0
done
fail "$why"
