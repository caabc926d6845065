"""Deny a command its system calls, one after the other, and tell where that ends in a crash, a hang or a lie.

Usage: deny.py [--each] [--scenario NAME]... [--errors E,E] [--calls C,C] [--part N/M] PROGRAM

Each scenario runs the program on processes of its own. It is run once to learn which calls it makes, then again for each
call and each error: with --each at every occurrence of the call, else at its first one, and at all of them. It prints a line
of JSON for every fault, and at the end one with the number of runs.

It needs strace, and pid and mount namespaces of its own with a file system at /mnt.
"""

import argparse
import collections
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

ERRORS = ["ENOSYS", "EPERM", "EACCES", "EINTR", "ENOMEM", "EMFILE", "EIO"]
# Seconds that a run may take: five seconds to stop a tree, and what strace adds.
PATIENCE = 30
MOST = 60
# These calls always succeed, and cannot report a failure (getpid(2), getuid(2)).
NEVER_FAIL = {"getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid"}
# A failure of these ends a program silently in any language: memory, threads' own set-up, the loader's and the runtime's. And
# close, which frees the descriptor whatever it returns (close(2)): a denied one does not, and pipes stay open. And sleep,
# which the standard library takes for a call that only a signal ends.
RUNTIME = {"execve", "brk", "mmap", "munmap", "mprotect", "mremap", "madvise", "arch_prctl", "set_tid_address", "rseq",
           "set_robust_list", "exit", "exit_group", "rt_sigreturn", "restart_syscall", "sigaltstack", "fork", "vfork",
           "pread64", "access", "futex", "close", "clock_nanosleep", *NEVER_FAIL}
# Calls of the language's runtime before the program begins: it aborts if they fail.
STARTING = {"poll", "ppoll", "rt_sigaction"}
STATUSES = {0, 1, 3, 64, 124, 125, 126, 127}
# Any other error, which no kernel gives, ends the standard library's maps.
RANDOM_ERRORS = {"ENOSYS", "EPERM", "EINTR"}
WRITES = {"write", "writev"}
CRONTAB = "/etc/crontab"


def state(pid):
    """Return the letter of its state; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return chr(stat.read().rpartition(b") ")[2][0])
    except OSError:
        return None


def soon(condition, patience=10):
    """Report whether it becomes true in time."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def has_ended(pid):
    return state(pid) in (None, "Z")


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Scenario:
    """A command, what it acts on, and what its success means."""

    words = ()
    # The scene has to be set up anew before each run.
    is_used_up = False
    # True if messages may restrict its success.
    is_answer = False
    environment = {}

    def __init__(self):
        self.child = None
        self.pids = []

    def begin(self):
        """Start its targets: a needle with a leaf below it."""
        script = "/mnt/leaf 1000 & echo $!; wait"
        self.child = subprocess.Popen(["/mnt/needle", "-c", script], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.pids = [self.child.pid, int(self.child.stdout.readline())]

    def end(self):
        for pid in self.pids:
            kill(pid)
        if self.child is not None:
            self.child.wait()
            self.child.stdout.close()
            self.child = None
        reap()

    def is_fresh(self):
        return self.child is not None and all(state(pid) in ("S", "R", "D") for pid in self.pids)

    def command(self):
        return [word.format(pid=self.pids[0] if self.pids else 0) for word in self.words]

    def lie(self, output):
        """Return what is not true although it said that all was done."""
        return None

    def harm(self, status, call):
        """Return what was left in a wrong state."""
        if status != 0 and any(state(pid) in ("T", "t") for pid in self.pids):
            return "something is left stopped"
        return None


class Reading(Scenario):
    is_answer = True

    def lie(self, output):
        missing = [pid for pid in self.pids[:1] if not re.search(rf"\b{pid}\b", output)]
        return f"{missing} are missing" if missing else None


class Tree(Reading):
    words = ("tree", "-p", "{pid}")


class TreeByName(Reading):
    words = ("tree", "--exe", "needle", "--json")


class Find(Reading):
    words = ("find", "--exe", "needle")


class FindFull(Reading):
    words = ("find", "--exe", "leaf", "--fields", "pid,ppid,user,cmdline,container,starttime", "--json")

    def lie(self, output):
        return None if re.search(rf"\b{self.pids[1]}\b", output) else "the leaf is missing"


class FindPort(Reading):
    """The needle alone holds a socket that listens."""

    def begin(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.words = ("find", "--port", str(listener.getsockname()[1]))
            descriptor = listener.fileno()
            script = f"/mnt/leaf 1000 {descriptor}>&- & echo $!; wait"
            self.child = subprocess.Popen(["/mnt/needle", "-c", script], stdout=subprocess.PIPE,
                                          stdin=subprocess.DEVNULL, pass_fds=[descriptor])
        self.pids = [self.child.pid, int(self.child.stdout.readline())]


class FindFile(FindFull):
    words = ("find", "--file", "/mnt/leaf", "--fields", "pid,root,files,locks,deleted_libraries", "--json")


class Children(FindFull):
    words = ("find", "--children-of", "{pid}")


class Show(Reading):
    words = ("show", "{pid}")


class Acting(Scenario):
    is_used_up = True


class Stopping(Acting):
    def harm(self, status, call):
        # It was done and could not be reported, or it was done to some of them, which stay so.
        return None if call in WRITES or status == 64 else super().harm(status, call)


class Suspend(Stopping):
    words = ("suspend", "{pid}")

    def lie(self, output):
        return None if state(self.pids[0]) == "T" else "it is not stopped"


class SuspendTree(Stopping):
    words = ("suspend", "--tree", "{pid}")

    def lie(self, output):
        return None if all(state(pid) == "T" for pid in self.pids) else "not all are stopped"


class Resume(Acting):
    words = ("resume", "{pid}")

    def begin(self):
        super().begin()
        os.kill(self.pids[0], signal.SIGSTOP)
        soon(lambda: state(self.pids[0]) == "T")

    def is_fresh(self):
        return self.child is not None and state(self.pids[0]) == "T"

    def lie(self, output):
        return None if soon(lambda: state(self.pids[0]) != "T", 1) else "it is still stopped"

    def harm(self, status, call):
        return None


class Ending(Acting):
    def lie(self, output):
        return None if has_ended(self.pids[0]) else "it has not ended"


class EndingTree(Acting):
    def lie(self, output):
        return None if all(has_ended(pid) for pid in self.pids) else "not all have ended"


class Terminate(Ending):
    words = ("terminate", "{pid}")


class TerminateTree(EndingTree):
    words = ("terminate", "--tree", "--json", "--exe", "needle")


class Kill(Ending):
    words = ("kill", "{pid}")


class KillTree(EndingTree):
    words = ("kill", "--tree", "{pid}")


class Wait(Ending):
    words = ("wait", "--status", "{pid}")

    def begin(self):
        self.child = subprocess.Popen(["/mnt/leaf", "0.15"], stdout=subprocess.PIPE)
        self.pids = [self.child.pid]


class ApacheMem(Reading):
    words = ("apache-mem", "--exe", "needle", "--json")


class Cron(Scenario):
    """A cron daemon with one job."""

    job = "/mnt/leaf 1000"

    def begin(self):
        shutil.rmtree("/run/cron", ignore_errors=True)
        for name in ("crond.pid", "crond.reboot", "cron-graceful.lock"):
            if os.path.exists(f"/run/{name}"):
                os.remove(f"/run/{name}")
        with open(CRONTAB, "w", encoding="ascii") as table:
            table.write(f"@reboot root exec {self.job}\n" if self.job else "")
        self.child = subprocess.Popen(["/usr/sbin/cron", "-f"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
        self.pids = [self.child.pid]
        if self.job:
            soon(self.jobs)
            self.pids += self.jobs()
        else:
            soon(lambda: os.path.exists("/run/crond.pid") and os.path.getsize("/run/crond.pid"))

    def jobs(self):
        found = []
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/exe") == "/mnt/leaf":
                    found.append(int(pid))
            except OSError:
                pass
        return found

    def harm(self, status, call):
        if not soon(lambda: state(self.pids[0]) != "T", 3):
            return "cron is left stopped"
        return None


class CronList(Cron):
    words = ("cron-graceful", "--list")

    def lie(self, output):
        # Cron and the job below it, or the worker, where nothing shows that it is one.
        is_whole = re.search(rf"^{self.pids[0]} cron.*\n +\d", output)
        return None if is_whole else "cron or its job is missing"


class CronStop(Cron):
    words = ("cron-graceful",)
    job = None
    is_used_up = True

    def lie(self, output):
        return None if has_ended(self.pids[0]) else "cron has not ended"


class CronTimeout(Cron):
    words = ("cron-graceful", "--timeout", "0.3")

    def lie(self, output):
        return "a job runs"


class CronWindow(Cron):
    words = ("cron-graceful", "--", "/bin/touch", "/mnt/ran")
    job = None
    is_used_up = True

    def begin(self):
        super().begin()
        if os.path.exists("/mnt/ran"):
            os.remove("/mnt/ran")

    def lie(self, output):
        return None if os.path.exists("/mnt/ran") and not has_ended(self.pids[0]) else "no command ran, or cron ended"


class Wrapper(Scenario):
    is_used_up = True
    environment = {"HOME": "/mnt/home", "USER": "root"}

    def begin(self):
        os.makedirs("/mnt/home", mode=0o700, exist_ok=True)
        if os.path.exists("/mnt/ran"):
            os.remove("/mnt/ran")

    def end(self):
        reap()

    def is_fresh(self):
        return not os.path.exists("/mnt/ran")

    def lie(self, output):
        return None if os.path.exists("/mnt/ran") else "the command did not run"


class GpgAgent(Wrapper):
    words = ("with-gpg-agent", "/bin/touch", "/mnt/ran")

    def begin(self):
        super().begin()
        # An agent that it starts itself would be traced for ever.
        shutil.rmtree("/mnt/home/.gnupg", ignore_errors=True)
        os.makedirs("/mnt/home/.gnupg", mode=0o700)
        subprocess.run(["gpg-agent", "--homedir", "/mnt/home/.gnupg", "--daemon"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        soon(lambda: os.path.exists("/mnt/home/.gnupg/S.gpg-agent"))


class Gui(Wrapper):
    words = ("with-gui-environment", "/bin/touch", "/mnt/ran")


class Notify(Scenario):
    words = ("notify-send-headless", "text")

    def begin(self):
        self.pids = []

    def end(self):
        reap()

    def is_fresh(self):
        return True

    def lie(self, output):
        return "there is nobody to notify"


class Completions(Notify):
    words = ("completions", "bash")

    def lie(self, output):
        return None if "complete" in output else "it is not printed"


SCENARIOS = {each.__name__: each for each in (
    Tree, TreeByName, Find, FindFull, FindFile, FindPort, Children, Show, Suspend, SuspendTree, Resume, Terminate, TerminateTree, Kill,
    KillTree, Wait, ApacheMem, CronList, CronStop, CronTimeout, CronWindow, GpgAgent, Gui, Notify, Completions)}


def reap():
    """Reap the processes that became our children."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def others(known):
    """Return our processes except those: a run has left them behind."""
    me, found = os.getpid(), []
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        if pid != me and pid not in known and not has_ended(pid):
            found.append(pid)
    return found


def run(program, scenario, strace):
    """Return its status, output and messages; the status is None when it hangs."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", **scenario.environment}
    process = subprocess.Popen(["strace", "-f", "-qq", *strace, program, *scenario.command()], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True)
    try:
        output, messages = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, messages = process.communicate()
        return None, output.decode(errors="replace"), messages.decode(errors="replace")
    return process.returncode, output.decode(errors="replace"), messages.decode(errors="replace")


def fault(scenario, call, status, output, messages):
    """Return what is wrong about a run; None when nothing is."""
    if status is None:
        return "it hangs"
    if call in STARTING and (not messages or "signal(libc::SIGPIPE" in messages) and status == -signal.SIGABRT:
        return None
    if "the CLOEXEC pipe failed" in messages:
        # The standard library's own call: it cannot start a program without it.
        return scenario.harm(status, call)
    if status < 0 or "panicked" in messages or "RUST_BACKTRACE" in messages:
        return "it crashes"
    if status not in STATUSES:
        return "an unknown status"
    if status != 0 and not messages and '"reason":"' not in output and call not in WRITES:
        return "no message"
    harm = scenario.harm(status, call)
    # A result that is reported as missing is no lie.
    is_told = scenario.is_answer and messages
    return harm or (scenario.lie(output) if status == 0 and not is_told else None)


def calls_of(program, scenario):
    """Return how often each call is made, by the process or thread of the command that makes it most often."""
    trace = "/mnt/trace"
    status, output, messages = run(program, scenario, ["-o", trace])
    wrong = fault(scenario, "", status, output, messages)
    counts = collections.Counter()
    with open(trace, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            match = re.match(r"(\d+) +([a-z_0-9]+)\(", line)
            if match:
                counts[match.groups()] += 1
    most = {}
    for (_, call), count in counts.items():
        most[call] = max(most.get(call, 0), count)
    os.remove(trace)
    return {call: count for call, count in most.items() if call not in RUNTIME}, wrong, (status, output, messages)


def prepared(scenario, known):
    """Make the scene ready, with nothing left of the run before."""
    if scenario.is_used_up or not scenario.is_fresh():
        scenario.end()
        for pid in others(known):
            kill(pid)
        soon(lambda: not others(known))
        reap()
        scenario.begin()


def injections(calls, errors, is_each):
    for call, count in sorted(calls.items()):
        for error in errors:
            if call == "getrandom" and error not in RANDOM_ERRORS:
                continue
            if is_each:
                # Of very many occurrences, the first ones and then every n-th one.
                few = range(1, min(count, MOST) + 1)
                yield from ((call, error, str(nth)) for nth in (*few, *range(MOST + 1, count + 1, 1 + count // MOST)))
            else:
                yield call, error, "1"
                # A call that is always interrupted may be tried again for ever.
                if error != "EINTR" and count > 1:
                    yield call, error, "2+"


def sweep(program, scenario, options):
    known = set(others(set()))
    prepared(scenario, known)
    calls, wrong, shown = calls_of(program, scenario)
    name, runs, faults = type(scenario).__name__, 0, 0
    if wrong:
        print(json.dumps({"scenario": name, "call": None, "fault": wrong, "shown": shown}), flush=True)
        faults += 1
    if options.calls is not None:
        calls = {call: count for call, count in calls.items() if call in options.calls}
    part, parts = options.part
    for number, (call, error, when) in enumerate(injections(calls, options.errors, options.each)):
        if number % parts != part:
            continue
        prepared(scenario, known)
        status, output, messages = run(program, scenario, [
            "--seccomp-bpf", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}"])
        runs += 1
        wrong = fault(scenario, call, status, output, messages)
        if wrong:
            faults += 1
            print(json.dumps({"scenario": name, "call": call, "error": error, "when": when, "fault": wrong, "status": status,
                              "output": output[-400:], "messages": messages[-400:]}), flush=True)
    scenario.end()
    print(json.dumps({"scenario": name, "calls": len(calls), "runs": runs, "faults": faults}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    parser.add_argument("--errors", type=lambda text: text.split(","), default=ERRORS)
    parser.add_argument("--calls", type=lambda text: text.split(","))
    parser.add_argument("--part", type=lambda text: tuple(map(int, text.split("/"))), default=(0, 1))
    parser.add_argument("program")
    options = parser.parse_args()
    shutil.copy(shutil.which("bash"), "/mnt/needle")
    shutil.copy(shutil.which("sleep"), "/mnt/leaf")
    for name in options.scenario or SCENARIOS:
        sweep(options.program, SCENARIOS[name](), options)


sys.exit(main())
