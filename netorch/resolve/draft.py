"""What resolving works on: sites (nodes with a place), their interfaces as they fill up, and the problems found on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from hashlib import blake2b
from typing import Any

from msgspec import Struct

from netorch.errors import did_you_mean
from netorch.immutable import Value, field
from netorch.kinds.base.link import AddressModel, CommonModel
from netorch.kinds.base.port_models import PortModel
from netorch.kinds.base.standalone import StandaloneModel
from netorch.language.impairment import ImpairModel
from netorch.language.scalars import IFNAMSIZ, Address, Interface
from netorch.resolve.roles import (
    REFUSED,
    UNMADE,
    ExistingRole,
    Role,
    StandaloneRole,
    UnmadeRole,
    VethRole,
)
from netorch.state.key import HOST, Key
from netorch.state.resource import Resource
from netorch.topology import NodeModel, TopologyFile
from netorch.values.marks import Mark

Path = tuple[str | int, ...]
"""Where something stands in the expanded file: keys and list positions."""

BRIDGE_PORTS = 1023
"""BR_MAX_PORTS less one: the 1,024th gives EXFULL."""


class Complaint(Value):
    """A problem at a path; `naming` ones are about names, and true even where other parts of the file are wrong."""

    code: str
    path: Path
    what: str
    remedy: str = ""
    naming: bool = False
    about: str = ""
    """The name that nothing has, of a naming one."""


class DraftAddress(Value, dict=True):
    """An address that an interface is to have."""

    interface: Interface
    path: Path
    peer: Address | None = None
    scope: str | None = None

    @cached_property
    def ip(self) -> Address:
        return self.interface.ip


class PortDraft(Struct):
    """How a bridge is to treat an interface, if that is one of its ports.

    `words` are the file's, at `path`. `hairpin` and `isolated` are what the network asks for besides.
    `trunk`: the port leads to another bridge of the same network.
    """

    model: PortModel | None = None
    path: Path = ()
    hairpin: bool = False
    isolated: bool = False
    trunk: bool = False


class Iface(Struct):
    """One interface on its way to resources: what every interface has. What makes it, and what that needs, is its `role`.

    It is filled in step by step, since nodes, links and networks each say a part of it, and others
    hold it (as their peer, parent or master) before it is complete.

    `name` is the file's, `dev` the kernel's, `altname` the long form of a `dev` that had to be shortened.
    `made_up`: it is a network's own, and the file does not name it.
    `layers`: what the file says of it, what goes before first. `default`: what the file says of all.
    `mtu_hint`: the MTU that its link or network asks for.
    `impairs`: what is said of its sending, with the place; what goes before comes first.
    `master`: what it is a port of. `ports`: its own. `port`: how the master is to treat it.
    `front`: the bridge that has its addresses, where it is an uplink.
    """

    site: Site
    name: str
    path: Path
    dev: str
    altname: str = ""
    role: Role = UNMADE
    made_up: bool = False
    layers: list[CommonModel] = field(default_factory=list)
    default: CommonModel | None = None
    mtu_hint: int | None = None
    addresses: list[DraftAddress] = field(default_factory=list)
    impairs: list[tuple[ImpairModel, Path]] = field(default_factory=list)
    master: Iface | None = None
    ports: list[Iface] = field(default_factory=list)
    port: PortDraft = field(default_factory=PortDraft)
    front: Iface | None = None

    @property
    def peer(self) -> Iface | None:
        """The other end of its cable; None of what is not a cable's end."""
        return self.role.peer if isinstance(self.role, VethRole) else None

    @property
    def solo(self) -> StandaloneModel | None:
        """The words of what is made alone."""
        return self.role.model if isinstance(self.role, StandaloneRole) else None

    @property
    def parent(self) -> Iface | None:
        """What it rides on."""
        return self.role.parent if isinstance(self.role, StandaloneRole) else None

    @property
    def is_existing(self) -> bool:
        return isinstance(self.role, ExistingRole)

    def refuse(self) -> None:
        """Note that what was to make it is wrong, unless something else makes it."""
        if isinstance(self.role, UnmadeRole):
            self.role = REFUSED

    def explicit_value(self, key: str) -> Any:
        """The value of a key in the first layer that has it explicitly, at last that of `defaults.interface`."""
        for layer in (
            *self.layers,
            *((self.default,) if self.default and not self.made_up else ()),
        ):
            if key in layer.model_fields_set:
                return getattr(layer, key)
        return None

    def impair(self, model: ImpairModel | None, path: Path) -> None:
        """Another place speaks of its sending, behind those that did before."""
        if model is not None:
            self.impairs.append((model, (*path, "impair")))

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
        return bool(self.explicit_value("state") != "down")

    @property
    def display(self) -> str:
        return f"{self.site.name}:{self.name}"


def cable(near: Iface, far: Iface) -> None:
    """Make the two the ends of one cable, which the near one makes."""
    near.role, far.role = VethRole(far, far=False), VethRole(near, far=True)


class Site(Struct):
    """A node with its place: `label` is the namespace, `created` whether netorch makes it."""

    name: str
    label: str
    created: bool
    model: NodeModel
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


class Draft(Struct):
    """Everything on its way from a topology to a state."""

    topology: TopologyFile
    mark: Mark
    prefix: str
    sites: dict[str, Site] = field(default_factory=dict)
    complaints: list[Complaint] = field(default_factory=list)
    state: dict[Key, Resource] = field(default_factory=dict)
    origins: dict[Key, Path] = field(default_factory=dict)
    warnings: list[Complaint] = field(default_factory=list)
    claims: dict[tuple[object, ...], Iface] = field(default_factory=dict)
    doubtful: set[Key] = field(default_factory=set)
    """Routes that come with networks, and whose gateways no address of the node seems to reach."""

    def complain(self, code: str, path: Path, what: str, remedy: str = "") -> None:
        self.complaints.append(Complaint(code, path, what, remedy))

    def warn(self, code: str, path: Path, what: str, remedy: str = "") -> None:
        """Note what may work, and is hardly meant."""
        self.warnings.append(Complaint(code, path, what, remedy))

    def unknown(
        self, code: str, path: Path, what: str, name: str, known: Iterable[str], remedy: str = ""
    ) -> None:
        """Complain of a name that nothing has."""
        remedy = did_you_mean(name, known) or remedy
        text = f"{what} {name!r} does not exist."
        # that something is not among others may change with those
        exists = not what.startswith("among ")
        self.complaints.append(Complaint(code, path, text, remedy, naming=exists, about=name))

    def put(self, resource: Resource, path: Path) -> None:
        self.state[resource.key] = resource
        self.origins[resource.key] = path

    @property
    def fabric(self) -> Site:
        """The topology's hidden namespace, made when first asked for."""
        name = self.mark.fabric
        if name not in self.sites:
            self.sites[name] = Site(name, name, True, NodeModel(), ())
        return self.sites[name]

    @property
    def host(self) -> Site:
        if HOST not in self.sites:
            self.sites[HOST] = Site(HOST, HOST, False, NodeModel(), ())
        return self.sites[HOST]


def draft_addresses(model: Iterable[AddressModel], path: Path) -> list[DraftAddress]:
    return [
        DraftAddress(entry.address, (*path, index), entry.other_end, entry.scope)
        for index, entry in enumerate(model)
    ]


def all_interfaces(sites: Mapping[str, Site]) -> Iterable[Iface]:
    """All interfaces of all sites, in order."""
    for site in sites.values():
        yield from site.ifaces.values()


def _base32(data: bytes) -> str:
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    number = int.from_bytes(data, "big")
    return "".join(alphabet[number >> shift & 31] for shift in range(0, len(data) * 8 - 4, 5))
