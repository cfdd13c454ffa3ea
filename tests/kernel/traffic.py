"""Servers and clients in Python for traffic tests: who reaches whom, and from which address?"""

from __future__ import annotations

import json
import re
import shutil
import sys

import pytest

from tests.kernel.host import Background, Host

SERVER = """
import selectors, socket, sys
waiting = selectors.DefaultSelector()
for word in sys.argv[1:]:
    proto, port = word.split(":")
    sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", int(port)))
    if proto == "tcp":
        sock.listen()
    waiting.register(sock, selectors.EVENT_READ, (proto, port))
print("ready", flush=True)
while True:
    for key, _ in waiting.select():
        proto, port = key.data
        if proto == "tcp":
            there, address = key.fileobj.accept()
            there.sendall(f"{address[0].removeprefix('::ffff:')} {port}".encode())
            there.close()
        else:
            _, address = key.fileobj.recvfrom(100)
            key.fileobj.sendto(f"{address[0].removeprefix('::ffff:')} {port}".encode(), address)
"""

CLIENT = """
import socket, sys, time
from concurrent.futures import ThreadPoolExecutor
def ask(line):
    proto, address, port, patience = line.split()
    end = time.monotonic() + float(patience)
    while time.monotonic() < end:
        try:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.socket(family, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM) as sock:
                sock.settimeout(max(0.3, min(2.0, float(patience) / 2)))
                sock.connect((address, int(port)))
                if proto == "udp":
                    sock.send(b"?")
                if answer := sock.recv(100).decode():
                    return answer
        except OSError:
            time.sleep(0.05)
    return "nothing"
lines = sys.stdin.readlines()
print(*ThreadPoolExecutor(max(1, len(lines))).map(ask, lines), sep="\\n")
"""

PATIENCE = 6.0
"""Seconds to wait for a required answer.

A new router forwards IPv6 only when its link-local address is ready.
"""


def serve(host: Host, node: str, *sockets: str) -> Background:
    """Start a server in a node that listens on `sockets` such as `tcp:80`, and wait until it does.

    Each of its answers names the client's address and the server's port.
    """
    server = host.start("ip", "netns", "exec", node, sys.executable, "-c", SERVER, *sockets)
    assert server.stdout is not None
    line = server.stdout.readline()
    assert line == "ready\n", line
    return server


def ask(
    host: Host, node: str | None, *questions: tuple[str, str, int], patience: float = PATIENCE
) -> list[str | None]:
    """Ask each (proto, address, port) at the same time, from a node or the host.

    Returns for each `CLIENT-ADDRESS PORT` as the server saw them, or None without an answer.
    """
    if not questions:
        return []
    where = ("ip", "netns", "exec", node) if node else ()
    lines = "".join(f"{proto} {address} {port} {patience}\n" for proto, address, port in questions)
    out = host.run(
        *where, sys.executable, "-c", CLIENT, input=lines, timeout=120
    ).stdout.splitlines()
    return [None if answer == "nothing" else answer for answer in out]


def mbit(host: Host, source: str, target: str, address: str) -> float:
    """Return the throughput of TCP between two nodes in Mbit/s, as iperf3's receiver counts it."""
    if shutil.which("iperf3") is None:
        pytest.skip("no iperf3 here")
    server = host.start("ip", "netns", "exec", target, "iperf3", "-s", "-1", "--forceflush")
    assert server.stdout is not None
    while "listening" not in (line := server.stdout.readline()):
        assert line, "iperf3 ended"
    done = host.run(
        "ip", "netns", "exec", source, "iperf3", "-J", "-t", "3", "-c", address, timeout=120
    )
    server.kill()
    return float(json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]) / 1e6


def round_trip(host: Host, source: str, address: str) -> float:
    """Return the shortest round trip of four pings in ms."""
    out = host.run(
        "ip", "netns", "exec", source, "ping", "-n", "-q", "-i", "0.2", "-c", "4", address
    ).stdout
    match = re.search(r"rtt min/avg/max/mdev = ([0-9.]+)/", out)
    assert match, out
    return float(match[1])
