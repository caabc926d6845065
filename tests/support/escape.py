"""End trees that start processes all the time, and look for processes that escaped.

Usage: escape.py PROGRAM SHAPE ROUNDS APPLET [OPTION...]

It needs a pid namespace of its own. It prints a line of JSON: how many rounds there were, in how many a process of the tree
lived on, in how many of them it was not reported, and whether an innocent process was ever touched.
"""

import json
import os
import signal
import subprocess
import sys
import time

program, shape, rounds, *words = sys.argv[1:]
SCRIPT = os.path.join(os.path.dirname(__file__), "escape.pl")
SHELL = "for i in $(seq 400); do (sleep 1000 &); done; sleep 1000"
MARK = b"ESCAPE=" + str(os.getpid()).encode()
ENVIRONMENT = {"PATH": os.environ["PATH"], MARK.decode().split("=")[0]: str(os.getpid())}


def marked():
    """Return the living processes of the tree."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as environ:
                if MARK in environ.read().split(b"\0"):
                    found.append(int(pid))
        except OSError:
            pass
    return found


def started_after(pid, ticks):
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return int(stat.read().rpartition(b") ")[2].split()[19]) > ticks
    except OSError:
        return False


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b") ")[2][:1] not in (b"Z", b"X")
    except OSError:
        return False


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


escapes = silent = harmed = 0
for _ in range(int(rounds)):
    innocents = [subprocess.Popen(["sleep", "1000"]), subprocess.Popen(["sleep", "1000"], start_new_session=True)]
    command = ["sh", "-c", SHELL] if shape == "shell" else ["perl", SCRIPT, shape]
    leader = subprocess.Popen(command, env=ENVIRONMENT, start_new_session=True)
    while len(marked()) < (2 if shape == "handler" else 5):
        if leader.poll() == 77:
            sys.exit(77)
        time.sleep(0.001)
    # A process that had lost its parent when the program began was not of the tree. The program takes a moment to begin.
    begin = int((time.clock_gettime(time.CLOCK_BOOTTIME) + 0.03) * os.sysconf("SC_CLK_TCK"))
    outcome = subprocess.run([program, words[0], "--tree", "--json", *words[1:], str(leader.pid)], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    reap()
    left = [pid for pid in marked() if alive(pid) and started_after(pid, begin)]
    if left:
        escapes += 1
        told = [entry["pid"] for entry in json.loads(outcome.stdout)]
        is_told = outcome.returncode not in (0, 1) and (None in told or all(pid in told for pid in left))
        silent += not is_told
        print(json.dumps({"left": len(left), "status": outcome.returncode, "told": is_told,
                          "messages": outcome.stderr.decode(errors="replace")[:300]}), file=sys.stderr)
    harmed += any(not alive(innocent.pid) for innocent in innocents)
    for innocent in innocents:
        innocent.kill()
        innocent.wait()
    while marked():
        for pid in marked():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        reap()
print(json.dumps({"rounds": int(rounds), "escapes": escapes, "silent": silent, "harmed": harmed}))
