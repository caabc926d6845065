# A private place for desktops: nothing in it can meet the machine's own, nor its users. Runs as the first thing in
# namespaces of its own; $SCRATCH becomes /mnt, $PROCTOOL becomes /mnt/bin/proctool. What the box runs follows.
set -e
mount -t tmpfs -o mode=755 none /run
mkdir -p /run/lock /run/user
mount -t tmpfs none /dev/shm
[ ! -S /dev/log ] || mount --bind /dev/null /dev/log
# Users that only the box has, and groups of theirs.
mkdir -p /run/etc /run/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc,workdir=/run/work /etc
for user in pt1:7001 pt2:7002 pt3:7003; do
    echo "${user%:*}:x:${user#*:}:${user#*:}::/home/${user%:*}:/bin/sh" >>/etc/passwd
    echo "${user%:*}:x:${user#*:}:" >>/etc/group
done
printf 'watch:x:7101:pt1,pt2\nsound:x:7102:pt1\nstaff9:x:7103:root,pt3\n' >>/etc/group
# Servers of this machine only, if anybody asks for one.
python3 -c 'import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14x", b"lo", 0x41))'
# All before /mnt and /tmp are covered: they may be anywhere.
exec 3<"$SCRATCH" 4<"$PROCTOOL"
mount --bind /proc/self/fd/4 "$SCRATCH/bin/proctool"
mount --rbind /proc/self/fd/3 /mnt
exec 3<&- 4<&-
cd /
mount -t tmpfs -o mode=755 none /home
mount -t tmpfs -o mode=700 none /root
mount -t tmpfs -o mode=1777 none /tmp
mkdir -m 1777 /tmp/.X11-unix
for uid in 7001 7002 7003; do
    install -d -o $uid -g $uid -m 700 /home/pt${uid#700}
done
umask 022
ln -s proctool /mnt/bin/with-gui-environment
ln -s proctool /mnt/bin/notify-send-headless
: >/mnt/ready
