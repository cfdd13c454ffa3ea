"""Connections of TCP and pings between namespaces, all at the same time."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from ipaddress import ip_address

from netorch.kernel.system.syscalls import CLONE_NEWNET, setns
from tests.kernel.predictions.pings import Pings

PORTS = (80, 81)
"""The ports that servers in all namespaces listen on."""

Question = tuple[str, str, int]
"""A namespace, an address, and a port of TCP that is asked from there; 0 for a ping."""


class Servers:
    """Listening sockets in some namespaces, and clients there. Used as a context manager."""

    def __init__(self, labels: Iterable[str]) -> None:
        self._labels = tuple(labels)
        self._listening: list[socket.socket] = []
        self._pings = Pings(self._labels)
        self._within(dict.fromkeys(self._labels), self._listen)

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        self._pings.__exit__()
        for sock in self._listening:
            sock.close()

    def _within(self, labels: Iterable[str], act: object) -> None:
        """Call a function in each of the namespaces, with the namespace."""

        def work() -> None:
            for label in labels:
                with open(f"/run/netns/{label}") as file:
                    setns(file.fileno(), CLONE_NEWNET)
                act(label)  # type: ignore[operator]

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    def _listen(self, label: str) -> None:
        for port in PORTS:
            sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.bind(("::", port))
            sock.listen(64)
            self._listening.append(sock)

    def ask(self, questions: Sequence[Question], patience: float) -> set[Question]:
        """Return the questions that are answered within `patience` seconds."""
        clients: dict[Question, socket.socket] = {}
        tcp = [question for question in questions if question[2]]

        def connect(label: str) -> None:
            for question in tcp:
                if question[0] == label:
                    family = (
                        socket.AF_INET if ip_address(question[1]).version == 4 else socket.AF_INET6
                    )
                    clients[question] = sock = socket.socket(family, socket.SOCK_STREAM)
                    sock.setblocking(False)
                    sock.connect_ex(question[1:])

        self._within(dict.fromkeys(question[0] for question in tcp), connect)
        until = time.monotonic() + patience
        pairs = {(label, address) for label, address, port in questions if not port}
        pinged = self._pings.ask(pairs, patience) if pairs else set()
        answered: set[Question] = set()
        opening, waiting = dict(clients), dict(clients)
        accepted: list[socket.socket] = []
        while waiting and (left := until - time.monotonic()) > 0:
            reading = [*self._listening, *accepted, *waiting.values()]
            readable, writable, _ = select.select(reading, list(opening.values()), [], left)
            accepted += (sock.accept()[0] for sock in self._listening if sock in readable)
            for sock in accepted:
                with suppress(OSError):
                    if sock in readable and (data := sock.recv(1)):
                        sock.send(data)
            for question, sock in list(opening.items()):
                if sock in writable:
                    del opening[question]
                    with suppress(OSError):
                        sock.send(b"?")
            for question, sock in list(waiting.items()):
                if sock in readable:
                    del waiting[question]
                    with suppress(OSError):
                        if sock.recv(1) == b"?":
                            answered.add(question)
        for sock in (*clients.values(), *accepted):
            sock.close()
        return answered | {(*pair, 0) for pair in pinged}
