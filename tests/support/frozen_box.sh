# A private place with a file system that is frozen, and processes that wait for it: frozen_box.sh SCRIPT. Runs as the
# first thing in a mount namespace of its own; SCRIPT runs in a pid namespace too, with the functions below.
set -e
mount -t tmpfs none /mnt
mkdir /mnt/files
truncate -s 16M /mnt/image
mkfs.ext4 -q /mnt/image
mount -o loop /mnt/image /mnt/files 2>/dev/null || exit 77
# Whatever becomes of the test, nobody waits for ever: not even KILL ends who waits for a frozen file system.
setsid sh -c 'sleep 100; fsfreeze -u /mnt/files' >/dev/null 2>&1 </dev/null &
watch=$!
status=0
unshare --pid --fork --kill-child --mount-proc bash -c '
# Freeze it, and wait until the processes that have shown these signs hold up who reads their arguments.
freeze() {
    sync -f /mnt/files
    fsfreeze -f /mnt/files
    for sign; do
        : >"$sign.frozen"
        while timeout 0.1 cat "/proc/$(cat "$sign")/cmdline" >/dev/null; do sleep 0.02; done
    done
}
appears() {
    until [ -s "$1" ]; do sleep 0.02; done
}
# Start a process that will hold up others: it shows the sign.
lock() {
    python3 -I -S "$SUPPORT/memory_lock.py" "/mnt/files/$1" "/mnt/$1" &
    appears "/mnt/$1"
}
thaw() {
    fsfreeze -u /mnt/files 2>/dev/null
}
# The status of a command that must not hang, behind its first words.
tries() {
    timeout -s KILL 30 "$@" >>/mnt/out 2>&1
    status=$?
    shift
    echo "$*: $status"
}
state() {
    sed "s/.*) //; s/ .*//" "/proc/$1/stat"
}
# Cron daemons that run nothing of the machine, with this job at their start.
cron_with() {
    mount -t tmpfs none /run
    mkdir -p /run/lock
    mount -t tmpfs none /etc/cron.d
    mount -t tmpfs -o mode=755 none /var/spool/cron
    install -d -g crontab -m 1730 /var/spool/cron/crontabs
    echo "@reboot root $1" >/run/crontab
    mount --bind /run/crontab /etc/crontab
    cron -f &
    cron=$!
}
trap thaw EXIT
'"$1" || status=$?
fsfreeze -u /mnt/files 2>/dev/null || true
kill -- "-$watch" 2>/dev/null || true
umount -l /mnt/files
exit "$status"
