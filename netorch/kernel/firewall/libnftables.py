"""Call libnftables(3) with text in the network namespace of the calling thread."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TextIO, cast

from netorch.errors import NetorchError, Problem
from netorch.kernel.system.descriptors import check_low
from netorch.kernel.system.sockets import opened, socket

_LIBRARY = "libnftables.so.1"
_NETLINK_NETFILTER = 12
_STATELESS, _HANDLE, _JSON = 1 << 2, 1 << 3, 1 << 4
_SILENT = "refused without an error message"
_NO_JSON = "this libnftables is built without JSON"
_ERROR = re.compile(r"(?:\S+: )?Error: (.*)")
_WIDTH = 200
_MAX_NORMALISED = 1 << 24
"""The most characters of saved texts. An apply needs those of all its nodes twice."""
_BUSY = tuple(os.strerror(number) for number in (errno.EBUSY, errno.EAGAIN, errno.EINTR))
_TRIES, _PAUSE = 20, 0.02

# This contains everything that netorch's rulesets consist of, so that one attempt shows whether the
# kernel supports it. No topology's table can have this name, because a topology's name has no dot.
_PROBE = """\
table inet netorch.probe {
	comment "netorch:probe"
	set pairs {
		type ifname . ifname
		elements = { "a" . "b" }
	}
	map drops {
		type ifname : verdict
		elements = { "a" comment "probe" : drop }
	}
	map subnets {
		type ipv4_addr : verdict
		flags interval
		elements = { 192.0.2.0/24 : jump subnet }
	}
	map ports {
		type ipv4_addr . inet_service : ipv4_addr . inet_service
		elements = { 192.0.2.1 . 1 comment "probe" : 192.0.2.1 . 2 }
	}
	chain subnet {
		ip saddr { 192.0.2.0/24, 198.51.100.0/24 } accept
	}
	chain output {
		type nat hook output priority -100; policy accept;
		fib daddr type local dnat ip to ip daddr . tcp dport map @ports
		meta nfproto ipv4 tcp dport 1 fib daddr type local dnat ip to 192.0.2.1 : tcp dport \
map { 1 : 2 } comment "probe"
	}
	chain postrouting {
		type nat hook postrouting priority 100; policy accept;
		meta nfproto ipv6 oifname "lo" masquerade
		ip saddr vmap @subnets
	}
	chain forward {
		type filter hook forward priority 0; policy accept;
		ct state established ct status dnat accept
		iifname . oifname @pairs accept
		iifname vmap @drops
	}
}
"""


class _Texts(dict[tuple[str, str], str]):
    """Texts by script and table, up to a number of characters; the oldest are dropped."""

    size = 0

    def add(self, key: tuple[str, str], text: str) -> None:
        self[key] = text
        self.size += len(key[0]) + len(text)
        while self.size > _MAX_NORMALISED and len(self) > 1:
            script, table = next(iter(self))
            self.size -= len(script) + len(self.pop((script, table)))


_normal = _Texts()


def installed() -> bool:
    """Return whether libnftables is installed."""
    try:
        _library()
    except OSError:
        return False
    return True


def available() -> str | None:
    """Return why nftables cannot be used here, or None if it can.

    A dry run asks the kernel, so that nothing changes.
    """
    if not installed():
        return f"{_LIBRARY} is not installed (Debian: apt install libnftables1)"
    error = _command(_PROBE, dry=True)[0]
    return None if error is None else f"nf_tables refuses what netorch needs: {error}"


def run(text: str) -> str | None:
    """Carry out the text in one transaction.

    Return the error as a sentence if the kernel refused the text; nothing has changed then.
    """
    return _command(text)[0]


def list_text(table: str) -> str | None:
    """Return the table (family inet) as `nft --stateless list table` prints it, or None.

    This text has no handles and no counters. Raise NetorchError if the table cannot be listed.
    """
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
    """Return a table as `nft --stateless --handle list table` prints it.

    Return None if it cannot be listed.
    """
    error, text = _command(f"list table {family} {table}", flags=_STATELESS | _HANDLE)
    return text if error is None else None


def list_all() -> tuple[str | None, str, str]:
    """Return the error as a sentence or None, then all tables as text with handles, and as JSON.

    Both listings come from one cache of the library, unless another program changes the rules
    between them.
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
        # A library that is built without JSON fails without an error message.
        return (_NO_JSON if error == _SILENT else error), "", ""
    return None, text, json


def _list_ruleset(context: int) -> tuple[str | None, str]:
    return _output(context, _library().nft_run_cmd_from_buffer(context, b"list ruleset") != 0)


def normalise(script: str, table: str, enter_new_namespace: Callable[[], None]) -> str:
    """Return what `list_text` would return after the script.

    The script is run once, in the namespace to which `enter_new_namespace` moves the thread, and
    its result is saved. The text is empty if the script leaves no table. Raise NetorchError if the
    kernel refuses the script.
    """
    key = script, table
    if key not in _normal:
        enter_new_namespace()
        error = run(script)
        if error is not None:
            raise NetorchError(Problem("nftables-refused", f"nftables: {error}", object=table))
        _normal.add(key, list_text(table) or "")
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
    """Return the error as a sentence or None, and the output.

    A command is tried again while the kernel is busy: that error does not depend on the text, and
    a refused command has changed nothing.
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
    """Create a context of the library.

    A context belongs to the namespace in which it was created, so it is not reused.
    """
    library = _library()
    # libnftables ends the process if it cannot open a socket, or if the number of the socket is too
    # high for select(2). So netorch tries both first.
    with opened(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as probe:
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
    """Return the error as a sentence or None, and the output."""
    output: bytes = _library().nft_ctx_get_output_buffer(context)
    errors: bytes = _library().nft_ctx_get_error_buffer(context)
    return _sentence(errors.decode(errors="replace")) if failed else None, output.decode(
        errors="replace"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Discard what the library writes to standard error.

    It complains there about statements that JSON cannot express, and about extensions of iptables
    that it lacks.
    """
    saved_stderr = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved_stderr, 2)
        os.close(saved_stderr)


def _script() -> TextIO:
    """Open a file without a name, in memory if the system allows it."""
    try:
        return open(os.memfd_create("nft"), "w", encoding="utf-8")
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EACCES, errno.ENOSYS}:
            raise
    from tempfile import TemporaryFile

    return cast(TextIO, TemporaryFile("w", encoding="utf-8"))


def _run(library: ctypes.CDLL, context: int, text: str) -> bool:
    # The text is passed as a file, because only errors in files name the line that they are about.
    with _script() as script:
        script.write(text)
        script.flush()
        failed: int = library.nft_run_cmd_from_filename(
            context, f"/proc/self/fd/{script.fileno()}".encode()
        )
    return failed != 0


def _sentence(errors: str) -> str:
    """Return the first error as a sentence with its source line.

    Example: `Could not process rule: Operation not supported, in: ip saddr 10.0.0.0/24 masquerade`
    """
    lines = errors.splitlines()
    for number, line in enumerate(lines):
        if match := _ERROR.match(line):
            source = lines[number + 1].strip() if number + 1 < len(lines) else ""
            excerpt = source if len(source) <= _WIDTH else source[: _WIDTH - 1] + "…"
            return f"{match[1]}, in: {excerpt}" if excerpt else match[1]
    return errors.strip() or _SILENT
