"""The objects that resolving fills in: sites, interfaces, and the errors of the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from netorch.errors import FEW, Suggestions
from netorch.immutable import Value, field
from netorch.language.addresses import Address, Interface
from netorch.language.impair_model import ImpairModel
from netorch.language.limits import IFNAMSIZ
from netorch.resolve.desired import Complaint, Path
from netorch.resolve.roles import (
    REFUSED,
    UNMADE,
    BridgeRole,
    ExistingRole,
    Role,
    StandaloneRole,
    UnmadeRole,
    VethRole,
)
from netorch.state.key import HOST, Key
from netorch.state.resource import Resource
from netorch.topology import NodeModel, TopologyFile
from netorch.topology.interfaces.common import AddressModel, CommonModel
from netorch.topology.interfaces.port import PortModel
from netorch.topology.interfaces.standalone import StandaloneModel
from netorch.values.digest import blake2b
from netorch.values.marks import Mark

if TYPE_CHECKING:
    from netorch.resolve.machines import Spread

BRIDGE_PORTS = 1023
"""The number of ports that a bridge takes: BR_MAX_PORTS less one, because the kernel reserves port
number 0. It returns EXFULL for one port more."""


class DraftAddress(Value, dict=True):
    """An address that an interface gets."""

    interface: Interface
    """The address with its prefix length."""
    path: Path
    """The place in the file."""
    peer: Address | None = None
    """The other end of a point-to-point address."""
    scope: str | None = None
    """The scope that the file sets."""

    @cached_property
    def ip(self) -> Address:
        return self.interface.ip


class PortDraft(Struct):
    """The settings of an interface as a bridge port."""

    model: PortModel | None = None
    """The settings in the file, or None if it has none."""
    path: Path = ()
    """The place of `model` in the file."""
    hairpin: bool = False
    """Whether the network needs hairpin mode on this port."""
    isolated: bool = False
    """Whether the network isolates this port."""
    shared_vlan: int = 0
    """The VLAN in which others send to the member of a group behind this port, 0 for none."""
    trunk: bool = False
    """Whether the port leads to another bridge of the same network."""


class Iface(Struct):
    """One interface while it is resolved.

    Resolving fills it in step by step, because nodes, links and networks each define a part of it.
    Other interfaces refer to it (as their peer, parent or master) before it is complete.
    """

    site: Site
    """The node of the interface."""
    name: str
    """The name of the interface in the file."""
    path: Path
    """The place of the interface in the file."""
    dev: str
    """The name of the interface in the kernel."""
    altname: str = ""
    """The long form of a `dev` that had to be shortened, or ""."""
    role: Role = UNMADE
    """The way in which the interface is made."""
    internal: bool = False
    """Whether a network made the interface for itself, so that the file does not name it."""
    layers: list[CommonModel] = field(default_factory=list)
    """The parts of the file that define the interface. An earlier one overrides a later one."""
    default: CommonModel | None = None
    """`defaults.interface` of the file."""
    mtu_hint: int | None = None
    """The MTU that the interface's link or network has in the file."""
    up: bool | None = None
    """Whether the interface is up, None until it has all layers."""
    mtu: int | None = None
    """The MTU that the interface gets, None until nothing changes the MTUs any more."""
    addresses: list[DraftAddress] = field(default_factory=list)
    """The addresses, in the order in which the interface gets them."""
    impairs: list[tuple[ImpairModel, Path]] = field(default_factory=list)
    """The impairments of outgoing packets, with their places. An earlier one overrides a later one.
    """
    master: Iface | None = None
    """The bridge, bond or VRF whose port the interface is."""
    ports: list[Iface] = field(default_factory=list)
    """The ports of the interface, if it is a bridge, a bond or a VRF."""
    port: PortDraft = field(default_factory=PortDraft)
    """The settings of the interface as a bridge port."""
    uplink_bridge: Iface | None = None
    """The bridge that has the addresses of the interface, if the interface is an uplink."""

    @property
    def peer(self) -> Iface | None:
        """The other end of the cable, or None if the interface is not the end of a cable."""
        return self.role.peer if isinstance(self.role, VethRole) else None

    @property
    def standalone(self) -> StandaloneModel | None:
        """The model of a standalone link, or None for any other interface."""
        return self.role.model if isinstance(self.role, StandaloneRole) else None

    @property
    def parent(self) -> Iface | None:
        """The parent of an upper link, or None."""
        return self.role.parent if isinstance(self.role, StandaloneRole) else None

    @property
    def is_existing(self) -> bool:
        """Whether the interface exists already, so that netorch does not make it."""
        return isinstance(self.role, ExistingRole)

    def refuse(self) -> None:
        """Note that the part of the file that would make the interface is wrong.

        This changes nothing if another part of the file makes it.
        """
        if isinstance(self.role, UnmadeRole):
            self.role = REFUSED

    def explicit_value(self, key: str) -> Any:
        """Return the value of a key in the first layer that sets it, or else the default's."""
        for layer in (
            *self.layers,
            *((self.default,) if self.default and not self.internal else ()),
        ):
            if key in layer.model_fields_set:
                return getattr(layer, key)
        return None

    def impair(self, model: ImpairModel | None, path: Path) -> None:
        """Add an impairment after the existing ones, which override it."""
        if model is not None:
            self.impairs.append((model, (*path, "impair")))

    @property
    def own_mtu(self) -> int | None:
        """The MTU that the interface, its link or its network sets in the file."""
        return next((layer.mtu for layer in self.layers if layer.mtu is not None), self.mtu_hint)

    @property
    def explicit_mtu(self) -> int | None:
        """`own_mtu`, or else the MTU of `defaults.interface`."""
        own = self.own_mtu
        return own if own is not None or self.default is None else self.default.mtu

    @property
    def is_up(self) -> bool:
        """Whether the interface is up according to the file."""
        return bool(self.explicit_value("state") != "down") if self.up is None else self.up

    @property
    def display(self) -> str:
        """`NODE:INTERFACE`, for messages."""
        return f"{self.site.name}:{self.name}"


def cable(near: Iface, far: Iface) -> None:
    """Make two interfaces the ends of one cable. The request for the near end makes both."""
    near.role, far.role = VethRole(far, far=False), VethRole(near, far=True)


class Site(Struct):
    """A node while it is resolved, or the fabric."""

    name: str
    """The name of the node in the file."""
    label: str
    """The label of the node's namespace."""
    created: bool
    """Whether netorch makes the namespace."""
    model: NodeModel
    """The model of the node."""
    path: Path
    """The place of the node in the file, or () if the file does not have the node."""
    is_host: bool = False
    """Whether the namespace is that in which netorch runs on its machine."""
    is_fabric: bool = False
    """Whether the site is a fabric."""
    machine: str = ""
    """The machine that has the node, or "" if the file has no `hosts`."""
    ifaces: dict[str, Iface] = field(default_factory=dict)
    """Name in the file → interface."""
    short_names: dict[str, str] = field(default_factory=dict)
    """Shortened name → the long name for which it stands."""
    forwards: set[int] = field(default_factory=set)
    """The IP versions that the node must forward for its networks."""
    sharing: list[SharingNode] = field(default_factory=list)
    """The nodes that share the namespace, in the order of the file."""
    holders: dict[str, Iface] | None = None
    """Address → interface, or None if that has to be collected again."""

    def interface(self, name: str, path: Path, prefix: str = "") -> Iface:
        """Return the interface of this name, and make it if it does not exist yet."""
        if name not in self.ifaces:
            dev, altname = (
                (name, "") if not self.is_host or name == "lo" else self.short(prefix + name)
            )
            self.ifaces[name] = Iface(self, name, path, dev, altname)
        return self.ifaces[name]

    def short(self, long: str) -> tuple[str, str]:
        """Return a name that fits into IFNAMSIZ, and the long name if that differs, else "".

        The same file always gets the same short name, which is unique on the site.
        """
        if len(long.encode()) <= IFNAMSIZ:
            return long, ""
        for salt in range(1000):
            digest = blake2b(f"{long}{salt or ''}".encode(), digest_size=8).digest()
            short = f"{long.encode()[:7].decode(errors='ignore')}-{_base32(digest)[:7]}"
            if self.short_names.setdefault(short, long) == long:
                return short, long
        raise AssertionError(long)


class SharingNode(Struct):
    """A node that shares the namespace of another node."""

    name: str
    """The name of the node in the file."""
    label: str
    """Its name in /run/netns."""
    site: Site
    """The node whose namespace it is."""
    model: NodeModel
    """The model of the node."""
    path: Path
    """The place of the node in the file."""


class Draft(Struct):
    """A topology while it is resolved into a state."""

    topology: TopologyFile
    """The topology file."""
    mark: Mark
    """The mark of all objects."""
    prefix: str
    """The prefix of the names of namespaces, and of interfaces on the host."""
    sites: dict[str, Site] = field(default_factory=dict)
    """Node → site. The fabric is a site too, and so is the host if anything needs it."""
    declared: dict[str, Site] = field(default_factory=dict)
    """Key in `nodes` of the file → site."""
    sharing: dict[str, SharingNode] = field(default_factory=dict)
    """Key in `nodes` of the file → the node, if it shares the namespace of another one."""
    spread: Spread | None = None
    """What resolves a file with `hosts`, None for any other file."""
    complaints: list[Complaint] = field(default_factory=list)
    """The errors of the file."""
    state: dict[Key, Resource] = field(default_factory=dict)
    """The desired state so far."""
    origins: dict[Key, Path] = field(default_factory=dict)
    """Key of a resource → the path in the file that asks for it."""
    warnings: list[Complaint] = field(default_factory=list)
    """Parts of the file that may work but are probably mistakes."""
    claims: dict[tuple[object, ...], Iface] = field(default_factory=dict)
    """A value that only one link can have, such as a tunnel's addresses and key → the link that has
    it.
    """
    doubtful: set[Key] = field(default_factory=set)
    """Routes that come with networks and whose gateways are in no subnet of the node."""
    suggestions: Suggestions = field(default_factory=Suggestions)
    """What suggests similar names."""

    def complain(self, code: str, path: Path, what: str, remedy: str = "") -> None:
        """Add an error."""
        self.complaints.append(Complaint(code, path, what, remedy))

    def warn(self, code: str, path: Path, what: str, remedy: str = "") -> None:
        """Add a warning about something that may work but is probably a mistake."""
        self.warnings.append(Complaint(code, path, what, remedy))

    def unknown(
        self,
        code: str,
        path: Path,
        what: str,
        name: str,
        known: Iterable[str],
        remedy: str = "",
        *,
        group: str = "",
    ) -> None:
        """Add an error about a name that does not exist, or that is not in the `group`."""
        owner, _, thing = what.rpartition(": ")
        remedy = self.suggestions.did_you_mean(name, known) or remedy or _existing(owner, known)
        if group:
            text = f"{what} {name!r} is not {group}."
        elif owner:
            text = f"{owner} has no {thing} {name!r}."
        else:
            text = f"{what} {name!r} does not exist."
        # Other parts of the file decide which names are in a group, so an error about a group is
        # not about the name alone.
        self.complaints.append(Complaint(code, path, text, remedy, naming=not group, about=name))

    def put(self, resource: Resource, path: Path) -> None:
        """Add a resource to the desired state."""
        self.state[resource.key] = resource
        self.origins[resource.key] = path

    def fabric_of(self, machine: str) -> Site:
        """Return the fabric of a machine, which is made at first use."""
        label = self.mark.fabric
        name = f"{label}.{machine}" if machine else label
        if name not in self.sites:
            if self.spread is not None and machine != self.spread.here:
                label = name
            self.sites[name] = Site(
                name, label, True, NodeModel(), (), is_fabric=True, machine=machine
            )
        return self.sites[name]

    def host_of(self, machine: str) -> Site:
        """Return the host of a machine, which is made at first use."""
        name = host_name(machine)
        if name not in self.sites:
            self.sites[name] = Site(
                name,
                self.host_label(machine),
                False,
                NodeModel(),
                (),
                is_host=True,
                machine=machine,
            )
        return self.sites[name]

    def host_label(self, machine: str) -> str:
        """Return the label of the host of a machine."""
        is_here = self.spread is None or machine == self.spread.here
        return HOST if is_here else host_name(machine)

    def mac_of(self, iface: Iface) -> str:
        """Return the MAC address that an interface has if the file does not set one.

        That of a network's bridge on a host does not depend on the machine. So the members need
        not learn it again when the network gets its owner on another machine.
        """
        shared = iface.internal and iface.site.is_host and isinstance(iface.role, BridgeRole)
        return self.mark.mac(HOST if shared else iface.site.name, iface.name)

    def site_of(self, node: str, machine: str) -> Site | None:
        """Return the site that the file means by `node`, or None if there is none.

        `machine` is the machine of the entry that names the node, because `host` means its host.
        """
        if node == HOST:
            return self.host_of(machine)
        if (site := self.declared.get(node)) is not None:
            return site
        if self.spread is not None and node.startswith(f"{HOST}."):
            name = node.removeprefix(f"{HOST}.")
            return self.host_of(name) if name in self.spread.machines else None
        return None


def _existing(owner: str, known: Iterable[str]) -> str:
    """Return a sentence with the names that exist, "" if there are none or too many."""
    names = [*islice(known, FEW + 1)]
    if not names or len(names) > FEW:
        return ""
    has = "It has" if owner else "There are" if names[1:] else "There is only"
    return f"{has} {', '.join(names)}."


def host_name(machine: str) -> str:
    """Return the name of the host of a machine, which is `host` if the file has no `hosts`."""
    return f"{HOST}.{machine}" if machine else HOST


def draft_addresses(model: Iterable[AddressModel], path: Path) -> list[DraftAddress]:
    """Return the addresses of a list in the file at `path`."""
    return [
        DraftAddress(entry.address, (*path, index), entry.other_end, entry.scope)
        for index, entry in enumerate(model)
    ]


def all_interfaces(sites: Mapping[str, Site]) -> Sequence[Iface]:
    """Return all interfaces of all sites, in order."""
    return [iface for site in sites.values() for iface in site.ifaces.values()]


def _base32(data: bytes) -> str:
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    number = int.from_bytes(data, "big")
    return "".join(alphabet[number >> shift & 31] for shift in range(0, len(data) * 8 - 4, 5))
