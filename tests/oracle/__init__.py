"""pyroute2 as the oracle of the decoder: the records of a snapshot, made from what its message classes read in the same bytes.

It is believed in how bytes are cut into attributes and in what their values are. What netorch keeps of them and what it calls them is
written here a second time, from the kernel's headers.
"""

from tests.oracle.answers import failure, family, forwarding, nsid
from tests.oracle.links import addresses, kind_data, links, port_vlans
from tests.oracle.neighbours import neighbours, silent, static_macs
from tests.oracle.qdiscs import netem, qdiscs, tbf
from tests.oracle.reading import last, packed, read
from tests.oracle.routing import odd_rules, routes, rules
from tests.oracle.wireguard import device

__all__ = [
    "addresses",
    "device",
    "failure",
    "family",
    "forwarding",
    "kind_data",
    "last",
    "links",
    "neighbours",
    "netem",
    "nsid",
    "odd_rules",
    "packed",
    "port_vlans",
    "qdiscs",
    "read",
    "routes",
    "rules",
    "silent",
    "static_macs",
    "tbf",
]
