# gpg_server.py SOCKET KIND [ARGUMENT]: listen at a socket, print the pid of the listener, and go on as KIND says.
# supervised  a gpg-agent that was handed the socket, as systemd does it
# kept        the same, but its parent never reaps it
# silent      accepts, and says nothing
# garbage     says something, but nothing that an agent would say
# claims      says what an agent says, and that its pid is ARGUMENT
# ending      exits when a client connects
# full        does not accept, and its queue of connections is full
import os, select, socket, sys, time

path, kind = sys.argv[1:3]
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen(0 if kind == "full" else 64)


def into_background():
    """Go on in a child, after its parent has printed its pid."""
    read, write = os.pipe()
    if os.fork():
        os.close(write)
        print(os.read(read, 20).decode(), flush=True)
        sys.exit()
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    os.close(read)
    return write


def agent():
    os.dup2(server.fileno(), 3)
    os.set_inheritable(3, True)
    os.environ.update(LISTEN_FDS="1", LISTEN_FDNAMES="std", LISTEN_PID=str(os.getpid()))
    os.execvp("gpg-agent", ["gpg-agent", "--supervised"])


def talk(client):
    if kind == "silent":
        return
    if kind == "garbage":
        client.sendall(b"\xff\x00 220 mail.example.org ESMTP\r\n\n")
        return
    client.sendall(b"OK Pleased to meet you\n")
    while command := client.recv(1000):
        client.sendall(b"D %s\nOK\n" % sys.argv[3].encode() if command.startswith(b"GETINFO") else b"OK\n")


told = into_background()
if kind == "kept" and (child := os.fork()):
    os.write(told, b"%d" % child)
    server.close()
    time.sleep(1000)
if kind != "kept":
    os.write(told, b"%d" % os.getpid())
os.close(told)
if kind in ("supervised", "kept"):
    agent()
if kind == "ending":
    select.select([server], [], [])
    sys.exit()
clients = []
while kind == "full":
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(0)
    try:
        client.connect(path)
    except BlockingIOError:
        time.sleep(1000)
    clients.append(client)
while True:
    clients.append(server.accept()[0])
    try:
        talk(clients[-1])
    except OSError:
        pass
