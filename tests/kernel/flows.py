"""Lasting flows: a server that answers any number of questions, and clients that keep a socket."""

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
    # a late answer must not pass for the answer to the next question
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
    """Start a server in a node, or on the host, that listens on `sockets` such as `tcp:80`.

    Each of its answers names the client's address and the server's port.
    """
    where = ("ip", "netns", "exec", node) if node else ()
    server = host.start(*where, sys.executable, "-c", SERVER, *sockets)
    assert server.stdout is not None and server.stdout.readline() == "ready\n"
    return server


class Flow:
    """One socket in a node, or on the host, that stays open between the questions."""

    def __init__(
        self,
        host: Host,
        node: str | None,
        proto: str,
        address: str,
        port: int,
        connecting: float = 10,
    ) -> None:
        """Connect. `connecting` is the time in seconds that the connection may take to begin.

        If it does not begin, `ask` returns `nothing`.
        """
        where = ("ip", "netns", "exec", node) if node else ()
        words = (sys.executable, "-c", CLIENT, proto, address, str(port), "0.7", str(connecting))
        self.title = f"{node} → {proto} {address} {port}"
        self._client = host.start(*where, *words)

    def ask(self, tries: int = 8) -> str:
        """Return `CLIENT-ADDRESS PORT` as the server saw them, or `nothing`.

        A question that must not be answered needs only a few `tries`.
        """
        assert self._client.stdin is not None and self._client.stdout is not None
        self._client.stdin.write(f"{tries}\n")
        self._client.stdin.flush()
        return self._client.stdout.readline().strip()
