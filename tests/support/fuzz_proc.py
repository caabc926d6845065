"""Run the program on copies of /proc with something changed in them.

Usage: fuzz_proc.py PROGRAM SECONDS DIRECTORY

A few processes are copied to DIRECTORY. In each round files of theirs lose, gain or change some bytes, are missing, are
directories, links or closed to the reader; then some of the applets that read run on it. None may crash, hang or end with
another status than their own. It prints a line of JSON for every fault, and at the end one with the number of runs.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import time

program, seconds, directory = sys.argv[1], float(sys.argv[2]), sys.argv[3]
FILES = ["stat", "status", "cmdline", "environ", "comm", "cgroup", "oom_score", "oom_score_adj", "smaps_rollup", "io", "limits",
         "loginuid", "sessionid", "maps", "mountinfo", "timerslack_ns", "wchan", "schedstat"]
LINKS = ["exe", "cwd", "root"]
SHARED = ["stat", "uptime", "meminfo", "loadavg", "mounts", "sys/kernel/random/boot_id", "sys/kernel/osrelease",
          "net/tcp", "net/unix", "net/tcp6"]
PARTS = [b"", b" ", b"\n", b"\0", b")", b"(", b") ", b":", b"/", b"-1", b"0", b"18446744073709551616", b"9" * 40, b"\xff\xfe",
         b"\x9b", b"\t", b"kB", "\u202e".encode(), b"x" * 5000, b"\n" * 500]
COMMANDS = [
    ["find", "-l"], ["find", "-a"], ["find", "--json"], ["find", "-f", "a"], ["find", "--exe", "sh", "--older", "1"],
    ["find", "--children-of", "1"], ["find", "--descendants-of", "sh"], ["find", "--user", "root", "-r", "S", "--newest"],
    ["find", "--inverse", "--env", "PATH", "--cgroup", "/"], ["tree"], ["tree", "-a", "-u", "-g", "-S", "-t"],
    ["tree", "--json"], ["tree", "--jsonl", "--exe", "sh", "-s"], ["show", "1", "2", "3", "4"], ["show", "--json", "1", "2"],
    ["show", "--environ", "3"], ["apache-mem"], ["apache-mem", "--exe", "sh", "--json"], ["apache-mem", "--exe", "sh", "--cheap"],
]
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}
seed = time.time_ns()
chance = random.Random(seed)


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read(100_000)
    except OSError:
        return None


def samples():
    """Return the files of some processes, by name."""
    found = {name: [b""] for name in FILES}
    for pid in list(filter(str.isdecimal, os.listdir("/proc")))[:60]:
        for name in FILES:
            text = read(f"/proc/{pid}/{name}")
            if text is not None and len(found[name]) < 20:
                found[name].append(text)
    return found, {name: read(f"/proc/{name}") or b"" for name in SHARED}


PROCESSES, MACHINE = samples()


def changed(text, others):
    text = bytearray(text)
    for _ in range(chance.randint(1, 5)):
        begin = chance.randint(0, len(text))
        end = min(len(text), begin + chance.choice([0, 1, 3, 10, 1000]))
        part = chance.choice([*PARTS, chance.randbytes(chance.randint(0, 6)), bytes(text[begin:end]) * 2,
                              chance.choice(others)[:chance.randint(0, 200)]])
        text[begin:end] = part
    return bytes(text)


def write(path, text, others):
    """Return the text, or something else in its place."""
    kind = chance.random()
    if kind < 0.04:
        return
    if kind < 0.06:
        os.mkdir(path)
    elif kind < 0.08:
        os.symlink(chance.choice(["/nowhere", ".", path, "/proc/self/mem"]), path)
    else:
        with open(path, "wb") as file:
            file.write(changed(text, others) if kind < 0.6 else text)


def build(root):
    os.mkdir(root)
    for name, text in MACHINE.items():
        os.makedirs(os.path.dirname(f"{root}/{name}"), exist_ok=True)
        write(f"{root}/{name}", text, [text])
    for pid in (1, 2, 3, 4, chance.randint(5, 4_194_303)):
        if chance.random() < 0.05:
            with open(f"{root}/{pid}", "wb"):
                continue
        os.makedirs(f"{root}/{pid}/task/{pid}")
        os.mkdir(f"{root}/{pid}/fd")
        os.mkdir(f"{root}/{pid}/ns")
        index = chance.randint(0, 19)
        for name in FILES:
            others = PROCESSES[name]
            text = others[index % len(others)]
            if name == "stat":
                text = str(pid).encode() + b" (sh) S " + str(chance.choice([0, 1, 2, 3, pid])).encode() + b" " + b" ".join(text.split()[4:])
            write(f"{root}/{pid}/{name}", text, others)
            if name in ("stat", "status", "comm"):
                write(f"{root}/{pid}/task/{pid}/{name}", text, others)
        for name in LINKS:
            if chance.random() < 0.8:
                os.symlink(chance.choice([b"/bin/sh", b"/usr/sbin/apache2", b"/bin/sh (deleted)", b"/x\n\xff", b"(unreachable)/a", b"memfd:x",
                                          b"/" * 3000]), f"{root}/{pid}/{name}".encode())
        for descriptor in range(chance.randint(0, 3)):
            os.symlink(chance.choice(["socket:[1]", "socket:[x", "/dev/null", "pipe:[18446744073709551616]", ""]) or "x",
                       f"{root}/{pid}/fd/{descriptor}")
        for space in ("net", "pid", "mnt"):
            os.symlink(chance.choice([f"{space}:[4026531836]", f"{space}:[", "x"]), f"{root}/{pid}/ns/{space}")


runs = faults = rounds = 0
end = time.monotonic() + seconds
while time.monotonic() < end:
    root = f"{directory}/{rounds}"
    build(root)
    rounds += 1
    for command in chance.sample(COMMANDS, 8):
        try:
            outcome = subprocess.run([program, *command, f"--proc={root}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, env=ENVIRONMENT, timeout=60, check=False)
            is_fault = outcome.returncode not in (0, 1, 3, 64) or b"panicked" in outcome.stderr
            status, messages = outcome.returncode, outcome.stderr.decode(errors="replace")
            if outcome.returncode == 0 and "--json" in command:
                json.loads(outcome.stdout)
        except subprocess.TimeoutExpired:
            is_fault, status, messages = True, None, "it hangs"
        except ValueError as error:
            is_fault, status, messages = True, 0, f"no JSON: {error}"
        runs += 1
        if is_fault:
            faults += 1
            kept = f"{directory}/fault{faults}"
            if not os.path.exists(kept):
                shutil.copytree(root, kept, symlinks=True)
            print(json.dumps({"command": command, "status": status, "messages": messages[:500], "kept": kept, "seed": seed}),
                  flush=True)
    shutil.rmtree(root)
print(json.dumps({"rounds": rounds, "runs": runs, "faults": faults}))
