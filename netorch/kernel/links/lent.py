"""The record of lent NICs, and how to find them again.

A lent NIC is recognised by properties that root in the borrowing namespace cannot set. An alias, a
name, a MAC and an index can be chosen there. The driver sets the hardware device and the permanent
address, and the kernel knows where the other end of a cable or the parent of a link is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, ValidationError, convert

from netorch.immutable import Value, field
from netorch.kernel.files import records
from netorch.kernel.namespaces.netns import OpenNetns
from netorch.kernel.namespaces.open_namespaces import Namespaces
from netorch.kernel.system.boot import boot_id
from netorch.kernel.system.nsfs import HOST
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink import decode
from netorch.values.marks import ALIAS, read_alias
from netorch.values.snapshot import LinkRecord, NetnsSnapshot
from netorch.values.typed_json import decode as decode_json
from netorch.values.typed_json import encode

Folder = Literal["ipv4/conf", "ipv6/conf", "ipv4/neigh", "ipv6/neigh"]
FOLDERS: tuple[Folder, ...] = get_args(Folder)
"""Directories of /proc/sys/net with settings of each interface. A NIC that moves to a namespace
gets the defaults of that namespace.
"""

Settings = Mapping[Folder, Mapping[str, str]]
"""Directory → setting → value."""

FILE = "nics.json"
"""The file in the topology's record: the host's name of a NIC → LentNic."""

Hex = Annotated[str, Meta(pattern=r"^([0-9a-f]{2})*$")]

ISOLATED_KINDS = frozenset(("dummy", "ifb"))
"""Kinds whose links are all alike: they lead nowhere, and root in a namespace can make others."""
PROCESS_KINDS = frozenset(("tun",))
"""Kinds whose links cannot be distinguished although they lead somewhere: to a process that has the
file open.
"""


class LentNic(Value):
    """A NIC that the host lent to a namespace, with its previous state on the host."""

    index: int
    """The index of the NIC on the host."""
    name: str
    """The name of the NIC on the host."""
    alias: str
    mtu: int
    mac: Hex
    txqueuelen: int
    up: bool
    addresses: tuple[Hex, ...]
    """The payloads of the dumped address messages."""
    routes: tuple[Hex, ...]
    """The payloads of the dumped route messages."""
    settings: Settings = field(default_factory=dict)
    altnames: tuple[str, ...] = ()
    group: int = 0
    kind: str = ""
    """The kind of link, "" for hardware."""
    permanent: Hex = ""
    """The permanent address, which only the driver sets."""
    device: str = ""
    """The hardware device, as bus and name."""
    other: int = 0
    """The index of the other end of a cable, or of the parent; 0 if there is neither."""
    other_netns: int | None = None
    """The number that the host has for the namespace of `other`, None for the host itself."""
    place: tuple[int, int] = (0, 0)
    """The namespace that the NIC was lent to, as `NetnsSnapshot.identity`."""
    there: int = 0
    """The index of the NIC in that namespace, 0 until it is known."""
    boot: str = ""
    """The boot in which the NIC was lent, because indices and numbers change with each boot.

    It is "" in a record of an older version of netorch, which also lacks all fields from `kind` on.
    The mark alone identifies such a NIC.
    """


def read(topology: str) -> dict[str, LentNic]:
    """Read the record: name on the host → NIC.

    The result is empty if there is no record or a damaged one. NICs from before the last boot are
    left out.
    """
    nics: dict[str, LentNic] = {}
    with suppress(ValueError):
        text = records.read_file(topology, FILE)
        if text is None:
            return nics
        for name, entry in decode_json(text, dict[str, Any]).items():
            with suppress(ValidationError):
                nics[name] = convert(entry, LentNic)
    boot = boot_id() if nics else ""
    return {name: entry for name, entry in nics.items() if entry.boot in {boot, ""}}


def write(topology: str, lent: Mapping[str, LentNic]) -> None:
    """Write the record with exactly these NICs."""
    if lent:
        records.write_file(topology, FILE, encode(lent, indent=1))
    else:
        records.remove_file(topology, FILE)


def find(
    namespaces: Namespaces, snapshots: Mapping[str, NetnsSnapshot], topology: str
) -> dict[str, tuple[str, int] | None]:
    """Find the links that are the NICs on record.

    Return name on the host → label and index, or None if the NIC is in none of these namespaces.
    """
    return {
        origin: next(_links(namespaces, snapshots, f"{ALIAS}{topology}", origin, saved), None)
        for origin, saved in read(topology).items()
    }


def _links(
    namespaces: Namespaces,
    snapshots: Mapping[str, NetnsSnapshot],
    alias: str,
    origin: str,
    saved: LentNic,
) -> Iterator[tuple[str, int]]:
    for label, snapshot in snapshots.items():
        netns = namespaces.find(label)
        if netns is None:
            continue
        for link in snapshot.links:
            marked = (link.kind == saved.kind or not saved.boot) and is_marked(
                namespaces, netns, link, alias, origin
            )
            if (marked or snapshot.identity == saved.place) and is_lent_nic(
                namespaces, netns, link, saved, marked
            ):
                yield label, link.index


def is_marked(
    namespaces: Namespaces, netns: OpenNetns, link: LinkRecord, alias: str, origin: str
) -> bool:
    """Return whether a link has the NIC's mark, in a namespace where only root can write a mark."""
    if not link.alias.startswith(alias):
        return False
    if netns.label != HOST and (netns.pinned or not namespaces.is_own(netns)):
        return False
    mark = read_alias(link.alias)
    return mark.origin == origin and f"{ALIAS}{mark.topology}" == alias


def is_lent_nic(
    namespaces: Namespaces, netns: OpenNetns, link: LinkRecord, saved: LentNic, marked: bool
) -> bool:
    """Return whether a link is the NIC on record. `marked` is the result of `is_marked`."""
    if not saved.boot:
        return marked
    if link.kind != saved.kind:
        return False
    if not link.kind:
        permanent, device = hardware(namespaces.rtnl(netns)).get(link.index, (b"", ""))
        known = bool(saved.device or saved.permanent)
        return (permanent.hex(), device) == (saved.permanent, saved.device) and (known or marked)
    if link.kind in PROCESS_KINDS:
        return marked
    if link.kind in ISOLATED_KINDS:
        return marked or link.index == saved.there
    if link.link != saved.other:
        return False
    return marked or _leads_there(namespaces, netns, link, saved)


def hardware(rtnl: Rtnl) -> Mapping[int, tuple[bytes, str]]:
    """Return index → permanent address and hardware device, for the links of a namespace."""
    return decode.hardware(rtnl.dump(c.RTM_GETLINK, bytes(16)))


def _leads_there(
    namespaces: Namespaces, netns: OpenNetns, link: LinkRecord, saved: LentNic
) -> bool:
    """Return whether the other end of a link is in the namespace where the NIC's other end was."""
    host = namespaces.host
    if saved.other_netns is None:
        if netns is host:
            return link.link_netnsid is None
        number = namespaces.number_of(netns, host.fd)
        return number is not None and link.link_netnsid == number
    if netns is host:
        return link.link_netnsid == saved.other_netns
    here = namespaces.number_of(host, netns.fd)
    if here == saved.other_netns:
        return link.link_netnsid is None
    return here is not None and link.link_netnsid == namespaces.number_in(here, saved.other_netns)
