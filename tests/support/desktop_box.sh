# For desktops.
with_users pt1:7001 pt2:7002 pt3:7003
printf 'watch:x:7101:pt1,pt2\nsound:x:7102:pt1\nstaff9:x:7103:root,pt3\n' >>/etc/group
with_loopback
mkdir -m 1777 /tmp/.X11-unix
ln -s proctool /mnt/bin/with-gui-environment
ln -s proctool /mnt/bin/notify-send-headless
: >/mnt/ready
