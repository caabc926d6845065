"""Checks of what the program promises, on the kernel that runs here: reading, signals, trees, waiting, cron.

Usage: checks.py PROGRAM

It runs in a virtual machine of its own, as root, and starts and ends what it needs. It prints a line for each check, with
all that the program said for one that does not hold, and ends with 1 if there was one.
"""

import contextlib
import ctypes
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback

PROGRAM = sys.argv[1]
# Seconds: a step that takes this long hangs.
PATIENCE = 60
# Under a name that begins so, busybox takes its applet from the first argument.
NAME = "busybox-needle"
NEEDLE = f"/tmp/{NAME}"
RELEASE = tuple(int(number) for number in re.match(r"(\d+)\.(\d+)", os.uname().release).groups())
# The versions since which pidfds have an identity of their own, and keep the exit status.
HAS_IDS = RELEASE >= (6, 9)
KEEPS_STATUS = RELEASE >= (6, 15)
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


class Fault(Exception):
    """A promise that does not hold."""


class Outcome:
    """The result of a run of the program."""

    def __init__(self, words, status, out, err):
        self.words, self.status, self.out, self.err = words, status, out, err

    def __str__(self):
        return f"$ {' '.join(self.words)}\n{self.out}{self.err}status {self.status}"

    def ends(self, status):
        return self.holds(self.status == status, f"the status should be {status}")

    def holds(self, is_so, what):
        if not is_so:
            raise Fault(f"{what}\n{self}")
        return self

    def says(self, text):
        return self.holds(text in self.out + self.err, f"it should say '{text}'")

    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            raise Fault(f"this is no JSON\n{self}") from None

    def outcomes(self):
        """Return the outcome of each process."""
        return {entry["pid"]: entry["outcome"] for entry in self.json()}


PR_CAPBSET_DROP, CAP_SYS_RESOURCE = 24, 24


def start(*words, limit=None, bound=False, **options):
    """Start a command. With `bound` it cannot raise its limit, though the superuser runs it."""
    def become():
        if limit:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        if bound:
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0)

    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    words = list(map(str, words))
    return subprocess.Popen(words, text=True, preexec_fn=become, **(pipes | options))


def finish(child):
    try:
        out, err = child.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        raise Fault(f"it did not end\n{Outcome(child.args, child.returncode, out, err)}") from None
    outcome = Outcome(child.args, child.returncode, out, err)
    return outcome.holds("panicked" not in err and outcome.status >= 0, "it crashed")


def run(*words, **options):
    return finish(start(PROGRAM, *words, **options))


def until(what, is_so):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        answer = is_so()
        if answer:
            return answer
        time.sleep(0.002)
    raise Fault(f"not within {PATIENCE} s: {what}")


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def fields(pid):
    """Return state, parent, process group and session."""
    words = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return [words[0].decode(), *map(int, words[1:4])] if words else ["X", 0, 0, 0]


def state(pid):
    return fields(pid)[0]


def is_gone(pid):
    return not os.path.exists(f"/proc/{pid}")


def is_needle(pid):
    return read(f"/proc/{pid}/comm").strip() == NAME.encode() and state(pid) == "S"


def numbers():
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def needle(*before):
    """Start a child that sleeps, with a name that no other process here has."""
    child = subprocess.Popen([*before, NEEDLE, "sleep", "600"])
    until("a process has begun", lambda: is_needle(child.pid))
    return child.pid


def reaped_needle():
    """Start a needle whose parent reaps it at once."""
    child = start("/bin/sh", "-c", f"{NEEDLE} sleep 600 & echo $!; wait")
    pid = int(child.stdout.readline())
    until("a process has begun", lambda: is_needle(pid))
    return pid


def stubborn():
    """Start a process that ignores TERM."""
    return needle("/bin/sh", "-c", "trap '' TERM; exec \"$@\"", "sh")


def reap(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def zombie(status):
    """Start a child that ends with this status, and leave it a zombie."""
    pid = os.fork()
    if pid == 0:
        os._exit(status)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def end_all():
    """End everything that a check has started."""
    own = {1, os.getpid(), os.getppid()}
    while True:
        left = [pid for pid in numbers() - own if read(f"/proc/{pid}/cmdline") and state(pid) not in "ZX"]
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            if not left:
                return


# ---- Reading ----


@check
def it_starts_and_explains_itself():
    run("--version").ends(0)
    for applet in run("--list").ends(0).out.split():
        run("help", applet).ends(0).says("Usage:")
    run("completions", "bash").ends(0).says("complete")


@check
def find_lists_every_process():
    pid = needle()
    before = numbers()
    listed = run("find", "--json", "--fields", "pid,ppid,comm,state").ends(0)
    entries = {entry["pid"]: entry for entry in listed.json()}
    listed.holds(before & numbers() <= set(entries), "it should list every process")
    listed.holds(entries[pid]["comm"] == NAME and entries[pid]["ppid"] == os.getpid(), "wrong values")
    only = run("find", "--json", "--fields", "pid", "--exe", NAME).ends(0)
    only.holds(only.json() == [{"pid": pid}], f"it should be {pid}")
    run("find", "--exe", "nosuch").ends(1)


@check
def tree_shows_every_process():
    pid = needle()
    before = {pid for pid in numbers() if read(f"/proc/{pid}/cmdline")}
    shown = run("tree", "--jsonl").ends(0)
    found = {json.loads(line)["pid"] for line in shown.out.splitlines()}
    shown.holds(before & numbers() <= found, "it should show every process")
    run("tree", "-s", pid).ends(0).says(NAME)


@check
def show_tells_what_proc_tells():
    os.chdir("/mnt")
    pid = needle()
    os.chdir("/")
    shown = run("show", "--json", pid).ends(0)
    (entry,) = shown.json()
    expected = dict(zip(("state", "ppid", "pgrp", "session"), fields(pid)))
    expected |= {"comm": NAME, "exe_path": NEEDLE, "cmdline": [NEEDLE, "sleep", "600"], "cwd": "/mnt", "user": "root"}
    wrong = {name: value for name, value in expected.items() if entry[name] != value}
    shown.holds(not wrong, f"these should be so: {wrong}")
    run("show", pid).ends(0).says(NAME)


@check
def resident_memory_is_not_less_than_the_part_that_it_is_divided_into():
    # Before Linux 6.2 the counters that stat shows lag behind.
    pid = needle()
    shown = run("show", "--json", "--fields", "rss,pss,uss", pid).ends(0)
    (entry,) = shown.json()
    shown.holds(entry["rss"] >= entry["pss"] >= entry["uss"] > 0, "rss >= pss >= uss")


@check
def an_id_is_told_where_the_kernel_gives_one():
    pid = needle()
    shown = run("find", "--json", "--fields", "id", "--exe", NAME).ends(0)
    (entry,) = shown.json()
    if HAS_IDS:
        shown.holds(str(entry["id"]).startswith(f"{pid}:"), "the number, a colon, the inode")
        other = run("terminate", "--json", f"{pid}:1").ends(0)
        other.holds(other.outcomes() == {pid: "gone before"} and state(pid) == "S", "another id is another process")
        run("kill", entry["id"]).ends(0)
        reap(pid)
    else:
        shown.holds(entry["id"] is None, "there is none")
        run("show", "--fields", "id", pid).ends(0).says("older than Linux 6.9")
        for applet in ("terminate", "kill", "suspend", "resume", "wait"):
            run(applet, f"{pid}:1").ends(1).says("older than Linux 6.9").holds(state(pid) == "S", "nothing is done")


@check
def a_user_who_cannot_be_looked_up_names_the_file():
    shutil.move("/etc/passwd", "/etc/away")
    try:
        run("find", "--user", "root").says("/etc/passwd")
    finally:
        shutil.move("/etc/away", "/etc/passwd")


@check
def the_pool_of_another_program_is_measured():
    needle()
    shown = run("apache-mem", "--json", "--exe", NAME).ends(0)
    shown.holds(shown.json(), "a pool")


GROUPS = "/sys/fs/cgroup"


@check
def the_limit_of_a_control_group_of_version_2_counts():
    if not os.path.exists(f"{GROUPS}/cgroup.controllers"):
        subprocess.run(["mount", "-t", "cgroup2", "none", GROUPS], check=True)
    write(f"{GROUPS}/cgroup.subtree_control", "+memory")
    upper, lower = f"{GROUPS}/upper", f"{GROUPS}/upper/lower"
    os.makedirs(lower, exist_ok=True)
    write(f"{upper}/cgroup.subtree_control", "+memory")
    write(f"{lower}/cgroup.procs", str(needle()))
    # The lowest limit counts, on whatever level: memory.high throttles, memory.max kills.
    for group, file, limit in ((lower, "memory.max", 64 << 20), (upper, "memory.high", 48 << 20)):
        write(f"{group}/{file}", str(limit))
        done = run("apache-mem", "--exe", NAME, "--json").ends(0)
        (block,) = done.json()
        available = block["available"]
        done.holds(available["from"] == "cgroup" and available["limit"] == limit, f"the limit is {limit}")
        done.holds(available["bytes"] <= limit, "no more is left than the limit allows")
        done.holds(available["cgroup"] == group.removeprefix(GROUPS), f"the group is {group}")


@check
def apache_is_measured():
    if not os.path.exists("/usr/sbin/apache2"):
        return "no apache2 here"
    subprocess.run(["ifconfig", "lo", "up"], check=True)
    os.makedirs("/tmp/apache", exist_ok=True)
    write("/tmp/apache/httpd.conf", APACHE)
    server = start("/usr/sbin/apache2", "-f", "/tmp/apache/httpd.conf", "-DFOREGROUND", process_group=0)
    until("Apache has begun", lambda: len(run("find", "--exe", "apache2").out.split()) == 4)
    shown = run("apache-mem", "--json").ends(0)
    (master,) = shown.json()
    workers = [group for group in master["groups"] if len(group["members"]) == 3]
    shown.holds(master["pid"] == server.pid and len(workers) == 1, "a master and three workers")
    run("apache-mem").ends(0).says("MaxRequestWorkers  7 (/tmp/apache/httpd.conf:")
    return None


APACHE = """ServerRoot /tmp/apache
DefaultRuntimeDir /tmp/apache
LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so
PidFile /tmp/apache/pid
ErrorLog /tmp/apache/error.log
ServerName localhost
Listen 127.0.0.1:8080
User nobody
Group nogroup
StartServers 3
MinSpareServers 1
MaxRequestWorkers 7
"""


@check
def nobody_sits_at_a_screen():
    run("with-gui-environment", "true").ends(1)
    run("notify-send-headless", "text").ends(1)


# ---- Signals ----


@check
def a_process_is_stopped_and_goes_on():
    pid = needle()
    run("suspend", "--json", pid).ends(0).holds(state(pid) == "T", "it is stopped")
    run("resume", "--json", pid).ends(0)
    until("it goes on", lambda: state(pid) == "S")


@check
def terminate_ends_by_term_and_by_kill():
    heeds, ignores, stopped, ended = needle(), stubborn(), needle(), zombie(3)
    os.kill(stopped, signal.SIGSTOP)
    until("it is stopped", lambda: state(stopped) == "T")
    done = run("terminate", "--json", "--timeout", "3", heeds, ignores, stopped, ended).ends(0)
    expected = {heeds: "ended", ignores: "killed", stopped: "ended", ended: "ended"}
    done.holds(done.outcomes() == expected, f"it should be {expected}")
    statuses = [reap(pid) for pid in (heeds, ignores, stopped, ended)]
    done.holds(statuses == [-15, -9, -15, 3], f"they ended by {statuses}")


@check
def every_signal_arrives():
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = needle()
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    for name, number in (("HUP", 1), ("USR1", 10), ("RTMIN+3", 37), ("64", 64)):
        done = run("kill", "--json", "--signal", name, pid).ends(0)
        lines = dict(line.split(b":", 1) for line in read(f"/proc/{pid}/status").splitlines())
        done.holds(int(lines[b"ShdPnd"], 16) >> number - 1 & 1, f"signal {number} should be pending")


@check
def who_is_not_there_or_must_not_be_touched_is_told():
    pid = needle()
    os.kill(pid, signal.SIGKILL)
    reap(pid)
    run("kill", pid).ends(1).says("there is no such process")
    run("kill", 1).ends(1).says("refused")
    run("terminate", os.getpid()).ends(1).says("refused")


# ---- Trees ----

# Starts itself again so many times, and ends each time, so that nobody is its parent for long. What was an orphan before the
# program began is none of the tree: it goes on, and has an end.
HOPPER = f"#!/bin/sh\n{NEEDLE} sleep 0.05\n[ $1 = 0 ] || /tmp/hopper $(($1 - 1)) &\n"
# A shell that starts one after the other, and so do others of its family; orphans, some of which hop; a child of a session of
# its own; one that is stopped.
FAMILY = f"""
(while :; do {NEEDLE} sleep 0.2; done) &
(while :; do {NEEDLE} sleep 1 & {NEEDLE} sleep 0.1; done) &
setsid {NEEDLE} sleep 600 &
{NEEDLE} sleep 600 & kill -STOP $!
echo ready
while :; do (/tmp/hopper 5 &); ({NEEDLE} sleep 1 &); {NEEDLE} sleep 0.1; done
"""


def family():
    """Start a shell with a family that grows, in a session of its own."""
    write("/tmp/hopper", HOPPER)
    os.chmod("/tmp/hopper", 0o755)
    child = start("/bin/sh", "-c", FAMILY, start_new_session=True)
    child.stdout.readline()
    return child.pid


def relatives(root):
    """Return everything below a process, and all of its session."""
    found = {root}
    while True:
        more = {pid for pid in numbers() - found if fields(pid)[1] in found or fields(pid)[3] == root}
        more = {pid for pid in more if state(pid) not in "ZX"}
        if not more:
            return found
        found |= more


@check
def a_tree_is_ended_as_a_whole():
    for applet in ("terminate", "kill"):
        root = family()
        done = run(applet, "--json", "--timeout", "20", "--tree", root).ends(0)
        # What was an orphan before is none of the tree, and ends by itself within a second.
        until(f"nobody is left\n{done}", lambda: relatives(root) == {root})
        reap(root)


@check
def a_tree_is_stopped_and_goes_on_as_a_whole():
    root = family()
    done = run("suspend", "--json", "--tree", "--timeout", "20", root).ends(0)
    until(f"nobody runs on\n{done}", lambda: all(state(pid) == "T" for pid in relatives(root)))
    run("resume", "--tree", root).ends(0)
    until("it goes on", lambda: state(root) != "T")
    run("kill", "--tree", "--timeout", "20", root).ends(0)
    reap(root)


@check
def a_wait_for_a_tree_ends_with_it():
    child = start("/bin/sh", "-c", f"{NEEDLE} sleep 600 & {NEEDLE} sleep 600 & echo ready; wait")
    child.stdout.readline()
    pids = until("a tree", lambda: [*filter(is_needle, relatives(child.pid))][1:] and relatives(child.pid))
    waiter = start(PROGRAM, "wait", "--json", "--tree", child.pid)
    until("it waits", lambda: waits(waiter.pid))
    for pid in pids:
        if pid != child.pid:
            os.kill(pid, signal.SIGKILL)
    reap(child.pid)
    done = finish(waiter).ends(0)
    done.holds(set(done.outcomes().values()) == {"ended"}, "all have ended")


# ---- Waiting ----


# epoll_wait(2), epoll_pwait(2) and epoll_pwait2(2), as machines number them.
WAITS = (b"22", b"441") if os.uname().machine == "aarch64" else (b"232", b"281", b"441")


def waits(pid):
    """Report whether it sleeps until a process ends."""
    return read(f"/proc/{pid}/syscall").split()[:1] in [[number] for number in WAITS]


@check
def a_wait_ends_with_its_processes():
    pids = [needle(), needle(), reaped_needle()]
    run("wait", "--timeout", "2", *pids).ends(124).says("3 still running")
    waiter = start(PROGRAM, "wait", "--json", "--any", *pids)
    until("it waits", lambda: waits(waiter.pid))
    os.kill(pids[2], signal.SIGKILL)
    done = finish(waiter).ends(0)
    done.holds(done.outcomes()[pids[2]] == "ended", "one has ended")
    waiter = start(PROGRAM, "wait", "--json", "--count", "2", *pids[:2])
    until("it waits", lambda: waits(waiter.pid))
    for pid in pids[:2]:
        os.kill(pid, signal.SIGKILL)
    finish(waiter).ends(0)
    run("wait", pids[2]).ends(1).says("there is no such process")


@check
def a_status_is_told_where_the_kernel_tells_it():
    pid = zombie(7)
    done = run("wait", "--json", "--status", pid).ends(0)
    done.holds([entry["exit_status"] for entry in done.json()] == [7], "a zombie tells its status")
    pid = reaped_needle()
    waiter = start(PROGRAM, "wait", "--json", "--status", pid)
    until("it waits", lambda: waits(waiter.pid))
    # As long as it is stopped, it does not reap the zombie.
    os.kill(waiter.pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGUSR1)
    until("it is gone", lambda: is_gone(pid))
    os.kill(waiter.pid, signal.SIGCONT)
    done = finish(waiter).ends(0)
    (entry,) = done.json()
    expected = "USR1" if KEEPS_STATUS else None
    done.holds((entry["outcome"], entry["exit_signal"]) == ("ended", expected), f"ended, {expected}")


@check
def nobody_waits_for_a_status_that_does_not_come():
    # The second of the two is a zombie, whose status is there at once. A program that waits a second more for
    # the status of the first reports the second one before.
    first, second = reaped_needle(), needle()
    waiter = start(PROGRAM, "wait", "--jsonl", "--status", first, second)
    until("it waits", lambda: waits(waiter.pid))
    os.kill(waiter.pid, signal.SIGSTOP)
    os.kill(first, signal.SIGKILL)
    until("it is gone", lambda: is_gone(first))
    os.kill(waiter.pid, signal.SIGCONT)
    os.kill(second, signal.SIGKILL)
    done = finish(waiter).ends(0)
    told = [json.loads(line)["pid"] for line in done.out.splitlines()]
    done.holds(told == [first, second], "the first is told of first")
    reap(second)


@check
def there_may_be_more_targets_than_descriptors():
    pids = [needle_without_waiting() for _ in range(200)]
    until("all have begun", lambda: all(is_needle(pid) for pid in pids))
    if not HAS_IDS:
        refused = run("terminate", "--json", "--exe", NAME, limit=64, bound=True)
        refused.ends(3).holds(all(state(pid) == "S" for pid in pids), "nothing was done")
        needed = re.search(r"ulimit -n (\d+)", refused.err)
        refused.holds(needed, "it should say what to do")
        run("suspend", "--dry-run", "--exe", NAME, limit=int(needed[1]), bound=True).ends(0)
    # Before Linux 6.9 the superuser raises the limit.
    done = run("terminate", "--json", "--exe", NAME, limit=64)
    done.ends(0).holds(done.outcomes() == dict.fromkeys(pids, "ended"), "all have ended")
    done.holds([reap(pid) for pid in pids] == [-15] * 200, "by TERM")


def needle_without_waiting():
    pid = os.fork()
    if pid == 0:
        os.execv(NEEDLE, [NEEDLE, "sleep", "600"])
    return pid


# ---- Cron ----

# This job runs until its file is removed.
JOB = "#!/bin/sh\n: >/tmp/begun\nwhile [ ! -e /tmp/go ]; do sleep 0.1; done\n"


class Cron:
    """Start a cron daemon with a job that runs."""

    def __init__(self, name):
        self.name = name
        try:
            self.begin()
        except Fault as fault:
            # A daemon that has missed its minute is started again, once: it is not what is tried here.
            print(f"{name}: {fault}; processes: {[read(f'/proc/{pid}/cmdline') for pid in sorted(numbers())]}")
            end_all()
            self.begin()
        self.pid = until("the daemon", self.find)

    def begin(self):
        """Start the daemon, and wait until its job runs."""
        name = self.name
        for file in ("/tmp/go", "/tmp/begun", "/run/crond.reboot", "/run/crond.pid"):
            if os.path.exists(file):
                os.unlink(file)
        write("/tmp/job", JOB)
        os.chmod("/tmp/job", 0o755)
        os.makedirs("/var/spool/cron/crontabs", exist_ok=True)
        if name == "cron":
            write("/etc/cron.d/job", 'MAILTO=""\n@reboot root /tmp/job\n')
            subprocess.run(["/usr/sbin/cron"], check=True)
        else:
            # Its jobs start with the minute, which is near.
            write("/var/spool/cron/crontabs/root", "* * * * * /tmp/job\n")
            # The daemon needs seconds to start on a slow machine, and must not miss the next minute.
            subprocess.run(["date", "-s", "2026-01-01 00:00:45"], check=True, stdout=subprocess.DEVNULL)
            subprocess.run(["/bin/busybox", "crond", "-L", "/dev/null"], check=True)
        until("a job runs", lambda: os.path.exists("/tmp/begun"))

    def find(self):
        pids = [pid for pid in numbers() if read(f"/proc/{pid}/cmdline").split(b"\0")[0].endswith(self.name.encode())]
        pids += [pid for pid in numbers() if read(f"/proc/{pid}/cmdline").startswith(b"/bin/busybox\0crond\0")]
        return next((pid for pid in pids if fields(pid)[1] == 1), None)

    def is_paused(self):
        return state(self.pid) == "T"

    def runs(self):
        return state(self.pid) == "S"


def crons():
    names = [name for name, path in (("cron", "/usr/sbin/cron"), ("crond", "/bin/crond")) if os.path.exists(path)]
    for name in names:
        yield Cron(name)
        end_all()


@check
def the_jobs_of_cron_are_listed():
    for cron in crons():
        listed = run("cron-graceful", "--list", "--json").ends(0)
        (daemon,) = listed.json()["daemons"]
        listed.holds(daemon["pid"] == cron.pid and listed.json()["jobs"], "the daemon and a job")
        listed.holds(cron.runs(), "cron is left alone")


@check
def cron_is_stopped_when_its_job_has_ended():
    for cron in crons():
        stopping = start(PROGRAM, "cron-graceful")
        until("cron is paused", cron.is_paused)
        write("/tmp/go", "")
        done = finish(stopping).ends(0).says("is stopped")
        done.holds(is_gone(cron.pid), "cron is gone")


@check
def a_command_runs_while_no_job_does_and_cron_runs_on():
    for cron in crons():
        command = "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c '/tmp/[j]ob'; echo window >/tmp/window"
        window = start(PROGRAM, "cron-graceful", "--", "sh", "-c", command)
        until("cron is paused", cron.is_paused)
        if os.path.exists("/tmp/window"):
            raise Fault("the command ran while a job did")
        write("/tmp/go", "")
        done = finish(window).ends(0)
        done.holds("\n0\n" in done.out and os.path.exists("/tmp/window"), "no job, and the command ran")
        until("cron runs on", cron.runs)
        os.unlink("/tmp/window")


@check
def cron_runs_on_after_the_timeout():
    for cron in crons():
        run("cron-graceful", "--timeout", "1").ends(124)
        until("cron runs on", cron.runs)


@check
def cron_runs_on_whatever_becomes_of_the_command():
    for cron in crons():
        for number in (signal.SIGTERM, signal.SIGKILL):
            stopping = start(PROGRAM, "cron-graceful")
            until("cron is paused", cron.is_paused)
            stopping.send_signal(number)
            stopping.communicate(timeout=PATIENCE)
            until("cron runs on", cron.runs)


@check
def cron_runs_on_when_the_command_and_its_guardian_are_killed_at_once():
    for cron in crons():
        for guardian_is_first in (True, False):
            stopping = start(PROGRAM, "cron-graceful")
            until("cron is paused", cron.is_paused)
            guardians = [pid for pid in numbers() if fields(pid)[1] == stopping.pid]
            ours = guardians + [stopping.pid] if guardian_is_first else [stopping.pid] + guardians
            for pid in ours:
                # A guardian may have ended by itself since.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            stopping.communicate(timeout=PATIENCE)
            until("cron runs on", cron.runs)


def main():
    shutil.copy("/bin/busybox", NEEDLE)
    failed = 0
    for one in CHECKS:
        name = one.__name__.replace("_", " ")
        try:
            skipped = one()
            print(f"skipped: {name}: {skipped}" if skipped else f"holds: {name}", flush=True)
        except Exception as fault:
            failed += 1
            what = fault if isinstance(fault, Fault) else traceback.format_exc()
            print(f"FAILED: {name}: {what}", flush=True)
        end_all()
    print(f"{len(CHECKS) - failed} of {len(CHECKS)} checks hold")
    sys.exit(1 if failed else 0)


main()
