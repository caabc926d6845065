# A private machine with a real systemd and Debian's cron.service: a throw-away copy of / in memory, booted in
# namespaces of its own. $SCRATCH becomes /mnt, $PROCTOOL becomes /mnt/bin/cron-graceful.
set -e
mount -t tmpfs none /run
mkdir -p /run/box/upper /run/box/work /run/box/root
mount -t overlay overlay -o lowerdir=/,upperdir=/run/box/upper,workdir=/run/box/work /run/box/root
cd /run/box/root
: >etc/machine-id
: >etc/fstab
: >etc/crontab
find etc/cron.d -type f -delete
find var/spool/cron -type f -delete 2>/dev/null || true
# Nothing is booted but cron and what it needs.
printf '[Unit]\nRequires=cron.service\nAfter=cron.service\n' >etc/systemd/system/box.target
rm -f etc/systemd/system/cron.service
cd /
exec systemd-nspawn --quiet --register=no --keep-unit --private-network --directory=/run/box/root --console=pipe \
    --bind="$SCRATCH:/mnt" --bind-ro="$PROCTOOL:/mnt/bin/cron-graceful" --boot -- systemd.unit=box.target
