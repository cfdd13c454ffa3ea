"""Passes on the metrics of `watch`: by HTTP, and in a file for node_exporter."""

from __future__ import annotations

import errno
import os
import socket
import socketserver
import stat
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netorch.cli.streams import tell
from netorch.errors import NetorchError, Problem, printable
from netorch.kernel.system import threads
from netorch.watch.metrics import Metrics
from netorch.watch.observer import Silent

if TYPE_CHECKING:
    from collections.abc import Callable

    from netorch.watch.events import Event
    from netorch.watch.observer import Comparison, Reconciliation

PATH = "/metrics"
PLAIN = "text/plain; charset=utf-8"
MOST = 16
"""The number of connections at one time. Another one ends the oldest."""
PATIENCE = 10.0
"""The seconds that a client may take to send a request or to receive a part of the answer."""
_FRESH = 1.0
"""The seconds for which an answer is not made anew."""
INTERVAL = 15.0
"""The seconds after which the file is written again, because counters have changed."""
_PAUSE = 1.0
"""The shortest time between two writes of the file, in seconds."""
_MODE = 0o644
"""node_exporter, which reads the file, runs as a user of its own."""


class Port(Silent):
    """A server for Prometheus. It only answers GET and HEAD."""

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        """Begin to listen. Raise NetorchError if that is not possible."""
        self._metrics = metrics
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[float, bytes, str]] = {}
        try:
            address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            place = str(address[4][0]), int(address[4][1])
            self._server = _Server(address[0], place, self._answer)
        except (OSError, UnicodeError) as error:
            raise _no_port(host, port, error) from None
        self.url = f"http://{_url(host)}:{self._server.server_address[1]}{PATH}"
        """Where Prometheus finds the metrics."""
        thread = threading.Thread(
            target=self._server.serve_forever, name="netorch-metrics", daemon=True
        )
        threads.start(thread)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics and their media type. Many clients at once share one reading."""
        with self._lock:
            made, text, kind = self._answers.get(accept, (0.0, b"", ""))
            if time.monotonic() - made >= _FRESH or not text:
                text, kind = self._metrics.text(accept)
                # a client may send any header, so only one answer is remembered
                self._answers = {accept: (time.monotonic(), text, kind)}
            return text, kind


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = MOST

    def __init__(
        self,
        family: int,
        address: tuple[str, int],
        answer: Callable[[str], tuple[bytes, str]],
    ) -> None:
        self.address_family = family
        self.answer = answer
        self._open: dict[socket.socket, None] = {}
        self._open_lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own. With too many connections, end the oldest one."""
        with self._open_lock:
            # those that were ended may not have finished yet
            is_full = len(self._open) >= 2 * MOST
            if not is_full:
                if len(self._open) >= MOST:
                    with suppress(OSError):
                        next(iter(self._open)).shutdown(socket.SHUT_RDWR)
                self._open[request] = None
        if is_full:
            request.close()
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore what goes wrong with one client."""


class _Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE
    server: _Server
    server_version = "netorch"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/":
            self._send(200, f"netorch watch: {PATH}\n".encode(), PLAIN)
        elif path == PATH:
            try:
                text, kind = self.server.answer(self.headers.get("Accept") or "*/*")
            except Exception as error:
                tell(f"warning: the metrics could not be read: {printable(str(error))}")
                self._send(500, b"the metrics could not be read\n", PLAIN)
                return
            self._send(200, text, kind)
        else:
            self._send(404, f"there is only {PATH}\n".encode(), PLAIN)

    do_HEAD = do_GET

    def _send(self, status: int, text: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: scrapes come every few seconds."""


class TextFile(Silent):
    """A file for the textfile collector of node_exporter, replaced in one step each time."""

    def __init__(self, metrics: Metrics, path: str) -> None:
        """Write the file for the first time. Raise NetorchError if that is not possible."""
        self._metrics, self._path = metrics, Path(path)
        self._wake, self._ended = threading.Event(), False
        self._failed = False
        try:
            self._refuse_other_files()
            self._write()
        except (OSError, ValueError) as error:
            raise NetorchError(self._problem(error)) from None
        self._thread = threading.Thread(target=self._loop, name="netorch-metrics-file", daemon=True)
        threads.start(self._thread)

    def event(self, event: Event) -> None:
        self._wake.set()

    def comparison(self, comparison: Comparison) -> None:
        self._wake.set()

    def reconciliation(self, reconciliation: Reconciliation) -> None:
        self._wake.set()

    def gone(self, topology: str) -> None:
        self._wake.set()

    def close(self) -> None:
        """Remove the file, because nobody keeps it true any more."""
        self._ended = True
        self._wake.set()
        self._thread.join()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _loop(self) -> None:
        while True:
            self._wake.wait(INTERVAL)
            if self._ended:
                return
            self._wake.clear()
            try:
                self._write()
                self._failed = False
            except OSError as error:
                if not self._failed:
                    tell(f"warning: {self._problem(error).text()}")
                self._failed = True
            # the last event of a burst is written as well
            time.sleep(_PAUSE)

    def _refuse_other_files(self) -> None:
        """Raise NetorchError if there is something else at the path: a device, a topology."""
        if not self._path.name:
            raise ValueError("it is not the name of a file")
        with suppress(FileNotFoundError):
            # not read if it is a device or a pipe, which may block
            is_regular = stat.S_ISREG(os.lstat(self._path).st_mode)
            if is_regular and self._is_metrics():
                return
            name = printable(str(self._path))
            what = f"{name} exists, and is not a file with metrics of netorch."
            remedy = "Name another file, or remove that one first."
            raise NetorchError(Problem("file-unwritable", what, remedy=remedy, object=name))

    def _is_metrics(self) -> bool:
        with self._path.open("rb") as file:
            head = file.read(4096)
        return not head or b"# TYPE netorch_" in head

    def _write(self) -> None:
        text, _ = self._metrics.text()
        # node_exporter reads only files whose names end in `.prom`
        temporary = self._path.with_name(f".{self._path.name}.{os.urandom(4).hex()}.tmp")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        try:
            with os.fdopen(fd, "wb") as file:
                os.fchmod(fd, _MODE)
                file.write(text)
            temporary.replace(self._path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _problem(self, error: OSError | ValueError) -> Problem:
        name = printable(str(self._path))
        reason = error.strerror if isinstance(error, OSError) else str(error)
        lost = not self._path.parent.is_dir()
        remedy = f"Make the folder {printable(str(self._path.parent))} first." if lost else ""
        what = f"{name} cannot be written: {reason}."
        return Problem("file-unwritable", what, remedy=remedy, object=name)


def _url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _no_port(host: str, port: int, error: OSError | UnicodeError) -> NetorchError:
    place = f"{_url(host)}:{port}"
    number = error.errno if isinstance(error, OSError) else None
    reason = error.strerror if isinstance(error, OSError) else str(error)
    if number == errno.EADDRINUSE:
        command = f"ss -ltnp sport = {port}"
        what = f"the metrics cannot be at {place}: another program listens there."
        remedy = f"Use another port; `{command}` names the program."
        return NetorchError(Problem("port-in-use", what, None, remedy, place, command))
    what = f"the metrics cannot be at {place}: {reason}."
    remedy = (
        "Use an address of this machine: `ip address` lists them."
        if number == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror)
        else ""
    )
    return NetorchError(Problem("cannot-listen", what, None, remedy, place))
