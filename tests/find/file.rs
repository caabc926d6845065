//! Conditions on the files that a process holds, beside fuser(1) and lsof(8).

use super::*;
use crate::support::place::missing;

/// A directory in memory, and functions: `hold NAME COMMAND` starts a process that holds something
/// and waits until it does; `who COMMAND` prints the names of the processes that a command lists;
/// `both OPTION PATH` compares the answer with that
/// of fuser or lsof.
const BOX: &str = r#"
mount -t tmpfs none /mnt && cd /mnt || exit 77
chmod 777 /mnt
declare -A names
hold() {
    rm -f ready
    "${@:2}" 9>ready 2>/mnt/errors & names[$!]=$1
    until [ -s ready ]; do kill -0 $! || exit 77; sleep 0.02; done
}
who() { for pid in $("$@" 2>>errors); do echo "${names[$pid]-}"; done | sort | xargs; }
both() {
    ours=$(who "$P" find "$@")
    # fuser of psmisc 23.6 misses some open files; lsof takes a mount point for all of its file system.
    if [ "$1" = --mount ]; then theirs=$(who fuser -m "$2")
    elif [ -d "$2" ]; then theirs=$(who fuser "$2")
    else theirs=$(who lsof -t -- "$2")
    fi
    echo "$* $ours"
    [ "$ours" = "$theirs" ] || echo "others: $theirs"
}
# Says that it is ready, and stays.
READY='echo >&9; exec 9>&-; exec sleep 1000'
"#;

/// Runs a script in a box of its own; `None` where none can be made.
fn in_box(script: &str) -> Option<Outcome> {
    missing(&["fuser", "lsof", "python3"]).ok()?;
    let mut command = namespace::script(&format!("{BOX}{script}\nexit 0"))?;
    command.env("SUPPORT", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support"));
    Some(finish(command)).filter(|outcome| outcome.code() != 77)
}

const NO_BOX: &str = "it takes fuser, lsof, python3 and private namespaces";

/// Checks that the script printed these lines.
#[track_caller]
fn prints(script: &str, lines: &[&str]) {
    let Some(outcome) = in_box(script) else { skip!(NO_BOX) };
    let outcome = outcome.exits(0);
    assert_eq!(outcome.lines(), lines, "{}", outcome.report());
}

#[test]
fn a_file_is_the_same_by_every_name_and_in_every_mount_namespace() {
    prints(
        r#"
        echo x >f; ln f hard; ln -s f soft; mkdir d bound other; echo y >d/g
        mount --bind d bound
        hold open bash -c "exec 3<f; $READY"
        hold bound bash -c "exec 3<bound/g; $READY"
        hold inside bash -c "cd d; $READY"
        hold elsewhere unshare -m bash -c "mount --bind d other; exec 3<other/g; $READY"
        hold same-path unshare -m bash -c "mount -t tmpfs none d; echo z >d/g; exec 3<d/g; $READY"
        for path in f ./hard /mnt/soft d d/ ../mnt/bound bound/g /mnt/d/g; do both --file "$path"; done
        "$P" kill --dry-run --file d | sed "s/^[0-9]* //"
        "$P" tree --file d | sed "s/[0-9]*//g"
        "$P" terminate --dry-run --file f --file d | wc -l
        "#,
        &[
            "--file f open",
            "--file ./hard open",
            "--file /mnt/soft open",
            "--file d inside",
            "--file d/ inside",
            "--file ../mnt/bound inside",
            "--file bound/g bound elsewhere",
            "--file /mnt/d/g bound elsewhere",
            "sleep: would get KILL",
            "sleep()",
            "2",
        ],
    );
}

#[test]
fn what_is_run_mapped_or_a_root_directory_is_held() {
    prints(
        r#"
        cp "$(command -v sleep)" tool; mkdir -p root/bin; head -c 8192 /dev/zero >mapped
        hold run bash -c "echo >&9; exec ./tool 1000"
        until [ "$(readlink "/proc/$!/exe")" = /mnt/tool ]; do sleep 0.02; done
        hold mapped python3 -c 'if 1:
            import mmap, os, time
            file = os.open("mapped", os.O_RDONLY)
            memory = mmap.mmap(file, 4096, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE)
            os.close(file)
            os.write(9, b".")
            time.sleep(1000)'
        hold rooted python3 -c 'if 1:
            import os, time
            os.chroot("root"); os.chdir("/bin"); os.write(9, b"."); time.sleep(1000)'
        for path in tool mapped root root/bin; do both --file "$path"; done
        "#,
        &[
            "--file tool run",
            "--file mapped mapped",
            "--file root rooted",
            "--file root/bin rooted",
        ],
    );
}

#[test]
fn devices_and_pipes_are_found_in_whatever_directory_they_are() {
    prints(
        r#"
        mkfifo fifo
        hold fifo bash -c "exec 3<>fifo; $READY"
        hold zero bash -c "exec 3</dev/zero; $READY"
        zero=$!
        hold pipe bash -c "exec 3< <(exec sleep 1000); $READY"
        pipe=$!
        both --file fifo
        # The other end of a pipe, by either end.
        "$P" find --file /proc/$pipe/fd/3 | wc -l
        both --file /dev/zero
        "$P" show --json --fields files "$zero" | jq -c '.[0].files[] | select(.fd == 3)'
        "#,
        &[
            "--file fifo fifo",
            "2",
            "--file /dev/zero zero",
            r#"{"fd":3,"mode":"r","path":"/dev/zero","deleted":false}"#,
        ],
    );
}

#[test]
fn a_unix_socket_is_held_by_those_who_are_bound_to_its_file() {
    prints(
        r#"
        mkdir run; ln -s run var
        for kind in STREAM DGRAM; do
            hold $kind python3 -c 'if 1:
                import os, socket, sys, time
                os.chdir("var")
                bound = socket.socket(socket.AF_UNIX, getattr(socket, "SOCK_" + sys.argv[1]))
                bound.bind(sys.argv[1])
                if sys.argv[1] == "STREAM": bound.listen()
                os.chdir("/")
                os.write(9, b".")
                time.sleep(1000)' $kind
        done
        mv run/DGRAM run/moved
        "$P" find --file run/STREAM >/dev/null 2>errors || { cat errors; exit 77; }
        for path in run/STREAM var/STREAM run/moved; do who "$P" find --file $path; done
        "#,
        &["STREAM", "STREAM", "DGRAM"],
    );
}

/// Its devices differ in stat(2) and in the memory map, and a snapshot has the same inodes.
#[test]
fn subvolumes_of_btrfs_are_told_apart() {
    let script = r#"
        command -v mkfs.btrfs >/dev/null || exit 77
        mkdir all; truncate -s 300M image
        mkfs.btrfs -q image >/dev/null 2>&1 && mount -o loop image all || exit 77
        btrfs -q subvolume create all/sub; head -c 8192 /dev/zero >all/sub/file
        btrfs -q subvolume snapshot all/sub all/snap
        map='if 1:
            import mmap, os, sys, time
            file = os.open(sys.argv[1], os.O_RDONLY)
            memory = mmap.mmap(file, 4096, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE)
            os.close(file)
            os.write(9, b".")
            time.sleep(1000)'
        hold sub python3 -c "$map" all/sub/file
        hold snap python3 -c "$map" all/snap/file
        hold user setpriv --reuid 65534 --clear-groups /usr/bin/python3 -c "$map" all/sub/file
        both --file all/sub/file; both --file all/snap/file
        # fuser finds only what is on the same subvolume.
        for path in all all/sub all/snap/file; do who "$P" find --mount $path; done
        cp "$P" proctool; chmod 755 proctool
        for path in all/sub/file all/snap/file; do
            who setpriv --reuid 65534 --clear-groups ./proctool find --file $path
        done
        who "$P" find --mount "$(losetup --noheadings --output NAME --associated image)"
        kill "${!names[@]}"; wait; umount all
        "#;
    let Some(outcome) = in_box(script) else { skip!("no btrfs can be made and mounted here") };
    assert_eq!(
        outcome.exits(0).lines(),
        [
            "--file all/sub/file sub user",
            "--file all/snap/file snap",
            "snap sub user",
            "snap sub user",
            "snap sub user",
            "user",
            "",
            "snap sub user",
        ]
    );
}

#[test]
fn a_removed_file_is_found_by_its_old_name() {
    prints(
        r#"
        echo old >log; echo x >'gone (deleted)'; mkdir dir
        hold old bash -c "exec 3<log; $READY"
        hold namesake bash -c "exec 3<'gone (deleted)'; $READY"
        hold removed bash -c "cd dir; $READY"
        hold hard bash -c "echo >one; ln one two; exec 3<one; rm one; $READY"
        rmdir dir
        mv log log.1; both --file log.1
        who "$P" find --file log; rm log.1; echo new >log
        hold new bash -c "exec 3<log; $READY"
        for path in log log.1 dir one two 'gone (deleted)'; do echo "$path: $(who "$P" find --file "$path")"; done
        exec 2>&1
        "$P" find --file gone; echo $?
        "$P" find --file nowhere/log; echo $?
        "$P" find --file log --file gone; echo $?
        "#,
        &[
            "--file log.1 old",
            "",
            "log: new",
            "log.1: old",
            "dir: removed",
            "one: hard",
            "two: hard",
            "gone (deleted): namesake",
            "proctool find: --file 'gone': there is no such file, and no process holds a removed one of this name",
            "1",
            "proctool find: --file 'nowhere/log': there is no such file, and no process holds a removed one of this name",
            "1",
            "proctool find: --file 'gone': there is no such file, and no process holds a removed one of this name",
            "1",
        ],
    );
}

#[test]
fn names_are_bytes() {
    prints(
        r#"
        name=$'new\nline \xff (deleted)'
        head -c 4096 /dev/zero >"$name"
        hold open bash -c 'exec 3<"$0"; echo >&9; exec sleep 1000' "$name"
        hold mapped python3 -c 'if 1:
            import mmap, os, sys, time
            file = os.open(os.fsencode(sys.argv[1]), os.O_RDONLY)
            memory = mmap.mmap(file, 4096, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE)
            os.close(file)
            os.write(9, b".")
            time.sleep(1000)' "$name"
        who "$P" find --file "$name"; who fuser "$name"
        rm "$name"
        who "$P" find --file "$name"
        "#,
        &["mapped open", "mapped open", "mapped open"],
    );
}

#[test]
fn a_file_system_is_that_of_fuser() {
    prints(
        r#"
        mkdir one two there; mount -t tmpfs none one; mount -t tmpfs none two
        mkdir one/dir; head -c 8192 /dev/zero >one/file
        mount --bind one/dir there
        hold open bash -c "exec 3<one/file; $READY"
        hold bound bash -c "cd there; $READY"
        hold other bash -c "exec 3>two/file; $READY"
        hold elsewhere unshare -m bash -c "umount there; cd one/dir; $READY"
        hold mapped python3 -c 'if 1:
            import mmap, os, time
            file = os.open("one/file", os.O_RDONLY)
            memory = mmap.mmap(file, 4096, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE)
            os.close(file)
            os.write(9, b".")
            time.sleep(1000)'
        for path in one two; do both --mount "$path"; done
        for path in one/ one/file /mnt/one/dir there; do who "$P" find --mount "$path"; done
        "$P" suspend --dry-run --mount two | wc -l
        "$P" find --mount nowhere 2>&1; echo $?
        umount -l one; who "$P" find --mount there
        "#,
        &[
            "--mount one bound elsewhere mapped open",
            "--mount two other",
            "bound elsewhere mapped open",
            "bound elsewhere mapped open",
            "bound elsewhere mapped open",
            "bound elsewhere mapped open",
            "1",
            "proctool find: --mount 'nowhere': there is no such file or directory",
            "1",
            "bound elsewhere mapped open",
        ],
    );
}

#[test]
fn files_of_an_overlay_are_those_that_one_sees() {
    let script = r#"
        mkdir low up work all; cp "$(command -v sleep)" low/tool; echo x >low/file
        mount -t overlay overlay -o lowerdir=low,upperdir=up,workdir=work all || exit 77
        hold run bash -c "echo >&9; exec all/tool 1000"
        until [ "$(readlink "/proc/$!/exe")" = /mnt/all/tool ]; do sleep 0.02; done
        hold open bash -c "exec 3<all/file; $READY"
        hold below bash -c "exec 3<low/file; $READY"
        both --file all/tool; both --file all/file; both --file low/file; both --mount all
        "#;
    let Some(outcome) = in_box(script) else { skip!("no overlay can be mounted here") };
    assert_eq!(
        outcome.exits(0).lines(),
        [
            "--file all/tool run",
            "--file all/file open",
            "--file low/file below",
            "--mount all open run",
        ]
    );
}

#[test]
fn programs_on_removed_files_are_found_and_memory_is_none() {
    prints(
        r#"
        cp "$(command -v sleep)" tool
        library=$(awk '$2 == "r-xp" && /libc[.-]/ { print $6; exit }' /proc/self/maps)
        cp "$library" library.so; cp library.so shared; cp library.so data
        map='if 1:
            import mmap, os, sys, time
            file = os.open(sys.argv[1], os.O_RDWR) if len(sys.argv) > 1 else os.memfd_create("memory")
            os.truncate(file, 8192)
            flags = mmap.MAP_SHARED if "shared" in sys.argv else mmap.MAP_PRIVATE
            execute = 0 if "data" in sys.argv else mmap.PROT_EXEC
            memory = mmap.mmap(file, 4096, prot=mmap.PROT_READ | execute, flags=flags)
            os.close(file)
            os.write(9, b".")
            time.sleep(1000)'
        hold program bash -c "echo >&9; exec ./tool 1000"
        until [ "$(readlink "/proc/$!/exe")" = /mnt/tool ]; do sleep 0.02; done
        hold library python3 -c "$map" library.so; L=$!
        hold shared python3 -c "$map" shared
        hold data python3 -c "$map" data
        hold memory python3 -c "$map"
        hold memory-program python3 -c 'if 1:
            import os
            program = os.memfd_create("program", 0)
            os.write(program, open("tool", "rb").read())
            os.write(9, b".")
            os.execve(program, ["program", "1000"], {})'
        who "$P" find --deleted
        rm tool library.so shared data
        who "$P" find --deleted
        "$P" show --json --fields exe_deleted,deleted_libraries $L
        "$P" kill --dry-run --deleted | wc -l
        "#,
        &[
            "",
            "library program",
            r#"[{"exe_deleted":false,"deleted_libraries":["/mnt/library.so"]}]"#,
            "2",
        ],
    );
}

#[test]
fn a_file_that_was_passed_on_is_held_by_its_new_owner() {
    prints(
        r#"
        echo x >f
        hold keeper python3 -c 'if 1:
            import os, socket, time
            one, other = socket.socketpair(socket.AF_UNIX)
            if os.fork() == 0:
                file = os.open("f", os.O_RDONLY)
                socket.send_fds(one, [b"x"], [file])
                os._exit(0)
            one.close()
            kept = socket.recv_fds(other, 1, 1)
            os.wait()
            os.write(9, b".")
            time.sleep(1000)'
        both --file f
        "#,
        &["--file f keeper"],
    );
}

#[test]
fn ten_thousand_open_files_are_looked_through() {
    if !namespace::is_root() {
        skip!("only the superuser may raise the limit of descriptors");
    }
    prints(
        r#"
        mkdir many
        hold many python3 -c 'if 1:
            import os, resource, time
            resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
            files = [open(f"many/{number}", "w") for number in range(10000)]
            os.write(9, b".")
            time.sleep(1000)'
        both --file many/9999
        "$P" show --json --fields files $! | jq '.[0].files | map(select(.path | startswith("/mnt/many/"))) | length'
        "$P" find --fields files --pid $! | tail -n 1 | grep -o many/ | wc -l
        "#,
        &["--file many/9999 many", "10000", "10000"],
    );
}

#[test]
fn what_an_ordinary_user_may_not_see_is_unknown() {
    let script = r#"
        nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
        cp "$P" proctool; chmod 755 proctool; P=./proctool
        head -c 8192 /dev/zero >mapped; chmod 644 mapped
        hold root bash -c "exec 3<mapped; $READY"
        hold nobody setpriv --reuid 65534 --regid 65534 --clear-groups python3 -c 'if 1:
            import mmap, os, time
            file = os.open("mapped", os.O_RDONLY)
            memory = mmap.mmap(file, 4096, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE)
            os.close(file)
            os.write(9, b".")
            time.sleep(1000)'
        who nobody ./proctool find --file mapped
        echo x >other; chmod 644 other
        nobody ./proctool find --file other 2>&1 | sed 's/[0-9][0-9]*/N/'
        nobody ./proctool find --file other --inverse | while read -r pid; do echo "${names[$pid]-}"; done | xargs
        nobody ./proctool find --deleted 2>&1 | sed 's/[0-9][0-9]*/N/'
        nobody ./proctool show --fields files,locks 1
        mount -o remount,hidepid=2 /proc
        nobody ./proctool find --file other 2>&1
        "#;
    if !namespace::is_root() {
        skip!("only the superuser may become another user");
    }
    prints(
        script,
        &[
            "nobody",
            "proctool find: permission denied to examine N processes: try as root",
            "nobody",
            "proctool find: permission denied to examine N processes: try as root",
            "  files          - (permission denied)",
            "  locks          - (permission denied)",
            "proctool find: /proc hides the processes of other users (hidepid): try as root",
        ],
    );
}

#[test]
fn kernel_threads_hold_nothing() {
    let outcome = run(&["find", "--file", "/", "--kernel"]).exits(1);
    assert!(outcome.stdout.is_empty(), "{}", outcome.report());
}

#[test]
fn a_file_system_that_does_not_answer_holds_nobody_up() {
    let script = r#"
        mkdir silent; echo x >f
        server=$(python3 -I -S "$SUPPORT/desktop_fuse.py" /mnt/silent 20) || exit 77
        # Whatever it is asked: it does not answer any more.
        hold inside python3 -c 'if 1:
            import os, time
            os.chdir("silent"); os.write(9, b"."); time.sleep(1000)'
        for _ in $(seq 30); do timeout -s KILL 0.1 stat silent >/dev/null 2>&1; done
        hold open bash -c "exec 3<f; $READY"
        who timeout -s KILL 20 "$P" find --file f
        who timeout -s KILL 20 "$P" find --mount silent
        who timeout -s KILL 20 "$P" find --mount /mnt/silent
        timeout -s KILL 20 "$P" find --file silent/x 2>&1; echo $?
        timeout -s KILL 20 "$P" show --json --fields cwd,root $! | jq -c .
        kill -KILL "$server"
        "#;
    if !namespace::is_root() {
        skip!("only the superuser may mount for all");
    }
    let Some(outcome) = in_box(script) else { skip!("no file system (FUSE) can be mounted") };
    let lines = outcome.exits(0).lines();
    assert_eq!(
        lines,
        [
            "open",
            "inside",
            "inside",
            "proctool find: --file 'silent/x': its file system does not answer: use --mount with \
            its mount point, as /proc/self/mountinfo names it",
            "1",
            r#"[{"cwd":"/mnt","root":"/"}]"#,
        ],
        "{lines:?}"
    );
}

#[test]
fn values_that_make_no_sense() {
    run(&["find", "--file", ""]).refuses(2, "--file has an empty path");
    run(&["tree", "--mount", ""]).refuses(2, "--mount has an empty path");
    run(&["kill", "--dry-run", "--file", "/nowhere"]).refuses(1, "there is no such file");
    run(&["find", "--mount", "/nowhere"]).refuses(1, "there is no such file or directory");
}
