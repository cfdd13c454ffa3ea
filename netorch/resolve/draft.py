"""What resolving works on: sites (nodes with a place), their interfaces as they fill up, and the problems found on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from netorch.errors import did_you_mean
from netorch.kinds.base.link import AddressWords, CommonWords
from netorch.kinds.base.port_words import PortWords
from netorch.kinds.base.standalone import SoloWords
from netorch.kinds.bridge import BridgeSettings
from netorch.language.impairment import ImpairWords
from netorch.language.scalars import IFNAMSIZ, Address, Interface
from netorch.state.core import HOST, Key, Resource
from netorch.topology.models import Node, Topology
from netorch.values.frozen import frozen, mutable
from netorch.values.marks import Mark

Path = tuple[str | int, ...]
"""Where something stands in the expanded file: keys and list positions."""

BRIDGE_PORTS = 1023
"""BR_MAX_PORTS less one: the 1,024th gives EXFULL."""


@frozen
class Complaint:
    """A problem at a path; `naming` ones are about names, and true even where other parts of the file are wrong."""

    code: str
    path: Path
    what: str
    remedy: str = ""
    naming: bool = False


@dataclass(slots=True)
class Given:
    """An address that an interface is to have."""

    interface: Interface
    path: Path
    peer: Address | None = None
    scope: str | None = None
    ip: Address = field(init=False)

    def __post_init__(self) -> None:
        self.ip = self.interface.ip


@mutable
class Iface:
    """One interface on its way to resources. `name` is the file's, `dev` the kernel's; `made_up` ones are a network's own.

    `impairs`: what is said of its sending, with the place; what goes before comes first.
    `front`: the bridge that has its addresses, where it is an uplink. `uplink`: of such a bridge, what the file calls the NIC.
    `joined`: another end of the tunnels that make one segment of several bridges.
    `options`: what the file says of it as a bridge's port; `trunk`: it leads to another bridge of the same network.
    """

    site: Site
    name: str
    path: Path
    dev: str
    altname: str = ""
    role: str = ""
    made_up: bool = False
    peer: Iface | None = None
    far: bool = False
    layers: list[CommonWords] = field(default_factory=list)
    default: CommonWords | None = None
    mtu_hint: int | None = None
    addresses: list[Given] = field(default_factory=list)
    master: Iface | None = None
    parent: Iface | None = None
    settings: BridgeSettings | None = None
    solo: SoloWords | None = None
    ports: list[Iface] = field(default_factory=list)
    impairs: list[tuple[ImpairWords, Path]] = field(default_factory=list)
    hairpin: bool = False
    isolated: bool = False
    trunk: bool = False
    options: PortWords | None = None
    options_path: Path = ()
    front: Iface | None = None
    joined: Iface | None = None
    uplink: str = ""

    def said(self, key: str) -> Any:
        """The value of a key in the first layer that has it explicitly, at last that of `defaults.interface`."""
        for layer in (
            *self.layers,
            *((self.default,) if self.default and not self.made_up else ()),
        ):
            if key in layer.model_fields_set:
                return getattr(layer, key)
        return None

    def impair(self, words: ImpairWords | None, path: Path) -> None:
        """Another place speaks of its sending, behind those that did before."""
        if words is not None:
            self.impairs.append((words, (*path, "impair")))

    @property
    def own_mtu(self) -> int | None:
        """What the file says of it: the interface's own, its link's or network's."""
        return next((layer.mtu for layer in self.layers if layer.mtu is not None), self.mtu_hint)

    @property
    def explicit_mtu(self) -> int | None:
        """The same, or that of `defaults.interface`."""
        own = self.own_mtu
        return own if own is not None or self.default is None else self.default.mtu

    @property
    def is_up(self) -> bool:
        return bool(self.said("state") != "down")

    @property
    def display(self) -> str:
        return f"{self.site.name}:{self.name}"


@mutable
class Site:
    """A node with its place: `label` is the namespace, `created` whether netorch makes it."""

    name: str
    label: str
    created: bool
    words: Node
    path: Path
    ifaces: dict[str, Iface] = field(default_factory=dict)
    made_up: dict[str, str] = field(default_factory=dict)
    forwards: set[int] = field(default_factory=set)

    def interface(self, name: str, path: Path, prefix: str = "") -> Iface:
        """The interface of this name, new or as it is so far."""
        if name not in self.ifaces:
            dev, altname = (
                (name, "") if self.label != HOST or name == "lo" else self.short(prefix + name)
            )
            self.ifaces[name] = Iface(self, name, path, dev, altname)
        return self.ifaces[name]

    def short(self, long: str) -> tuple[str, str]:
        """A name that fits, and the long form where that is another one; the same for the same file, unique on the site."""
        if len(long.encode()) <= IFNAMSIZ:
            return long, ""
        for salt in range(1000):
            digest = blake2b(f"{long}{salt or ''}".encode(), digest_size=8).digest()
            short = f"{long.encode()[:7].decode(errors='ignore')}-{_base32(digest)[:7]}"
            if self.made_up.setdefault(short, long) == long:
                return short, long
        raise AssertionError(long)


@mutable
class Draft:
    """Everything on its way from a topology to a state."""

    topology: Topology
    mark: Mark
    prefix: str
    sites: dict[str, Site] = field(default_factory=dict)
    complaints: list[Complaint] = field(default_factory=list)
    state: dict[Key, Resource] = field(default_factory=dict)
    origins: dict[Key, Path] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    claims: dict[tuple[object, ...], Iface] = field(default_factory=dict)

    def complain(
        self, code: str, path: Path, what: str, remedy: str = "", *, naming: bool = False
    ) -> None:
        self.complaints.append(Complaint(code, path, what, remedy, naming))

    def unknown(
        self, code: str, path: Path, what: str, name: str, known: Iterable[str], remedy: str = ""
    ) -> None:
        """Complain of a name that nothing has."""
        self.complain(
            code,
            path,
            f"{what} {name!r} does not exist.",
            did_you_mean(name, known) or remedy,
            naming=True,
        )

    def put(self, resource: Resource, path: Path) -> None:
        self.state[resource.key] = resource
        self.origins[resource.key] = path

    @property
    def fabric(self) -> Site:
        """The topology's hidden namespace, made when first asked for."""
        name = self.mark.fabric
        if name not in self.sites:
            self.sites[name] = Site(name, name, True, Node(), ())
        return self.sites[name]

    @property
    def host(self) -> Site:
        if HOST not in self.sites:
            self.sites[HOST] = Site(HOST, HOST, False, Node(), ())
        return self.sites[HOST]


def given(words: Iterable[AddressWords], path: Path) -> list[Given]:
    return [
        Given(entry.address, (*path, index), entry.peer, entry.scope)
        for index, entry in enumerate(words)
    ]


def layered(sites: Mapping[str, Site]) -> Iterable[Iface]:
    """All interfaces of all sites, in order."""
    for site in sites.values():
        yield from site.ifaces.values()


def _base32(data: bytes) -> str:
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    number = int.from_bytes(data, "big")
    return "".join(alphabet[number >> shift & 31] for shift in range(0, len(data) * 8 - 4, 5))
