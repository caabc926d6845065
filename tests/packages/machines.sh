#!/bin/sh
# machines.sh: compiles for the machines that Rust knows with musl and for which there are no packages.
# rustup has no standard library for some of them, so that it is compiled too.
set -eu
cd "$(dirname "$0")/../.."
source=$(rustc --print sysroot)/lib/rustlib/src/rust/library/std
if [ ! -d "$source" ] && ! rustup component add rust-src >/dev/null 2>&1; then
    echo "machines: there is no source of the standard library" >>"${PROCTOOL_SKIPPED:-/dev/stderr}"
    exit
fi
export RUSTC_BOOTSTRAP=1
for target in i686-unknown-linux-musl armv7-unknown-linux-musleabihf riscv64gc-unknown-linux-musl \
    powerpc64le-unknown-linux-musl s390x-unknown-linux-musl; do
    cargo check --quiet --locked --target "$target" -Z build-std=std,panic_abort
    echo "It compiles for $target."
done
