#!/bin/sh
# cargo.sh: installs the binary with cargo, from this directory and from a repository of git, and adds
# to it what cargo leaves out, as README says.
set -eu
fail() { echo "cargo.sh: $*" >&2; exit 1; }
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# A debug build takes seconds, and is the same for cargo.
cargo install --quiet --debug --locked --path . --root "$work/path"
mkdir "$work/source"
git ls-files -z | xargs -0 cp --parents -t "$work/source"
(
    cd "$work/source"
    git init --quiet .
    git add .
    git -c user.name=test -c user.email=test@localhost commit --quiet --message test
)
CARGO_TARGET_DIR=$PWD/target cargo install --quiet --debug --locked --git "file://$work/source" --root "$work/git"
for root in "$work/path" "$work/git"; do
    [ "$(ls "$root/bin")" = proctool ] || fail "cargo has installed others than proctool: $(ls "$root/bin")"
    "$root/bin/proctool" tree >/dev/null
    DESTDIR=$root/all ./install.sh --binary "$root/bin/proctool" >/dev/null
    "$root/all/usr/local/bin/cron-graceful" --version
    [ -e "$root/all/usr/local/share/man/man8/cron-graceful.8" ] || fail "there is no man page"
done
