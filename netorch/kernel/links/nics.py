"""NICs that the host lends to a namespace and gets back: moved, and with what they lose by it, since a move takes all of that away."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, ValidationError, convert

from netorch.errors import NetorchError
from netorch.immutable import Value, field, replace
from netorch.kernel.files import records
from netorch.kernel.links.uplink import HOPELESS, send, setlink
from netorch.kernel.namespaces.indexes import IndexResolver, Refused
from netorch.kernel.namespaces.open_namespaces import Namespaces
from netorch.kernel.reader import dump_links
from netorch.kernel.system import sysctl
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink.address_moves import Belongings, MovedLink, Piece, belongings, give, identity
from netorch.netlink.codec import attr, cstring, u32
from netorch.netlink.decode import addresses as decode_addresses
from netorch.values.requests import NicGive, NicTake
from netorch.values.snapshot import LinkRecord
from netorch.values.typed_json import decode, encode

Folder = Literal["ipv4/conf", "ipv6/conf", "ipv4/neigh", "ipv6/neigh"]
_SETTINGS: tuple[Folder, ...] = get_args(Folder)
"""Directories of /proc/sys/net with settings of each interface. A NIC that comes into a namespace gets that one's defaults."""

Settings = Mapping[Folder, Mapping[str, str]]
"""Directory → setting → value."""

_FOLLOWS = "mtu"
"""In ipv6/conf: what the link's own MTU sets."""

_SET_BY_ALL: tuple[tuple[Folder, str], ...] = (
    ("ipv4/conf", "forwarding"),
    ("ipv6/conf", "forwarding"),
    ("ipv6/conf", "disable_ipv6"),
)
"""What all interfaces get when it is written to `all`: by the topology itself perhaps, before the NIC is taken or after it is back."""

FILE = "nics.json"
"""Beside the topology's record: host's name of a NIC → what it had there."""

Hex = Annotated[str, Meta(pattern=r"^([0-9a-f]{2})*$")]


class LentNic(Value):
    """A NIC that the host lent to a namespace, with what it had on the host."""

    index: int
    name: str
    alias: str
    mtu: int
    mac: Hex
    txqueuelen: int
    up: bool
    addresses: tuple[Hex, ...]
    """Messages, as the kernel dumped them."""
    routes: tuple[Hex, ...]
    """Messages, as the kernel dumped them."""
    settings: Settings = field(default_factory=dict)


def take(namespaces: Namespaces, resolver: IndexResolver, request: NicTake) -> None:
    """Refused where it cannot be; then the NIC is where it was. What it has is written down first, and the mark is there before it
    moves: wherever a crash leaves it, the way back is known.
    """
    home, there = namespaces.rtnl(namespaces.host), resolver.namespace(request.netns)
    nic = _named(home, request.origin)
    if nic is None:
        raise Refused(errno.ENODEV, f"the host has no interface {request.origin!r}")
    namespaces.enter(namespaces.host)
    settings = _own_settings(
        {folder: sysctl.read_folder(f"net/{folder}/{nic.name}") for folder in _SETTINGS}
    )
    had = replace(_had(home, nic, request.protocol), settings=settings)
    _remember(request.topology, request.origin, had)
    refused = send(
        home, [setlink(nic, attr(c.IFLA_IFALIAS, cstring(request.alias)), request.origin)]
    )
    if refused is None:
        refused = send(home, [setlink(nic, _moved(there.fd, request.name), request.origin)])
    if refused is None:
        moved = _named(namespaces.rtnl(there), request.name)
        if moved is not None and request.attrs:
            attrs = b"".join(attr(number, payload) for number, payload in request.attrs)
            refused = send(namespaces.rtnl(there), [setlink(moved, attrs, request.name)])
    namespaces.host.forget()
    there.forget()
    if refused is not None:
        back = next(
            (
                link.name
                for link in dump_links(namespaces.rtnl(there))
                if link.alias == request.alias
            ),
            None,
        )
        label, name = ("host", request.origin) if back is None else (request.netns, back)
        give_back(
            namespaces,
            resolver,
            NicGive(label, name, request.origin, request.topology, request.protocol),
        )
        raise Refused(*refused)


def give_back(namespaces: Namespaces, resolver: IndexResolver, request: NicGive) -> None:
    """The mark goes last: until then it is known that something is still to be done."""
    home, here = namespaces.rtnl(namespaces.host), resolver.namespace(request.netns)
    nic = _named(namespaces.rtnl(here), request.name)
    if nic is None:
        return
    taken = _named(home, request.origin)
    if here is not namespaces.host:
        # the kernel itself calls so what it brings home from a namespace that ends
        name = (
            request.origin
            if taken is None
            else f"dev{nic.index}"
            if _named(home, f"dev{nic.index}") is None
            else "dev%d"
        )
        refused = send(
            namespaces.rtnl(here), [setlink(nic, _moved(namespaces.host.fd, name), request.name)]
        )
        here.forget()
        namespaces.host.forget()
        if refused is not None:
            raise Refused(*refused)
        nic = next((link for link in dump_links(home) if link.alias == nic.alias), None)
    elif nic.name != request.origin and taken is None:
        namespaces.host.forget()
        refused = send(
            home,
            [
                setlink(nic, b"", request.name, up=False),
                setlink(nic, attr(c.IFLA_IFNAME, cstring(request.origin)), nic.name),
            ],
        )
        if refused is not None:
            raise Refused(*refused)
        nic = _named(home, request.origin)
    if nic is None:
        return
    had = _remembered(request.topology).get(request.origin)
    namespaces.enter(namespaces.host)
    alias = ""
    if had is not None:
        alias = had.alias
        _set_again(nic.name, had.settings)
    refused = send(home, _restored(home, nic, had, request), HOPELESS)
    if refused is None:
        refused = send(home, [setlink(nic, attr(c.IFLA_IFALIAS, cstring(alias)), request.origin)])
    if refused is not None:
        raise Refused(*refused)
    _forget(request.topology, request.origin)


def _named(rtnl: Rtnl, name: str) -> LinkRecord | None:
    return next(
        (link for link in dump_links(rtnl) if name == link.name or name in link.altnames), None
    )


def _moved(netns: int, name: str) -> bytes:
    """What do_setlink does in this order (net/core/rtnetlink.c): out of the one namespace into the other, then the name."""
    return attr(c.IFLA_NET_NS_FD, u32(netns)) + attr(c.IFLA_IFNAME, cstring(name))


def _had(rtnl: Rtnl, nic: LinkRecord, protocol: int) -> LentNic:
    """What the NIC has, but for its settings."""
    dumps = rtnl.dump(c.RTM_GETADDR, bytes(8)), rtnl.dump(c.RTM_GETROUTE, bytes(12))
    things = belongings(*dumps, nic.index, nic.mac, protocol)
    return LentNic(
        index=nic.index,
        name=nic.name,
        alias=nic.alias,
        mtu=nic.mtu,
        mac=nic.mac.hex(),
        txqueuelen=nic.txqueuelen,
        up=bool(nic.flags & c.IFF_UP),
        addresses=tuple(body.hex() for _, body in things.addresses),
        routes=tuple(body.hex() for body in things.routes),
    )


def _own_settings(settings: Settings) -> Settings:
    """Without what the NIC has as all have it."""
    common = _common()
    return {
        folder: {
            name: value
            for name, value in values.items()
            if common.get(folder, {}).get(name) != value
        }
        for folder, values in settings.items()
    }


def _common() -> Settings:
    """Of the host: what `all` says of the settings that it sets."""
    found: dict[Folder, dict[str, str]] = {}
    for folder, name in _SET_BY_ALL:
        with suppress(OSError):
            found.setdefault(folder, {})[name] = sysctl.read(f"net/{folder}/all/{name}")
    return found


def _set_again(name: str, settings: Settings) -> None:
    """Before the NIC comes up, so that it begins as it was: without IPv6, say. What cannot be written was the kernel's own."""
    common = _common() if settings else {}
    for folder in _SETTINGS:
        for setting, value in {**common.get(folder, {}), **settings.get(folder, {})}.items():
            if setting != _FOLLOWS:
                with suppress(OSError):
                    sysctl.write(f"net/{folder}/{name}/{setting}", value)


def _restored(rtnl: Rtnl, nic: LinkRecord, had: LentNic | None, request: NicGive) -> list[Piece]:
    if had is None:
        return []
    mac = bytes.fromhex(had.mac)
    pieces = (
        [setlink(nic, attr(c.IFLA_ADDRESS, mac), f"MAC of {request.origin}")]
        if mac != nic.mac
        else []
    )
    numbers = ((c.IFLA_MTU, had.mtu, nic.mtu), (c.IFLA_TXQLEN, had.txqueuelen, nic.txqueuelen))
    attrs = b"".join(attr(number, u32(before)) for number, before, now in numbers if before != now)
    if attrs or had.up:
        pieces.append(setlink(nic, attrs, request.origin, up=True if had.up else None))
    bodies = [bytes.fromhex(text) for text in had.addresses]
    found = tuple(
        (record, body)
        for body in bodies
        for record in decode_addresses([(c.RTM_NEWADDR, body, 0, len(body))])
    )
    things = Belongings(found, tuple(bytes.fromhex(text) for text in had.routes))
    there = {
        identity(record)
        for record in decode_addresses(rtnl.dump(c.RTM_GETADDR, bytes(8)))
        if record.index == nic.index
    }
    return pieces + give(
        things, MovedLink(had.index, had.name), MovedLink(nic.index, nic.name), there
    )


def remembered(topology: str) -> frozenset[str]:
    """The NICs of which is known what they had on the host."""
    return frozenset(_remembered(topology))


def _remembered(topology: str) -> dict[str, LentNic]:
    """Nothing if there is no such record, or a damaged one."""
    found: dict[str, LentNic] = {}
    with suppress(ValueError):
        for name, had in decode(records.read_file(topology, FILE) or "{}", dict[str, Any]).items():
            with suppress(ValidationError):
                found[name] = convert(had, LentNic)
    return found


def _remember(topology: str, origin: str, had: LentNic) -> None:
    records.write_file(topology, FILE, encode({**_remembered(topology), origin: had}, indent=1))


def _forget(topology: str, origin: str) -> None:
    left = {name: had for name, had in _remembered(topology).items() if name != origin}
    if left:
        # a NIC is at home where its mark is gone, so that it is given back also where there is no room for a file
        with suppress(NetorchError):
            records.write_file(topology, FILE, encode(left, indent=1))
    else:
        records.remove_file(topology, FILE)
