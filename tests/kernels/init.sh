#!/bin/sh
# The first process of a virtual machine. It mounts the file systems that processes expect, runs
# /opt/command, prints FINISHED and the status, and turns the machine off.
export PATH=/opt/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TZ=UTC
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mount -t tmpfs mnt /mnt
chmod 1777 /tmp
mkdir -p /run/lock
# Messages of the kernel would be in the middle of the output.
dmesg -n 1
# shellcheck disable=SC3045 # the shell is busybox
ulimit -n 4096
setsid sh -c "$(cat /opt/command)" </dev/null 2>&1
echo "FINISHED $?"
poweroff -f
