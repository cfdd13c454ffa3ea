"""The marks that netorch puts on the objects of one topology, and how they are read back.

A link gets its group when it is made, and its alias soon after. A namespace is marked by the alias
of its lo. Addresses, routes and rules have a protocol number. Names and prefixes never decide
whether netorch made an object.

A mark is reliable where only root can write it: on the host, and in namespaces that netorch made.
In an attached namespace others can write any alias (docs/security.md), and a number may be equal
by chance (`ownership`).
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import NamedTuple

from netorch.immutable import Value
from netorch.values.digest import blake2b

ALIAS = "netorch:"
NOT_OURS = "netorch did not make it"
ALIAS_BYTES = 255
"""The longest alias of a link: IFALIASZ is 256 bytes with the final NUL."""

_GROUP_BASE = 0x4E000000
PROTOCOLS = range(100, 180)
"""Protocol numbers that iproute2's rt_protos does not use: its daemons are below 100 and from 186
up.
"""


class Alias(NamedTuple):
    """The parts of a link's alias. All are empty if netorch did not write it.

    The form is `netorch:TOPOLOGY [peer=NETNS:IF] [uplink=NIC] [from=NIC] [description]`.
    """

    topology: str
    peer: tuple[str, str] | None
    """The label and the name of a veth's other end."""
    description: str
    uplink: str = ""
    """The NIC whose addresses and routes a bridge has."""
    origin: str = ""
    """The name on the host of a NIC that was moved into a node."""


class Mark(Value, dict=True):
    """The marks of one topology."""

    topology: str
    number: int = 0
    """The protocol number in the topology's record, 0 to compute it from the name."""

    @cached_property
    def group(self) -> int:
        return _GROUP_BASE | _digest(self.topology, 3)

    @cached_property
    def protocol(self) -> int:
        return self.number or PROTOCOLS[_digest(self.topology, 2) % len(PROTOCOLS)]

    @cached_property
    def alias(self) -> str:
        return f"{ALIAS}{self.topology}"

    def link_alias(
        self,
        peer: tuple[str, str] | None = None,
        description: str = "",
        uplink: str = "",
        origin: str = "",
    ) -> str:
        """Return the alias of a link, made of the parts that `Alias` describes."""
        words = [self.alias]
        if peer is not None:
            words.append(f"peer={peer[0]}:{peer[1]}")
        if uplink:
            words.append(f"uplink={uplink}")
        if origin:
            words.append(f"from={origin}")
        if description:
            words.append(description)
        return " ".join(words)

    def owns_alias(self, alias: str) -> bool:
        return alias == self.alias or alias.startswith(f"{self.alias} ")

    def mac(self, node: str, interface: str) -> str:
        """Return a locally administered MAC for an interface, computed from the names alone."""
        return "02:" + blake2b(
            f"{self.topology}\0{node}\0{interface}".encode(), digest_size=5
        ).digest().hex(":")

    @property
    def fabric(self) -> str:
        """The name of the fabric, the namespace with the bridges of the topology's segments."""
        return f"netorch-{self.topology}"


@lru_cache(maxsize=1 << 14)
def read_alias(alias: str) -> Alias:
    """Return the parts of a link's alias."""
    if not alias.startswith(ALIAS):
        return Alias("", None, "")
    topology, _, rest = alias[len(ALIAS) :].partition(" ")
    peer: tuple[str, str] | None = None
    if rest.startswith("peer="):
        word, _, rest = rest[len("peer=") :].partition(" ")
        netns, _, name = word.rpartition(":")
        peer = (netns, name)
    uplink = ""
    if rest.startswith("uplink="):
        uplink, _, rest = rest[len("uplink=") :].partition(" ")
    origin = ""
    if rest.startswith("from="):
        origin, _, rest = rest[len("from=") :].partition(" ")
    return Alias(topology, peer, rest, uplink, origin)


def maker(alias: str) -> str:
    """Return a phrase that tells who made the object with this alias."""
    topology = read_alias(alias).topology
    if topology:
        return f"topology {topology!r} made it"
    return f"{NOT_OURS} (its alias is {alias!r})" if alias else NOT_OURS


def _digest(text: str, size: int) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=size).digest(), "big")
