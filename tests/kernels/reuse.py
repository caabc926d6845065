"""Give away the numbers of targets while the program is at work on them, and count the innocents that it touches.

Usage: reuse.py PROGRAM REUSES [SEED]

Each run of the program has a crowd of targets. It is halted at each of its system calls, and then, by chance, a target
that it holds is ended and reaped, and a newcomer with a child gets its number (clone3(2) with set_tid). Targets that end by
what the program does are replaced at once too. Newcomer and child block all signals, so that each one that they get
stays to be seen; those that cannot be blocked end or stop them. It needs root, and Linux 5.5.

It prints a line for each fault and one with the figures, and ends with 1 if there was a fault.
"""

import contextlib
import ctypes
import json
import os
import random
import select
import signal
import socket
import struct
import sys
import tempfile

TRACEME, SYSCALL, SETOPTIONS, GET_SYSCALL_INFO = 0, 24, 0x4200, 0x420E
O_TRACESYSGOOD, O_TRACECLONE, O_TRACEEXEC, O_EXITKILL = 1, 8, 0x10, 0x100000
WALL = 0x40000000
ENTRY, EXIT = 1, 2
SET_PDEATHSIG, SET_NAME, SET_CHILD_SUBREAPER = 1, 15, 36
O_PATH = 0o10000000
# Later calls have the same numbers on all machines.
CLONE3, PIDFD_SEND_SIGNAL, PIDFD_OPEN = 435, 424, 434
if os.uname().machine == "aarch64":
    OPENAT, CLOSE, WAITS = 56, 57, {22, 441}
else:
    OPENAT, CLOSE, WAITS = 257, 3, {232, 281, 441}
# Seconds that no run takes.
PATIENCE = 100
CROWD = 24
# The exit status of newcomers that must not be taken for the targets.
FOREIGN = 42

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, tid, address=0, data=0):
    if libc.ptrace(request, tid, address, data) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace {request:#x}: {os.strerror(error)}")


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def status_of(pid):
    """Return the state, and whether signals are pending."""
    lines = dict(line.split(b":", 1) for line in read(f"/proc/{pid}/status").splitlines() if b":" in line)
    pending = [int(lines.get(name, b"1"), 16) for name in (b"SigPnd", b"ShdPnd")]
    return lines.get(b"State", b"X").split()[0].decode(), pending


def settled_status_of(pid):
    """Return the same once it sleeps: a process that has just started is on its way there."""
    while True:
        state, pending = status_of(pid)
        if state not in "RD":
            return state, pending
        os.sched_yield()


def fork(become, pid=None):
    """Start a child, which has this number if one is given."""
    if pid is None:
        child = os.fork()
    else:
        numbers = (ctypes.c_int * 1)(pid)
        words = (0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(numbers), 1, 0)
        arguments = struct.pack("11Q", *words)
        child = libc.syscall(CLONE3, ctypes.create_string_buffer(arguments), len(arguments))
        if child < 0:
            raise OSError(ctypes.get_errno(), f"no process can be given the number {pid}")
    if child == 0:
        try:
            become()
        finally:
            os._exit(127)
    return child


def sleep():
    while True:
        signal.pause()


class Nursery:
    """The parent of targets and newcomers: a process of its own that is not traced. It adopts orphans."""

    def __init__(self, connection):
        self.connection = connection
        libc.prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.kind = "innocent"
        # The living targets; newcomers by number, with their children.
        self.targets, self.newcomers = set(), {}
        self.wake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.told, self.tell = os.pipe()

    def serve(self):
        requests = self.connection.makefile("r")
        while True:
            ready, _, _ = select.select([self.wake, self.connection], [], [])
            if self.wake in ready:
                os.read(self.wake, 4096)
                self.replace_ended()
            if self.connection in ready:
                line = requests.readline()
                if not line:
                    break
                name, *words = line.split()
                answer = json.dumps(getattr(self, name)(*words))
                self.connection.sendall(answer.encode() + b"\n")
        self.clean()

    def target(self, heeds_term, has_child):
        def become():
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_DFL if heeds_term == "True" else signal.SIG_IGN)
            libc.prctl(SET_NAME, b"target")
            if has_child == "True":
                fork(sleep)
            os.write(self.tell, b"r")
            sleep()

        pid = fork(become)
        os.read(self.told, 1)
        self.targets.add(pid)
        return pid

    def begin(self, kind):
        """Set what newcomers are from now on."""
        self.kind = kind

    def replace(self, pid):
        """End a target, if it lives, and give its number to a newcomer. Tell whether it did."""
        pid = int(pid)
        if pid not in self.targets or os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return False
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.succeed(pid)
        return True

    def replace_ended(self):
        for pid in sorted(self.targets):
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                self.succeed(pid)

    def succeed(self, pid):
        self.targets.discard(pid)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        if self.kind == "zombie" and random.random() < 0.5:
            fork(lambda: os._exit(FOREIGN), pid)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            self.newcomers[pid] = None
        else:
            fork(self.innocent, pid)
            self.newcomers[pid] = struct.unpack("i", os.read(self.told, 4))[0]
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def innocent(self):
        libc.prctl(SET_NAME, b"innocent")
        child = fork(sleep)
        os.write(self.tell, struct.pack("i", child))
        sleep()

    def harm(self):
        """Return what happened to newcomers and their children, which are innocent."""
        harmed = []
        for pid, child in self.newcomers.items():
            for one in [pid, child] if child else []:
                state, pending = settled_status_of(one)
                if state != "S" or any(pending):
                    whose = "a newcomer" if one == pid else f"the child of the newcomer {pid}"
                    harmed.append([one, f"{one}, {whose}: state {state}, pending {pending}"])
        return harmed

    def family(self):
        """Return the numbers of the newcomers, and of their children."""
        return [list(self.newcomers), [child for child in self.newcomers.values() if child]]

    def clean(self):
        self.targets, self.newcomers = set(), {}
        while True:
            for child in read("/proc/thread-self/children").split():
                os.kill(int(child), signal.SIGKILL)
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return


class Client:
    """Ask the nursery."""

    def __init__(self):
        self.socket, other = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self.socket.close()
            try:
                Nursery(other).serve()
            finally:
                os._exit(0)
        other.close()
        self.answers = self.socket.makefile("r")

    def __getattr__(self, name):
        def ask(*words):
            self.socket.sendall(" ".join(map(str, [name, *words])).encode() + b"\n")
            answer = self.answers.readline()
            if not answer:
                raise SystemExit("the nursery has failed")
            return json.loads(answer)

        return ask


class Mode:
    """A way to call the program."""

    def __init__(self, words, own, outcomes, kind="innocent", heeds=(True,), kin=False):
        self.words = words.split()
        # The signals that were ordered, without those that only halt and continue meanwhile.
        self.own = own
        # The outcomes of a target that was signalled before its end; any other one is gone before.
        self.outcomes = outcomes
        self.kind, self.heeds, self.kin = kind, heeds, kin


ENDS = {15, 9}
MODES = [
    Mode("terminate --json --tree --timeout 2 {pids}", ENDS, {"ended", "killed"}, heeds=(True, False), kin=True),
    Mode("kill --json --tree {pids}", ENDS, {"ended", "killed"}, kin=True),
    Mode("suspend --json --tree --timeout 5 {pids}", {19}, {"ended", "signalled"}, kin=True),
    Mode("wait --json --status {pids}", set(), {"ended", "gone before"}, kind="zombie"),
    Mode("terminate --json --timeout 5 {pids}", ENDS, {"ended", "killed"}),
    Mode("terminate --json --tree --timeout 5 --comm target", ENDS, {"ended", "killed"}, kin=True),
    Mode("wait --json --status --tree {pids}", set(), {"ended", "gone before"}, kind="zombie"),
    Mode("kill --json --comm target", ENDS, {"ended", "killed"}),
    Mode("kill --json --signal HUP {pids}", {1}, {"ended", "signalled"}),
    Mode("suspend --json --timeout 5 {pids}", {19}, {"ended", "signalled"}),
    Mode("resume --json {pids}", {18}, {"ended", "signalled"}),
]


class Run:
    """One run of the program."""

    def __init__(self, program, mode, nursery, chance):
        self.program, self.mode, self.nursery, self.chance = program, mode, nursery, chance
        # Between none and nearly all of them are replaced before the program has sent anything.
        self.likely = chance.choice([0.02, 0.1, 0.3])
        self.is_by_number = "{pids}" in mode.words
        self.nursery.begin("innocent")
        has_child = [mode.kin and chance.random() < 0.3 for _ in range(CROWD)]
        self.targets = [self.nursery.target(chance.choice(mode.heeds), has_child[at]) for at in range(CROWD)]
        self.nursery.begin(mode.kind)
        self.held = set() if self.is_by_number else set(self.targets)
        # For each target that was replaced: true if it had been signalled before.
        self.replaced = {}
        self.signalled = set()
        # The number behind each descriptor of the program, and the system call that each thread is in.
        self.descriptors, self.inside = {}, {}
        self.faults = []

    def give_up(self):
        raise SystemExit(f"it did not end within {PATIENCE} s: {' '.join(self.words())}")

    def words(self):
        words = [self.program]
        for word in self.mode.words:
            words += map(str, self.targets) if word == "{pids}" else [word]
        return words

    def become(self):
        for number, file in ((1, self.out), (2, self.err)):
            os.dup2(file.fileno(), number)
        ptrace(TRACEME, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        words = self.words()
        os.execv(words[0], words)

    def trace(self):
        with tempfile.TemporaryFile() as self.out, tempfile.TemporaryFile() as self.err:
            command = fork(self.become)
            os.waitpid(command, WALL)
            ptrace(SETOPTIONS, command, 0, O_TRACESYSGOOD | O_TRACECLONE | O_TRACEEXEC | O_EXITKILL)
            ptrace(SYSCALL, command)
            status = self.follow(command)
            for file in (self.out, self.err):
                file.seek(0)
            self.judge(status, self.out.read().decode(errors="replace"), self.err.read().decode(errors="replace"))

    def follow(self, command):
        known = {command}
        while True:
            tid, status = os.waitpid(-1, WALL)
            if not os.WIFSTOPPED(status):
                if tid == command:
                    return os.waitstatus_to_exitcode(status)
                continue
            deliver = 0
            # A halted thread ends with the program.
            with contextlib.suppress(ProcessLookupError):
                if os.WSTOPSIG(status) == signal.SIGTRAP | 0x80:
                    self.at_call(tid)
                elif status >> 16 == 0 and (tid in known or os.WSTOPSIG(status) != signal.SIGSTOP):
                    deliver = os.WSTOPSIG(status)
                known.add(tid)
                ptrace(SYSCALL, tid, 0, deliver)

    def at_call(self, tid):
        buffer = ctypes.create_string_buffer(88)
        ptrace(GET_SYSCALL_INFO, tid, len(buffer), ctypes.addressof(buffer))
        if buffer.raw[0] == ENTRY:
            number, *arguments = struct.unpack_from("7Q", buffer.raw, 24)
            self.inside[tid] = self.enter(tid, number, arguments)
        elif buffer.raw[0] == EXIT and tid in self.inside:
            (result,) = struct.unpack_from("q", buffer.raw, 24)
            self.leave(*self.inside.pop(tid), result)

    def enter(self, tid, number, arguments):
        """Return the call, its arguments, and its target."""
        about = self.descriptors.get(arguments[0])
        if number == OPENAT:
            path = self.string_at(tid, arguments[1]).split("/")[0]
            about = int(path) if path.isdigit() else about
        elif number == PIDFD_OPEN:
            about = arguments[0]
        elif number == CLOSE:
            self.descriptors.pop(arguments[0], None)
        self.perhaps_replace(about)
        # The program sleeps until one of them ends.
        if number in WAITS and self.mode.words[0] == "wait":
            self.replace(self.chance.choice(self.left() or [None]))
        return number, arguments, about

    def leave(self, number, arguments, about, result):
        if number == PIDFD_OPEN and result >= 0 or number == OPENAT and arguments[2] & O_PATH and result >= 0:
            self.descriptors[result] = about
            self.held.add(about)
        if number == PIDFD_SEND_SIGNAL and result == 0 and arguments[1] in self.mode.own:
            self.signalled.add(about)
        self.perhaps_replace(about)

    @staticmethod
    def string_at(tid, address):
        with open(f"/proc/{tid}/mem", "rb", 0) as memory:
            memory.seek(address)
            return memory.read(24).split(b"\0")[0].decode(errors="replace")

    def left(self):
        return [pid for pid in self.targets if pid in self.held and pid not in self.replaced]

    def perhaps_replace(self, about):
        if about in self.held and about not in self.replaced and self.chance.random() < self.likely:
            self.replace(about)
        elif self.chance.random() < self.likely / 50:
            self.replace(self.chance.choice(self.left() or [None]))

    def replace(self, pid):
        if pid in self.targets and pid not in self.replaced and self.nursery.replace(pid):
            self.replaced[pid] = pid in self.signalled

    def judge(self, status, out, err):
        newcomers, children = self.nursery.family()
        self.ended = len(newcomers) - len(self.replaced)
        harmed = self.nursery.harm()
        self.harmed = len(harmed)
        self.faults += [fault for _, fault in harmed]
        if status not in (0, 1, 64, 124) or "panicked" in err:
            self.faults.append(f"it ended with status {status}")
        try:
            entries = json.loads(out) if out else []
        except ValueError:
            entries = []
            self.faults.append("what it printed is no JSON")
        if status != 124 and not entries:
            self.faults.append("it tells of nobody")
        for entry in entries:
            self.judge_entry(entry, children)
        if self.faults:
            self.faults += [" ".join(self.words()), f"status {status}", out, err]

    def judge_entry(self, entry, children):
        pid, outcome = entry["pid"], entry["outcome"]
        if pid in children:
            self.faults.append(f"the child of a newcomer is among the targets: {entry}")
        if pid not in self.replaced:
            return
        expected = self.mode.outcomes
        if self.mode.own and not self.replaced[pid]:
            expected = {"gone before"}
        if outcome not in expected:
            self.faults.append(f"{pid} is {outcome}, and should be {expected}")
        if entry.get("exit_status") is not None or entry.get("exit_signal") not in (None, "KILL"):
            self.faults.append(f"the status is another's: {entry}")


def check_harm_is_noticed(nursery):
    """Check that the test can fail: each signal that a newcomer gets is seen."""
    for number in (signal.SIGTERM, signal.SIGCONT, signal.SIGSTOP, signal.SIGKILL, signal.SIGHUP):
        pid = nursery.target(True, False)
        if not nursery.replace(pid) or nursery.harm():
            raise SystemExit("the number of a process was not given to another one")
        os.kill(pid, number)
        # The kernel stops or ends it soon, not at once.
        while number in (signal.SIGSTOP, signal.SIGKILL) and status_of(pid)[0] == "S":
            os.sched_yield()
        if not nursery.harm():
            raise SystemExit(f"nobody noticed that a newcomer got signal {number}")
        nursery.clean()


def main():
    program, wanted = sys.argv[1], int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    chance = random.Random(seed)
    random.seed(seed)
    nursery = Client()
    check_harm_is_noticed(nursery)
    forced, ended, runs, harmed, faults = 0, 0, 0, 0, 0
    # Every mode has its turn.
    while forced < wanted or runs < len(MODES):
        run = Run(program, MODES[runs % len(MODES)], nursery, chance)
        signal.signal(signal.SIGALRM, lambda *_: run.give_up())
        signal.alarm(PATIENCE)
        run.trace()
        nursery.clean()
        runs += 1
        forced += len(run.replaced)
        ended += run.ended
        harmed += run.harmed
        faults += len(run.faults)
        print(*run.faults, sep="\n", end="\n" if run.faults else "", flush=True)
    print(f"{forced} numbers given away at system calls and {ended} at other ends, in {runs} runs (seed {seed}): "
          f"{harmed} innocents harmed, {faults} faults")
    sys.exit(1 if faults else 0)


main()
