"""A process whose memory map is locked, so that readers of its arguments or environment wait in the kernel.

Usage: memory_lock.py FILE SIGN

It maps FILE, and makes the file SIGN with its number in it. When there is a file SIGN.frozen, which says that the file
system of FILE is frozen, one thread writes to the map and waits for the file system, and another one unmaps it: that one
holds the lock and waits for the first.
"""

import ctypes
import os
import sys
import threading
import time

PROT_READ, PROT_WRITE, MAP_SHARED, SIZE = 1, 2, 1, 4096

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

file, sign = sys.argv[1:]
descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
os.ftruncate(descriptor, SIZE)
address = libc.mmap(None, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
ctypes.string_at(address, 1)
with open(f"{sign}.new", "w", encoding="ascii") as text:
    text.write(str(os.getpid()))
os.rename(f"{sign}.new", sign)
while not os.path.exists(f"{sign}.frozen"):
    time.sleep(0.01)


def is_waiting(tid):
    with open(f"/proc/self/task/{tid}/stat", "rb") as stat:
        return stat.read().rpartition(b") ")[2][:1] == b"D"


# Daemon threads, so that the end of the main thread ends all.
writer = threading.Thread(target=libc.memset, args=(address, 120, 1), daemon=True)
writer.start()
while not is_waiting(writer.native_id):
    time.sleep(0.01)
threading.Thread(target=libc.munmap, args=(address, SIZE), daemon=True).start()
threading.Event().wait()
