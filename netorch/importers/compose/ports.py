"""Published ports of a compose file, in all forms of Compose."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any

from netorch.immutable import Value
from netorch.importers.items import Item, Reader

_RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_KEYS = frozenset(("app_protocol", "host_ip", "mode", "name", "protocol", "published", "target"))


class Port(Value):
    """A published port, or a range of them."""

    item: Item
    address: str
    """The address of the host, "" for all."""
    published: tuple[int, int] | None
    """The first and last port of the host, None for any free one."""
    target: tuple[int, int]
    proto: str

    @property
    def is_choice(self) -> bool:
        """Whether the engine chooses the port of the host."""
        return self.published is None or _size(self.published) != _size(self.target)

    def entry(self, network: str) -> str | dict[str, Any]:
        """Return the entry of `publish`. `network` publishes the port, "" for the first one."""
        if not network:
            return self.text()
        keys: dict[str, Any] = {"network": network}
        if self.address:
            keys["address"] = self.address
        if self.published:
            keys["port"] = _number(self.published)
        keys["to"] = _number(self.target)
        return keys if self.proto == "tcp" else keys | {"proto": self.proto}

    def text(self) -> str:
        """Return the entry in the short form, which is that of Compose too."""
        published = _text(self.published) if self.published else ""
        between = ":" if published or self.address else ""
        return f"{self._head}{published}{between}{self._tail}"

    @property
    def _head(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:" if address else ""

    @property
    def _tail(self) -> str:
        return _text(self.target) + ("" if self.proto == "tcp" else f"/{self.proto}")


def _size(ports: tuple[int, int]) -> int:
    return ports[1] - ports[0] + 1


def _text(ports: tuple[int, int]) -> str:
    first, last = ports
    return str(first) if first == last else f"{first}-{last}"


def _number(ports: tuple[int, int]) -> int | str:
    return ports[0] if ports[0] == ports[1] else _text(ports)


def read_ports(item: Item, read: Reader) -> list[Port]:
    """Return the ports of a service. What is not one is a fault."""
    ports: dict[tuple[Any, ...], Port] = {}
    for entry in read.sequence(item, "ports"):
        port = _long(entry, read) if isinstance(entry.data, dict) else _short(entry, read)
        if port is not None:
            ports[port.address, port.published, port.target, port.proto] = port
    return list(ports.values())


def _short(item: Item, read: Reader) -> Port | None:
    text = read.text(item, "ports")
    rest, _, proto = text.partition("/")
    rest, _, target = rest.rpartition(":")
    address, _, published = rest.rpartition(":")
    return _port(item, address, published, target, proto, read)


def _long(item: Item, read: Reader) -> Port | None:
    for key, entry in item.data.items():
        if key not in _KEYS and not key.startswith("x-"):
            read.fault(entry, f"`{key}` is not a key of a port in Compose.")
    address, published, target, proto = (
        read.text(item.get(key), key) for key in ("host_ip", "published", "target", "protocol")
    )
    return _port(item, address, published, target, proto, read)


def _port(
    item: Item, address: str, published: str, target: str, proto: str, read: Reader
) -> Port | None:
    inner: tuple[int, int] | None
    outer: tuple[int, int] | None
    try:
        inner = _range(target)
        outer = _range(published) if published not in ("", "0") else None
        host = str(ip_address(address.strip("[]"))) if address else ""
    except ValueError:
        inner = outer = None
        host = ""
    proto = proto.lower() or "tcp"
    if inner is None or proto not in ("tcp", "udp", "sctp"):
        words = ":".join(filter(None, (address, published, target)))
        what = f"{words!r} is not a published port such as 8080:80 or 127.0.0.1:8080:80/udp."
        read.fault(item, what)
        return None
    if outer is not None and _size(inner) > 1 and _size(inner) != _size(outer):
        what = f"The ranges {_text(outer)} and {_text(inner)} differ in length."
        read.fault(item, what)
        return None
    return Port(item, host, outer, inner, proto)


def _range(text: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    first, last = int(match[1]), int(match[2] or match[1])
    if not 0 < first <= last < 65536:
        raise ValueError(text)
    return first, last


class HostPorts:
    """The ports of the host that the services take."""

    def __init__(self) -> None:
        self._taken: list[tuple[str, str, tuple[int, int]]] = []

    def take(self, port: Port) -> bool:
        """Take the ports of the host of an entry. Return whether they were free."""
        assert port.published is not None
        first, last = port.published
        for proto, address, taken in self._taken:
            is_same = (proto, address) == (port.proto, port.address)
            if is_same and first <= taken[1] and taken[0] <= last:
                return False
        self._taken.append((port.proto, port.address, port.published))
        return True
