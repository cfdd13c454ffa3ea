"""The addresses of the namespace in which netorch runs."""

from __future__ import annotations

from ipaddress import ip_address

from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink import decode
from netorch.values.filter_rules import Address


def own_addresses() -> frozenset[Address]:
    """Return the addresses of all links. Raise OSError if they cannot be read."""
    rtnl = Rtnl()
    try:
        records = decode.addresses(rtnl.dump(c.RTM_GETADDR, bytes(8)))
    finally:
        rtnl.close()
    return frozenset(ip_address(record.local) for record in records)
