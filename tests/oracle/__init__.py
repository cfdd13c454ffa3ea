"""pyroute2 as the oracle of the decoder: its message classes read the records in the same bytes.

The tests trust it to cut bytes into attributes and to read their values. This package selects and
names the values independently of netorch, from the kernel's headers.
"""

from tests.oracle.answers import failure, family, forwarding, nsid
from tests.oracle.links import addresses, kind_data, links, port_vlans
from tests.oracle.neighbours import bridge_entries, neighbour_table, neighbours, static_macs
from tests.oracle.qdiscs import netem, qdiscs, tbf
from tests.oracle.reading import last, packed, read
from tests.oracle.routing import kernel_rules, routes, rules
from tests.oracle.wireguard import device

__all__ = [
    "addresses",
    "bridge_entries",
    "device",
    "failure",
    "family",
    "forwarding",
    "kernel_rules",
    "kind_data",
    "last",
    "links",
    "neighbour_table",
    "neighbours",
    "netem",
    "nsid",
    "packed",
    "port_vlans",
    "qdiscs",
    "read",
    "routes",
    "rules",
    "static_macs",
    "tbf",
]
