"""Lend a NIC of the host to a namespace, and give it back with its previous state.

A link loses its addresses, routes and settings when it moves.
"""

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
from netorch.kernel.system.boot import boot_id
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink.address_moves import Belongings, MovedLink, Piece, belongings, give, identity
from netorch.netlink.codec import attr, cstring, nested, u32
from netorch.netlink.decode import addresses as decode_addresses
from netorch.values.marks import ALIAS
from netorch.values.requests import NicGive, NicTake
from netorch.values.snapshot import LinkRecord

_FOLLOWS = "mtu"
"""The setting in ipv6/conf that follows the link's own MTU."""

_SET_BY_ALL: tuple[tuple[Folder, str], ...] = (
    ("ipv4/conf", "forwarding"),
    ("ipv6/conf", "forwarding"),
    ("ipv6/conf", "disable_ipv6"),
)
"""Settings that all interfaces get when `all` is written. The topology may write `all` itself,
before the NIC is taken or after it is given back.
"""


def take(namespaces: Namespaces, resolver: IndexResolver, request: NicTake) -> None:
    """Move a NIC of the host to a namespace.

    The NIC's state is recorded first, and the NIC is marked before it moves, so that netorch can
    undo the move wherever a crash interrupts it. Raise Refused if the kernel refuses; the NIC is
    then where it was.
    """
    host_rtnl, netns = namespaces.rtnl(namespaces.host), resolver.namespace(request.netns)
    nic = _link_named(host_rtnl, request.origin)
    if nic is None:
        raise Refused(errno.ENODEV, f"the host has no interface {request.origin!r}")
    namespaces.enter(namespaces.host)
    settings = _own_settings(
        {folder: sysctl.read_folder(f"net/{folder}/{nic.name}") for folder in FOLDERS}
    )
    if nic.link_netnsid is not None:
        namespaces.give_number(netns.fd)
    saved = replace(
        _state_of(host_rtnl, nic),
        settings=settings,
        place=(netns.inode[1], namespaces.rtnl(netns).cookie),
        boot=boot_id(),
    )
    _remember(request.topology, request.origin, saved)
    refused = send(
        host_rtnl, [setlink(nic, attr(c.IFLA_IFALIAS, cstring(request.alias)), request.origin)]
    )
    indices_before = _indices(namespaces, netns)
    if refused is None:
        refused = send(
            host_rtnl, [setlink(nic, _move_attrs(netns.fd, request.name), request.origin)]
        )
    moved = _new_link(namespaces, netns, indices_before) if refused is None else None
    if moved is not None:
        if moved.index != saved.there:
            _remember(request.topology, request.origin, replace(saved, there=moved.index))
        if request.attrs:
            attrs = b"".join(attr(number, payload) for number, payload in request.attrs)
            refused = send(namespaces.rtnl(netns), [setlink(moved, attrs, request.name)])
    namespaces.host.forget()
    netns.forget()
    if refused is not None:
        label = request.netns if moved is not None else namespaces.host.label
        give_back(
            namespaces,
            resolver,
            NicGive(label, request.name, request.origin, request.topology),
        )
        raise Refused(*refused)


def give_back(namespaces: Namespaces, resolver: IndexResolver, request: NicGive) -> None:
    """Move a NIC back to the host and restore its state.

    Its mark is removed last, so that an interrupted return is completed later.
    """
    host, netns = namespaces.host, resolver.namespace(request.netns)
    saved = lent.read(request.topology).get(request.origin)
    nic = _lent_nic(namespaces, netns, request, saved)
    if nic is None:
        return
    host_rtnl = namespaces.rtnl(host)
    name_holder = _link_named(host_rtnl, request.origin)
    if netns is not host:
        # because the kernel gives this name to a NIC that returns from a deleted namespace
        name = (
            request.origin
            if name_holder is None
            else f"dev{nic.index}"
            if _link_named(host_rtnl, f"dev{nic.index}") is None
            else "dev%d"
        )
        nic = _move_home(namespaces, netns, nic, saved, name)
    elif nic.name != request.origin and name_holder is None:
        host.forget()
        refused = send(
            host_rtnl,
            [
                setlink(nic, b"", request.origin, up=False),
                setlink(nic, attr(c.IFLA_IFNAME, cstring(request.origin)), nic.name),
            ],
        )
        if refused is not None:
            raise Refused(*refused)
        nic = _link_named(host_rtnl, request.origin) or nic
    namespaces.enter(host)
    alias = ""
    if saved is not None:
        alias = saved.alias
        _restore_settings(nic.name, saved.settings)
    refused = send(host_rtnl, _restoring_messages(host_rtnl, nic, saved, request), HOPELESS)
    if refused is None:
        refused = send(
            host_rtnl, [setlink(nic, attr(c.IFLA_IFALIAS, cstring(alias)), request.origin)]
        )
    if refused is not None:
        raise Refused(*refused)
    _forget(request.topology, request.origin)


def _lent_nic(
    namespaces: Namespaces, netns: OpenNetns, request: NicGive, saved: LentNic | None
) -> LinkRecord | None:
    """Return the link in the namespace that is the NIC, as the record proves.

    Without a record, it is the link that has the requested name and a mark that only root can
    write.
    """
    mark = f"{ALIAS}{request.topology}"
    for link in dump_links(namespaces.rtnl(netns)):
        marked = lent.is_marked(namespaces, netns, link, mark, request.origin)
        if saved is None:
            if marked and link.name == request.name:
                return link
        elif lent.is_lent_nic(namespaces, netns, link, saved, marked):
            return link
    return None


def _move_home(
    namespaces: Namespaces, netns: OpenNetns, nic: LinkRecord, saved: LentNic | None, name: str
) -> LinkRecord:
    """Move the NIC to the host, and check there that it is the NIC.

    The check comes after the move, because root in a foreign namespace could exchange the link
    before it. Raise Refused if the move or the check fails.
    """
    host = namespaces.host
    if saved is not None:
        _drop_altnames(namespaces.rtnl(netns), nic, saved)
    indices_before = _indices(namespaces, host)
    refused = send(namespaces.rtnl(netns), [setlink(nic, _move_attrs(host.fd, name), nic.name)])
    netns.forget()
    host.forget()
    if refused is not None:
        raise Refused(*refused)
    moved = _new_link(namespaces, host, indices_before)
    if moved is None:
        raise Refused(errno.ENODEV, f"{nic.name} did not come back to the host")
    # Links of these kinds can be recognised by their mark only.
    unprovable = saved is not None and (
        not saved.boot or saved.kind in lent.ISOLATED_KINDS | lent.PROCESS_KINDS
    )
    if saved is not None and not lent.is_lent_nic(namespaces, host, moved, saved, unprovable):
        send(namespaces.rtnl(host), [setlink(moved, attr(c.IFLA_NET_NS_FD, u32(netns.fd)), name)])
        raise Refused(errno.EPERM, f"{nic.name} is not the link that the host lent")
    return moved


def _drop_altnames(rtnl: Rtnl, nic: LinkRecord, saved: LentNic) -> None:
    """Delete the alternative names that the NIC did not have on the host, because they could
    collide there or mean another link.
    """
    if names := _altnames(nic.altnames, saved.altnames):
        send(rtnl, [setlink(nic, names, nic.name, c.RTM_DELLINKPROP)])


def _altnames(names: Iterable[str], existing: Container[str]) -> bytes:
    """Encode the alternative names that do not exist yet as one attribute, or nothing without
    any.
    """
    attrs = b"".join(
        attr(c.IFLA_ALT_IFNAME, cstring(name)) for name in names if name not in existing
    )
    return nested(c.IFLA_PROP_LIST, attrs) if attrs else b""


def _indices(namespaces: Namespaces, netns: OpenNetns) -> frozenset[int]:
    return frozenset(link.index for link in dump_links(namespaces.rtnl(netns)))


def _new_link(
    namespaces: Namespaces, netns: OpenNetns, indices_before: frozenset[int]
) -> LinkRecord | None:
    """Return the link that is not among the earlier links."""
    return next(
        (link for link in dump_links(namespaces.rtnl(netns)) if link.index not in indices_before),
        None,
    )


def _link_named(rtnl: Rtnl, name: str) -> LinkRecord | None:
    return next(
        (link for link in dump_links(rtnl) if name == link.name or name in link.altnames), None
    )


def _move_attrs(netns: int, name: str) -> bytes:
    """Encode a move to a namespace, and the new name there.

    do_setlink carries both out in this order (net/core/rtnetlink.c).
    """
    return attr(c.IFLA_NET_NS_FD, u32(netns)) + attr(c.IFLA_IFNAME, cstring(name))


def _state_of(rtnl: Rtnl, nic: LinkRecord) -> LentNic:
    """Return the NIC's state and identity, without its settings and its destination."""
    dumps = rtnl.dump(c.RTM_GETADDR, bytes(8)), rtnl.dump(c.RTM_GETROUTE, bytes(12))
    # An apply deletes before it makes, so no object of the topology is on the NIC any more.
    objects = belongings(*dumps, nic.index, nic.mac, None)
    permanent, device = lent.hardware(rtnl).get(nic.index, (b"", ""))
    return LentNic(
        index=nic.index,
        name=nic.name,
        alias=nic.alias,
        mtu=nic.mtu,
        mac=nic.mac.hex(),
        txqueuelen=nic.txqueuelen,
        up=bool(nic.flags & c.IFF_UP),
        addresses=tuple(body.hex() for _, body in objects.addresses),
        routes=tuple(body.hex() for body in objects.routes),
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
    """Return the settings in which the NIC differs from `all`."""
    values_of_all = _values_of_all()
    return {
        folder: {
            name: value
            for name, value in values.items()
            if values_of_all.get(folder, {}).get(name) != value
        }
        for folder, values in settings.items()
    }


def _values_of_all() -> Settings:
    """Read the values that `all` has on the host for the settings in _SET_BY_ALL."""
    values: dict[Folder, dict[str, str]] = {}
    for folder, name in _SET_BY_ALL:
        with suppress(OSError):
            values.setdefault(folder, {})[name] = sysctl.read(f"net/{folder}/all/{name}")
    return values


def _restore_settings(name: str, settings: Settings) -> None:
    """Restore the NIC's settings. Called before the NIC comes up, so that it starts with them.

    For example, it starts without IPv6. Settings that cannot be written were set by the kernel
    itself.
    """
    values_of_all = _values_of_all() if settings else {}
    for folder in FOLDERS:
        for setting, value in {**values_of_all.get(folder, {}), **settings.get(folder, {})}.items():
            if setting != _FOLLOWS:
                with suppress(OSError):
                    sysctl.write(f"net/{folder}/{name}/{setting}", value)


def _restoring_messages(
    rtnl: Rtnl, nic: LinkRecord, saved: LentNic | None, request: NicGive
) -> list[Piece]:
    if saved is None:
        return []
    mac = bytes.fromhex(saved.mac)
    pieces = (
        [setlink(nic, attr(c.IFLA_ADDRESS, mac), f"MAC of {request.origin}")]
        if mac != nic.mac
        else []
    )
    if names := _altnames(saved.altnames, (nic.name, *nic.altnames)):
        pieces.append(setlink(nic, names, request.origin, c.RTM_NEWLINKPROP))
    numbers = (
        (c.IFLA_MTU, saved.mtu, nic.mtu),
        (c.IFLA_TXQLEN, saved.txqueuelen, nic.txqueuelen),
        (c.IFLA_GROUP, saved.group, nic.group),
    )
    attrs = b"".join(attr(number, u32(before)) for number, before, now in numbers if before != now)
    if attrs or saved.up:
        pieces.append(setlink(nic, attrs, request.origin, up=True if saved.up else None))
    bodies = [bytes.fromhex(text) for text in saved.addresses]
    addresses = tuple(
        (record, body)
        for body in bodies
        for record in decode_addresses([(c.RTM_NEWADDR, body, 0, len(body))])
    )
    objects = Belongings(addresses, tuple(bytes.fromhex(text) for text in saved.routes))
    existing = {
        identity(record)
        for record in decode_addresses(rtnl.dump(c.RTM_GETADDR, bytes(8)))
        if record.index == nic.index
    }
    return pieces + give(
        objects, MovedLink(saved.index, saved.name), MovedLink(nic.index, nic.name), existing
    )


def remembered(topology: str) -> frozenset[str]:
    """Return the NICs on record: those whose state on the host is known."""
    return frozenset(lent.read(topology))


def hardware_lent(topology: str) -> frozenset[str]:
    """Return the NICs on record that are hardware. Hardware survives the end of any namespace."""
    return frozenset(name for name, saved in lent.read(topology).items() if not saved.kind)


def _remember(topology: str, origin: str, saved: LentNic) -> None:
    lent.write(topology, {**lent.read(topology), origin: saved})


def _forget(topology: str, origin: str) -> None:
    # a full disk must not prevent the return: a NIC without its mark counts as returned in any case
    with suppress(NetorchError):
        lent.write(
            topology, {name: saved for name, saved in lent.read(topology).items() if name != origin}
        )
