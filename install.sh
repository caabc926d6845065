#!/bin/sh
# Builds proctool as one static binary and installs it: the binary, the links that call its applets, man pages and
# completions. Run ./install.sh --help.
set -eu
umask 022

usage() {
    cat <<'END'
Usage: ./install.sh [OPTIONS]

Builds proctool as one static binary, checks it, and installs it with its links, man pages and completions.
Files that are not proctool's are never overwritten or removed.

  --prefix DIR   install below this directory, such as ~/.local [default: /usr/local]
  --binary FILE  install this binary, built before or elsewhere
  --no-static    build against the C library of this machine instead
  --links-only   only make the links, beside a binary that is there
  --uninstall    remove what was installed below the prefix
  --help         print this help

Environment:
  DESTDIR        put in front of all paths, for packages

Exit status: 0 done, 1 not done, or not all because a file was in the way, 2 wrong usage.
END
}

say() {
    printf '%s\n' "$*"
}

fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

one_line() {
    printf '%s' "$1" | tr '\n' ' '
}

# ---- What is wanted ----

prefix=/usr/local
binary=
static=yes
action=install

set_action() {
    [ "$action" = install ] || misuse "--$action and --$1 exclude each other"
    action=$1
}

misuse() {
    printf "install.sh: %s: try './install.sh --help'\n" "$*" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
    --prefix | --binary)
        [ $# -ge 2 ] && [ -n "$2" ] || misuse "$1 needs a value"
        [ "$1" = --prefix ] && prefix=$2 || binary=$2
        shift
        ;;
    --prefix=?*) prefix=${1#*=} ;;
    --binary=?*) binary=${1#*=} ;;
    --no-static) static= ;;
    --links-only) set_action links-only ;;
    --uninstall) set_action uninstall ;;
    --help | -h)
        usage
        exit 0
        ;;
    *) misuse "unknown argument '$1'" ;;
    esac
    shift
done

case $prefix in
/*) ;;
*) prefix=$PWD/$prefix ;;
esac
case $binary in
'' | /*) ;;
*) binary=$PWD/$binary ;;
esac
prefix=${prefix%/}
cd "$(dirname "$0")"
root=${DESTDIR:-}$prefix
bin=$root/bin
# What was installed: a checksum, or the target of a link, and the path below the prefix.
manifest=$root/share/proctool/manifest

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# ---- Building ----

build() {
    if [ -n "$static" ]; then
        target=$(uname -m)-unknown-linux-musl
        build_static
        binary=$PWD/target/$target/release/proctool
        check_static
    else
        command -v cargo >/dev/null || fail "no cargo on \$PATH: install Rust first, see https://rustup.rs/"
        say "Building against the C library of this machine: the binary will run only where that is as new as here."
        cargo build --release --locked
        binary=$PWD/target/release/proctool
    fi
    report_costs
}

# By a toolchain that has the target, or can add it; else by one that has the source of the standard library.
build_static() {
    if has_target || add_target; then
        say "Building for $target with $(rustc --version)."
        # Nothing to relocate: smaller, and all pages of the text are those of the file.
        RUSTFLAGS='-C relocation-model=static' cargo build --release --locked --target "$target"
    elif has_source; then
        say "Building for $target, and the standard library with it, with $(/usr/bin/rustc --version)."
        build_with_source
    else
        fail "no Rust toolchain here can build for $target. Either add the target (rustup target add $target)," \
            "or, on Debian, install: $PACKAGES. --no-static builds against the C library of this machine."
    fi
}

has_target() {
    command -v cargo >/dev/null && command -v rustc >/dev/null &&
        ls "$(rustc --print sysroot)/lib/rustlib/$target/lib"/libstd-*.rlib >/dev/null 2>&1
}

add_target() {
    command -v rustup >/dev/null && rustup target add "$target" >"$work/rustup" 2>&1 && has_target
}

# Debian has no standard library for musl, but its source.
PACKAGES='rustc-web cargo-web rust-web-src musl-tools libunwind-14-dev'
UNWINDER=/usr/lib/llvm-14/lib/libunwind.a

has_source() {
    [ -x /usr/bin/cargo ] && [ -x /usr/bin/rustc ] && command -v musl-gcc >/dev/null && [ -e "$UNWINDER" ] &&
        [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std" ]
}

# The standard library asks for an unwinder by name, though nothing unwinds. In a directory of its own, since what is
# beside it is not for musl. Without relocation-model=static the linker would name an interpreter.
build_with_source() {
    mkdir -p target/unwinder
    cp "$UNWINDER" target/unwinder/
    RUSTFLAGS="-C linker=musl-gcc -C link-self-contained=no -C target-feature=+crt-static -C relocation-model=static"
    RUSTFLAGS="$RUSTFLAGS -L native=$(pwd -P)/target/unwinder"
    RUSTFLAGS=$RUSTFLAGS RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc \
        /usr/bin/cargo build --release --locked --target "$target" -Z build-std=std,panic_abort
}

# It needs nothing of the machine that it runs on.
check_static() {
    readelf --program-headers "$binary" >"$work/headers" || fail "cannot read $binary"
    readelf --dynamic "$binary" >"$work/dynamic" || fail "cannot read $binary"
    ! grep -q INTERP "$work/headers" || fail "$binary has an interpreter, so that it is not static"
    ! grep -q NEEDED "$work/dynamic" || fail "$binary needs shared libraries, so that it is not static"
    mkdir "$work/empty"
    cp "$binary" "$work/empty/"
    if in_empty_root true; then
        version=$(in_empty_root version) || fail "$binary does not run in an empty directory"
        say "Checked: no interpreter, no shared libraries, and it runs in an empty directory ($version)."
    else
        say "Checked: no interpreter, no shared libraries. (Not tried in an empty directory: that takes root, or user namespaces.)"
    fi
}

# Whether that can be tried at all (true), and trying it (version).
in_empty_root() {
    if [ "$(id -u)" = 0 ]; then
        enter=
    else
        enter='unshare --map-root-user'
    fi
    case $1 in
    true) $enter chroot / true 2>/dev/null ;;
    version) $enter chroot "$work/empty" /proctool --version ;;
    esac
}

# Size, and what one start takes of time on average.
report_costs() {
    size=$(wc -c <"$binary")
    starts=200
    begin=$(date +%s%N)
    for _ in $(seq $starts); do
        "$binary" --version >/dev/null || fail "$binary does not run"
    done
    end=$(date +%s%N)
    say "Built: $size bytes ($((size / 1024)) KiB), $(((end - begin) / starts / 1000)) microseconds from start to end (--version)."
}

# ---- Installing ----

checksum() {
    sha256sum <"$1" | cut -d ' ' -f 1
}

# What the manifest says of a path: its checksum, or '-> TARGET'.
recorded() {
    [ -e "$manifest" ] || return 0
    while IFS='	' read -r what path; do
        [ "$path" != "$1" ] || printf '%s' "$what"
    done <"$manifest"
}

# What is at a path now, in the same words; nothing where nothing is.
found() {
    if [ -L "$1" ]; then
        printf -- '-> %s' "$(readlink "$1")"
    elif [ -f "$1" ]; then
        checksum "$1"
    elif [ -e "$1" ]; then
        printf 'something else'
    fi
}

# Whether a path below the prefix is free, has what we would put there, or has what we put there before.
is_ours() {
    is=$(found "$root/$1")
    [ -z "$is" ] || [ "$is" = "$2" ] || [ "$is" = "$(recorded "$1")" ]
}

foreign=

leave() {
    printf 'install.sh: left alone, since it is not ours: %s\n' "$root/$1" >&2
    foreign=yes
}

record() {
    printf '%s\t%s\n' "$1" "$2" >>"$work/manifest"
}

# Directories are made one by one, so that those that were not there can be removed again: below the prefix, the prefix
# itself ('.') and those above it ('..', '../..').
make_directory() {
    [ ! -d "$root/$1" ] || return 0
    case $1 in
    .) make_prefix ;;
    */*) make_directory "${1%/*}" ;;
    *) make_directory . ;;
    esac
    [ "$1" = . ] || mkdir "$root/$1"
    printf '%s\n' "$1" >>"$work/directories"
}

make_prefix() {
    above=..
    directory=$(dirname "$root")
    while [ ! -d "$directory" ]; do
        printf '%s\n' "$above" >>"$work/directories"
        above=../$above
        directory=$(dirname "$directory")
    done
    mkdir -p "$root"
}

# Put a file at a path below the prefix, at once: whoever runs the old one goes on with it.
put() {
    sum=$(checksum "$1")
    if ! is_ours "$2" "$sum"; then
        leave "$2"
        return
    fi
    make_directory "${2%/*}"
    if [ "$(found "$root/$2")" != "$sum" ]; then
        cp "$1" "$root/${2%/*}/.proctool.new"
        chmod "$3" "$root/${2%/*}/.proctool.new"
        mv -f "$root/${2%/*}/.proctool.new" "$root/$2"
    fi
    record "$sum" "$2"
}

put_link() {
    if ! is_ours "$2" "-> $1"; then
        leave "$2"
        return
    fi
    make_directory "${2%/*}"
    if [ "$(found "$root/$2")" != "-> $1" ]; then
        rm -f "$root/${2%/*}/.proctool.new"
        ln -s "$1" "$root/${2%/*}/.proctool.new"
        mv -f "$root/${2%/*}/.proctool.new" "$root/$2"
    fi
    record "-> $1" "$2"
}

put_links() {
    links=$("$1" --list-links) || fail "$1 does not name its links"
    for link in $links; do
        put_link proctool "bin/$link"
    done
}

put_pages() {
    for page in man/*.[1-8]; do
        put "$page" "share/man/man${page##*.}/${page##*/}" 644
    done
}

# A file a command, since shells load them when the command is typed.
put_completions() {
    for command in proctool $links; do
        for shell in bash zsh fish; do
            "$binary" completions "$shell" "$command" >"$work/completions" || fail "no completions for $shell"
            case $shell in
            bash) path=share/bash-completion/completions/$command ;;
            zsh) path=share/zsh/site-functions/_$command ;;
            fish) path=share/fish/vendor_completions.d/$command.fish ;;
            esac
            put "$work/completions" "$path" 644
        done
    done
}

# What an earlier version installed and this one does not.
remove_superseded() {
    [ -e "$manifest" ] || return 0
    while IFS='	' read -r what path; do
        grep -qF "	$path" "$work/manifest" || remove "$what" "$path"
    done <"$manifest"
}

remove() {
    case $(found "$root/$2") in
    '') ;;
    "$1") rm -f "$root/$2" ;;
    *) leave "$2" ;;
    esac
}

# What is recorded is what is there, at any moment: the new manifest takes the place of the old one at once.
write_manifest() {
    make_directory share/proctool
    directories=$root/share/proctool/directories
    [ ! -e "$directories" ] || cat "$directories" >>"$work/directories"
    [ ! -e "$work/directories" ] || sort -u -o "$directories" "$work/directories"
    sort -k 2 "$work/manifest" >"$manifest.new"
    mv -f "$manifest.new" "$manifest"
}

check_writable() {
    directory=$bin
    while [ ! -e "$directory" ]; do
        directory=$(dirname "$directory")
    done
    [ -d "$directory" ] || fail "$directory is no directory"
    [ -w "$directory" ] && touch "$directory/.proctool.new" 2>/dev/null ||
        fail "cannot write to $directory: try as root, or --prefix ~/.local"
    rm -f "$directory/.proctool.new"
}

install_all() {
    check_writable
    [ -n "$binary" ] || build
    [ -x "$binary" ] || fail "$binary is no program"
    is_ours bin/proctool "$(checksum "$binary")" ||
        fail "there is a $bin/proctool that was not installed by this script: move it away, or choose another --prefix"
    : >"$work/manifest"
    put "$binary" bin/proctool 755
    put_links "$binary"
    put_pages
    put_completions
    remove_superseded
    write_manifest
    say
    say "Installed below $root: bin/proctool, its links ($(one_line "$links")), man pages, completions for bash, zsh and fish."
    suggest
    [ -z "$foreign" ]
}

suggest() {
    case :$PATH: in
    *":$prefix/bin:"*) say "Type next: proctool tree, or man proctool." ;;
    *) say "$prefix/bin is not on your \$PATH: add it, then type: proctool tree, or man proctool." ;;
    esac
}

install_links() {
    [ -x "$bin/proctool" ] || fail "there is no $bin/proctool to make links to"
    check_writable
    : >"$work/manifest"
    put_links "$bin/proctool"
    # All else that was installed stays.
    if [ -e "$manifest" ]; then
        while IFS='	' read -r what path; do
            grep -qF "	$path" "$work/manifest" || record "$what" "$path"
        done <"$manifest"
    fi
    write_manifest
    say "Links in $bin: $(one_line "$links")."
    [ -z "$foreign" ]
}

uninstall() {
    [ -e "$manifest" ] || fail "nothing is installed below $root: there is no $manifest"
    while IFS='	' read -r what path; do
        remove "$what" "$path"
    done <"$manifest"
    directories=$root/share/proctool/directories
    : >"$work/directories"
    [ ! -e "$directories" ] || cp "$directories" "$work/directories"
    rm -f "$manifest" "$directories"
    # What others put there keeps a directory.
    grep -v '^\.' "$work/directories" | sort -r | while IFS= read -r directory; do
        rmdir "$root/$directory" 2>/dev/null || true
    done
    directory=$root
    above=.
    while grep -qxF "$above" "$work/directories" && rmdir "$directory" 2>/dev/null; do
        directory=$(dirname "$directory")
        [ "$above" = . ] && above=.. || above=../$above
    done
    say "Removed what was installed below $root."
    [ -z "$foreign" ]
}

case $action in
install) install_all ;;
links-only) install_links ;;
uninstall) uninstall ;;
esac
