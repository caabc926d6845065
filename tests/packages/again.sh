#!/bin/sh
# again.sh DIRECTORY: makes the files of a release for this machine again, elsewhere, on another day, with
# other permissions and in another time zone, and compares them with those in the directory.
set -eu
first=$(realpath "$1")
cd "$(dirname "$0")/../.."
# Not below /tmp: cargo reads files of the directories above.
work=$(mktemp -d -p /var/lib)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
there="$work/another place"
mkdir "$there" "$work/cargo"
git ls-files -z | xargs -0 cp --parents -t "$there"
# The crates are the same, and nothing is fetched with the clock of another day.
cp -r "${CARGO_HOME:-$HOME/.cargo}/registry" "$work/cargo/"

# libfaketime does not go with the allocator of rustc.
cc -shared -fPIC -O -x c -o "$work/clock.so" - <<'END'
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int status = syscall(SYS_clock_gettime, clock, now);
    if (status == 0 && clock == CLOCK_REALTIME) now->tv_sec += 40 * 24 * 3600;
    return status;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    int status = clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return status;
}

time_t time(time_t *now) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now) *now = precise.tv_sec;
    return precise.tv_sec;
}
END
day=$(date +%j)
(
    export LD_PRELOAD="$work/clock.so" CARGO_HOME="$work/cargo" CARGO_NET_OFFLINE=true TZ=Asia/Tokyo LC_ALL=C
    [ "$(date +%j)" != "$day" ] || { echo "again.sh: the clock is not another one" >&2 && exit 1; }
    umask 077
    "$there/.ci/release" "$work/release" >"$work/log" 2>&1 || { cat "$work/log" && exit 1; }
)
(cd "$work/release" && find . -type f ! -name SHA256SUMS) | while read -r file; do
    cmp "$first/$file" "$work/release/$file"
    echo "Made again, byte for byte: $file"
done
