"""Finds the VXLAN tunnels whose outer packets belong to the host, in all namespaces with a name."""

from __future__ import annotations

from contextlib import suppress

from netorch.kernel.namespaces.open_namespaces import Namespaces
from netorch.kernel.system.nsfs import HOST
from netorch.netlink import constants as c
from netorch.netlink import decode
from netorch.netlink.codec import attr, cstring, nested
from netorch.values.snapshot import LinkRecord

_VXLANS = bytes(16) + nested(c.IFLA_LINKINFO, attr(c.IFLA_INFO_KIND, cstring("vxlan")))


def tunnels_of_host(namespaces: Namespaces) -> list[tuple[str, LinkRecord]]:
    """Return each tunnel with the label of its namespace.

    A tunnel in another namespace belongs to the host if its `link_netnsid` is the number that the
    host has there.
    """
    tunnels = [
        (HOST, link)
        for link in decode.links(namespaces.rtnl(namespaces.host).dump(c.RTM_GETLINK, _VXLANS))
        if link.kind == "vxlan" and link.link_netnsid is None
    ]
    for name, inode in namespaces.names().items():
        netns = namespaces.find(name) if inode not in {None, namespaces.host.inode} else None
        if netns is None:
            continue
        links: list[LinkRecord] = []
        with suppress(OSError):  # because the namespace may just end
            links = decode.links(namespaces.rtnl(netns).dump(c.RTM_GETLINK, _VXLANS))
        away = [link for link in links if link.kind == "vxlan" and link.link_netnsid is not None]
        if away:
            number = namespaces.number_of(netns, namespaces.host.fd)
            tunnels += [(name, link) for link in away if link.link_netnsid == number]
    return tunnels
