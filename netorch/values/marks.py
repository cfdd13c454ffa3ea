"""How an object in the kernel says whose it is: the marks of one topology, and how they are read back.

A link has the group from its first moment and the alias soon after; a namespace is marked by the alias of its lo; addresses,
routes and rules carry a protocol number. No name and no prefix decides what is ours.

A mark counts where nobody but root can write it: on the host, and in the namespaces that netorch made. In
a namespace of others it is a text of theirs (docs/security.md), and a number may agree by chance (`ownership`).
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import NamedTuple

from netorch.immutable import Value

ALIAS = "netorch:"
NOT_OURS = "netorch did not make it"
ALIAS_BYTES = 255
"""IFALIASZ is 256, the last of them a NUL."""

_GROUP_BASE = 0x4E000000
PROTOCOLS = range(100, 180)
"""Protocol numbers that are nobody's in iproute2's rt_protos, which has daemons below 100 and from 186 up."""


class Alias(NamedTuple):
    """A link's alias, taken apart: `netorch:TOPOLOGY [peer=NETNS:IF] [uplink=NIC] [from=NIC] [description]`; all empty for somebody
    else's. `origin`: what the host called a NIC that was moved into a node.
    """

    topology: str
    peer: tuple[str, str] | None
    description: str
    uplink: str = ""
    origin: str = ""


class Mark(Value, dict=True):
    """The marks of the topology `topology`. `number`: the protocol number on record, 0 for the computed one."""

    topology: str
    number: int = 0

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
        """The alias of a link: with a veth's other end, the NIC whose addresses a bridge has, the name that the host has for it, and the
        person's description.
        """
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
        """A locally administered unicast address that depends on nothing but the names."""
        return "02:" + blake2b(
            f"{self.topology}\0{node}\0{interface}".encode(), digest_size=5
        ).digest().hex(":")

    @property
    def fabric(self) -> str:
        """The namespace for segments that need no address on a host."""
        return f"netorch-{self.topology}"


@lru_cache(maxsize=1 << 14)
def read_alias(alias: str) -> Alias:
    """What a link's alias says."""
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
    """Who made the thing with this alias, in a person's words."""
    topology = read_alias(alias).topology
    if topology:
        return f"topology {topology!r} made it"
    return f"{NOT_OURS} (its alias is {alias!r})" if alias else NOT_OURS


def _digest(text: str, size: int) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=size).digest(), "big")
