"""NICs that the host lends to a namespace and gets back: moved, and with what they lose by it, since a move takes all of that away."""

from __future__ import annotations

import errno
from collections.abc import Container, Iterable
from contextlib import suppress

from netorch.errors import NetorchError
from netorch.immutable import replace
from netorch.kernel.links import lent
from netorch.kernel.links.lent import FOLDERS, Folder, LentNic, Settings
from netorch.kernel.links.uplink import HOPELESS, send, setlink
from netorch.kernel.namespaces.indexes import IndexResolver, Refused
from netorch.kernel.namespaces.netns import OpenNetns
from netorch.kernel.namespaces.open_namespaces import Namespaces
from netorch.kernel.reader import dump_links
from netorch.kernel.system import sysctl
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink.address_moves import Belongings, MovedLink, Piece, belongings, give, identity
from netorch.netlink.codec import attr, cstring, nested, u32
from netorch.netlink.decode import addresses as decode_addresses
from netorch.values.marks import ALIAS
from netorch.values.requests import NicGive, NicTake
from netorch.values.snapshot import LinkRecord

_FOLLOWS = "mtu"
"""In ipv6/conf: what the link's own MTU sets."""

_SET_BY_ALL: tuple[tuple[Folder, str], ...] = (
    ("ipv4/conf", "forwarding"),
    ("ipv6/conf", "forwarding"),
    ("ipv6/conf", "disable_ipv6"),
)
"""What all interfaces get when it is written to `all`: by the topology itself perhaps, before the NIC is taken or after it is back."""


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
        {folder: sysctl.read_folder(f"net/{folder}/{nic.name}") for folder in FOLDERS}
    )
    if nic.link_netnsid is not None:
        namespaces.give_number(there.fd)
    had = replace(
        _had(home, nic),
        settings=settings,
        place=(there.inode[1], namespaces.rtnl(there).cookie),
        boot=lent.boot_id(),
    )
    _remember(request.topology, request.origin, had)
    refused = send(
        home, [setlink(nic, attr(c.IFLA_IFALIAS, cstring(request.alias)), request.origin)]
    )
    others = _indices(namespaces, there)
    if refused is None:
        refused = send(home, [setlink(nic, _moved(there.fd, request.name), request.origin)])
    moved = _newcomer(namespaces, there, others) if refused is None else None
    if moved is not None:
        if moved.index != had.there:
            _remember(request.topology, request.origin, replace(had, there=moved.index))
        if request.attrs:
            attrs = b"".join(attr(number, payload) for number, payload in request.attrs)
            refused = send(namespaces.rtnl(there), [setlink(moved, attrs, request.name)])
    namespaces.host.forget()
    there.forget()
    if refused is not None:
        label = request.netns if moved is not None else namespaces.host.label
        give_back(
            namespaces,
            resolver,
            NicGive(label, request.name, request.origin, request.topology),
        )
        raise Refused(*refused)


def give_back(namespaces: Namespaces, resolver: IndexResolver, request: NicGive) -> None:
    """The mark goes last: until then it is known that something is still to be done."""
    host, here = namespaces.host, resolver.namespace(request.netns)
    had = lent.read(request.topology).get(request.origin)
    nic = _lent_nic(namespaces, here, request, had)
    if nic is None:
        return
    home = namespaces.rtnl(host)
    taken = _named(home, request.origin)
    if here is not host:
        # the kernel itself calls so what it brings home from a namespace that ends
        name = (
            request.origin
            if taken is None
            else f"dev{nic.index}"
            if _named(home, f"dev{nic.index}") is None
            else "dev%d"
        )
        nic = _moved_home(namespaces, here, nic, had, name)
    elif nic.name != request.origin and taken is None:
        host.forget()
        refused = send(
            home,
            [
                setlink(nic, b"", request.origin, up=False),
                setlink(nic, attr(c.IFLA_IFNAME, cstring(request.origin)), nic.name),
            ],
        )
        if refused is not None:
            raise Refused(*refused)
        nic = _named(home, request.origin) or nic
    namespaces.enter(host)
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


def _lent_nic(
    namespaces: Namespaces, here: OpenNetns, request: NicGive, had: LentNic | None
) -> LinkRecord | None:
    """The link in `here` that the record proves to be the NIC. Without a record the one of that name that says so, if root wrote that."""
    mark = f"{ALIAS}{request.topology}"
    for link in dump_links(namespaces.rtnl(here)):
        marked = lent.is_marked(namespaces, here, link, mark, request.origin)
        if had is None:
            if marked and link.name == request.name:
                return link
        elif lent.is_it(namespaces, here, link, had, marked):
            return link
    return None


def _moved_home(
    namespaces: Namespaces, here: OpenNetns, nic: LinkRecord, had: LentNic | None, name: str
) -> LinkRecord:
    """Move it to the host, and see there that it is the NIC: who is root in a namespace of others may be quick. Refused where it fails."""
    host = namespaces.host
    if had is not None:
        _drop_altnames(namespaces.rtnl(here), nic, had)
    others = _indices(namespaces, host)
    refused = send(namespaces.rtnl(here), [setlink(nic, _moved(host.fd, name), nic.name)])
    here.forget()
    host.forget()
    if refused is not None:
        raise Refused(*refused)
    moved = _newcomer(namespaces, host, others)
    if moved is None:
        raise Refused(errno.ENODEV, f"{nic.name} did not come back to the host")
    # of what nothing tells apart the mark is all that there is
    unprovable = had is not None and (
        not had.boot or had.kind in lent.MADE_OF_NOTHING | lent.LED_OUT
    )
    if had is not None and not lent.is_it(namespaces, host, moved, had, unprovable):
        send(namespaces.rtnl(host), [setlink(moved, attr(c.IFLA_NET_NS_FD, u32(here.fd)), name)])
        raise Refused(errno.EPERM, f"{nic.name} is another link than the one that the host lent")
    return moved


def _drop_altnames(rtnl: Rtnl, nic: LinkRecord, had: LentNic) -> None:
    """Take away the alternative names that it did not have on the host, where they could be in the way, or mean something else."""
    if names := _altnames(nic.altnames, had.altnames):
        send(rtnl, [setlink(nic, names, nic.name, c.RTM_DELLINKPROP)])


def _altnames(names: Iterable[str], known: Container[str]) -> bytes:
    """The alternative names that are not known, as one attribute; nothing without any."""
    new = b"".join(attr(c.IFLA_ALT_IFNAME, cstring(name)) for name in names if name not in known)
    return nested(c.IFLA_PROP_LIST, new) if new else b""


def _indices(namespaces: Namespaces, netns: OpenNetns) -> frozenset[int]:
    return frozenset(link.index for link in dump_links(namespaces.rtnl(netns)))


def _newcomer(
    namespaces: Namespaces, netns: OpenNetns, others: frozenset[int]
) -> LinkRecord | None:
    """The link that was not there among the others."""
    return next(
        (link for link in dump_links(namespaces.rtnl(netns)) if link.index not in others), None
    )


def _named(rtnl: Rtnl, name: str) -> LinkRecord | None:
    return next(
        (link for link in dump_links(rtnl) if name == link.name or name in link.altnames), None
    )


def _moved(netns: int, name: str) -> bytes:
    """What do_setlink does in this order (net/core/rtnetlink.c): out of the one namespace into the other, then the name."""
    return attr(c.IFLA_NET_NS_FD, u32(netns)) + attr(c.IFLA_IFNAME, cstring(name))


def _had(rtnl: Rtnl, nic: LinkRecord) -> LentNic:
    """What the NIC has and what it is told by, but for its settings and for where it goes."""
    dumps = rtnl.dump(c.RTM_GETADDR, bytes(8)), rtnl.dump(c.RTM_GETROUTE, bytes(12))
    # what the topology had on it is gone by now, because an apply deletes before it makes
    things = belongings(*dumps, nic.index, nic.mac, None)
    permanent, device = lent.hardware(rtnl).get(nic.index, (b"", ""))
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
        altnames=nic.altnames,
        group=nic.group,
        kind=nic.kind,
        permanent=permanent.hex(),
        device=device,
        other=nic.link,
        other_netns=nic.link_netnsid,
        there=nic.index,
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
    for folder in FOLDERS:
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
    if names := _altnames(had.altnames, (nic.name, *nic.altnames)):
        pieces.append(setlink(nic, names, request.origin, c.RTM_NEWLINKPROP))
    numbers = (
        (c.IFLA_MTU, had.mtu, nic.mtu),
        (c.IFLA_TXQLEN, had.txqueuelen, nic.txqueuelen),
        (c.IFLA_GROUP, had.group, nic.group),
    )
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
    return frozenset(lent.read(topology))


def hardware_lent(topology: str) -> frozenset[str]:
    """Those of them that are hardware, which outlives every namespace."""
    return frozenset(name for name, had in lent.read(topology).items() if not had.kind)


def _remember(topology: str, origin: str, had: LentNic) -> None:
    lent.write(topology, {**lent.read(topology), origin: had})


def _forget(topology: str, origin: str) -> None:
    # a NIC is at home where its mark is gone, so that it is given back also where there is no room for a file
    with suppress(NetorchError):
        lent.write(
            topology, {name: had for name, had in lent.read(topology).items() if name != origin}
        )
