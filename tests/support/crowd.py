"""Start some processes that sleep until a signal ends them, print their pids in one line, and sleep until a signal too."""

import os
import signal
import sys

# The kernel reaps them at once.
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
pids = []
for _ in range(int(sys.argv[1])):
    pid = os.fork()
    if pid == 0:
        while True:
            signal.pause()
    pids.append(pid)
print(*pids, flush=True)
signal.pause()
