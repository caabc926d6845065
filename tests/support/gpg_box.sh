# A private place for gpg-agents: nothing in it can meet the machine's own, nor its users. Runs as the first thing in
# namespaces of its own; $SCRATCH becomes /mnt, $PROCTOOL becomes /mnt/bin/proctool. What the box runs follows.
set -e
mount -t tmpfs -o mode=755 none /run
mkdir -p /run/lock /run/user
mount -t tmpfs none /dev/shm
[ ! -S /dev/log ] || mount --bind /dev/null /dev/log
# Users that only the box has.
mkdir -p /run/etc /run/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc,workdir=/run/work /etc
for user in pt1:7001 pt2:7002; do
    echo "${user%:*}:x:${user#*:}:${user#*:}::/home/${user%:*}:/bin/sh" >>/etc/passwd
done
# All before /mnt and /tmp are covered: they may be anywhere.
exec 3<"$SCRATCH" 4<"$PROCTOOL"
mount --bind /proc/self/fd/4 "$SCRATCH/bin/proctool"
mount --rbind /proc/self/fd/3 /mnt
exec 3<&- 4<&-
cd /
mount -t tmpfs -o mode=755 none /home
mount -t tmpfs -o mode=700 none /root
mount -t tmpfs -o mode=1777 none /tmp
install -d -o 7001 -g 7001 -m 700 /home/pt1
install -d -o 7002 -g 7002 -m 700 /home/pt2
umask 022
ln -s proctool /mnt/bin/with-gpg-agent
: >/mnt/ready
