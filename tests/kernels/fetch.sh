#!/bin/sh
# fetch.sh DIRECTORY SUITE...: fetches Debian's kernel for virtual machines from the first of these suites that has one, as
# DIRECTORY/vmlinuz, unless it is there already; remove the directory to have it fetched anew. DIRECTORY/package names it.
#
# apt does it, from the mirror that the machine uses, and checks the signatures. It has lists and a cache of its own, so
# that nothing of the machine changes, and nothing is installed.
set -u

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

fail() {
    echo "$*" >&2
    exit 1
}

mkdir -p "$1" && directory=$(cd "$1" && pwd) || exit 1
shift
[ ! -s "$directory/vmlinuz" ] || exit 0
for program in apt-get apt-cache dpkg-deb; do
    command -v "$program" >/dev/null || fail "no $program here"
done
[ -e "$KEYRING" ] || fail "no $KEYRING to check signatures with"
work=$directory/work

# What signs an old suite is good as well when nobody renews its lists any more.
apt() {
    program=$1
    shift
    "$program" -qq -o Dir::Etc::SourceList="$work/sources" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State="$work/state" -o Dir::State::Status="$work/status" -o Dir::Cache="$work/cache" \
        -o APT::Architecture=amd64 -o APT::Architectures::=amd64 -o APT::Sandbox::User= \
        -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
        -o Acquire::Check-Valid-Until=false -o Acquire::Retries=2 "$@"
}

# Security updates are beside the other packages, under a name of their own.
mirror() {
    case $1 in
    *-security) name=debian-security ;;
    *) name=debian ;;
    esac
    apt-get indextargets --format '$(REPO_URI)' | grep "/$name/*\$" | head -n 1
}

# The package of the newest kernel, which an empty one depends on. Since Linux 7.3 there is one more between them.
package() {
    image=$(apt apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-.*\)$/\1/p' | head -n 1)
    binary=linux-binary-${image#linux-image-}
    [ -z "$(apt apt-cache show "$binary" 2>/dev/null)" ] || image=$binary
    echo "$image"
}

fetch() {
    uri=$(mirror "$1")
    [ -n "$uri" ] || fail "apt has no mirror of Debian for $1"
    rm -rf "$work"
    mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" && : >"$work/status" || fail "no place for lists"
    echo "deb [signed-by=$KEYRING] $uri $1 main" >"$work/sources"
    apt apt-get update || fail "no lists of $1"
    package=$(package)
    [ -n "$package" ] || fail "$1 has no linux-image-cloud-amd64"
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
