"""Files of ifupdown, interfaces(5), as the commands that `ifup -a` runs."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from netorch.immutable import Value
from netorch.importers.shell_lines.arguments import NotCarriedError, is_ipv6

PATH = "/etc/network/interfaces"
_COMMANDS = ("pre-up", "up", "post-up")


class _Stanza(Value):
    """An `iface` with the words and lines of its options."""

    interface: str
    method: str
    line: int
    options: tuple[tuple[str, str, int], ...]

    def value(self, name: str) -> str:
        return next((value for key, value, _ in self.options if key == name), "")


def commands_of(text: str) -> Iterator[tuple[str, int]]:
    """Yield the commands that bring up all interfaces of a file, each with its line.

    Raises NotCarriedError for an interface that gets its addresses from elsewhere.
    """
    for stanza in _stanzas(text):
        if stanza.method in ("dhcp", "auto", "bootp", "ppp"):
            raise NotCarriedError(f"{stanza.interface} gets its addresses by {stanza.method}")
        yield from _commands(stanza)


def _commands(stanza: _Stanza) -> Iterator[tuple[str, int]]:
    device = quote(stanza.interface)
    for key, value, line in stanza.options:
        if key == "hwaddress":
            yield f"ip link set dev {device} address {value.split()[-1]}", line
        elif key == "mtu":
            yield f"ip link set dev {device} mtu {value}", line
    yield from ((value, line) for key, value, line in stanza.options if key == "pre-up")
    address, mask = stanza.value("address"), stanza.value("netmask")
    if stanza.method == "static" and address:
        if "/" not in address and mask:
            address = f"{address}/{mask}"
        yield f"ip address add {address} dev {device}", stanza.line
    yield f"ip link set dev {device} up", stanza.line
    if gateway := stanza.value("gateway"):
        family = "-6 " if is_ipv6(gateway) else ""
        yield f"ip {family}route add default via {gateway} dev {device}", stanza.line
    yield from ((value, line) for key, value, line in stanza.options if key in _COMMANDS[1:])


def _stanzas(text: str) -> Iterator[_Stanza]:
    stanza: _Stanza | None = None
    options: list[tuple[str, str, int]] = []
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        key, _, rest = line.partition(" ")
        words = rest.split()
        if key == "iface" and len(words) > 2:
            if stanza is not None:
                yield _with(stanza, options)
            stanza, options = _Stanza(words[0], words[2], number, ()), []
        elif key in ("auto", "source", "source-directory", "mapping") or key.startswith("allow-"):
            continue
        elif key and not key.startswith("#"):
            options.append((key, rest.strip(), number))
    if stanza is not None:
        yield _with(stanza, options)


def _with(stanza: _Stanza, options: list[tuple[str, str, int]]) -> _Stanza:
    return _Stanza(stanza.interface, stanza.method, stanza.line, tuple(options))
