"""nftables by libnftables(3): text in and text out, for the network namespace that the calling thread is in."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TextIO, cast

from netorch.errors import NetorchError, Problem
from netorch.kernel.system.descriptors import check_low

_LIBRARY = "libnftables.so.1"
_NETLINK_NETFILTER = 12
_STATELESS, _HANDLE, _JSON = 1 << 2, 1 << 3, 1 << 4
_SILENT = "refused without a word"
_NO_JSON = "this libnftables is built without JSON"
_ERROR = re.compile(r"(?:\S+: )?Error: (.*)")
_WIDTH = 200
_KEPT = 32
_BUSY = tuple(os.strerror(number) for number in (errno.EBUSY, errno.EAGAIN, errno.EINTR))
_TRIES, _PAUSE = 20, 0.02

# What rulesets are made of: a kernel without one of these is found out at once. No topology's table has a dot in its name.
_PROBE = """\
table inet netorch.probe {
	comment "netorch:probe"
	chain output {
		type nat hook output priority -100; policy accept;
		meta nfproto ipv4 tcp dport 1 fib daddr type local dnat ip to 192.0.2.1 : tcp dport map { 1 : 2 } comment "probe"
	}
	chain postrouting {
		type nat hook postrouting priority 100; policy accept;
		meta nfproto ipv6 oifname "lo" masquerade
	}
	chain forward {
		type filter hook forward priority 0; policy accept;
		ct state established ct status dnat accept
	}
}
"""

_normal: dict[tuple[str, str], str] = {}


def installed() -> bool:
    """Whether libnftables is on this machine."""
    try:
        _library()
    except OSError:
        return False
    return True


def available() -> str | None:
    """Why nftables cannot be used here, or None. The kernel is asked by a dry run: nothing changes."""
    if not installed():
        return f"{_LIBRARY} is not installed (Debian: apt install libnftables1)"
    error = _command(_PROBE, dry=True)[0]
    return None if error is None else f"nf_tables refuses what netorch needs: {error}"


def run(text: str) -> str | None:
    """Carry out all of the text in one transaction. The error in a sentence if it was refused; nothing has changed then."""
    return _command(text)[0]


def list_text(table: str) -> str | None:
    """The table (family inet) as `nft --stateless list table` shows it: no handles, no counters. None if there is none."""
    error, text = _command(f"list table inet {table}")
    if error is None:
        return text
    lost, tables = _command("list tables inet")
    if lost is None and f"table inet {table}" not in tables.splitlines():
        return None
    raise NetorchError(
        Problem(
            "nftables-refused", f"nftables: cannot list the table {table}: {error}", object=table
        )
    )


def list_rules(family: str, table: str) -> str | None:
    """Any table as `nft --stateless --handle list table` shows it; None where it cannot be listed."""
    error, text = _command(f"list table {family} {table}", flags=_STATELESS | _HANDLE)
    return text if error is None else None


def list_all() -> tuple[str | None, str, str]:
    """The error in a sentence or None, and all tables: as text with handles, and as JSON.

    Both come from one cache of the library, unless somebody changes the rules between them.
    """
    try:
        with _quiet(), _context(_STATELESS | _HANDLE) as context:
            error, text = _list_ruleset(context)
            if error is None:
                _library().nft_ctx_output_set_flags(context, _STATELESS | _HANDLE | _JSON)
                error, json = _list_ruleset(context)
    except OSError as failure:
        error = str(failure)
    if error is not None:
        # a library that is built without JSON fails and says nothing
        return (_NO_JSON if error == _SILENT else error), "", ""
    return None, text, json


def _list_ruleset(context: int) -> tuple[str | None, str]:
    return _output(context, _library().nft_run_cmd_from_buffer(context, b"list ruleset") != 0)


def normalise(script: str, table: str, fresh: Callable[[], None]) -> str:
    """How `list_text` would show the table after the script: both are done once in the namespace that `fresh` moves the thread to.

    An empty text if the script leaves no table. NetorchError if it is refused.
    """
    key = script, table
    if key not in _normal:
        fresh()
        error = run(script)
        if error is not None:
            raise NetorchError(Problem("nftables-refused", f"nftables: {error}", object=table))
        while len(_normal) >= _KEPT:
            del _normal[next(iter(_normal))]
        _normal[key] = list_text(table) or ""
    return _normal[key]


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(_LIBRARY)
    library.nft_ctx_new.argtypes = (ctypes.c_uint32,)
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_ctx_free.argtypes = (ctypes.c_void_p,)
    library.nft_ctx_free.restype = None
    library.nft_ctx_set_dry_run.argtypes = (ctypes.c_void_p, ctypes.c_bool)
    library.nft_ctx_set_dry_run.restype = None
    library.nft_ctx_output_set_flags.argtypes = (ctypes.c_void_p, ctypes.c_uint)
    library.nft_ctx_output_set_flags.restype = None
    library.nft_run_cmd_from_buffer.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
    library.nft_run_cmd_from_filename.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
    library.nft_ctx_buffer_output.argtypes = library.nft_ctx_buffer_error.argtypes = (
        ctypes.c_void_p,
    )
    library.nft_ctx_get_output_buffer.argtypes = library.nft_ctx_get_error_buffer.argtypes = (
        ctypes.c_void_p,
    )
    library.nft_ctx_get_output_buffer.restype = library.nft_ctx_get_error_buffer.restype = (
        ctypes.c_char_p
    )
    return library


def _command(text: str, dry: bool = False, flags: int = _STATELESS) -> tuple[str | None, str]:
    """The error in a sentence or None, and the output.

    What the kernel is too busy for is tried again, because it says nothing of the text, and a refusal has changed nothing.
    """
    for _ in range(_TRIES - 1):
        error, output = _try(text, dry, flags)
        if error is None or not any(word in error for word in _BUSY):
            return error, output
        time.sleep(_PAUSE)
    return _try(text, dry, flags)


def _try(text: str, dry: bool, flags: int) -> tuple[str | None, str]:
    with ExitStack() as stack:
        try:
            context = stack.enter_context(_context(flags, dry))
        except OSError as error:
            return str(error), ""
        return _output(context, _run(_library(), context, text))


@contextmanager
def _context(flags: int, dry: bool = False) -> Iterator[int]:
    """A context of the library. It belongs to the namespace where it is made, so it is not kept."""
    library = _library()
    # because libnftables ends the process where it can open no socket, or none for select(2)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as probe:
        check_low(probe.fileno(), "libnftables")
    context: int = library.nft_ctx_new(0)
    if (
        not context
        or library.nft_ctx_buffer_output(context)
        or library.nft_ctx_buffer_error(context)
    ):
        raise MemoryError("libnftables")
    try:
        library.nft_ctx_set_dry_run(context, dry)
        library.nft_ctx_output_set_flags(context, flags)
        yield context
    finally:
        library.nft_ctx_free(context)


def _output(context: int, failed: bool) -> tuple[str | None, str]:
    """The error in a sentence or None, and the output."""
    output: bytes = _library().nft_ctx_get_output_buffer(context)
    errors: bytes = _library().nft_ctx_get_error_buffer(context)
    return _sentence(errors.decode(errors="replace")) if failed else None, output.decode(
        errors="replace"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop what the library writes to the standard error.

    It complains there of statements without JSON, and of extensions of iptables that it lacks.
    """
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _script() -> TextIO:
    """A file without a name, in memory where the system allows that."""
    try:
        return open(os.memfd_create("nft"), "w", encoding="utf-8")
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EACCES, errno.ENOSYS}:
            raise
    from tempfile import TemporaryFile

    return cast(TextIO, TemporaryFile("w", encoding="utf-8"))


def _run(library: ctypes.CDLL, context: int, text: str) -> bool:
    # from a file, since errors in a buffer do not say which line they are about
    with _script() as script:
        script.write(text)
        script.flush()
        failed: int = library.nft_run_cmd_from_filename(
            context, f"/proc/self/fd/{script.fileno()}".encode()
        )
    return failed != 0


def _sentence(errors: str) -> str:
    """`Could not process rule: Operation not supported, in: ip saddr 10.0.0.0/24 masquerade`, of the first error."""
    lines = errors.splitlines()
    for number, line in enumerate(lines):
        if found := _ERROR.match(line):
            source = lines[number + 1].strip() if number + 1 < len(lines) else ""
            shown = source if len(source) <= _WIDTH else source[: _WIDTH - 1] + "…"
            return f"{found[1]}, in: {shown}" if shown else found[1]
    return errors.strip() or _SILENT
