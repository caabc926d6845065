"""Run a command whose output goes to a terminal that was stopped (Ctrl-S), or to a pipe that is full, and exit with its status.

Usage: stopped_output.py terminal|pipe COMMAND [ARGUMENT...]
"""

import fcntl
import os
import subprocess
import sys
import termios

kind, *command = sys.argv[1:]
if kind == "terminal":
    _, output = os.openpty()
    termios.tcflow(output, termios.TCOOFF)
else:
    _, output = os.pipe()
    os.set_blocking(output, False)
    size = fcntl.fcntl(output, fcntl.F_GETPIPE_SZ)
    os.write(output, b"x" * size)
    os.set_blocking(output, True)
status = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
sys.exit(status if status >= 0 else 128 - status)
