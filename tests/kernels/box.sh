#!/bin/sh
# box.sh make PROGRAM DIRECTORY: makes DIRECTORY/root.cpio, the root file system of a virtual machine:
# the program and its links, busybox, bash, python3, cron, apache2, and tests/kernels/ and tests/support/.
# box.sh boot KERNEL ROOT.CPIO CONSOLE SECONDS COMMAND: boots a machine with it, without disk and
# network, and runs the command there. The output of the machine goes to the file CONSOLE. Ends with
# the status of the command, or with 124 if there is none after so many seconds.
#
# qemu translates, without hardware acceleration: a boot takes four seconds, and all machines behave
# the same. The kernel's mitigations are off, since system calls would be three times as slow.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

# Copies a file and the libraries that it needs. Symbolic links to directories become directories.
take() {
    mkdir -p "$root$(dirname "$1")"
    cp -L "$1" "$root$1"
    for library in $(ldd "$1" 2>/dev/null | grep -o '/[^ ]*\.so[^ ]*'); do
        mkdir -p "$root$(dirname "$library")"
        [ -e "$root$library" ] || cp -L "$library" "$root$library"
    done
}

take_python() {
    python=$(readlink -f /usr/bin/python3)
    take "$python"
    ln -s "$python" "$root/usr/bin/python3"
    library=/usr/lib/${python##*/}
    mkdir -p "$root$library"
    (cd "$library" && tar -cf - --exclude=test --exclude=tests --exclude=idlelib \
        --exclude=ensurepip --exclude=lib2to3 --exclude=pydoc_data --exclude=distutils \
        --exclude=unittest --exclude=asyncio --exclude='config-*' .) |
        tar -xf - -C "$root$library"
    for extension in "$library"/lib-dynload/_ctypes.*; do take "$extension"; done
}

# Copies cron, and a configuration of PAM that allows every user to have jobs.
take_cron() {
    [ -x /usr/sbin/cron ] || return 0
    take /usr/sbin/cron
    for module in /usr/lib/*/security/pam_permit.so /lib/*/security/pam_permit.so; do
        [ ! -e "$module" ] || take "$module"
    done
    mkdir -p "$root/etc/pam.d" "$root/etc/cron.d" "$root/var/spool/cron/crontabs"
    for kind in auth account session; do echo "$kind required pam_permit.so"; done >"$root/etc/pam.d/cron"
}

take_apache() {
    [ -x /usr/sbin/apache2 ] || return 0
    take /usr/sbin/apache2
    take /usr/lib/apache2/modules/mod_mpm_prefork.so
}

make() {
    program=$1
    root=$2/root
    rm -rf "$root"
    mkdir -p "$root/bin" "$root/dev" "$root/etc" "$root/mnt" "$root/opt/bin" "$root/proc" "$root/root" "$root/run" \
        "$root/sbin" "$root/sys" "$root/tmp" "$root/usr/bin" "$root/usr/sbin" "$root/var"
    ln -s /run "$root/var/run"
    take "$(command -v busybox)"
    mv "$root$(command -v busybox)" "$root/bin/busybox"
    for applet in $("$root/bin/busybox" --list | grep -vx busybox); do ln -s busybox "$root/bin/$applet"; done
    for name in bash unshare setpriv; do take "/usr/bin/$name"; done
    ln -sf /usr/bin/unshare /usr/bin/setpriv "$root/bin/"
    take_python
    take_cron
    take_apache
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$root/etc/passwd"
    printf 'root:x:0:\ncrontab:x:101:\nnogroup:x:65534:\n' >"$root/etc/group"
    cp "$program" "$root/opt/bin/proctool"
    for link in $("$program" --list-links); do ln -s proctool "$root/opt/bin/$link"; done
    cp -r "$here/../kernels" "$here/../support" "$root/opt/"
    install -m 755 "$here/init.sh" "$root/init"
    (cd "$root" && find . | busybox cpio -o -H newc) >"$2/root.cpio" 2>/dev/null
    rm -rf "$root"
}

# Boots a machine. The kernel unpacks several archives one after another, and the last one has the
# command.
boot() {
    work=$(mktemp -d)
    machine=
    trap 'rm -rf "$work"; [ -z "$machine" ] || kill "$machine" 2>/dev/null' EXIT
    trap 'exit 1' HUP INT TERM
    mkdir -p "$work/own/opt"
    echo "$5" >"$work/own/opt/command"
    cp "$2" "$work/root.cpio"
    (cd "$work/own" && find opt/command | busybox cpio -o -H newc) >>"$work/root.cpio" 2>/dev/null
    timeout -k 5 "$4" qemu-system-x86_64 -machine pc -cpu qemu64,+rdrand -accel tcg,thread=multi -smp 2 -m 1024 \
        -nodefaults -no-user-config -display none -serial "file:$3" -no-reboot -kernel "$1" -initrd "$work/root.cpio" \
        -append 'console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on' </dev/null &
    machine=$!
    # A signal interrupts this wait, but it would not interrupt waiting for a foreground command.
    wait "$machine" || true
    machine=
    status=$(tr -d '\r' <"$3" | sed -n 's/^FINISHED //p' | tail -n 1)
    return "${status:-124}"
}

"$@"
