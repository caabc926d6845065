#!/bin/sh
# Builds proctool as one static binary and installs it: the binary, the links that call its applets,
# man pages and completions. Run ./install.sh --help.
#
# PREFIX/share/proctool/manifest lists what this script installed. It replaces and removes nothing
# else. It writes the list first, so that an interrupted run can be repeated or undone.
set -eu
umask 022
# Nothing in the $PATH of root runs before it was checked.
given=${PATH:-/usr/bin:/bin}
PATH=/usr/sbin:/usr/bin:/sbin:/bin
# Users have chroot(8) outside of their $PATH.
[ "$(id -u)" = 0 ] || PATH=$given:/usr/sbin:/sbin

usage() {
    cat <<'END'
Usage: ./install.sh [--prefix DIR] [--binary FILE | --build [--target TRIPLE] | --uninstall]
Builds proctool as one static binary, and installs it with its links, man pages and completions.
  --prefix DIR     install below this directory, such as ~/.local [default: /usr/local]
  --binary FILE    install this binary, built before or elsewhere
  --build          build the binary, print its path, and install nothing
  --target TRIPLE  build for another machine, such as aarch64-unknown-linux-musl
  --uninstall      remove what was installed below the prefix
DESTDIR, a variable of the environment, is put in front of all paths, for packages.
Exit status: 0 done, 1 not done, or not all because a file was in the way, 2 wrong usage.
END
}

say() { printf '%s\n' "$*"; }

status=1
fail() { say "install.sh: $*" >&2; exit "$status"; }
misuse() { status=2; fail "$*: try './install.sh --help'"; }
need() { [ -n "$3" ] || misuse "$1 needs $2"; }

# ---- Arguments and paths ----

prefix=/usr/local
binary=
target=
action=install
while [ $# -gt 0 ]; do
    case $1 in
    --prefix=* | --binary=* | --target=*)
        option=$1 && shift
        set -- "${option%%=*}" "${option#*=}" "$@"
        continue
        ;;
    --prefix) need "$1" "a directory" "${2:-}" && prefix=$2 && shift ;;
    --binary) need "$1" "a file" "${2:-}" && binary=$2 && shift ;;
    --target) need "$1" "the name of a machine" "${2:-}" && target=$2 && shift ;;
    --build | --uninstall)
        [ "$action" = install ] || [ "$action" = "${1#--}" ] || misuse "--build and --uninstall exclude each other"
        action=${1#--}
        ;;
    --help | -h) usage && exit ;;
    *) misuse "unknown argument '$1'" ;;
    esac
    shift
done
[ -z "$binary" ] || [ "$action" = install ] || misuse "--binary and --$action exclude each other"
[ -z "$target" ] || [ "$action" = build ] || misuse "--target goes with --build"
case $target in
'' | [!-]*-linux-musl*) ;;
*) misuse "--target '$target': name a machine as Rust does, such as aarch64-unknown-linux-musl" ;;
esac
# Some shells do not expand '~' behind '=', and it would name a directory here.
case $prefix in
'~'*) misuse "--prefix '$prefix': write \$HOME in place of ~" ;;
esac

# They separate lines and columns of the manifest, and $() drops a newline at the end of a path.
TAB='	'
BREAK='
'
case $prefix:$binary:${DESTDIR:-}:${TMPDIR:-}:$PWD in
*"$BREAK"* | *"$TAB"*) fail "a path has a newline or a tab: use another one" ;;
esac
# The programs that this script calls.
PROGRAMS='awk cut find grep id install ln mktemp mv readlink realpath rm sed sha256sum sort stat'

check_programs() {
    for program in $PROGRAMS; do
        command -v "$program" >/dev/null || fail "there is no $program on \$PATH, which this script needs: install it"
    done
    realpath -ms / >/dev/null 2>&1 || fail "this script needs the GNU coreutils (realpath -ms) on \$PATH"
}

check_programs
prefix=$(realpath -ms -- "$prefix")
prefix=${prefix%/}
binary=${binary:+$(realpath -ms -- "$binary")}
destination=${DESTDIR:+$(realpath -ms -- "$DESTDIR")}
root=${destination%/}$prefix
# In messages the root directory has a name.
place=${root:-/}
own=$root/share/proctool
# Each line is a checksum, or '-> TARGET' of a link, a tab, and a path below the prefix; or it is
# 'directory', a tab, and the full path of a directory that was made. The last line is END.
manifest=$own/manifest
END='# end'

# ---- What root may trust ----

# Fails if root would use a directory whose entries another user can exchange, or one below such a
# directory: that user would choose what root writes or runs. With the sticky bit, as in /tmp, only
# the owner of an entry can exchange it, but anybody can add a program that root would run. Debian's
# group staff, 50, may write to /usr/local.
check_trusted() {
    [ "$(id -u)" = 0 ] || return 0
    for way in "$1" "$(realpath -m -- "$1")"; do check_way "$way" "$2" "${3:-0}" "${4:-}"; done
}

# Checks one of the two ways to a directory: with its symbolic links, and without them.
check_way() {
    at=$1
    # What does not exist yet could be made by whoever may write above it.
    while [ ! -e "$at" ]; do at=$(dirname "$at"); done
    sticky=
    [ "$2" = runs ] || sticky=may
    while :; do
        # The first one may be a symbolic link to the second one.
        for directory_or_link in "$at" "$at/."; do
            facts=$(stat -c '%u %G %a' "$directory_or_link") || fail "cannot look at $at"
            case ${facts%% *} in
            0 | "${3:-0}") ;;
            *) fail "$at belongs to another user (uid ${facts%% *}), who could choose what root $2${4:+ ($4)}:" \
                "do this as that user, or choose another directory" ;;
            esac
        done
        # shellcheck disable=SC2012 # find does not show access control lists.
        case $sticky$facts in
        may*' '[1357]??? | *[0145][0145]) ;;
        *'0 root '*[0145] | *'0 staff '*[0145]) [ -z "$(ls -ld "$at/." | sed -n '/^.\{10\}+/p')" ] ||
            fail "others may write to $at, by its access control list (getfacl), and could choose what root $2${4:+ ($4)}:" \
                "take that right away (setfacl -b), or choose another directory" ;;
        # Many systems give each user a group of the same name, which has no other member.
        *[0145]) { [ "$3" != 0 ] && [ "$(stat -c '%u %U' "$at/.")" = "$3 $(stat -c %G "$at/.")" ]; } || not_ours "$@" ;;
        *) not_ours "$@" ;;
        esac
        [ "$at" != / ] || return 0
        at=$(dirname "$at")
        sticky=may
    done
}

# Fails for what check_way looks at.
not_ours() {
    fail "other users may write to $at (mode ${facts##* }), and could choose what root $2${4:+ ($4)}:" \
        "take that right away (chmod), or choose another directory"
}

# Checks the directories in which programs are looked for, and the one for temporary files.
check_environment() {
    [ "$(id -u)" = 0 ] || return 0
    rest=$given:
    while [ -n "$rest" ]; do
        directory=${rest%%:*}
        rest=${rest#*:}
        case $directory in
        /*)
            check_trusted "$(realpath -ms -- "$directory")" runs 0 "it is in \$PATH"
            for program in cargo rustc rustup cc gcc ld musl-gcc rust-lld su chroot readelf $PROGRAMS; do
                [ ! -e "$directory/$program" ] || check_file "$directory/$program" 0
            done
            ;;
        *) fail "\$PATH has '$directory', which is another directory wherever root is: take it away" ;;
        esac
    done
    check_trusted "$(realpath -ms -- "${TMPDIR:-/tmp}")" writes 0 "\$TMPDIR"
    PATH=$given:/usr/sbin:/sbin
}

# Checks that no file of the source is one of other users, who could choose what root compiles, runs
# and installs. It may be one of the user who called sudo or doas.
check_source() {
    [ "$(id -u)" = 0 ] || return 0
    check_trusted "$source" runs "$1" "its source"
    foreign=$(find "$source" ! -user 0 ! -user "$1" -print -o ! -type l -perm -002 -print -o \
        ! -type l -perm -020 ! -group 0 ! -group "$private_group" -print -o -type l -path "$source/man/*" -print) ||
        fail "cannot look at all of $source"
    foreign=$(printf '%s\n' "$foreign" | sed -n 1p)
    [ -z "$foreign" ] || fail "$foreign is another user's, or others may write to it: root would run what is in it." \
        "Do this as that user, or take a source of your own"
}

# Checks the binary in the same way.
check_binary() {
    [ -e "$binary" ] || fail "there is no $binary"
    { [ -f "$binary" ] && [ -x "$binary" ]; } || fail "$binary is not a file that can be executed"
    [ "$(id -u)" = 0 ] || return 0
    check_trusted "$(dirname "$binary")" runs "$1" "it has the binary"
    check_trusted "$(dirname "$(realpath -- "$binary")")" runs "$1" "it has the binary"
    check_file "$binary" "$1"
}

# Checks a file that root would run or read. It may be one of this user.
check_file() {
    [ -n "$(find -L "$1" \( -user 0 -o -user "$2" \) ! -perm -002 \
        \( ! -perm -020 -o -group 0 -o -group "$private_group" \) -print)" ] ||
        fail "$1 is another user's, or others may write to it: root would run it." \
            "Give it to root (chown), or take another one"
}

private_group=0
check_environment
check_programs
unset CDPATH
source=$(dirname -- "$(readlink -f -- "$0")")
[ -e "$source/man/proctool.1" ] || fail "this script is not in the directory of proctool's source"
owner=${SUDO_USER:-${DOAS_USER:-root}}
[ "$(stat -c %U "$source")" = "$owner" ] || owner=root
# Many systems give each user a group of the same name, which has no other member.
[ "$(id -gn "$owner")" != "$owner" ] || private_group=$(id -g "$owner")
[ "$action" = uninstall ] || check_source "$(id -u "$owner")"
[ -z "$binary" ] || check_binary "$(id -u "$owner")"
TMPDIR=$(realpath -ms -- "${TMPDIR:-/tmp}")
export TMPDIR
# cargo and rustup read files of the directory that they are called in, and of all that are above.
cd /
work=$(realpath "$(mktemp -d)")
stage=$work/stage
new=
empty=
trap 'rm -rf "$work" ${new:+"$new"} ${empty:+"$empty"}' EXIT
trap 'exit 1' HUP INT TERM

# ---- Building ----

# Debian has no standard library for musl, but has its source.
PACKAGES='rustc-web cargo-web rust-web-src musl-tools libunwind-14-dev binutils'
UNWINDER=/usr/lib/llvm-14/lib/libunwind.a

# Prints Rust's name of this machine.
this_machine() {
    case $(uname -m) in
    arm64) say aarch64-unknown-linux-musl ;;
    armv7* | armv8l) say armv7-unknown-linux-musleabihf ;;
    armv6*) say arm-unknown-linux-musleabihf ;;
    i?86) say i686-unknown-linux-musl ;;
    ppc64le) say powerpc64le-unknown-linux-musl ;;
    riscv64) say riscv64gc-unknown-linux-musl ;;
    *) say "$(uname -m)-unknown-linux-musl" ;;
    esac
}

# Builds the binary, as the user who called sudo or doas where the source is that user's.
build() {
    target=${target:-$(this_machine)}
    command -v readelf >/dev/null || fail "there is no readelf on \$PATH, which checks the binary: install binutils"
    if [ "$(id -u)" = 0 ] && [ "$owner" != root ]; then
        # The shell of a login finds the toolchain of that user.
        # shellcheck disable=SC2016 # That shell expands it.
        su -l -s /bin/sh "$owner" -c 'exec "$0" --build --target "$1"' "$source/install.sh" "$target" >&2 ||
            fail "the build as user $owner failed"
    else
        if [ "$(id -u)" = 0 ]; then
            cargo_home=${CARGO_HOME:-${HOME:-/root}/.cargo}
            for directory in "${HOME:-/root}" "$cargo_home" "$cargo_home/bin" "${RUSTUP_HOME:-${HOME:-/root}/.rustup}"; do
                check_trusted "$(realpath -ms -- "$directory")" runs 0 "\$HOME, with cargo's files"
            done
            for file in "$cargo_home"/config "$cargo_home"/config.toml "$cargo_home"/bin/*; do
                [ ! -e "$file" ] || check_file "$file" 0
            done
        fi
        compile
    fi
    binary=$source/target/$target/release/proctool
    check_static
}

compile() {
    # Nothing is relocated: the binary is smaller, and its pages of text are those of the file. With
    # musl-gcc the linker would name an interpreter without this flag.
    flags='-C relocation-model=static'
    builder=cargo
    unstable=
    if has_target || { rustup target add "$target" && has_target; } >/dev/null 2>&1; then
        say "Building for $target with $(rustc --version)." >&2
        [ "$target" = "$(this_machine)" ] || flags="$flags -C linker=rust-lld"
    elif [ "$target" = "$(this_machine)" ] && has_source; then
        say "Building for $target, and the standard library with it, with $(/usr/bin/rustc --version)." >&2
        # The standard library links an unwinder, though nothing unwinds. It is copied, since the
        # other libraries in its directory are not for musl.
        mkdir -p "$source/target/unwinder"
        cp "$UNWINDER" "$source/target/unwinder/"
        flags="$flags -C linker=musl-gcc -C link-self-contained=no -C target-feature=+crt-static"
        builder=/usr/bin/cargo
        unstable='-Z build-std=std,panic_abort'
        export RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc
    else
        found=$(rustc --version 2>/dev/null) || found="no rustc"
        fail "no Rust toolchain here can build for $target ($found on \$PATH, and 1.89 or later is needed)." \
            "Add the target (rustup target add $target), or install, on Debian: $PACKAGES. To use the C library of this machine instead:" \
            "cargo build --release --locked && ./install.sh --binary target/release/proctool"
    fi
    $builder fetch --locked --manifest-path "$source/Cargo.toml" >&2 || fail "the crates could not be fetched"
    # shellcheck disable=SC2086 # lists of words
    CARGO_ENCODED_RUSTFLAGS=$(encoded_flags $flags) $builder build --release --locked --target "$target" \
        --manifest-path "$source/Cargo.toml" --target-dir "$source/target" $unstable >&2 || fail "the build failed"
}

# Prints flags for rustc as cargo reads them, with those that make the binary the same wherever the
# source and the crates are.
encoded_flags() {
    printf '%s\037' "$@"
    for crates in "${CARGO_HOME:-${HOME:-/root}/.cargo}"/registry/src/*; do
        printf -- '--remap-path-prefix=%s=/crates\037' "$crates"
    done
    # Where the source of the standard library is installed, rustc names it by its place.
    printf -- '--remap-path-prefix=%s/lib/rustlib/src/rust=/rustc/%s\037' "$("${RUSTC:-rustc}" --print sysroot)" \
        "$("${RUSTC:-rustc}" -vV | sed -n 's/^commit-hash: //p')"
    printf -- '--remap-path-prefix=%s=/source' "$source"
    [ -z "$unstable" ] || printf -- '\037-L\037native=%s' "$source/target/unwinder"
}

has_target() {
    ls "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/$target/lib"/libstd-*.rlib >/dev/null 2>&1
}

has_source() {
    [ -x /usr/bin/cargo ] && [ -x /usr/bin/rustc ] && command -v musl-gcc >/dev/null && [ -e "$UNWINDER" ] &&
        [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std" ]
}

# Checks that the binary needs nothing of the machine that it runs on.
check_static() {
    readelf --program-headers --dynamic "$binary" >"$work/headers" || fail "cannot read $binary"
    ! grep -q INTERP "$work/headers" || fail "$binary is not static: it has an interpreter"
    ! grep -q NEEDED "$work/headers" || fail "$binary is not static: it needs shared libraries"
    tried="not tried in an empty directory, which takes root or user namespaces"
    enter=chroot
    [ "$(id -u)" = 0 ] || enter='unshare --map-root-user chroot'
    if [ "$target" != "$(this_machine)" ]; then
        tried="not tried: it is for another machine"
    elif $enter / true 2>/dev/null; then
        # Not below /tmp, which is mounted noexec on some machines.
        { empty=$(mktemp -d "$source/target/empty.XXXXXX") && install "$binary" "$empty/proctool"; } ||
            fail "cannot write to $source/target"
        version=$($enter "$empty" /proctool --version) || fail "$binary does not run in an empty directory"
        tried="$version runs in an empty directory"
    fi
    say "Checked: no interpreter, no shared libraries; $tried. Size: $(wc -c <"$binary") bytes." >&2
}

# ---- Files below the prefix ----

# Prints the kind of the file at a path, as the manifest has it; nothing where the path is free.
kind_of() {
    if [ -L "$1" ]; then
        printf -- '-> %s' "$(readlink "$1")"
    elif [ -f "$1" ] && sum=$(sha256sum <"$1" 2>/dev/null); then
        printf '%s' "${sum%% *}"
    elif [ -e "$1" ]; then
        printf 'something else'
    fi
}

# Reports whether a path is free, or has what this script has installed there.
is_ours() {
    present=$(kind_of "$root/$2")
    [ -z "$present" ] || grep -qxF -e "$present$TAB$2" "$work/old"
}

leave() {
    say "install.sh: left alone, since it was changed or is not of this script (to have ours, move it away): $root/$1" >&2
    : >"$work/foreign"
}

# Copies the lines of the manifest to $work/old. Fails if it is cut off, or has a file that is not
# below the prefix.
read_manifest() {
    : >"$work/old"
    [ ! -e "$manifest" ] || [ -f "$manifest" ] || fail "$manifest is no file"
    [ ! -e "$manifest" ] || awk -F '\t' -v end="$END" '
        ended || ($0 != end && NF != 2) { exit 1 }
        $0 == end { ended = 1; next }
        $1 != "directory" && ($2 == "" || $2 ~ /^\// || "/" $2 "/" ~ /\/\.\.?\//) { exit 1 }
        $1 !~ /^(-> .+|directory)$/ && (length($1) != 64 || $1 ~ /[^0-9a-f]/) { exit 1 }
        { print }
        END { if (!ended) exit 1 }' "$manifest" >"$work/old" ||
        fail "$manifest is damaged: repair it, or move it away: then no file that is there counts as proctool's"
}

write_manifest() {
    { sort -u -t "$TAB" -k 2 -k 1 "$@" && say "$END"; } >"$work/manifest" || fail "cannot write to $work"
    put "$work/manifest" "$manifest"
}

# Puts a file or link at a path by rename(2): a program that runs keeps its old file, and an
# interruption leaves either file whole. One that is there already, with its mode and owner, stays.
put() {
    [ "$(kind_of "$1")" != "$(kind_of "$2")" ] || [ "$(stat -c '%a %u' "$1" "$2" | uniq | wc -l)" != 1 ] || return 0
    { new=$(mktemp "${2%/*}/.proctool.XXXXXX") &&
        cp -P --remove-destination --preserve=mode "$1" "$new"; } || fail "cannot write to ${2%/*}"
    mv -fT "$new" "$2"
    new=
}

# Removes what the manifest has at a path, unless it was changed since then.
remove() {
    [ "$1" != directory ] || return 0
    if is_ours "$1" "$2"; then rm -f "$root/$2"; else leave "$2"; fi
}

# Reads lines of the manifest and fails, before anything is changed, if a path cannot be written.
# Prints the lines of the directories that are missing.
check_writable() {
    grep -v '^directory' | cut -f 2 | sed 's,/[^/]*$,,' | sort -u | while IFS= read -r path; do
        directory=$root/$path
        while [ ! -e "$directory" ]; do
            printf 'directory\t%s\n' "$directory"
            directory=$(dirname "$directory")
        done
        [ -d "$directory" ] || fail "$directory is no directory"
        check_trusted "$directory" writes
        [ -w "$directory" ] || fail "cannot write to $directory: try as root, or with another --prefix"
    done
}

# Makes the directories that are missing, or those on the way to this one. Nobody else may have made
# one meanwhile: it could lead elsewhere.
make_directories() {
    sed 's/^directory.//' "$work/missing" | while IFS= read -r directory; do
        case $1/ in
        / | "$directory"/*) mkdir "$directory" || fail "somebody else has made $directory meanwhile: look at it" ;;
        esac
    done
    # The rest is for the second call.
    awk -v way="$1/" 'way != "/" && index(way, substr($0, 11) "/") != 1' "$work/missing" >"$work/rest"
    mv "$work/rest" "$work/missing"
}

# ---- Installing and uninstalling ----

# Makes the files below $stage as they are to be below the prefix, and their lines of the manifest,
# which are the plan.
stage() {
    links=$("$binary" --list-links 2>/dev/null) || links=
    if [ -z "$links" ] || ! "$binary" --version | grep -q '^proctool '; then
        fail "$binary is no proctool that runs here: it may be one for another machine (--build makes one for this)"
    fi
    install -D "$binary" "$stage/bin/proctool"
    for link in $links; do ln -s proctool "$stage/bin/$link"; done
    for page in "$source"/man/*.[1-8]; do
        install -D -m 644 "$page" "$stage/share/man/man${page##*.}/${page##*/}"
    done
    # Shells load the file of a command when it is typed.
    cd "$stage/share"
    mkdir -p bash-completion/completions zsh/site-functions fish/vendor_completions.d
    for name in proctool $links; do
        "$binary" completions bash "$name" >"bash-completion/completions/$name"
        "$binary" completions zsh "$name" >"zsh/site-functions/_$name"
        "$binary" completions fish "$name" >"fish/vendor_completions.d/$name.fish"
    done
    cd "$stage"
    find . ! -type d | sort | cut -c 3- | while IFS= read -r path; do
        printf '%s\t%s\n' "$(kind_of "$path")" "$path"
    done >"$work/plan"
}

# Removes the files that a run which was killed has left behind, below the paths of the manifest.
sweep() {
    grep -v '^directory' | cut -f 2 | sed 's,[^/]*$,,' | sort -u | while IFS= read -r path; do
        rm -f "$root/$path".proctool.??????
    done
}

install_all() {
    if [ -z "$binary" ]; then
        # A build takes minutes.
        printf '\t%s\n' bin/proctool share/proctool/manifest | check_writable >/dev/null
        build
    fi
    stage
    read_manifest
    is_ours "$(kind_of "$stage/bin/proctool")" bin/proctool ||
        fail "$root/bin/proctool was not installed by this script: move it away, or choose another --prefix"
    while IFS=$TAB read -r kind path; do
        if is_ours "$kind" "$path"; then
            printf '%s\t%s\n' "$kind" "$path"
        # The same file of others, such as a package, stays theirs.
        elif [ "$present" != "$kind" ]; then
            leave "$path"
        fi
    done <"$work/plan" >"$work/todo"
    [ -s "$work/todo" ] || fail "there is nothing to install: is the disk full below $work?"
    printf '\tshare/proctool/manifest\n' | cat "$work/todo" - | check_writable >"$work/unsorted"
    # What is above comes first.
    sort -u "$work/unsorted" >"$work/missing"
    # The directories of a package belong to the machine where it is unpacked.
    if [ -z "$destination" ]; then cp "$work/missing" "$work/made"; else : >"$work/made"; fi
    make_directories "$own"
    # An interruption leaves old and new files: until the end the manifest has both.
    write_manifest "$work/old" "$work/todo" "$work/made"
    make_directories ""
    sweep <"$work/plan"
    while IFS=$TAB read -r kind path; do put "$stage/$path" "$root/$path"; done <"$work/todo"
    # An earlier version may have installed more.
    while IFS=$TAB read -r kind path; do
        [ -e "$stage/$path" ] || [ -L "$stage/$path" ] || remove "$kind" "$path"
    done <"$work/old"
    sed -n '/^directory/p' "$work/old" >>"$work/made"
    write_manifest "$work/todo" "$work/made"
    say "Installed below $place: $(wc -l <"$work/todo") files, which $manifest lists."
    [ -z "$destination" ] || return 0
    case :$PATH: in
    *":$prefix/bin:"*) say "Type next: proctool tree, or man proctool." ;;
    *) say "$prefix/bin is not on your \$PATH: add it, then type: proctool tree, or man proctool." ;;
    esac
    case $prefix in
    /usr | '') ;;
    *) say "Cron does not look there: write $prefix/bin/cron-graceful in crontabs, or set PATH in them." ;;
    esac
}

uninstall() {
    [ -e "$manifest" ] || fail "nothing is installed below $place: there is no $manifest"
    read_manifest
    check_writable <"$work/old" >/dev/null
    while IFS=$TAB read -r kind path; do remove "$kind" "$path"; done <"$work/old"
    sweep <"$work/old"
    # The last two are of earlier versions.
    rm -f "$manifest" "$own/directories" "$own/lock"
    # The deepest comes first. One that has files of others stays.
    { say "$prefix/share/proctool" && sed -n 's/^directory.//p' "$work/old"; } | sort -ru | while IFS= read -r directory; do
        rmdir "$destination$directory" 2>/dev/null || true
    done
    say "Removed what was installed below $place."
}

case $action in
install) install_all ;;
build) build && say "$binary" ;;
uninstall) uninstall ;;
esac
[ ! -e "$work/foreign" ] || exit 1
