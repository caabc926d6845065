# A private machine with a real systemd and logind: a throw-away copy of / in memory, booted in namespaces of its own.
# $SCRATCH becomes /mnt, $PROCTOOL becomes /mnt/bin/proctool.
set -e
mount -t tmpfs none /run
mkdir -p /run/box/upper /run/box/work /run/box/root
mount -t overlay overlay -o lowerdir=/,upperdir=/run/box/upper,workdir=/run/box/work /run/box/root
cd /run/box/root
: >etc/machine-id
: >etc/fstab
# Users that only the box has.
for user in pt1:7001 pt2:7002; do
    echo "${user%:*}:x:${user#*:}:${user#*:}::/home/${user%:*}:/bin/sh" >>etc/passwd
    echo "${user%:*}:x:${user#*:}:" >>etc/group
    echo "${user%:*}:*:1::::::" >>etc/shadow
    install -d -o "${user#*:}" -g "${user#*:}" -m 700 "home/${user%:*}"
done
# A user's own systemd listens for whoever wants the message bus, and starts nothing else.
rm -rf etc/systemd/user/*.wants usr/lib/systemd/user/*.wants
mkdir -p etc/systemd/user/sockets.target.wants
ln -s /usr/lib/systemd/user/dbus.socket etc/systemd/user/sockets.target.wants
# It stays when its user has logged out, in case of another login: always, not for ten seconds.
mkdir -p etc/systemd/logind.conf.d
printf '[Login]\nUserStopDelaySec=infinity\n' >etc/systemd/logind.conf.d/box.conf
# No service comes by itself when it is first talked to.
rm -f usr/share/dbus-1/services/*
ln -s proctool "$SCRATCH/bin/with-gui-environment"
ln -s proctool "$SCRATCH/bin/notify-send-headless"
# Nothing is booted but logind and what it needs.
printf '[Unit]\nRequires=dbus.service systemd-logind.service\nAfter=systemd-logind.service\n' >etc/systemd/system/box.target
cd /
exec systemd-nspawn --quiet --register=no --keep-unit --private-network --directory=/run/box/root --console=pipe \
    --bind="$SCRATCH:/mnt" --bind-ro="$PROCTOOL:/mnt/bin/proctool" --boot -- systemd.unit=box.target
