"""NICs that the host lent, as they are on record: which link is which, told by what nobody can set in a namespace of his own.

An alias, a name, a MAC and an index may be chosen by whoever is root in the namespace that the NIC was lent to.
The device of the machine and the permanent address are the driver's, and where the other end of a cable or
the parent of a link is, the kernel knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, ValidationError, convert

from netorch.immutable import Value, field
from netorch.kernel.files import records
from netorch.kernel.namespaces.netns import OpenNetns
from netorch.kernel.namespaces.open_namespaces import HOST, Namespaces
from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink import decode
from netorch.values.marks import ALIAS, read_alias
from netorch.values.snapshot import LinkRecord, NetnsSnapshot
from netorch.values.typed_json import decode as decode_json
from netorch.values.typed_json import encode

Folder = Literal["ipv4/conf", "ipv6/conf", "ipv4/neigh", "ipv6/neigh"]
FOLDERS: tuple[Folder, ...] = get_args(Folder)
"""Directories of /proc/sys/net with settings of each interface. A NIC that comes into a namespace gets that one's defaults."""

Settings = Mapping[Folder, Mapping[str, str]]
"""Directory → setting → value."""

FILE = "nics.json"
"""Beside the topology's record: host's name of a NIC → what it had there."""

Hex = Annotated[str, Meta(pattern=r"^([0-9a-f]{2})*$")]

MADE_OF_NOTHING = frozenset(("dummy", "ifb"))
"""Kinds of which one is like any other: nothing leads out of them, and who is root there can make another one."""
LED_OUT = frozenset(("tun",))
"""Kinds of which one cannot be told from another, although something leads out of them: the file of a process."""


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
    altnames: tuple[str, ...] = ()
    group: int = 0
    kind: str = ""
    """Of link, "" for hardware."""
    permanent: Hex = ""
    """The permanent address, which the driver alone sets."""
    device: str = ""
    """The device of the machine, as bus and name."""
    other: int = 0
    """The index of the other end of a cable, or of the parent, 0 without one."""
    other_netns: int | None = None
    """The number that the host has for the namespace of that, None for the host itself."""
    place: tuple[int, int] = (0, 0)
    """The namespace that it was lent to, as `NetnsSnapshot.identity`."""
    there: int = 0
    """Its index there, 0 as long as it is not known to have come there."""
    boot: str = ""
    """When that was: indices and numbers begin anew with the next boot. "" in a record of a version that noted none, nor
    anything from `kind` on: there the mark alone tells.
    """


def read(topology: str) -> dict[str, LentNic]:
    """Name on the host → the NIC. Nothing if there is no such record, or a damaged one, or one from before the last boot."""
    found: dict[str, LentNic] = {}
    with suppress(ValueError):
        text = records.read_file(topology, FILE)
        if text is None:
            return found
        for name, had in decode_json(text, dict[str, Any]).items():
            with suppress(ValidationError):
                found[name] = convert(had, LentNic)
    boot = boot_id() if found else ""
    return {name: had for name, had in found.items() if had.boot in {boot, ""}}


def write(topology: str, lent: Mapping[str, LentNic]) -> None:
    """Put these on record, and no others."""
    if lent:
        records.write_file(topology, FILE, encode(lent, indent=1))
    else:
        records.remove_file(topology, FILE)


def boot_id() -> str:
    """What tells this boot of the machine from all others."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def find(
    namespaces: Namespaces, found: Mapping[str, NetnsSnapshot], topology: str
) -> dict[str, tuple[str, int] | None]:
    """Which links are the NICs on record: name on the host → label and index, None where it is in none of these namespaces."""
    return {
        origin: next(_links(namespaces, found, f"{ALIAS}{topology}", origin, had), None)
        for origin, had in read(topology).items()
    }


def _links(
    namespaces: Namespaces,
    found: Mapping[str, NetnsSnapshot],
    alias: str,
    origin: str,
    had: LentNic,
) -> Iterator[tuple[str, int]]:
    for label, netns in found.items():
        there = namespaces.find(label)
        if there is None:
            continue
        for link in netns.links:
            marked = (link.kind == had.kind or not had.boot) and is_marked(
                namespaces, there, link, alias, origin
            )
            if (marked or netns.identity == had.place) and is_it(
                namespaces, there, link, had, marked
            ):
                yield label, link.index


def is_marked(
    namespaces: Namespaces, there: OpenNetns, link: LinkRecord, alias: str, origin: str
) -> bool:
    """Whether a link says that it is the NIC, in a namespace where nobody but root can write that."""
    if not link.alias.startswith(alias):
        return False
    if there.label != HOST and (there.pinned or not namespaces.is_own(there)):
        return False
    said = read_alias(link.alias)
    return said.origin == origin and f"{ALIAS}{said.topology}" == alias


def is_it(
    namespaces: Namespaces, there: OpenNetns, link: LinkRecord, had: LentNic, marked: bool
) -> bool:
    """Whether a link is the NIC on record. `marked`: its mark is root's (`is_marked`)."""
    if not had.boot:
        return marked
    if link.kind != had.kind:
        return False
    if not link.kind:
        permanent, device = hardware(namespaces.rtnl(there)).get(link.index, (b"", ""))
        known = bool(had.device or had.permanent)
        return (permanent.hex(), device) == (had.permanent, had.device) and (known or marked)
    if link.kind in LED_OUT:
        return marked
    if link.kind in MADE_OF_NOTHING:
        return marked or link.index == had.there
    if link.link != had.other:
        return False
    return marked or _leads_there(namespaces, there, link, had)


def hardware(rtnl: Rtnl) -> Mapping[int, tuple[bytes, str]]:
    """Index → permanent address and device of the links of a namespace."""
    return decode.hardware(rtnl.dump(c.RTM_GETLINK, bytes(16)))


def _leads_there(namespaces: Namespaces, there: OpenNetns, link: LinkRecord, had: LentNic) -> bool:
    """Whether the other end of a link is in the namespace where that of the NIC was, as the kernel tells."""
    host = namespaces.host
    if had.other_netns is None:
        if there is host:
            return link.link_netnsid is None
        number = namespaces.number_of(there, host.fd)
        return number is not None and link.link_netnsid == number
    if there is host:
        return link.link_netnsid == had.other_netns
    here = namespaces.number_of(host, there.fd)
    if here == had.other_netns:
        return link.link_netnsid is None
    return here is not None and link.link_netnsid == namespaces.number_in(here, had.other_netns)
