"""Calls from one process to another over a socket.

A table lists the functions and the types of their arguments and results. Values of these types are
sent as JSON, and open files along with it. The standard library writes the JSON, because names and
texts of the kernel need not be UTF-8, and only the standard library preserves them.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

import msgspec

from netorch.errors import KernelRefused, Problem
from netorch.immutable import Value
from netorch.kernel.private_host.error_values import ErrorValue, error_of, error_value

_CHUNK = 1 << 20
_MOST_FDS = 16

T = TypeVar("T")


class Files(Value):
    """A result that consists of open files.

    The sending process closes its descriptors; the receiving process gets descriptors of its own.
    """

    fds: tuple[int, ...]


class ValueForm(Generic[T]):
    """How values of a type are sent: as values of the type `wire`, which msgspec knows."""

    def __init__(
        self,
        wire: Any,
        pack: Callable[[T], Any] = lambda value: value,
        unpack: Callable[[Any], T] = lambda value: value,
    ) -> None:
        self.wire = wire
        self.pack = pack
        self.unpack = unpack


class Call:
    """A function that another process may call, with the types of its arguments and its result."""

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: Sequence[ValueForm[Any]],
        result: ValueForm[Any] | None,
    ) -> None:
        """Describe a call. `result` is None for a function that returns Files."""
        self.function = function
        self._arguments = arguments
        self._result = result

    def encode_arguments(self, arguments: Sequence[Any]) -> list[Any]:
        """Return the arguments as values for JSON."""
        return [
            msgspec.to_builtins(form.pack(value), str_keys=True)
            for form, value in zip(self._arguments, arguments, strict=True)
        ]

    def decode_arguments(self, arguments: Sequence[Any]) -> list[Any]:
        """Return the arguments from their values in JSON."""
        return [
            form.unpack(_convert(value, form.wire))
            for form, value in zip(self._arguments, arguments, strict=True)
        ]

    def encode_result(self, result: Any) -> bytes:
        """Return the result as JSON; empty for Files."""
        return b"" if self._result is None else _encode(self._result.pack(result))

    def decode_result(self, data: bytes) -> Any:
        """Return the result from its JSON."""
        assert self._result is not None
        return self._result.unpack(_convert(json.loads(data), self._result.wire))


class Calls:
    """The table of calls, by name. Both processes have the same one."""

    def __init__(self, **calls: Call) -> None:
        self._calls = calls
        self._names = {call.function: name for name, call in calls.items()}

    def ask(
        self, connection: socket.socket, function: Callable[..., Any], arguments: Sequence[Any]
    ) -> Any:
        """Call a function in the other process and return its result.

        Raise Raised if the function raises there, and ConnectionError or another OSError if the
        other process is gone. A result of the type Files holds descriptors of this process.
        """
        name = self._names[function]
        call = self._calls[name]
        connection.sendall(_encode([name, call.encode_arguments(arguments)]))
        connection.shutdown(socket.SHUT_WR)
        sign, fds, flags, _ = socket.recv_fds(connection, 1, _MOST_FDS)
        if flags & socket.MSG_CTRUNC:
            for fd in fds:
                os.close(fd)
            what = "this process has reached its limit on open files."
            raise KernelRefused(
                Problem(
                    "file-limit",
                    what,
                    remedy="Raise the limit with `ulimit -n`, or close some files.",
                    command="ulimit -n",
                )
            )
        if not sign:
            raise ConnectionError("the other process is gone")
        rest = _all(connection)
        if sign == b"-":
            raise Raised(decode_error(rest))
        for fd in fds:
            os.set_inheritable(fd, False)
        return Files(tuple(fds)) if fds else call.decode_result(rest)

    def answer(self, connection: socket.socket) -> None:
        """Receive one call from the other process, carry it out and send the result."""
        try:
            try:
                name, arguments = _convert(json.loads(_all(connection)), tuple[str, list[Any]])
                call = self._calls[name]
                result = call.function(*call.decode_arguments(arguments))
                data = call.encode_result(result)
            except BaseException as error:
                send_error(connection, error)
                return
            _send(connection, result.fds if isinstance(result, Files) else (), data)
        except OSError:
            # the other process no longer waits for the answer
            return
        finally:
            connection.close()


class Raised(Exception):
    """A call raised an exception in the other process. `error` is its copy in this process."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__(error)


def send_error(connection: socket.socket, error: BaseException) -> None:
    """Send an exception to the other process."""
    connection.sendall(b"-" + _encode(error_value(error)))
    connection.shutdown(socket.SHUT_WR)


def decode_error(data: bytes) -> Exception:
    """Decode the exception that `send_error` sent. `data` does not include the leading `-`."""
    return error_of(_convert(json.loads(data), ErrorValue))


def wait(connection: socket.socket) -> None:
    """Wait for the end of a call whose result nobody needs."""
    with suppress(OSError):
        # the other process does not start a call whose request is incomplete
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(_CHUNK):
            pass


def _send(connection: socket.socket, fds: Sequence[int], data: bytes) -> None:
    try:
        socket.send_fds(connection, [b"+"], fds)
    finally:
        for fd in fds:
            os.close(fd)
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def _encode(value: Any) -> bytes:
    return json.dumps(msgspec.to_builtins(value, str_keys=True), separators=(",", ":")).encode()


def _convert(value: Any, wire: Any) -> Any:
    return msgspec.convert(value, wire, str_keys=True)


def _all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(_CHUNK):
        parts.append(part)
    return b"".join(parts)
