"""A topology's packet filter in the namespace that the thread is in: which backend, what is there, what is to be there."""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_address

from netorch.errors import NetorchError, Problem
from netorch.kernel.firewall import nft
from netorch.nat import nftables
from netorch.values.filter_rules import DestinationTo, Ruleset

NFTABLES, IPTABLES = "nftables", "iptables"
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_NETLINK_NETFILTER = 12
_GETTABLE = 10 << 8 | 1
_DUMP_REQUEST = 0x301
_TABLE_NAME = 1
_LEGACY_NAMES = ("/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names")
_LED_TO = re.compile(r"(?:dnat ip6? to|--to-destination) \[?((?:\d+\.){3}\d+|[0-9a-f:]+:[0-9a-f]+)")
"""The target of a translation in either backend's words."""


def choose(wanted: str) -> str:
    """The backend for `auto`, nftables or iptables; NetorchError that says what to install if there is none."""
    reasons: list[str] = []
    if wanted in {"auto", NFTABLES}:
        reason = nft.available()
        if reason is None:
            return NFTABLES
        reasons.append(f"nftables: {reason}")
    if wanted in {"auto", IPTABLES}:
        from netorch.kernel.firewall import xtables

        reason = xtables.available()
        if reason is None:
            return IPTABLES
        reasons.append(f"iptables: {reason}")
    raise NetorchError(
        Problem(
            "no-filter-backend",
            "no backend for NAT and filtering works here. " + "; ".join(reasons),
        )
    )


def has_legacy() -> bool:
    """Whether this kernel has tables of the older kind loaded: if it has, each of its namespaces lists its own, be the list empty."""
    return any(os.path.exists(path) for path in _LEGACY_NAMES)


def refusal(backend: str) -> str | None:
    """Why it cannot be used here; None of one that can."""
    if backend == NFTABLES:
        return nft.available()
    from netorch.kernel.firewall import xtables

    return xtables.available()


def read(topology: str, legacy: bool = True) -> dict[str, str]:
    """Backend → the text of what the topology has there; absent where it has nothing. `legacy`: what `has_legacy` said."""
    found: dict[str, str] = {}
    table = nftables.table_name(topology)
    if table in tables() and (text := nft.list_text(table)):
        found[NFTABLES] = text
    if legacy and legacy_tables():
        from netorch.kernel.firewall import xtables
        from netorch.nat import iptables

        names = iptables.Names(topology)
        if xtables.available() is None and (
            text := _text_of(xtables.read(names.mark, names.chains))
        ):
            found[IPTABLES] = text
    return found


def normal(backend: str, topology: str, rules: Ruleset, fresh: Callable[[], None]) -> str:
    """The text that `read` would give once the rules are there; `fresh` moves the thread to a new namespace."""
    if backend == NFTABLES:
        table = nftables.table_name(topology)
        return nft.normalise(nftables.script(table, rules), table, fresh)
    from netorch.nat import iptables

    return _text_of(iptables.lines(topology, rules))


def put(backend: str, topology: str, rules: Ruleset, text: str, before: str = "") -> None:
    """Make the filter this one: the rules, or without them what `read` once gave as `text`. `before`: the text of the present one."""
    if backend == NFTABLES:
        table = nftables.table_name(topology)
        _run(nftables.script(table, rules) if rules else nftables.delete(table) + text)
    else:
        from netorch.kernel.firewall import xtables
        from netorch.nat import iptables

        names = iptables.Names(topology)
        xtables.replace(
            names.mark, names.chains, iptables.lines(topology, rules) if rules else _tables_of(text)
        )
    _forget_strays(rules, before)


def remove(backend: str, topology: str, before: str = "") -> None:
    if backend == NFTABLES:
        _run(nftables.delete(nftables.table_name(topology)))
    else:
        from netorch.kernel.firewall import xtables
        from netorch.nat import iptables

        names = iptables.Names(topology)
        xtables.delete(names.mark, names.chains)
    _forget_strays((), before)


def _forget_strays(rules: Ruleset, before: str) -> None:
    """A datagram's way is remembered for as long as datagrams come: also the one from before its port was published, or no longer was."""
    from netorch.kernel.firewall import conntrack

    targets = [
        conntrack.Target(
            _FAMILIES[rule.family],
            *rule.match.port,
            rule.act.address.packed,
            _destination(rule.match.destination),
            bool(rule.match.local),
        )
        for rule in rules
        if isinstance(rule.act, DestinationTo)
        and rule.match.protocol == "udp"
        and rule.match.port is not None
    ]
    led_to = {ip_address(found[1]).packed for found in _LED_TO.finditer(before)}
    if targets or led_to:
        # a kernel that does not tell its connections can only be left to forget them by itself
        with suppress(OSError):
            conntrack.forget(targets, led_to)


def _destination(match: object) -> bytes:
    return match.network_address.packed if isinstance(match, IPv4Network | IPv6Network) else b""


def _text_of(tables: Mapping[tuple[int, str], Sequence[str]]) -> str:
    """All tables' lines in one text, each behind its command; the way back is `_tables_of`."""
    return "\n".join(
        f"{'iptables' if version == 4 else 'ip6tables'} -t {table} {line}"
        for (version, table), found in sorted(tables.items())
        for line in found
    )


def _tables_of(text: str) -> dict[tuple[int, str], tuple[str, ...]]:
    """The lines of each table out of what `read` gave: `iptables -t nat -A …`."""
    found: dict[tuple[int, str], list[str]] = {}
    for line in text.splitlines():
        command, _, table, rest = line.split(" ", 3)
        found.setdefault((4 if command == "iptables" else 6, table), []).append(rest)
    return {key: tuple(lines) for key, lines in found.items()}


def _run(script: str) -> None:
    error = nft.run(script)
    if error is not None:
        raise OSError(errno.EOPNOTSUPP if "not supported" in error else errno.EINVAL, error)


def tables() -> list[str]:
    """The names of all nftables tables, asked without the library, which takes longer to load than this takes."""
    names: list[str] = []
    with (
        suppress(OSError),
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as sock,
    ):
        sock.send(struct.pack("=IHHII", 20, _GETTABLE, _DUMP_REQUEST, 1, 0) + bytes(4))
        while True:
            data = sock.recv(1 << 16)
            offset = 0
            while offset + 16 <= len(data):
                length, kind = struct.unpack_from("=IH", data, offset)
                if kind in {2, 3} or length < 16:
                    return names
                names += _names(data[offset + 20 : offset + length])
                offset += length + 3 & ~3
    return names


def _names(attributes: bytes) -> list[str]:
    offset = 0
    while offset + 4 <= len(attributes):
        length, number = struct.unpack_from("=HH", attributes, offset)
        if length < 4:
            break
        if number == _TABLE_NAME:
            return [attributes[offset + 4 : offset + length].rstrip(b"\0").decode(errors="replace")]
        offset += length + 3 & ~3
    return []


def legacy_tables() -> bool:
    """Whether the namespace has tables of the older kind at all."""
    for path in _LEGACY_NAMES:
        with suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if os.read(fd, 16).strip():
                    return True
            finally:
                os.close(fd)
    return False
