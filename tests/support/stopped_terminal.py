"""Run a command on a terminal whose output was stopped (Ctrl-S), and exit with its status.

Usage: stopped_terminal.py COMMAND [ARGUMENT...]
"""

import os
import subprocess
import sys
import termios

_, terminal = os.openpty()
termios.tcflow(terminal, termios.TCOOFF)
status = subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal)
sys.exit(status if status >= 0 else 128 - status)
