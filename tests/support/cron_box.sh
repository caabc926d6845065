# A private place for cron daemons: nothing in it can meet the machine's own. Runs as the first thing in namespaces of
# its own; $SCRATCH becomes /mnt, $PROCTOOL becomes /mnt/bin/cron-graceful. What the box runs follows.
set -e
mount -t tmpfs none /run
mkdir -p /run/lock /run/user
mount -t tmpfs none /dev/shm
# Nobody's jobs, and no messages to the machine's log.
mount -t tmpfs none /etc/cron.d
: >/run/crontab
mount --bind /run/crontab /etc/crontab
mount -t tmpfs -o mode=755 none /var/spool/cron
install -d -o root -g crontab -m 1730 /var/spool/cron/crontabs
[ ! -S /dev/log ] || mount --bind /dev/null /dev/log
# Programs that a test replaces.
mkdir -p /run/sbin /run/work
mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=/run/sbin,workdir=/run/work /usr/sbin
# Both before /mnt is covered: they may be anywhere.
exec 3<"$SCRATCH" 4<"$PROCTOOL"
mount --bind /proc/self/fd/4 "$SCRATCH/bin/cron-graceful"
mount --rbind /proc/self/fd/3 /mnt
exec 3<&- 4<&-
cd /
: >/mnt/ready
