"""Listen at sockets, and write down each process that connects.

Usage: desktop_listener.py KIND LOG ADDRESS... An address is a path, @NAME of an abstract socket, or a number of a TCP
port. KIND is what happens to whoever comes:

  silent    nothing, and the connection is kept
  garbage   it is told nonsense
  welcome   it is let in, as by a message bus, an X server or a Wayland compositor, whatever it speaks, and written down
            with what it said
  stuck     likewise, but only a message bus's first answer, to who says at once who it is
  full      there is no room for anybody

It goes on in the background; the pid is printed.
"""

import os
import selectors
import socket
import sys

KIND, LOG, *ADDRESSES = sys.argv[1:]


def listen(address):
    family = socket.AF_INET if address.isdigit() else socket.AF_UNIX
    server = socket.socket(family)
    if family == socket.AF_INET:
        server.bind(("127.0.0.1", int(address)))
    else:
        server.bind("\0" + address[1:] if address.startswith("@") else address)
    server.listen(0 if KIND == "full" else 64)
    return server


def answer(data):
    if b"AUTH" in data:
        return b"OK 00112233445566778899aabbccddeeff\r\n"
    if data[:1] in b"lB":
        return b"\1\0\13\0\0\0\0\0"
    return b"\2\0\0\0\0\0\14\0\0\0\0\0"


def log(text):
    with open(LOG, "a", encoding="utf-8") as file:
        file.write(text + "\n")


servers = [listen(address) for address in ADDRESSES]
for address in ADDRESSES:
    if address.startswith("/"):
        os.chmod(address, 0o777)
kept = []
if KIND == "full":
    for server in servers:
        for _ in range(2):
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            kept.append((client, client.connect_ex(server.getsockname())))
open(LOG, "a", encoding="utf-8").close()
child = os.fork()
if child:
    print(child)
    sys.exit()
os.setsid()
null = os.open("/dev/null", os.O_RDWR)
for stream in range(3):
    os.dup2(null, stream)
if KIND == "full":
    while True:
        selectors.DefaultSelector().select(1000)
watched = selectors.DefaultSelector()
for server in servers:
    watched.register(server, selectors.EVENT_READ)
while True:
    for key, _ in watched.select():
        if key.fileobj in servers:
            connection, _ = key.fileobj.accept()
            kept.append(connection)
            log("somebody")
            if KIND == "garbage":
                connection.sendall(b"\xff\xfe" * 2000 + b"\r\n")
            if KIND in ("welcome", "stuck"):
                watched.register(connection, selectors.EVENT_READ)
            continue
        try:
            data = key.fileobj.recv(65536)
            if data:
                log(repr(data))
                if KIND == "welcome" or b"AUTH EXTERNAL" in data:
                    key.fileobj.sendall(answer(data))
                continue
        except OSError:
            pass
        watched.unregister(key.fileobj)
