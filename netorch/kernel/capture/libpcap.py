"""Compiles filters in tcpdump's language (pcap-filter(7)) with libpcap."""

from __future__ import annotations

import ctypes
import fcntl
import struct

from netorch.errors import LacksError, NetorchError, Problem
from netorch.immutable import Value
from netorch.kernel.namespaces.own_thread import run_in_new_thread
from netorch.kernel.system.sockets import opened, socket
from netorch.kernel.system.syscalls import CLONE_NEWNET, unshare

_LIBRARIES = ("libpcap.so.0.8", "libpcap.so.1", "libpcap.so")
"""The names of the library: of Debian, and of other distributions."""
_ERROR_SIZE = 256
_DLT_RAW = 12
_UNKNOWN_NETMASK = 0xFFFFFFFF
_OPTIMIZE = 1
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_SMALL_BUFFER = 1 << 16


class Program(Value):
    """A filter as instructions of classic BPF, for each link type."""

    ethernet: bytes
    raw_ip: bytes | None
    """None if no IP packet without an Ethernet header can match."""


class _Instruction(ctypes.Structure):
    """`struct bpf_insn`, which is `struct sock_filter`."""

    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jump_true", ctypes.c_uint8),
        ("jump_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    """`struct bpf_program`."""

    _fields_ = (("count", ctypes.c_uint), ("instructions", ctypes.POINTER(_Instruction)))


class _Refused(Exception):
    """libpcap does not accept the filter."""


def compile_filter(text: str, snap_length: int) -> Program:
    """Compile a filter, which cuts packets to `snap_length` bytes.

    Names of hosts are looked up in the files of this machine only, because the filter is compiled
    in a network namespace of its own. Raise LacksError without libpcap, NetorchError if the filter
    is wrong.
    """
    library = _library()

    def work() -> Program:
        # libpcap finds VLAN tags, which the kernel has taken out of the frame, only for an
        # interface that it has opened. It opens the loopback of an empty namespace, where it can
        # neither see a packet nor ask a name server.
        unshare(CLONE_NEWNET)
        with opened(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
        ethernet = _compile_and_close(library, _open_loopback(library, snap_length), text)
        try:
            handle = library.pcap_open_dead(_DLT_RAW, snap_length)
            raw_ip = _compile_and_close(library, handle, text)
        except _Refused:
            raw_ip = None
        return Program(ethernet, raw_ip)

    try:
        return run_in_new_thread(work)
    except _Refused as error:
        raise NetorchError(
            Problem(
                "bad-filter",
                f"{text!r} is not a filter: {error}.",
                remedy="Filters are in tcpdump's language: `man 7 pcap-filter`.",
                object=text,
                command="man 7 pcap-filter",
            )
        ) from None


def _library() -> ctypes.CDLL:
    for name in _LIBRARIES:
        try:
            library = ctypes.CDLL(name)
            break
        except OSError:
            continue
    else:
        command = "apt install libpcap0.8"
        what = "a FILTER needs the library libpcap, which this machine does not have."
        remedy = f"`{command}`, or capture without a FILTER."
        raise LacksError(Problem("no-libpcap", what, remedy=remedy, command=command))
    pointer, number = ctypes.c_void_p, ctypes.c_int
    for function, result, *arguments in (
        ("pcap_create", pointer, ctypes.c_char_p, ctypes.c_char_p),
        ("pcap_open_dead", pointer, number, number),
        ("pcap_set_snaplen", number, pointer, number),
        ("pcap_set_buffer_size", number, pointer, number),
        ("pcap_activate", number, pointer),
        ("pcap_geterr", ctypes.c_char_p, pointer),
        ("pcap_close", None, pointer),
        ("pcap_freecode", None, ctypes.POINTER(_Program)),
        (
            *("pcap_compile", number, pointer, ctypes.POINTER(_Program), ctypes.c_char_p),
            *(number, ctypes.c_uint32),
        ),
    ):
        call = getattr(library, str(function))
        call.restype, call.argtypes = result, arguments
    return library


def _open_loopback(library: ctypes.CDLL, snap_length: int) -> int | None:
    handle: int | None = library.pcap_create(b"lo", ctypes.create_string_buffer(_ERROR_SIZE))
    if handle is not None:
        library.pcap_set_snaplen(handle, snap_length)
        library.pcap_set_buffer_size(handle, _SMALL_BUFFER)
        if library.pcap_activate(handle) < 0:
            reason = _reason(library, handle)
            library.pcap_close(handle)
            raise LacksError(Problem("no-libpcap", f"libpcap cannot open a socket: {reason}."))
    return handle


def _compile_and_close(library: ctypes.CDLL, handle: int | None, text: str) -> bytes:
    if handle is None:
        raise MemoryError
    program = _Program()
    try:
        code = library.pcap_compile(
            handle, ctypes.byref(program), text.encode(), _OPTIMIZE, _UNKNOWN_NETMASK
        )
        if code != 0:
            raise _Refused(_reason(library, handle))
        size = program.count * ctypes.sizeof(_Instruction)
        instructions = ctypes.string_at(program.instructions, size)
        library.pcap_freecode(ctypes.byref(program))
        return instructions
    finally:
        library.pcap_close(handle)


def _reason(library: ctypes.CDLL, handle: int) -> str:
    words: bytes = library.pcap_geterr(handle) or b"no reason"
    return (
        words.decode(errors="replace").rstrip(".").removeprefix("can't parse filter expression: ")
    )
