"""Run a command and, while it is halted at one of its system calls, end a process and give its number to another one.

Usage: halt_at.py [OPTIONS] -- COMMAND...

In the command, {pid} stands for the number of the process that will be ended, the victim, and {id} for PID:INODE. Victim
and newcomer are a copy of bash under the name needle, and both sleep. The newcomer blocks all signals, so that each one
that it gets stays to be seen; those that cannot be blocked end or stop it. For every run of the command it prints a line
of JSON: where it was halted, its exit status, what it printed, what became of the newcomer.

It needs a private pid namespace, a file system at /mnt, and the permission to trace its children.
"""

import argparse
import ctypes
import json
import os
import platform
import resource
import shutil
import signal
import struct
import sys
import time

TRACEME, CONT, SYSCALL, SETOPTIONS, GET_SYSCALL_INFO = 0, 7, 24, 0x4200, 0x420E
O_TRACESYSGOOD, O_TRACECLONE, O_TRACEEXEC, O_EXITKILL = 1, 8, 0x10, 0x100000
WALL = 0x40000000
O_PATH = 0o10000000
ENTRY, EXIT = 1, 2
PATIENCE = 60

EVERYWHERE = {424: "pidfd_send_signal", 434: "pidfd_open", 441: "epoll_wait"}
MACHINES = {
    "x86_64": {2: "open", 5: "fstat", 138: "fstatfs", 257: "openat", 262: "newfstatat", 267: "readlinkat", 232: "epoll_wait",
               281: "epoll_wait", 7: "poll", 271: "poll", 217: "getdents64", 0: "read", 3: "close", 62: "kill",
               202: "futex"},
    "aarch64": {80: "fstat", 44: "fstatfs", 56: "openat", 79: "newfstatat", 78: "readlinkat", 22: "epoll_wait",
                73: "poll", 61: "getdents64", 63: "read", 57: "close", 129: "kill",
                98: "futex"},
}
CALLS = {**EVERYWHERE, **MACHINES.get(platform.machine(), {})}

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long

NEEDLE, OTHER, PIPE = "/mnt/needle", "/mnt/other", "/mnt/never"


class Impossible(Exception):
    """The error that processes cannot be traced here."""


def ptrace(request, tid, address=0, data=0):
    result = libc.ptrace(request, tid, address, data)
    if result < 0:
        error = ctypes.get_errno()
        if request in (SETOPTIONS, GET_SYSCALL_INFO):
            raise Impossible(f"ptrace {request:#x}: {os.strerror(error)}")
        raise OSError(error, f"ptrace {request:#x}: {os.strerror(error)}")
    return result


def until(what, is_so):
    end = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > end:
            raise SystemExit(f"not within {PATIENCE} s: {what}")
        time.sleep(0.0005)


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def state(pid):
    return read(f"/proc/{pid}/stat").rsplit(")", 1)[-1].strip()[:1] or "X"


def field(pid, name):
    lines = [line for line in read(f"/proc/{pid}/status").splitlines() if line.startswith(name + ":")]
    return lines[0].split()[1] if lines else None


def sleep_as(program):
    """Become a process that sleeps, and that opens descriptor 3 when it is ready."""
    os.execv(program, [program, "-c", f"exec 3<>{PIPE}; read -u 3"])


def start(become):
    pid = os.fork()
    if pid == 0:
        try:
            become()
        finally:
            os._exit(127)
    return pid


def is_ready(pid):
    return os.path.exists(f"/proc/{pid}/fd/3") and state(pid) == "S"


def start_victim(options, is_counted=True):
    def become():
        if options.ignore_term and is_counted:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sleep_as(NEEDLE)

    pid = start(become)
    until("the victim is ready", lambda: is_ready(pid))
    return pid


def reap(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def start_newcomer(pid, options):
    """A process of this number."""
    def become():
        if options.family:
            start(lambda: sleep_as(NEEDLE))
        sleep_as(OTHER if options.other else NEEDLE)

    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    for _ in range(1000):
        with open("/proc/sys/kernel/ns_last_pid", "w") as file:
            file.write(str(pid - 1))
        newcomer = start(become)
        if newcomer == pid:
            break
        reap(newcomer)
    else:
        raise SystemExit("the number was not given again")
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    until("the newcomer is ready", lambda: is_ready(pid) and (not options.family or children(pid)))
    return newcomer


def children(pid):
    """Return its children, all of them ready."""
    found = [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and field(entry, "PPid") == str(pid)]
    return found if all(is_ready(child) for child in found) else []


def harm(pid, is_ours=True):
    """Return what happened to an innocent process."""
    try:
        is_changed = is_ours and os.waitpid(pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED) != (0, 0)
    except ChildProcessError:
        # The parent of a traced process may have reaped it.
        is_changed = True
    if is_changed:
        return "it ended, or was stopped or continued"
    pending = [field(pid, name) for name in ("SigPnd", "ShdPnd")]
    if state(pid) != "S" or any(int(mask or "1", 16) for mask in pending):
        return f"state {state(pid)}, pending {pending}"
    return None


def syscall_info(tid):
    """Return operation, number and arguments, or operation and result."""
    buffer = ctypes.create_string_buffer(88)
    ptrace(GET_SYSCALL_INFO, tid, len(buffer), ctypes.addressof(buffer))
    if buffer.raw[0] == ENTRY:
        return ENTRY, struct.unpack_from("7Q", buffer.raw, 24)
    return buffer.raw[0], struct.unpack_from("q", buffer.raw, 24)


def string_at(tid, address):
    with open(f"/proc/{tid}/mem", "rb", 0) as memory:
        memory.seek(address)
        return memory.read(32).split(b"\0")[0].decode(errors="replace")


class Run:
    """One run of the command, halted at most once."""

    def __init__(self, options, nth):
        self.options, self.nth = options, nth
        self.crowd = [start_victim(options, is_counted=False) for _ in range(options.crowd)]
        self.victim = start_victim(options)
        self.newcomer = None
        self.victim_is_reaped = False
        # The place where it was halted.
        self.halted, self.call = None, None
        # The first thread of the program.
        self.command = None
        self.count = 0
        # True once calls are counted.
        self.has_begun = False
        self.inside = {}

    def words(self):
        fd = os.pidfd_open(self.victim)
        identity = f"{self.victim}:{os.fstat(fd).st_ino}"
        os.close(fd)
        return [word.replace("{pid}", str(self.victim)).replace("{id}", identity) for word in self.options.command]

    def become(self, words):
        for number, name in ((1, "/mnt/out"), (2, "/mnt/err")):
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(fd, number)
        if self.options.limit:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.options.limit, self.options.limit))
        libc.ptrace(TRACEME, 0, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        os.execvp(words[0], words)

    def trace(self):
        """Run it to its end, and return its exit status."""
        words = self.words()
        command = self.command = start(lambda: self.become(words))
        os.waitpid(command, WALL | os.WUNTRACED)
        ptrace(SETOPTIONS, command, 0, O_TRACESYSGOOD | O_TRACECLONE | O_TRACEEXEC | O_EXITKILL)
        known = {command}
        ptrace(SYSCALL, command)
        while True:
            tid, status = os.waitpid(-1, WALL)
            if not os.WIFSTOPPED(status):
                if tid == command:
                    return os.waitstatus_to_exitcode(status)
                if tid in self.crowd:
                    self.crowd.remove(tid)
                if tid == self.victim:
                    self.victim_is_reaped = True
                continue
            deliver = 0
            if os.WSTOPSIG(status) == signal.SIGTRAP | 0x80:
                self.at_call(tid)
            elif status >> 16 == 0 and (tid in known or os.WSTOPSIG(status) != signal.SIGSTOP):
                deliver = os.WSTOPSIG(status)
            known.add(tid)
            try:
                ptrace(SYSCALL if self.halted is None else CONT, tid, 0, deliver)
            except ProcessLookupError:
                pass

    def at_call(self, tid):
        if self.halted is not None:
            return
        operation, values = syscall_info(tid)
        if operation == ENTRY:
            number, arguments = values[0], values[1:]
            call = CALLS.get(number, str(number))
            is_wanted = self.is_wanted(tid, call, arguments)
            begins = self.begins(tid, call, arguments)
            self.inside[tid] = (call, is_wanted, begins)
            if is_wanted and not self.options.exit:
                self.hit(call, "entry")
        elif operation == EXIT:
            call, is_wanted, begins = self.inside.pop(tid, ("?", False, False))
            if is_wanted and self.options.exit:
                self.hit(call, "exit")
            self.has_begun = self.has_begun or bool(begins and values[0] >= 0)

    def hit(self, call, edge):
        self.count += 1
        if self.count == self.nth:
            self.replace(call, f"{edge} of {call}, {self.nth}")

    def begins(self, tid, call, arguments):
        """Report whether this is the opening of /proc, or that of the victim's directory, which holds the victim."""
        if self.options.begin == "proc":
            path = {"open": 0, "openat": 1}.get(call)
            return path is not None and string_at(tid, arguments[path]) == "/proc"
        return call == "openat" and arguments[2] & O_PATH and string_at(tid, arguments[1]) == f"{self.victim}/"

    def is_wanted(self, tid, call, arguments):
        if self.options.call is None:
            # Each run counts the same calls: those of other threads, and waits, differ every time.
            return self.has_begun and tid == self.command and call != "futex"
        if call != self.options.call:
            return False
        if call == "pidfd_open":
            return arguments[0] == self.victim
        if call == "pidfd_send_signal":
            return f"\nPid:\t{self.victim}\n" in read(f"/proc/{tid}/fdinfo/{arguments[0]}")
        if call in ("openat", "readlinkat", "newfstatat"):
            return string_at(tid, arguments[1]).startswith(f"{self.victim}/")
        return True

    def replace(self, call, where):
        if not self.victim_is_reaped:
            reap(self.victim)
        self.newcomer = start_newcomer(self.victim, self.options)
        self.halted, self.call = where, call

    def report(self, status):
        report = {"halted": self.halted, "call": self.call, "status": status, "pid": self.victim, "harm": None}
        for name in ("out", "err"):
            report[name] = read(f"/mnt/{name}")
        if self.newcomer is not None:
            report["harm"] = harm(self.newcomer)
            for child in children(self.newcomer) if self.options.family else []:
                report["harm"] = report["harm"] or harm(child, is_ours=False)
        return report

    def clean(self):
        family = children(self.newcomer) if self.newcomer is not None and self.options.family else []
        for pid in family:
            os.kill(pid, signal.SIGKILL)
        for pid in self.crowd + [self.newcomer if self.newcomer is not None else self.victim]:
            try:
                reap(pid)
            except (ProcessLookupError, ChildProcessError):
                pass


def run(options, nth):
    this = Run(options, nth)
    try:
        report = this.report(this.trace())
        print(json.dumps(report), flush=True)
    finally:
        this.clean()
    return report["call"] not in (None, options.last)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--call", help="halt at this call, where it is about the victim")
    parser.add_argument("--nth", type=int, default=1, help="at the so-maniest time")
    parser.add_argument("--exit", action="store_true", help="behind the call instead of before it")
    parser.add_argument("--sweep", action="store_true", help="again and again, at the nth time and each later one")
    parser.add_argument("--last", help="and not again after this call")
    parser.add_argument("--begin", choices=["proc", "pinned"], default="pinned",
                        help="without --call: halt at any call once /proc was opened, or once the victim is held")
    parser.add_argument("--ignore-term", action="store_true", help="the victim ignores TERM")
    parser.add_argument("--other", action="store_true", help="the newcomer runs another program")
    parser.add_argument("--family", action="store_true", help="the newcomer has a child")
    parser.add_argument("--crowd", type=int, default=0, help="so many others like the victim, started before it")
    parser.add_argument("--limit", type=int, help="so many descriptors for the command")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def prepare():
    bash = shutil.which("bash")
    for path in (NEEDLE, OTHER):
        shutil.copy(bash, path)
    os.mkfifo(PIPE)


def main():
    options = arguments()
    if platform.machine() not in MACHINES:
        sys.exit(77)
    # No wait is for ever.
    signal.alarm(2 * PATIENCE)
    prepare()
    nth = options.nth
    try:
        while run(options, nth) and options.sweep:
            nth += 1
    except Impossible as error:
        print(error, file=sys.stderr)
        sys.exit(77)


main()
