"""A file system (FUSE) that takes questions and never answers.

Usage: desktop_fuse.py DIRECTORY [COUNT]. It goes on in the background; the pid is printed. It
answers COUNT questions about the directory itself, 0 by default, and no others.
"""

import ctypes
import os
import struct
import sys

DIRECTORY = sys.argv[1]
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 0
GETATTR, INIT, ACCESS = 3, 26, 34

device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"box", DIRECTORY.encode(), b"fuse", 0, options) != 0:
    sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
child = os.fork()
if child:
    print(child)
    sys.exit()
os.setsid()
null = os.open("/dev/null", os.O_RDWR)
for stream in range(3):
    os.dup2(null, stream)
answered = 0
while True:
    # struct fuse_in_header, see fuse(4).
    _, operation, unique = struct.unpack_from("IIQ", os.read(device, 1 << 20))
    if operation == INIT:
        # struct fuse_out_header and the struct fuse_init_out of version 7.8.
        answer = struct.pack("IIIIHHI", 7, 8, 0, 0, 0, 0, 4096)
    elif operation in (ACCESS, GETATTR) and answered < COUNT:
        answered += 1
        # struct fuse_attr_out of version 7.8, valid for no time: a directory.
        attributes = struct.pack("6Q8I", 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o40755, 2, 0, 0, 0)
        answer = struct.pack("QII", 0, 0, 0) + attributes if operation == GETATTR else b""
    else:
        continue
    os.write(device, struct.pack("IiQ", 16 + len(answer), 0, unique) + answer)
