#!/bin/sh
# Builds proctool as one static binary and installs it: the binary, the links that call its applets, man pages and
# completions. Run ./install.sh --help.
set -eu
umask 022

usage() {
    cat <<'END'
Usage: ./install.sh [OPTIONS]

Builds proctool as one static binary, checks it, and installs it with its links, man pages and completions.
Files that are not proctool's are never overwritten or removed; what is there already, and the same, counts as installed.

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

# ---- What is wanted ----

prefix=/usr/local
binary=
static=yes
action=install

set_action() {
    [ "$action" = install ] || misuse "--$action and --$1 exclude each other"
    action=$1
}

set_path() {
    case $1 in
    --prefix)
        [ -n "$2" ] || misuse "--prefix needs a directory"
        prefix=$2
        ;;
    --binary)
        [ -n "$2" ] || misuse "--binary needs a file"
        binary=$2
        ;;
    esac
}

misuse() {
    printf "install.sh: %s: try './install.sh --help'\n" "$*" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
    --prefix | --binary)
        [ $# -ge 2 ] || set -- "$1" ''
        set_path "$1" "$2"
        shift
        ;;
    --prefix=* | --binary=*) set_path "${1%%=*}" "${1#*=}" ;;
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

[ -z "$binary" ] || [ "$action" = install ] || misuse "--binary and --$action exclude each other"
# A shell that leaves '~' as it is would have us make a directory of that name.
case $prefix in
'~'*) misuse "--prefix '$prefix': write \$HOME in place of ~" ;;
esac
# What is to be done is written down in lines of columns.
BREAK='
'
TAB='	'
refuse_breaks() {
    case $2 in
    *"$BREAK"* | *"$TAB"*) fail "$1 has a newline or a tab in its path: use another one" ;;
    esac
}
refuse_breaks "the directory of --prefix" "$prefix"
refuse_breaks "the file of --binary" "$binary"
refuse_breaks "\$DESTDIR" "${DESTDIR:-}"
refuse_breaks "\$TMPDIR" "${TMPDIR:-}"
refuse_breaks "the directory that we are in" "$PWD"
for name in sha256sum awk mktemp realpath; do
    command -v "$name" >/dev/null || fail "no $name on \$PATH: this script needs the GNU coreutils, and awk"
done
realpath -ms / >/dev/null 2>&1 || fail "the realpath on \$PATH does not know -ms: this script needs the GNU coreutils"
absolute() {
    realpath -ms -- "$1" || fail "cannot resolve '$1'"
}
prefix=$(absolute "$prefix")
prefix=${prefix%/}
[ -z "$binary" ] || binary=$(absolute "$binary")
destination=${DESTDIR:-}
[ -z "$destination" ] || destination=$(absolute "$destination")
root=${destination%/}$prefix
# As messages show it: of / nothing is left above.
place=${root:-/}
bin=$root/bin
own=$root/share/proctool
# What was installed: a checksum, or '-> TARGET' of a link; a tab; the path below the prefix. Whole if END is last.
manifest=$own/manifest
END='# end'
# The directories that were made for it.
directories=$own/directories

unset CDPATH
cd -- "$(dirname -- "$(readlink -f -- "$0")")"
[ -e man/proctool.1 ] || fail "this script is not where proctool's source is"
refuse_breaks "the directory of this script" "$PWD"

work=$(mktemp -d)
new=
trap 'rm -rf "$work" ${new:+"$new"}' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

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
        cargo build --release --locked --target-dir target || fail "it could not be built"
        binary=$PWD/target/release/proctool
    fi
    report_costs
}

# By a toolchain that has the target, or can add it; else by one that has the source of the standard library.
build_static() {
    if has_target || add_target; then
        say "Building for $target with $(rustc --version)."
        # Nothing to relocate: smaller, and all pages of the text are those of the file.
        RUSTFLAGS='-C relocation-model=static' \
            cargo build --release --locked --target-dir target --target "$target" || fail "it could not be built"
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
        /usr/bin/cargo build --release --locked --target-dir target --target "$target" -Z build-std=std,panic_abort ||
        fail "it could not be built"
}

# It needs nothing of the machine that it runs on.
check_static() {
    command -v readelf >/dev/null || fail "no readelf on \$PATH to check the binary with: install binutils"
    readelf --program-headers "$binary" >"$work/headers" || fail "cannot read $binary"
    readelf --dynamic "$binary" >"$work/dynamic" || fail "cannot read $binary"
    ! grep -q INTERP "$work/headers" || fail "$binary has an interpreter, so that it is not static"
    ! grep -q NEEDED "$work/dynamic" || fail "$binary needs shared libraries, so that it is not static"
    # Not below /tmp, where nothing may be executed on some machines.
    rm -rf target/empty
    mkdir target/empty
    cp "$binary" target/empty/
    if in_empty_root true; then
        version=$(in_empty_root version) || fail "$binary does not run in an empty directory"
        say "Checked: no interpreter, no shared libraries, and it runs in an empty directory ($version)."
    else
        say "Checked: no interpreter, no shared libraries. (Not tried in an empty directory: that takes root, or user namespaces.)"
    fi
}

# Whether that can be tried at all (true), and trying it (version). Where chroot(8) is, is on the superuser's $PATH only.
in_empty_root() (
    PATH=$PATH:/usr/sbin:/sbin
    if [ "$(id -u)" = 0 ]; then
        enter=
    else
        enter='unshare --map-root-user'
    fi
    case $1 in
    true) $enter chroot / true 2>/dev/null ;;
    version) $enter chroot target/empty /proctool --version ;;
    esac
)

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

# ---- What is there ----

# What is at a path, in the words of the manifest; nothing where nothing is.
found() {
    if [ -L "$1" ]; then
        printf -- '-> %s' "$(readlink "$1")"
    elif [ -f "$1" ] && sum=$(sha256sum <"$1" 2>/dev/null); then
        printf '%s' "${sum%% *}"
    elif [ -e "$1" ]; then
        printf 'something else'
    fi
}

# The lines of the manifest, in $work/old. One that is not whole, or names what is not below the prefix, is not believed.
read_manifest() {
    : >"$work/old"
    [ -e "$manifest" ] || return 0
    [ "$(tail -n 1 "$manifest")" = "$END" ] && grep -v "^$END\$" "$manifest" >"$work/old" &&
        awk -F '\t' '
            NF != 2 || $2 == "" || $2 ~ /^\// || ("/" $2 "/") ~ /\/\.\.?\// { exit 1 }
            $1 !~ /^-> ./ && (length($1) != 64 || $1 ~ /[^0-9a-f]/) { exit 1 }' "$work/old" ||
        fail "$manifest is damaged: mend it, or move it away to have nothing of what is there taken for proctool's"
}

# Whether the manifest has a line.
is_recorded() {
    grep -qxF -e "$1	$2" "$work/old"
}

# Whether a path below the prefix is free, has what we would put there, or has what we put there before.
is_ours() {
    is=$(found "$root/$2")
    [ -z "$is" ] || [ "$is" = "$1" ] || is_recorded "$is" "$2"
}

foreign=

leave() {
    printf 'install.sh: left alone, since it is not what this script put there: %s\n' "$root/$1" >&2
    foreign=yes
}

# ---- Installing ----

# What is to be installed: a checksum or '-> TARGET', the path below the prefix, a mode, and where it is now.
plan() {
    printf '%s\t%s\t%s\t%s\n' "$@" >>"$work/plan"
}

plan_file() {
    sum=$(sha256sum <"$1") || fail "cannot read $1"
    plan "${sum%% *}" "$2" "$3" "$1"
}

plan_links() {
    links=$("$1" --list-links) && [ -n "$links" ] && "$1" --version | grep -q '^proctool ' || fail "$1 is no proctool that runs here"
    for link in $links; do
        case $link in
        *[!a-z0-9-]*) fail "$1 names an odd link: $link" ;;
        esac
        plan '-> proctool' "bin/$link" - -
    done
}

# A file a command, since shells load them when the command is typed.
plan_completions() {
    for command in proctool $links; do
        for shell in bash zsh fish; do
            "$binary" completions "$shell" "$command" >"$work/$command.$shell" || fail "no completions for $shell"
        done
        plan_file "$work/$command.bash" "share/bash-completion/completions/$command" 644
        plan_file "$work/$command.zsh" "share/zsh/site-functions/_$command" 644
        plan_file "$work/$command.fish" "share/fish/vendor_completions.d/$command.fish" 644
    done
}

# All of the plan that may be done, in $work/todo; what is not ours is left alone.
judge() {
    : >"$work/todo"
    while IFS='	' read -r what path mode from; do
        if is_ours "$what" "$path"; then
            printf '%s\t%s\t%s\t%s\n' "$what" "$path" "$mode" "$from" >>"$work/todo"
        else
            leave "$path"
        fi
    done <"$work/plan"
}

# Before anything is changed. What this cannot foresee is told of when it comes to that.
check_writable() {
    { cut -f 2 "$work/todo" && printf 'share/proctool/manifest\n'; } >"$work/paths"
    while IFS= read -r path; do
        directory=$(dirname "$root/$path")
        while [ ! -e "$directory" ]; do
            directory=$(dirname "$directory")
        done
        [ -d "$directory" ] || fail "$directory is no directory"
        [ -w "$directory" ] || refuse_to_write "$directory"
    done <"$work/paths"
}

refuse_to_write() {
    case $action in
    install) fail "cannot write to $1: try as root, or --prefix \$HOME/.local" ;;
    *) fail "cannot write to $1: try as root" ;;
    esac
}

# Give a file this content at once, whatever happens meanwhile.
replace() {
    new=$(mktemp "$(dirname "$2")/.proctool.XXXXXX" 2>/dev/null) || refuse_to_write "$(dirname "$2")"
    cat "$1" >"$new"
    chmod "$3" "$new"
    mv -fT "$new" "$2"
    new=
}

write_manifest() {
    sort -u -t '	' -k 2 -k 1 "$1" >"$work/manifest"
    printf '%s\n' "$END" >>"$work/manifest"
    replace "$work/manifest" "$manifest" 644
}

# Directories are made one by one, and recorded first, so that those that were not there can be removed again: below the
# prefix, the prefix itself ('.') and those above it ('..', '../..'). In a package, none but proctool's own: the others are
# there where it is unpacked.
make_directory() {
    [ ! -d "$root/$1" ] || return 0
    case $1 in
    .) make_prefix ;;
    */*) make_directory "${1%/*}" ;;
    *) make_directory . ;;
    esac
    record_directory "$1"
    mkdir -p "$root/$1" 2>/dev/null || refuse_to_write "$(dirname "$root/$1")"
}

make_prefix() {
    above=..
    directory=$(dirname "$root")
    while [ ! -d "$directory" ]; do
        record_directory "$above"
        above=../$above
        directory=$(dirname "$directory")
    done
    mkdir -p "$root" 2>/dev/null || refuse_to_write "$directory"
}

record_directory() {
    if [ -z "$destination" ] || [ "$1" = share/proctool ]; then
        printf '%s\n' "$1" >>"$work/directories"
        [ ! -d "$own" ] || write_directories
    fi
}

write_directories() {
    sort -u "$work/directories" >"$work/sorted"
    replace "$work/sorted" "$directories" 644
}

# Put a file or link at its path, at once: whoever runs the old one goes on with it.
put() {
    make_directory "${2%/*}"
    case $1 in
    '-> '*)
        [ "$(found "$root/$2")" != "$1" ] || return 0
        new=$(mktemp -u "$root/${2%/*}/.proctool.XXXXXX")
        ln -s "${1#-> }" "$new" 2>/dev/null || refuse_to_write "$root/${2%/*}"
        mv -fT "$new" "$root/$2"
        new=
        ;;
    *)
        [ "$(found "$root/$2")" != "$1" ] || [ "$(stat -c '%a %u' "$root/$2")" != "$3 $(id -u)" ] || return 0
        replace "$4" "$root/$2" "$3"
        ;;
    esac
}

# Only one of us at a time, where there is a flock(1); a package is nobody else's yet, and is not to carry a lock. Nothing
# is there before a manifest says so: what was, and what will be, since an interruption may leave either.
begin() {
    : >"$work/directories"
    [ ! -e "$directories" ] || cp "$directories" "$work/directories"
    make_directory share/proctool
    [ ! -s "$work/directories" ] || write_directories
    if [ -z "$destination" ] && command -v flock >/dev/null; then
        exec 9>"$own/lock"
        flock -n 9 || fail "another install.sh is at work below $place"
    fi
    read_manifest
}

carry_out() {
    cut -f 1,2 "$work/todo" | cat "$work/old" - >"$work/either"
    write_manifest "$work/either"
    while IFS='	' read -r what path mode from; do
        put "$what" "$path" "$mode" "$from"
    done <"$work/todo"
}

# Whether the plan has a path.
is_planned() {
    cut -f 2 "$work/plan" | grep -qxF -e "$1"
}

remove() {
    case $(found "$root/$2") in
    '') ;;
    "$1") rm -f "$root/$2" ;;
    *) is_recorded "$(found "$root/$2")" "$2" || leave "$2" ;;
    esac
}

install_all() {
    [ -n "$binary" ] || build
    [ -f "$binary" ] && [ -x "$binary" ] || fail "$binary is no program"
    : >"$work/plan"
    plan_file "$binary" bin/proctool 755
    plan_links "$binary"
    for page in man/*.[1-8]; do
        plan_file "$page" "share/man/man${page##*.}/${page##*/}" 644
    done
    plan_completions
    read_manifest
    sum=$(cut -f 1 "$work/plan" | head -n 1)
    is_ours "$sum" bin/proctool ||
        fail "there is a $bin/proctool that was not installed by this script: move it away, or choose another --prefix"
    judge
    check_writable
    begin
    carry_out
    # What an earlier version installed and this one does not have.
    while IFS='	' read -r what path; do
        is_planned "$path" || remove "$what" "$path"
    done <"$work/old"
    cut -f 1,2 "$work/todo" >"$work/done"
    write_manifest "$work/done"
    say
    say "Installed below $place: bin/proctool, its links ($(made_links)), man pages, completions for bash, zsh and fish."
    suggest
    [ -z "$foreign" ]
}

made_links() {
    cut -f 2,3 "$work/todo" | sed -n 's,^bin/\(.*\)	-$,\1,p' | tr '\n' ' ' | sed 's/ $//'
}

suggest() {
    if [ -n "$destination" ]; then
        say "It is a package for ${prefix:-/}: see \"Many machines\" in README.md."
        return
    fi
    case :$PATH: in
    *":$prefix/bin:"*) say "Type next: proctool tree, or man proctool." ;;
    *) say "$prefix/bin is not on your \$PATH: add it, then type: proctool tree, or man proctool." ;;
    esac
    suggest_for_shells
}

# Completions are found by themselves below /usr; below /usr/local by zsh, and by fish where $XDG_DATA_DIRS says so, which is
# in desktops; below ~/.local by fish.
suggest_for_shells() {
    if [ "$prefix" != /usr ] && [ "$prefix" != /usr/local ] && command -v zsh >/dev/null; then
        say "For completions in zsh, put in front of compinit: fpath+=$prefix/share/zsh/site-functions"
    fi
    if [ "$prefix" != /usr ] && [ "$prefix" != "${HOME:-}/.local" ] && command -v fish >/dev/null; then
        say "For completions in fish, put into config.fish where \$XDG_DATA_DIRS does not have $prefix/share, as over ssh:"
        say "  set -p fish_complete_path $prefix/share/fish/vendor_completions.d"
    fi
}

install_links() {
    [ -x "$bin/proctool" ] || fail "there is no $bin/proctool to make links to"
    : >"$work/plan"
    plan_links "$bin/proctool"
    read_manifest
    judge
    check_writable
    begin
    carry_out
    # All else that was installed stays.
    while IFS='	' read -r what path; do
        is_planned "$path" || printf '%s\t%s\n' "$what" "$path"
    done <"$work/old" >"$work/done"
    cut -f 1,2 "$work/todo" >>"$work/done"
    write_manifest "$work/done"
    say "Links in $bin: $(made_links)."
    [ -z "$foreign" ]
}

uninstall() {
    [ -e "$manifest" ] || fail "nothing is installed below $place: there is no $manifest"
    read_manifest
    cp "$work/old" "$work/todo"
    check_writable
    begin
    while IFS='	' read -r what path; do
        remove "$what" "$path"
    done <"$work/old"
    remove_directories
    rm -f "$manifest" "$directories" "$own/lock"
    remove_directories
    if [ -n "$foreign" ]; then
        say "Removed what was installed below $place, but for what was left alone."
        return 1
    fi
    say "Removed what was installed below $place."
}

# What others put there keeps a directory.
remove_directories() {
    grep -v '^\.' "$work/directories" | sort -r | while IFS= read -r directory; do
        case /$directory/ in
        */../*) ;;
        *) rmdir "$root/$directory" 2>/dev/null || true ;;
        esac
    done
    directory=$root
    above=.
    while grep -qxF -e "$above" "$work/directories" && rmdir "$directory" 2>/dev/null; do
        directory=$(dirname "$directory")
        [ "$above" = . ] && above=.. || above=../$above
    done
}

case $action in
install) install_all ;;
links-only) install_links ;;
uninstall) uninstall ;;
esac
