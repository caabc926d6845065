#!/bin/sh
# box.sh make ARCHITECTURE PROGRAM LINKS DIRECTORY: makes DIRECTORY/root.cpio, the root file system of a
# virtual machine, amd64 or arm64: the program and its links, busybox, bash, python3, cron, apache2, and
# tests/kernels/ and tests/support/. For amd64 they are those of this machine, for arm64 Debian's.
# box.sh boot ARCHITECTURE KERNEL ROOT.CPIO CONSOLE SECONDS COMMAND: boots a machine with it, without disk
# and network, and runs the command there. The output of the machine goes to the file CONSOLE. Ends
# with the status of the command, or with 124 if there is none after so many seconds.
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

# Copies programs of this machine.
take_programs() {
    mkdir -p "$root/bin" "$root/usr/bin" "$root/usr/sbin"
    take "$(command -v busybox)"
    mv "$root$(command -v busybox)" "$root/bin/busybox"
    for name in bash unshare setpriv; do take "/usr/bin/$name"; done
    take_python
    if [ -x /usr/sbin/cron ]; then
        take /usr/sbin/cron
        for module in /usr/lib/*/security/pam_permit.so /lib/*/security/pam_permit.so; do
            [ ! -e "$module" ] || take "$module"
        done
    fi
    if [ -x /usr/sbin/apache2 ]; then
        take /usr/sbin/apache2
        take /usr/lib/apache2/modules/mod_mpm_prefork.so
    fi
}

# Unpacks packages of another architecture. Nothing of them runs here.
unpack_programs() {
    suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    mmdebstrap --quiet --variant=extract --architectures="$1" \
        --include=busybox-static,bash,util-linux,python3-minimal,libpython3-stdlib,cron,apache2-bin "$suite" "$root"
    rm -rf "$root/etc/pam.d" "${root:?}"/usr/share/* "$root"/usr/lib/*/perl* "$root"/usr/lib/*/gconv
}

make() {
    program=$2
    root=$4/root
    rm -rf "$root"
    case $1 in
    amd64) take_programs ;;
    *) unpack_programs "$1" ;;
    esac
    for name in bin dev etc mnt opt/bin proc root run sbin sys tmp var; do mkdir -p "$root/$name"; done
    rm -rf "$root/var/run"
    ln -s /run "$root/var/run"
    for applet in $(busybox --list); do
        [ -n "$(find "$root/bin" "$root/sbin" "$root/usr/bin" "$root/usr/sbin" -name "$applet" -print -quit)" ] ||
            ln -s busybox "$root/bin/$applet"
    done
    ln -sf /usr/bin/unshare /usr/bin/setpriv "$root/bin/"
    # PAM lets every user have jobs.
    mkdir -p "$root/etc/pam.d" "$root/etc/cron.d" "$root/var/spool/cron/crontabs"
    for kind in auth account session; do echo "$kind required pam_permit.so"; done >"$root/etc/pam.d/cron"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$root/etc/passwd"
    printf 'root:x:0:\ncrontab:x:101:\nnogroup:x:65534:\n' >"$root/etc/group"
    cp "$program" "$root/opt/bin/proctool"
    for link in $3; do ln -s proctool "$root/opt/bin/$link"; done
    cp -r "$here/../kernels" "$here/../support" "$root/opt/"
    install -m 755 "$here/init.sh" "$root/init"
    (cd "$root" && find . | busybox cpio -o -H newc) >"$4/root.cpio" 2>/dev/null
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
    echo "$6" >"$work/own/opt/command"
    cp "$3" "$work/root.cpio"
    (cd "$work/own" && find opt/command | busybox cpio -o -H newc) >>"$work/root.cpio" 2>/dev/null
    case $1 in
    amd64) set -- "$@" ttyS0 qemu-system-x86_64 -machine pc -cpu qemu64,+rdrand -m 1024 ;;
    arm64) set -- "$@" ttyAMA0 qemu-system-aarch64 -machine virt -cpu cortex-a72 -m 2048 ;;
    esac
    kernel=$2 console=$4 seconds=$5 terminal=$7
    shift 7
    timeout -k 5 "$seconds" "$@" -accel tcg,thread=multi -smp 2 -nodefaults -no-user-config -display none \
        -serial "file:$console" -no-reboot -kernel "$kernel" -initrd "$work/root.cpio" \
        -append "console=$terminal quiet panic=-1 mitigations=off random.trust_cpu=on" </dev/null &
    machine=$!
    # A signal interrupts this wait, but it would not interrupt waiting for a foreground command.
    wait "$machine" || true
    machine=
    status=$(tr -d '\r' <"$console" | sed -n 's/^FINISHED //p' | tail -n 1)
    return "${status:-124}"
}

"$@"
