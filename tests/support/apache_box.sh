# A private place for web servers: nothing in it can meet the machine's own. Runs as the first thing in namespaces of
# its own; $SCRATCH becomes /mnt, $PROCTOOL becomes /mnt/bin/proctool. What the box runs follows.
set -e
mount -t tmpfs -o mode=755 none /run
mkdir -p /run/lock /run/user
mount -t tmpfs none /dev/shm
[ ! -S /dev/log ] || mount --bind /dev/null /dev/log
# Configuration that a test replaces, and the default of Apache.
mkdir -p /run/etc /run/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc,workdir=/run/work /etc
python3 -c 'import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14x", b"lo", 0x41))'
# Both before /mnt is covered: they may be anywhere.
exec 3<"$SCRATCH" 4<"$PROCTOOL"
mount --bind /proc/self/fd/4 "$SCRATCH/bin/proctool"
mount --rbind /proc/self/fd/3 /mnt
exec 3<&- 4<&-
ln -s proctool /mnt/bin/apache-mem
umask 022
cd /
: >/mnt/ready
