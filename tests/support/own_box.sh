# A private place: nothing in it can meet the machine's own. Runs as the first thing in namespaces of its own; $SCRATCH
# becomes /mnt, $PROCTOOL becomes /mnt/bin/proctool, and what is written to /etc is the box's. What makes it a box of some
# kind follows, then what it runs.
set -e
mount -t tmpfs -o mode=755 none /run
mkdir -p /run/lock /run/user
mount -t tmpfs none /dev/shm
[ ! -S /dev/log ] || mount --bind /dev/null /dev/log
mkdir -p /run/etc /run/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc,workdir=/run/work /etc
# Both before /mnt or anything else is covered: they may be anywhere.
exec 3<"$SCRATCH" 4<"$PROCTOOL"
mount --bind /proc/self/fd/4 "$SCRATCH/bin/proctool"
mount --rbind /proc/self/fd/3 /mnt
exec 3<&- 4<&-
cd /
umask 022
# Homes of its own, with a user in each: NAME:UID.
with_users() {
    mount -t tmpfs -o mode=755 none /home
    mount -t tmpfs -o mode=700 none /root
    mount -t tmpfs -o mode=1777 none /tmp
    for user; do
        echo "${user%:*}:x:${user#*:}:${user#*:}::/home/${user%:*}:/bin/sh" >>/etc/passwd
        echo "${user%:*}:x:${user#*:}:" >>/etc/group
        install -d -o "${user#*:}" -g "${user#*:}" -m 700 "/home/${user%:*}"
    done
}
# Its loopback device, for servers of this machine only.
with_loopback() {
    python3 -c 'import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14x", b"lo", 0x41))'
}
