"""Files with `hosts`, whose topology is spread over several machines.

Resolving makes the state of all machines. What crosses from one machine to another becomes VXLAN
tunnels: one at each end of a link, and one at the bridge that each machine has of a network. The
outer packets belong to the host of the machine, whatever namespace the tunnel is in.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

from msgspec import Struct

from netorch.errors import listing
from netorch.immutable import Value, field, replace
from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.fdb import ALL
from netorch.kinds.vxlan import HEADROOM, Vxlan
from netorch.kinds.wireguard import HEADERS
from netorch.language.addresses import Address
from netorch.resolve import encryption, stacked
from netorch.resolve.checks import addresses_of
from netorch.resolve.desired import Check, CheckEnd, Desired, Machine, Machines, Path
from netorch.resolve.draft import Draft, Iface, Site, host_name
from netorch.resolve.interfaces import mtu_of
from netorch.resolve.loaded import Loaded
from netorch.resolve.masters import bond_of, join
from netorch.resolve.overlay import drop_altnames, entries_behind, set_mtu, tunnel_of, unique
from netorch.resolve.roles import StandaloneRole
from netorch.resolve.segment import Segment, bridge_of, make_interface
from netorch.resolve.sharing import holder_of
from netorch.resolve.topology import resolve
from netorch.state.key import HOST, Key
from netorch.state.resource import Resource
from netorch.topology import LinkModel, NetworkModel, NodeModel
from netorch.topology.interfaces.port import PortModel
from netorch.topology.interfaces.vxlan import VxlanModel
from netorch.topology.tunnels import TunnelsModel

LARGEST_VNI = 2**24 - 1
MOST_ENTRIES = 1_000_000
"""The most entries in the forwarding databases of a network, of all machines together, when all of
them are resolved at once. They take about 2.5 GB.
"""


class TunnelModel(VxlanModel):
    """A tunnel to another machine."""

    MAKES: ClassVar[type[StandaloneLink]] = Vxlan
    underlay: str = ""
    """The label of the namespace of the outer packets, "" for that of the tunnel."""

    @property
    def sends_from(self) -> str | None:
        # The address is that of the machine. An interface of the node may have the same one.
        return None

    def values(self) -> dict[str, Any]:
        # A packet that does not fit is lost, and not fragmented: fragments hide that the file says
        # more than the network takes.
        df = "set" if self.version == 4 else None
        return {**VxlanModel.values(self), "underlay": self.underlay, "df": df}


def headers(machine: Machine) -> int:
    """Return the bytes of all headers around a packet that a machine sends through a tunnel."""
    outer = HEADERS[machine.address.version] if machine.inner is not None else 0
    return HEADROOM[machine.tunnel_address.version] + outer


class Crossing(Value):
    """A link whose ends are on two machines."""

    near: Iface
    """The first end."""
    far: Iface
    """The second end."""
    path: Path
    """The place of the link in the file."""


class Spread(Struct):
    """Resolves what concerns the machines of a topology."""

    draft: Draft
    here: str
    """The machine whose host and fabric have the labels of this machine, or ""."""
    machines: Mapping[str, Machine] = field(default_factory=dict)
    """Name → machine, in the order of the file."""
    tunnels: TunnelsModel = field(default_factory=TunnelsModel)
    """The settings of the tunnels."""
    crossings: list[Crossing] = field(default_factory=list)
    """The links between machines."""
    parts: list[Segment] = field(default_factory=list)
    """The networks that are on several machines."""
    pairs: dict[frozenset[str], None] = field(default_factory=dict)
    """The pairs of machines with a tunnel between them."""
    links: list[encryption.Link] = field(default_factory=list)
    """The WireGuard interfaces, if the tunnels are encrypted."""
    vnis: Mapping[Path, int] = field(default_factory=dict)
    """Place of a network or of a link → its network identifier."""
    _versions_agree: bool = True
    """Whether the addresses of all machines are of one IP version. If not, `_check` complains."""
    members: dict[str, list[Site]] = field(default_factory=dict)
    """Network → the nodes that are its members, empty until somebody asks."""

    def __post_init__(self) -> None:
        topology = self.draft.topology
        self.tunnels = topology.tunnels or TunnelsModel()
        self.machines = {
            name: Machine(
                name,
                words.address,
                words.mtu,
                encryption.inner_address(self.draft.mark.topology, name)
                if self.tunnels.wireguard
                else None,
                words.public_key or "",
                words.port,
            )
            for name, words in topology.hosts.items()
        }
        self._versions_agree = (
            len({machine.tunnel_address.version for machine in self.machines.values()}) == 1
        )
        # Each network and each link has a number, whether it crosses or not. So a node that moves
        # to another machine does not change the numbers of the others.
        first = self.tunnels.vni
        self.vnis = {
            ("networks", name): first + 2 * index for index, name in enumerate(topology.networks)
        } | {("links", index): first + 2 * index + 1 for index in range(len(topology.links))}
        self._check()

    def _check(self) -> None:
        """Complain of addresses that tunnels cannot have, and of numbers that are too large."""
        draft = self.draft
        owners: dict[Address, str] = {}
        version = 0
        for name, machine in self.machines.items():
            path, address = ("hosts", name, "address"), machine.address
            version = version or address.version
            if address.is_unspecified or address.is_multicast or address.is_loopback:
                draft.complain(
                    "not-a-host-address",
                    path,
                    f"{address} is not an address at which other machines reach {name}",
                )
            elif address.version != version:
                draft.complain(
                    "mixed-families",
                    path,
                    f"{name} has the IPv{address.version} address {address}, but the machines"
                    f" before it have IPv{version} addresses: a tunnel uses only one of them",
                )
            elif (first := owners.setdefault(address, name)) != name:
                draft.complain(
                    "address-twice",
                    path,
                    f"the machines {first} and {name} both have {address}.",
                    "Write for each of them an address that only this machine has.",
                )
        last = max(self.vnis.values(), default=0)
        if last > LARGEST_VNI:
            draft.complain(
                "too-many-tunnels",
                ("tunnels", "vni"),
                f"the last network or link would have the VNI {last}, but the largest is"
                f" {LARGEST_VNI}: begin at a smaller `vni`",
            )

    def tunnel_port(self, machine: str) -> tuple[Machine, int]:
        """Return a machine and its UDP port for the packets of the others."""
        here = self.machines[machine]
        return here, here.port if self.tunnels.wireguard else self.tunnels.port

    @property
    def reserved(self) -> set[str]:
        """The labels that nodes cannot have, because hosts and fabrics of machines have them."""
        fabric = self.draft.mark.fabric
        return {label for name in self.machines for label in (host_name(name), f"{fabric}.{name}")}

    # Where things are

    def machine_of(self, name: str, node: NodeModel) -> str:
        """Return the machine of a node. Complain if the file does not say it."""
        if name.startswith(f"{HOST}."):
            own = name.removeprefix(f"{HOST}.")
            if own in self.machines:
                return own
            self._unknown(own, ("nodes", name))
            return next(iter(self.machines))
        if node.on is None:
            nodes = self.draft.topology.nodes
            holder = holder_of(nodes, name)
            if holder != name and holder in nodes:
                return self.machine_of(holder, nodes[holder])
        if node.on in self.machines:
            return str(node.on)
        path: Path = ("nodes", name)
        if node.on is None:
            self.draft.complain(
                "needs-machine",
                path,
                f"node {name} is on none of the machines {listing([*self.machines])}.",
                "Write `on: MACHINE`, or `defaults: {node: {on: MACHINE}}` for all nodes.",
            )
        else:
            self._unknown(node.on, (*path, "on"))
        return next(iter(self.machines))

    def _unknown(self, name: str, path: Path) -> None:
        self.draft.unknown(
            "unknown-machine", path, "machine", name, self.machines, "Declare it under hosts."
        )

    def machine_of_network(self, name: str, model: NetworkModel) -> str | None:
        """Return the machine of a network's owner, or complain and return None."""
        draft, path = self.draft, ("networks", name)
        if model.on is not None:
            if model.on in self.machines:
                return model.on
            self._unknown(model.on, (*path, "on"))
            return None
        place, _, _ = (model.parent or "").rpartition(":")
        for node in (place, model.node, *model.endpoints):
            if node and node != HOST and (site := draft.site_of(node, "")) is not None:
                return site.machine
        machines = self._machines_of_members(name)
        shared = model.is_segment and model.parent is None and model.node is None
        if len(machines) == 1 or (machines and shared):
            return machines[0]
        if shared or (not machines and len(self.machines) == 1):
            return next(iter(self.machines))
        where = f"its members are on {listing(machines)}" if machines else "it has no members"
        draft.complain(
            "needs-machine",
            path,
            f"network {name}: {where}, so it is open which machine's host is its owner.",
            "Write `on: MACHINE`.",
        )
        return None

    def _machines_of_members(self, network: str) -> list[str]:
        return [*dict.fromkeys(site.machine for site in self._sites_of_members(network))]

    def _sites_of_members(self, network: str) -> Sequence[Site]:
        """Return the nodes that are members of a network, in the order of the file."""
        if not self.members and self.draft.declared:
            # once for all networks, because there may be many of them, and many nodes
            for site in {id(site): site for site in self.draft.declared.values()}.values():
                for name in site.model.networks:
                    self.members.setdefault(name, []).append(site)
        return self.members.get(network, ())

    def machine_of_link(self, link: LinkModel, path: Path) -> str | None:
        """Return the machine whose host an end `host` of a link means, or complain."""
        nodes = [end.node for end in link.endpoints if end.node != HOST]
        if len(nodes) == len(link.endpoints):
            return ""
        for node in nodes:
            site = self.draft.site_of(node, "")
            return None if site is None else site.machine
        self.draft.complain(
            "needs-machine",
            path,
            "both ends of the link are on `host`, so it is open which machine that is.",
            f"Write {host_name(next(iter(self.machines)))}.",
        )
        return None

    # Links

    def cross(self, near: Iface, far: Iface, path: Path) -> bool:
        """Make a link between two machines, or complain and return False."""
        if (vni := self.vnis.get(path)) is None:
            self.draft.complain(
                "crosses-machines",
                path,
                f"{near.display} is on {near.site.machine}, but {far.display} is on"
                f" {far.site.machine}, and a `kind: veth` cannot lead there.",
                "Write the two ends in `links`.",
            )
            near.refuse()
            far.refuse()
            return False
        near.role = StandaloneRole(self._tunnel(near.site, vni, remote=far.site.machine))
        far.role = StandaloneRole(
            self._tunnel(far.site, vni, remote=near.site.machine), joined=near
        )
        self.pairs[frozenset((near.site.machine, far.site.machine))] = None
        self.crossings.append(Crossing(near, far, path))
        return True

    def settle_links(self) -> None:
        """Set the MTUs of the links between machines."""
        for crossing in self.crossings:
            ends = (crossing.near, crossing.far)
            most = self._most({end.site.machine for end in ends})
            own = min((end.own_mtu for end in ends if end.own_mtu is not None), default=None)
            usual = next((end.explicit_mtu for end in ends if end.explicit_mtu is not None), most)
            for end in ends:
                mtu = end.own_mtu if bond_of(end) is None else mtu_of(end)
                if mtu is not None and mtu > most:
                    names = " and ".join(end.site.machine for end in ends)
                    self.draft.complain(
                        "mtu-too-large",
                        (*end.path, "mtu"),
                        f"{end.display} cannot have MTU {mtu}: its link leads from"
                        f" {names.replace(' and ', ' to ')}, whose `mtu` leaves {most} after the"
                        " headers of VXLAN",
                    )
                if bond_of(end) is None:
                    end.mtu = own if own is not None else min(most, usual)

    # Networks

    def add_parts(self, segments: Mapping[str, Segment]) -> None:
        """Give each network that has members on several machines a bridge on each of them."""
        for segment in segments.values():
            machines = self._machines_of_members(segment.name)
            others = [name for name in machines if name != segment.owner.machine]
            if segment.model.endpoints:
                self._check_endpoints(segment)
            elif others and segment.model.driver in stacked.DRIVERS:
                self.draft.complain(
                    "crosses-machines",
                    segment.path,
                    f"network {segment.name} of driver {segment.model.driver} is on"
                    f" {segment.owner.machine}, but it has members on {listing(others)}, which"
                    " cannot share a parent with it.",
                    "Use driver bridge, or move the members.",
                )
            elif others:
                self._add_parts(segment, others)

    def _check_endpoints(self, segment: Segment) -> None:
        for site in self._sites_of_members(segment.name):
            first = next(iter(segment.model.endpoints))
            for place, network, model in site.model.memberships():
                end = segment.ends.get(model.at or first) if network == segment.name else None
                if end is None or end.owner.machine == site.machine:
                    continue
                self.draft.complain(
                    "crosses-machines",
                    (*site.path, "networks", *place),
                    f"node {site.name} is on {site.machine}, but the endpoint {end.owner.name} of"
                    f" network {segment.name} is on {end.owner.machine}.",
                    f"Name an endpoint on {site.machine} with `at`.",
                )

    def _add_parts(self, segment: Segment, others: list[str]) -> None:
        draft, owner = self.draft, segment.owner
        self.parts.append(segment)
        segment.ends[owner.machine] = Segment(
            segment.name, segment.model, segment.path, owner, segment.bridges
        )
        for machine in others:
            fabric = draft.fabric_of(machine)
            part = Segment(segment.name, segment.model, segment.path, fabric)
            name = segment.model.bridge if owner.is_fabric else None
            part.bridges.append(bridge_of(draft, part, name or segment.name))
            segment.ends[machine] = part
        first: Iface | None = None
        for machine, part in segment.ends.items():
            tunnel = make_interface(draft, part, f"{part.root.name}-vtep", segment.path)
            first = first or tunnel
            model = self._tunnel(part.owner, self.vnis[segment.path])
            tunnel.role = StandaloneRole(model, joined=first)
            tunnel.port.trunk = True
            # With `port_isolation` members on other machines reach only the owner too. So its
            # tunnel is isolated from the members there, and the other tunnels lead only to it. In
            # the fabric nothing is the owner.
            tunnel.port.isolated = segment.model.port_isolation and (
                owner.is_fabric or machine == owner.machine
            )
            join(draft, tunnel, part.root, segment.path)
            drop_altnames(part.owner, part.root, tunnel)

    def complete_parts(self, segment: Segment) -> None:
        """Set the MTU and the forwarding databases of a network that is on several machines."""
        self._check_isolated(segment)
        most = self._most(segment.ends)
        mtu = segment.model.mtu
        if mtu is not None and mtu > most:
            self.draft.complain(
                "mtu-too-large",
                (*segment.path, "mtu"),
                f"network {segment.name} cannot have MTU {mtu}: the `mtu` of the machines"
                f" {listing([*segment.ends])} leaves {most} after the headers of VXLAN",
            )
        set_mtu(self.draft, segment, most if mtu is None else min(most, mtu), most)
        if segment.model.uplink is not None:
            # the bridge has the addresses of the NIC, so the packets of the host go through it
            segment.root.mtu_hint = mtu
        has_centre = segment.model.port_isolation and not segment.owner.is_fabric
        # the bridge of a segment sends nothing itself, and one with an uplink has its MAC
        is_plain = segment.model.is_segment or segment.model.uplink is not None
        if not self.here and not self._has_room(segment):
            return
        for machine, part in segment.ends.items():
            # Only this machine needs its entries. All machines together have very many.
            if self.here not in {"", machine} or not self._versions_agree:
                continue
            tunnel, role = tunnel_of(part)
            entries: list[dict[str, str]] = []
            for other, behind in segment.ends.items():
                is_apart = segment.owner.machine not in {machine, other}
                if other == machine or (is_apart and has_centre):
                    continue
                self.pairs[frozenset((machine, other))] = None
                address = str(self.machines[other].tunnel_address)
                entries += entries_behind(self.draft, behind, address)
                if behind.owner is segment.owner and not is_plain:
                    entries.append({"mac": self._mac(segment.root), "dst": address})
            vni = self.vnis[segment.path]
            model = self._tunnel(part.owner, vni, entries=unique(entries))
            tunnel.role = replace(role, model=model)
            # The bridge must not learn either: a frame that is still on its way from a node that
            # has moved here would lead the others to the machine that it has left.
            macs = dict.fromkeys(entry["mac"] for entry in entries if entry["mac"] != ALL)
            tunnel.port.path = segment.path
            words = {"learning": False, "fdb": [*macs]}
            tunnel.port.model = PortModel.model_validate(words)

    def _has_room(self, segment: Segment) -> bool:
        """Complain if all machines together would have too many entries for the memory."""
        members = sum(len(part.members) for part in segment.ends.values())
        entries = (len(segment.ends) - 1) * (members + len(segment.ends))
        if entries > MOST_ENTRIES:
            self.draft.complain(
                "too-many-entries",
                segment.path,
                f"network {segment.name} has {members} members on {len(segment.ends)} machines, so"
                f" the forwarding databases of all machines together have {entries} entries, which"
                f" are more than the {MOST_ENTRIES} that netorch makes at once.",
                "Look at one machine, with `--host MACHINE`.",
            )
        return entries <= MOST_ENTRIES

    def _mac(self, iface: Iface) -> str:
        mac: str | None = iface.explicit_value("mac")
        return mac or self.draft.mac_of(iface)

    # Both

    def _tunnel(
        self,
        site: Site,
        vni: int,
        *,
        remote: str = "",
        entries: list[dict[str, str]] | None = None,
    ) -> TunnelModel:
        values = {
            "vni": min(vni, LARGEST_VNI),  # `_check` complains of a larger one
            "port": self.tunnels.port,
            "local": str(self.machines[site.machine].tunnel_address),
            "learning": False,
            "underlay": "" if site.is_host else self.draft.host_label(site.machine),
        }
        if remote and self._versions_agree:
            values["remote"] = str(self.machines[remote].tunnel_address)
        return TunnelModel.model_validate(values | ({"fdb": entries} if entries else {}))

    def _most(self, machines: Any) -> int:
        """Return the largest MTU of what crosses between machines."""
        every = [self.machines[name] for name in machines]
        return min(machine.mtu for machine in every) - headers(every[0])

    def encrypt(self) -> None:
        """Make the WireGuard interfaces, if the tunnels are encrypted."""
        if self.tunnels.wireguard and encryption.check_keys(self.draft, self.machines):
            key_file = self.tunnels.private_key_file
            self.links = encryption.make_links(self.draft, self.machines, self.pairs, key_file)

    def put_addresses(self) -> None:
        """Put the addresses and routes of the WireGuard interfaces."""
        encryption.put_addresses(self.draft, self.links)

    def result(self) -> Machines:
        """Return where all nodes and namespaces are."""
        sites, sharing = self.draft.sites.values(), self.draft.sharing.values()
        return Machines(
            self.here,
            self.machines,
            {site.label: site.machine for site in sites}
            | {node.label: node.site.machine for node in sharing},
            {site.name: site.machine for site in sites if site.path}
            | {node.name: node.site.machine for node in sharing},
            (*self._link_checks(), *self._network_checks()) if self.here else (),
        )

    def _link_checks(self) -> Iterator[Check]:
        for crossing in self.crossings:
            for near, far in (
                (crossing.near, crossing.far),
                (crossing.far, crossing.near),
            ):
                if near.site.machine == self.here:
                    yield from _tunnel_check(crossing.path, near, far)

    def _network_checks(self) -> Iterator[Check]:
        """Yield a check for each network of this machine and each other machine in it."""
        for segment in self.parts:
            if self.here not in segment.ends:
                continue
            ends = {
                machine: [member.iface for member in part.members]
                for machine, part in segment.ends.items()
            }
            if segment.model.port_isolation:
                # members reach only the bridge, and in the fabric not even that
                if segment.owner.is_fabric:
                    continue
                ends[segment.owner.machine] = []
            if not segment.model.is_segment:
                ends[segment.owner.machine].append(segment.root)
            for other, fars in ends.items():
                checks = (
                    check
                    for near in ends[self.here]
                    for far in fars
                    for check in _tunnel_check(segment.path, near, far)
                )
                if other != self.here and self._may_reach(segment, self.here, other):
                    yield from islice(checks, 1)

    @staticmethod
    def _may_reach(segment: Segment, machine: str, other: str) -> bool:
        has_centre = segment.model.port_isolation
        return not has_centre or segment.owner.machine in {machine, other}

    def _check_isolated(self, segment: Segment) -> None:
        """Complain of isolated ports on several machines, because tunnels do not carry that."""
        isolated = {
            machine: member
            for machine, part in segment.ends.items()
            for member in reversed(part.members)
            if member.model.port is not None and member.model.port.isolated
        }
        if len(isolated) > 1 and not segment.model.port_isolation:
            (first, one), (second, other) = list(isolated.items())[:2]
            self.draft.complain(
                "isolated-on-machines",
                (*other.path, "port"),
                f"{one.iface.display} on {first} and {other.iface.display} on {second} are"
                " isolated, but the tunnel between the machines does not say which frames come from"
                " isolated ports.",
                "Write `port_isolation: true` in the network, or put them on one machine.",
            )


def _tunnel_check(path: Path, near: Iface, far: Iface) -> Iterator[Check]:
    """Yield a check of the tunnel between two interfaces, if addresses of both can be tried."""
    addresses = addresses_of([far])
    versions = {entry.ip.version for entry in near.addresses}
    addresses = tuple(address for address in addresses if address.version in versions)
    if addresses and near.is_up and far.is_up:
        site, there = near.site, far.site
        yield Check(
            path,
            CheckEnd(site.name, site.name, site.label, near.dev, addresses_of([near])),
            CheckEnd(
                f"{far.display} ({there.machine})", there.name, there.label, far.dev, addresses
            ),
            mtu=min(mtu_of(near), mtu_of(far)),
            tunnel=there.machine,
        )


def _checks_of(desired: Desired, here: Container[str]) -> tuple[list[Check], dict[str, int]]:
    """Return the checks that can be tried on a machine, and how many of the file the others have.

    The machine has the labels `here`.
    """
    machines = desired.machines
    assert machines is not None
    own: list[Check] = []
    skipped: dict[str, int] = {}

    def seen(end: CheckEnd | None) -> CheckEnd | None:
        return end if end is None or end.label in here else replace(end, label="")

    for check in (*desired.checks, *machines.tunnels):
        senders = [check.source] if check.source is not None else check.members
        if any(end.label in here for end in senders):
            members = [seen(end) or end for end in check.members]
            target = seen(check.target)
            own.append(replace(check, target=target, members=tuple(members)))
        elif not check.tunnel:
            for name in {machines.of_label.get(end.label, "") for end in senders} - {""}:
                skipped[name] = skipped.get(name, 0) + 1
    return own, skipped


def part_of(loaded: Loaded, machine: str) -> Loaded:
    """Return the part of a machine of a topology that is loaded as a whole."""
    desired = loaded.desired
    here = resolve(loaded.topology, desired.topology, desired.prefix, desired.folder, machine)
    return replace(loaded, desired=partition(here, machine))


def parts(desired: Desired) -> Mapping[str, Mapping[Key, Resource]]:
    """Return machine → its part of a state, in time that is linear in the size of the state."""
    machines = desired.machines
    if machines is None:
        return {}
    names = [machines.here] if machines.here else [*machines.all]
    states: dict[str, dict[Key, Resource]] = {name: {} for name in names}
    for key, resource in desired.state.items():
        states[machines.of_label[key.netns]][key] = resource
    return states


def partition(desired: Desired, machine: str) -> Desired:
    """Return the part of a topology that one machine has."""
    machines = desired.machines
    if machines is None:
        return desired
    here = {label for label, name in machines.of_label.items() if name == machine}
    state = {key: resource for key, resource in desired.state.items() if key.netns in here}
    checks, skipped = _checks_of(desired, here)
    return replace(
        desired,
        state=state,
        origins={key: desired.origins[key] for key in state if key in desired.origins},
        labels={node: label for node, label in desired.labels.items() if label in here},
        second_names={node: label for node, label in desired.second_names.items() if label in here},
        attached={label: there for label, there in desired.attached.items() if label in here},
        egress=tuple(entry for entry in desired.egress if entry[0] in here),
        own_bridges=tuple(bridge for bridge in desired.own_bridges if bridge.netns in here),
        checks=tuple(checks),
        machines=replace(machines, here=machine, skipped=skipped),
    )
