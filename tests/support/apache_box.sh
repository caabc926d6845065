# For web servers.
with_loopback
ln -s proctool /mnt/bin/apache-mem
: >/mnt/ready
