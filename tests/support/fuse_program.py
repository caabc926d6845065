"""A program on a file system (FUSE) below an overlay of its user's own user namespace, which falls silent on request.

Usage: unshare -Urm fuse_program.py DIRECTORY NAME PROGRAM [ARGUMENT...]

PROGRAM is served under NAME and started from there. A line "ready PID" is printed when it runs. From the next line of
standard input on, no question is answered any more: "silent" is printed, and then the number of each operation that is
asked for. The end of standard input ends all of it.
"""

import ctypes
import errno
import os
import select
import stat
import struct
import subprocess
import sys

directory, name, program = sys.argv[1], sys.argv[2].encode(), sys.argv[3]
content = open(program, "rb").read()
libc = ctypes.CDLL(None, use_errno=True)

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 14, 15, 17, 18
GETXATTR, LISTXATTR, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, ACCESS = 22, 23, 25, 26, 27, 28, 29, 34
ROOT, FILE = 1, 2


def mount(source, target, kind, options):
    if libc.mount(source.encode(), target.encode(), kind.encode(), 0, options.encode()) != 0:
        sys.exit(f"mount {kind}: {os.strerror(ctypes.get_errno())}")


def attributes(node):
    mode, size, links = (stat.S_IFREG | 0o755, len(content), 1) if node == FILE else (stat.S_IFDIR | 0o755, 0, 2)
    return struct.pack("6Q10I", node, size, (size + 511) // 512, 0, 0, 0, 0, 0, 0, mode, links, 0, 0, 0, 4096, 0)


def answer(operation, node, body):
    """Return the answer to a question: bytes, or an error number."""
    if operation == INIT:
        return struct.pack("IIIIHHIIHHI28x", 7, 31, 0, 0, 0, 0, 65536, 1, 0, 0, 0)
    if operation == LOOKUP:
        return struct.pack("4Q2I", FILE, 0, 0, 0, 0, 0) + attributes(FILE) if body.rstrip(b"\0") == name else errno.ENOENT
    if operation == GETATTR:
        return struct.pack("QII", 0, 0, 0) + attributes(node)
    if operation in (OPEN, OPENDIR):
        return struct.pack("QII", 0, 0, 0)
    if operation == READ:
        _, offset, size = struct.unpack_from("QQI", body)
        return content[offset:offset + size]
    if operation == READDIR:
        return b""
    if operation == STATFS:
        return struct.pack("5Q3I28x", 1000, 1000, 1000, 1000, 1000, 4096, 255, 4096)
    if operation in (RELEASE, RELEASEDIR, FLUSH, ACCESS):
        return b""
    return errno.ENOSYS


def serve(device):
    """Answer one question."""
    data = os.read(device, 1 << 20)
    _, operation, unique, node = struct.unpack_from("IIQQ", data)
    if operation == FORGET:
        return
    given = answer(operation, node, data[40:])
    error, text = (-given, b"") if isinstance(given, int) else (0, given)
    os.write(device, struct.pack("IiQ", 16 + len(text), error, unique) + text)


def say(text):
    print(text, flush=True)


device = os.open("/dev/fuse", os.O_RDWR)
lower, empty, top = (os.path.join(directory, part) for part in ("lower", "empty", "top"))
for part in (lower, empty, top):
    os.makedirs(part, exist_ok=True)
mount("test", lower, "fuse", f"fd={device},rootmode=40000,user_id=0,group_id=0")

server = os.fork()
if server == 0:
    while True:
        ready, _, _ = select.select([device, 0], [], [])
        if device in ready:
            serve(device)
        if 0 in ready:
            break
    os.read(0, 100)
    say("silent")
    while True:
        ready, _, _ = select.select([device, 0], [], [])
        if device in ready:
            say(struct.unpack_from("II", os.read(device, 1 << 20))[1])
        if 0 in ready and not os.read(0, 100):
            os._exit(0)

os.close(device)
mount("test", top, "overlay", f"lowerdir={lower}:{empty}")
child = subprocess.Popen([os.path.join(top, sys.argv[2]), *sys.argv[4:]], stdin=subprocess.DEVNULL)
say(f"ready {child.pid}")
os.waitpid(server, 0)
child.kill()
