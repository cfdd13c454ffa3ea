"""Flows that last: a server that answers again and again, and clients that keep one socket."""

from __future__ import annotations

import sys

from tests.kernel.host import Background, Host

SERVER = """
import socket, sys, threading
def name(address):
    return address[0].removeprefix("::ffff:")
def connection(there, address, port):
    try:
        while asked := there.recv(100).decode():
            there.sendall(f"{name(address)} {port} {asked}".encode())
    except OSError:
        pass
def stream(sock, port):
    while True:
        threading.Thread(target=connection, args=(*sock.accept(), port), daemon=True).start()
def datagrams(sock, port):
    while True:
        try:
            asked, address = sock.recvfrom(100)
            sock.sendto(f"{name(address)} {port} {asked.decode()}".encode(), address)
        except OSError:
            pass
for word in sys.argv[1:]:
    proto, port = word.split(":")
    kind = socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM
    sock = socket.socket(socket.AF_INET6, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", int(port)))
    if proto == "tcp":
        sock.listen()
    threading.Thread(target=stream if proto == "tcp" else datagrams, args=(sock, port), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""

CLIENT = """
import socket, sys, time
proto, address, port, patience, connecting = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
sock = socket.socket(family, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
sock.settimeout(float(connecting))
try:
    sock.connect((address, int(port)))
except OSError:
    sock = None
number = 0
def ask():
    # what is answered late is no answer to the next question
    end = time.monotonic() + float(patience)
    sock.send(f"{number}".encode())
    while (left := end - time.monotonic()) > 0:
        sock.settimeout(left)
        *answer, asked = sock.recv(100).decode().split() or ["nothing", str(number)]
        if asked == str(number):
            return " ".join(answer)
    return "nothing"
for line in sys.stdin:
    answer = "nothing"
    for _ in range(int(line) if sock else 0):
        number += 1
        try:
            answer = ask()
        except TimeoutError:
            continue
        except OSError:
            if proto == "tcp":
                break
        if answer != "nothing":
            break
    print(answer, flush=True)
"""


def answering(host: Host, node: str | None, *sockets: str) -> Background:
    """A server in a node, `tcp:80` and `udp:53` each, that says whom it sees and at which port."""
    where = ("ip", "netns", "exec", node) if node else ()
    server = host.start(*where, sys.executable, "-c", SERVER, *sockets)
    assert server.stdout is not None and server.stdout.readline() == "ready\n"
    return server


class Flow:
    """One socket of a node that stays open: what it is answered each time."""

    def __init__(
        self,
        host: Host,
        node: str | None,
        proto: str,
        address: str,
        port: int,
        connecting: float = 10,
    ) -> None:
        """`connecting`: seconds that a connection may take to begin. One that does not is answered `nothing`."""
        where = ("ip", "netns", "exec", node) if node else ()
        words = (sys.executable, "-c", CLIENT, proto, address, str(port), "0.7", str(connecting))
        self.title = f"{node} → {proto} {address} {port}"
        self._client = host.start(*where, *words)

    def ask(self, tries: int = 8) -> str:
        """`CLIENT-ADDRESS PORT` as the server has seen it, or `nothing`. One that must not be answered needs few tries."""
        assert self._client.stdin is not None and self._client.stdout is not None
        self._client.stdin.write(f"{tries}\n")
        self._client.stdin.flush()
        return self._client.stdout.readline().strip()
