"""Does what its arguments say, one after the other, writes "ready", and stays alive until it is killed.

tcp:0.0.0.0:80      listens; [::1]:80 is IPv6, and v6only:[::]:80 that alone
udp:0.0.0.0:53      takes datagrams
connect:127.0.0.1:80            a connection to a listener of ours, and the other end of it
connected:127.0.0.1:9           a UDP socket that is connected
stream:PATH dgram:PATH seqpacket:PATH   unix sockets; @name is an abstract one
pair                two connected unix sockets
files:N             opens so many files
unshare             goes to a network namespace of its own
fork                a child has the same descriptors
pass                a process that is no child of ours gets our first socket by a message
close               closes our first socket
user:UID            becomes this user
zombie              has a child that has ended
leave               our first thread exits and another one stays
"""

import ctypes
import os
import signal
import socket
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
held = []


def bound(kind, where):
    text, port = where.rsplit(":", 1)
    family = socket.AF_INET6 if text.startswith("[") else socket.AF_INET
    opened = socket.socket(family, kind)
    if kind == socket.SOCK_STREAM:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return opened, (text.strip("[]"), int(port))


def listen(kind, where, only=0):
    opened, address = bound(kind, where)
    if opened.family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    opened.bind(address)
    if kind == socket.SOCK_STREAM:
        opened.listen()
    held.append(opened)


def unix(kind, path):
    opened = socket.socket(socket.AF_UNIX, kind)
    opened.bind(b"\0" + os.fsencode(path[1:]) if path.startswith("@") else os.fsencode(path))
    if kind != socket.SOCK_DGRAM:
        opened.listen()
    held.append(opened)


def connect(where):
    text, port = where.rsplit(":", 1)
    held.append(socket.create_connection((text.strip("[]"), int(port))))
    wanted = [each for each in held if each.type == socket.SOCK_STREAM and is_listener(each)]
    held.append(next(each for each in wanted if each.getsockname()[1] == int(port)).accept()[0])


def is_listener(opened):
    return opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def fork():
    if os.fork() == 0:
        stay()


def pass_on():
    ours, theirs = socket.socketpair()
    told, tell = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() > 0:
            os._exit(0)
        ours.close()
        for opened in held:
            opened.close()
        held.clear()
        _, files, _, _ = socket.recv_fds(theirs, 1, 1)
        held.append(socket.socket(fileno=files[0]))
        theirs.close()
        os.write(tell, b"x")
        stay()
    os.wait()
    theirs.close()
    socket.send_fds(ours, [b"x"], [held[0].fileno()])
    os.read(told, 1)
    ours.close()


def stay():
    signal.pause()
    os._exit(0)


def leave():
    import platform
    import threading

    def announce():
        stat = open(f"/proc/{os.getpid()}/stat")
        while ") Z " not in stat.read():
            stat.seek(0)
        print("ready", flush=True)
        threading.Event().wait()

    threading.Thread(target=announce).start()
    # exit(2) of this thread alone.
    LIBC.syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)


def do(what, value):
    kinds = {"stream": socket.SOCK_STREAM, "dgram": socket.SOCK_DGRAM}
    kinds["seqpacket"] = socket.SOCK_SEQPACKET
    if what == "tcp":
        listen(socket.SOCK_STREAM, value)
    elif what == "v6only":
        listen(socket.SOCK_STREAM, value, 1)
    elif what == "udp":
        listen(socket.SOCK_DGRAM, value)
    elif what == "connect":
        connect(value)
    elif what == "connected":
        opened, address = bound(socket.SOCK_DGRAM, value)
        opened.connect(address)
        held.append(opened)
    elif what in kinds:
        unix(kinds[what], value)
    elif what == "pair":
        held.extend(socket.socketpair())
    elif what == "files":
        import resource

        most = int(value) + 100
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        held.extend(open("/dev/null") for _ in range(int(value)))
    elif what == "unshare":
        if LIBC.unshare(0x40000000) != 0:
            sys.exit(os.strerror(ctypes.get_errno()))
        os.system("ip link set lo up")
    elif what == "fork":
        fork()
    elif what == "pass":
        pass_on()
    elif what == "close":
        held.pop(0).close()
    elif what == "user":
        os.setgroups([])
        os.setresgid(int(value), int(value), int(value))
        os.setresuid(int(value), int(value), int(value))
        # PR_SET_DUMPABLE: other processes of this user may examine it again.
        LIBC.prctl(4, 1)
    elif what == "zombie":
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    elif what == "leave":
        leave()
    else:
        sys.exit(f"what is {what}?")


for word in sys.argv[1:]:
    do(*(word.split(":", 1) + [""])[:2])
print("ready", flush=True)
stay()
