"""Reads a state as a graph.

It decides which links are ends of edges, which belong to a network, and which are shown in the box
of their node.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from netorch.immutable import replace
from netorch.kinds.address import Address
from netorch.kinds.base.link import Link, link_key, link_of
from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.bridge import Bridge
from netorch.kinds.fdb import Fdb
from netorch.kinds.impair import impair_key
from netorch.kinds.loopback import Loopback
from netorch.kinds.peer import Peer
from netorch.kinds.port import Port, port_key
from netorch.kinds.up import up_key
from netorch.kinds.uplink import Uplink
from netorch.kinds.veth import UNKNOWN, Veth
from netorch.kinds.vlans import vlans_key
from netorch.render.graph.drift import limited, link_drift
from netorch.render.graph.picture import Edge, EdgeEnd, Status, Text, ThingId
from netorch.render.graph.scene import Scene
from netorch.state.key import Key


@dataclass(slots=True)
class Wiring:
    """The graph of a state."""

    edges: list[Edge] = field(default_factory=list)
    """The edges, in the order of the state."""
    networks: dict[Key, str] = field(default_factory=dict)
    """Link → the network that it is a part of."""
    inner: dict[str, list[Link]] = field(default_factory=dict)
    """Label → links that no edge shows."""
    members: dict[str, list[EdgeEnd]] = field(default_factory=dict)
    """Network → its members' ends."""
    bridges: dict[str, list[Link]] = field(default_factory=dict)
    """Network → its bridges, or the links that a network without a bridge has instead."""
    addresses: dict[str, dict[str, list[Address]]] = field(default_factory=dict)
    """Label → interface → its addresses."""
    spread: dict[str, list[StandaloneLink]] = field(default_factory=dict)
    """Network on several machines → the tunnels that join its bridges."""
    far: dict[str, None] = field(default_factory=dict)
    """The machines that have the other end of an edge, but no node in the picture."""
    drawn: dict[ThingId, set[str]] = field(default_factory=dict)
    """Thing → its interfaces that edges show."""

    def addresses_of(self, label: str, dev: str) -> Sequence[Address]:
        """Return the addresses of an interface."""
        return self.addresses.get(label, {}).get(dev, ())


def node_id(scene: Scene, label: str) -> ThingId:
    return ThingId("node", scene.node(label))


def network_id(name: str) -> ThingId:
    return ThingId("network", name)


def machine_id(name: str) -> ThingId:
    return ThingId("machine", name)


def tunnel_text(link: StandaloneLink) -> Text:
    """Return the words for what crosses from one machine to another."""
    return Text(f"VXLAN, VNI {link.own()['vni']}")


def parts(link: Link) -> tuple[Key, ...]:
    """Return the keys of the resources that users regard as one object with the link."""
    place = (link.netns, link.name)
    return link.key, up_key(*place), port_key(*place), vlans_key(*place), impair_key(*place)


def impairment_text(scene: Scene, link: Link) -> Text | None:
    """Return the impairment of the packets that a link sends, None if there is none."""
    resource = scene.state.get(impair_key(link.netns, link.name))
    if resource is None:
        return None
    return Text(
        " ".join(f"{name} {value}" for name, value in resource.attributes().items()),
        scene.status_of(resource.key),
    )


def build_wiring(scene: Scene) -> Wiring:
    return _WiringBuilder(scene).run()


class _WiringBuilder:
    def __init__(self, scene: Scene) -> None:
        self.scene, self.wiring = scene, Wiring()
        self.on_edges: set[Key] = set()
        """Links that an edge shows."""
        self.members: dict[Key, str] = {}
        """Link → the network that it makes its node a member of."""
        self.owners: dict[str, dict[str, None]] = {}
        """Address → the namespaces that have it."""
        self.crossings: dict[Key, int] = {}
        """Tunnel of a link between two machines → the number of the link in the file."""
        self.link_ends: dict[int, dict[Key, StandaloneLink]] = {}
        """The number of such a link → its tunnels."""
        self.tunnelled: set[tuple[ThingId, str, ThingId]] = set()
        """Thing, interface and far thing of each end of a tunnel's edge."""
        self.labels = {key.netns for key in scene.state} if scene.machines else set()
        for resource in scene.state.values():
            if isinstance(resource, Address):
                self.wiring.addresses.setdefault(resource.netns, {}).setdefault(
                    resource.link, []
                ).append(resource)
                self.owners.setdefault(resource.address.local, {})[resource.netns] = None

    def run(self) -> Wiring:
        self._read_file()
        self._read_bridges()
        if self.scene.machines:
            self._read_machines()
        self.standalone: dict[tuple[str, str], StandaloneLink] = {}
        """Kind and namespace → the first link that belongs to no network."""
        self.leading: dict[tuple[str, str, str], StandaloneLink] = {}
        """Kind, namespace and far namespace → the first of these links that leads there."""
        for key, resource in self.scene.state.items():
            if isinstance(resource, StandaloneLink) and key not in self.wiring.networks:
                self.standalone.setdefault((resource.KIND, key.netns), resource)
                for label in self.owners.get(str(getattr(resource, "remote", "")), ()):
                    self.leading.setdefault((resource.KIND, key.netns, label), resource)
        for resource in self.scene.state.values():
            if isinstance(resource, Veth):
                self._add_cable(resource)
            elif isinstance(resource, StandaloneLink):
                self._add_standalone(resource)
            elif isinstance(resource, Peer):
                self._add_peer(resource)
        self._add_owners()
        self._add_far_parts()
        for resource in self.scene.state.values():
            if (
                isinstance(resource, Link)
                and resource.key not in self.on_edges
                and resource.key not in self.wiring.networks
            ):
                is_visible = not isinstance(resource, Loopback) or self.wiring.addresses_of(
                    resource.netns, resource.name
                )
                if is_visible and resource.netns not in self.scene.fabrics:
                    self.wiring.inner.setdefault(resource.netns, []).append(resource)
        return self.wiring

    def _read_file(self) -> None:
        """Find the links of the file's networks by the origins that resolving recorded."""
        desired = self.scene.desired
        if desired is None:
            return
        for key, resource in desired.state.items():
            if not isinstance(resource, Link):
                continue
            match desired.origins.get(key):
                case ("networks", str(name), *_):
                    self.wiring.networks[key] = name
                case ("nodes", _, "networks", str(name), *_):
                    if isinstance(resource, Veth) and not resource.far:
                        self.wiring.networks[key] = name
                    else:
                        self.members[key] = name
        for name in self.scene.loaded.topology.networks if self.scene.loaded else ():
            self.wiring.bridges[name] = []

    def _read_bridges(self) -> None:
        """Find the other ports of the networks' bridges.

        Without a file, each bridge of the fabric is a network.
        """
        state = self.scene.state
        for key, resource in state.items():
            if (
                isinstance(resource, Bridge)
                and key.netns in self.scene.fabrics
                and key not in self.wiring.networks
            ):
                self.wiring.networks[key] = resource.altname or resource.name
        for key, resource in state.items():
            if isinstance(resource, Port) and (
                master := self.wiring.networks.get(link_key(resource.netns, resource.master))
            ):
                self.wiring.networks.setdefault(link_key(key.netns, resource.link), master)
        for key, name in self.wiring.networks.items():
            part = state.get(key)
            if isinstance(part, Bridge) or (
                isinstance(part, StandaloneLink) and not self._is_port(key)
            ):
                self.wiring.bridges.setdefault(name, []).append(part)

    def _read_machines(self) -> None:
        """Find the tunnels between the machines."""
        desired = self.scene.desired
        if desired is None or self.scene.loaded is None:
            return
        topology = self.scene.loaded.topology
        for key, resource in self.scene.state.items():
            if not isinstance(resource, StandaloneLink) or not hasattr(resource, "underlay"):
                continue
            match desired.origins.get(key):
                case ("links", int(index), *_):
                    self.crossings[key] = index
                    self.link_ends.setdefault(index, {})[key] = resource
                case ("networks", str(name)) if not topology.networks[name].endpoints:
                    self.wiring.spread.setdefault(name, []).append(resource)

    def _is_port(self, key: Key) -> bool:
        return port_key(key.netns, link_of(key)) in self.scene.state

    def _thing(self, key: Key) -> ThingId:
        return (
            network_id(self.wiring.networks[key])
            if key in self.wiring.networks
            else node_id(self.scene, key.netns)
        )

    def end(self, link: Link) -> EdgeEnd:
        """Return a link's end of an edge. A network's end has no name, because no user needs it."""
        if link.key in self.wiring.networks:
            return EdgeEnd(self._thing(link.key))
        return EdgeEnd(
            self._thing(link.key),
            link.name,
            self._addresses(link.netns, link.name),
            self.scene.status_of(*parts(link)),
        )

    def _addresses(self, label: str, dev: str) -> tuple[Text, ...]:
        return tuple(
            Text(str(address.address), self.scene.status_of(address.key))
            for address in self.wiring.addresses_of(label, dev)
        )

    def _add_edge(
        self,
        one: EdgeEnd,
        other: EdgeEnd,
        kind: str,
        labels: tuple[Text, ...],
        *parts_status: Status,
    ) -> None:
        whole = [status for status in parts_status if status in {Status.MISSING, Status.EXTRA}]
        changed = Status.CHANGED in parts_status
        status = whole[0] if whole else Status.CHANGED if changed else Status.OK
        self.wiring.edges.append(Edge((one, other), kind, labels, status))
        for end, far in ((one, other), (other, one)):
            self.wiring.drawn.setdefault(end.thing, set()).add(end.interface)
            if kind == "tunnel":
                self.tunnelled.add((end.thing, end.interface, far.thing))

    def _add_member(self, network: str, end: EdgeEnd) -> None:
        self.wiring.members.setdefault(network, []).append(end)

    def _add_cable(self, veth: Veth) -> None:
        other = self.scene.state.get(link_key(*veth.peer)) if veth.peer != UNKNOWN else None
        if veth.key in self.on_edges or not isinstance(other, Veth):
            return
        if other.key in self.wiring.networks:
            veth, other = other, veth
        one, two = self.end(veth), self.end(other)
        if one.thing == two.thing:
            return
        self.on_edges |= {veth.key, other.key}
        labels = (*self._impairments(veth, other), *self._drift(veth, other))
        self._add_edge(
            one,
            two,
            "cable",
            labels,
            self.scene.status_of(*parts(veth)),
            self.scene.status_of(*parts(other)),
        )
        for near, far in ((veth, two), (other, one)):
            if near.key in self.wiring.networks and far.interface:
                self._add_member(self.wiring.networks[near.key], far)

    def _impairments(self, *links: Link) -> tuple[Text, ...]:
        """Return the impairments of an edge.

        There is one text if both directions are alike. Otherwise each text names the node that
        sends.
        """
        texts = [
            (link, text)
            for link in links
            if (text := impairment_text(self.scene, link)) is not None
        ]
        if len(texts) == 2 and texts[0][1] == texts[1][1]:
            return (texts[0][1],)
        senders = [
            self.wiring.networks.get(link.key) or self.scene.node(link.netns) for link, _ in texts
        ]
        return tuple(
            Text(f"from {sender}: {text.text}", text.status)
            for sender, (_, text) in zip(senders, texts, strict=True)
        )

    def _drift(self, *links: Link) -> tuple[Text, ...]:
        """Return how the links of an edge differ from the file, each after its node."""
        return limited(
            replace(text, text=f"{self.scene.node(link.netns)} {text.text}")
            if link.key not in self.wiring.networks
            else text
            for link in links
            for text in link_drift(self.scene, parts(link))
        )

    def _add_standalone(self, link: StandaloneLink) -> None:
        """Add the edge of a member, of a tunnel, or of a link whose parent is in another node."""
        status = self.scene.status_of(*parts(link))
        if link.key in self.members:
            self.on_edges.add(link.key)
            network = self.members[link.key]
            end = self.end(link)
            self._add_edge(
                EdgeEnd(network_id(network)),
                end,
                "cable",
                (*self._impairments(link), *self._drift(link)),
                status,
            )
            self._add_member(network, end)
        elif link.key in self.wiring.networks:
            return
        elif (index := self.crossings.get(link.key)) is not None:
            self._add_crossing(link, index)
        elif link.parent is not None and link.parent[0] != link.netns and link.parent != UNKNOWN:
            self.on_edges.add(link.key)
            label, dev = link.parent
            below = EdgeEnd(node_id(self.scene, label), dev, self._addresses(label, dev))
            self._add_edge(
                self.end(link),
                below,
                "parent",
                (Text(link.KIND), *self._impairments(link), *self._drift(link)),
                status,
            )
        elif remote := getattr(link, "remote", None):
            self._add_tunnel(link, str(remote), back=True)

    def _add_crossing(self, link: StandaloneLink, index: int) -> None:
        """Add the edge of a link between two machines, when its first tunnel is met."""
        if link.key in self.on_edges:
            return
        ends = [end for key, end in self.link_ends[index].items() if key != link.key]
        links = (link, *ends)
        self.on_edges |= {end.key for end in links}
        far = self.end(ends[0]) if ends else self._far_end(link, index)
        self._add_edge(
            self.end(link),
            far,
            "tunnel",
            (tunnel_text(link), *self._impairments(*links), *self._drift(*links)),
            *(self.scene.status_of(*parts(end)) for end in links),
        )

    def _far_end(self, link: StandaloneLink, index: int) -> EdgeEnd:
        """Return the end of a link on a machine whose nodes are not in the picture."""
        machine = self._machine_at(str(getattr(link, "remote", "")))
        loaded, text = self.scene.loaded, ""
        if loaded is not None:
            near = self.scene.desired.origins[link.key][-1] if self.scene.desired else 0
            other = loaded.topology.links[index].endpoints[1 - int(near)]
            text = f"{other.node}:{other.interface}"
        return EdgeEnd(machine_id(machine), text)

    def _machine_at(self, address: str) -> str:
        """Return the machine with an address, and note that it has the other end of an edge."""
        machine = self.scene.at.get(address, address)
        self.wiring.far[machine] = None
        return machine

    def _add_far_parts(self) -> None:
        """Add an edge from each network to each further machine that has a part of it."""
        if not self.wiring.spread:
            return
        remotes: dict[tuple[str, str], dict[str, None]] = {}
        for resource in self.scene.state.values():
            if isinstance(resource, Fdb):
                remotes.setdefault((resource.netns, resource.link), {})[resource.dst] = None
        drawn = {self.scene.machine_of(label) for label in self.labels}
        for name, tunnels in self.wiring.spread.items():
            for tunnel in tunnels:
                for address in remotes.get((tunnel.netns, tunnel.name), ()):
                    if self.scene.at.get(address) not in drawn:
                        far = EdgeEnd(machine_id(self._machine_at(address)))
                        near = EdgeEnd(network_id(name))
                        status = self.scene.status_of(*parts(tunnel))
                        self._add_edge(near, far, "tunnel", (), status)

    def _add_peer(self, peer: Peer) -> None:
        link = self.scene.state.get(link_key(peer.netns, peer.link))
        if not isinstance(link, StandaloneLink) or peer.endpoint is None:
            return
        self._add_tunnel(link, peer.endpoint.address, back=False)

    def _add_tunnel(self, link: StandaloneLink, remote: str, *, back: bool) -> None:
        """Add the edge of a tunnel to the node that has the address `remote`.

        The edge ends at an interface of the same kind there, if there is one. With `back`, that
        interface must have its own remote end at the first node.
        """
        labels = [label for label in self.owners.get(remote, ()) if label != link.netns]
        if not labels:
            return
        near = node_id(self.scene, link.netns), link.name
        if any((*near, node_id(self.scene, label)) in self.tunnelled for label in labels):
            return
        there = (
            self.leading.get((link.KIND, label, link.netns))
            if back
            else self.standalone.get((link.KIND, label))
            for label in labels
        )
        far = next((other for other in there if other is not None), None)
        self.on_edges |= {link.key, *((far.key,) if far is not None else ())}
        two = self.end(far) if far is not None else EdgeEnd(node_id(self.scene, labels[0]))
        ends = (link, far) if far is not None else (link,)
        labels_of_edge = (Text(link.KIND), *self._impairments(*ends), *self._drift(*ends))
        statuses = (self.scene.status_of(*parts(end)) for end in ends)
        self._add_edge(self.end(link), two, "tunnel", labels_of_edge, *statuses)

    def _add_owners(self) -> None:
        """Add an edge from each network to each node through which its members are connected.

        Such a node has the network's bridge, an end of its tunnel, or the parent of its members.
        """
        uplinks = {
            (up.netns, up.bridge): up for up in self.scene.state.values() if isinstance(up, Uplink)
        }
        tunnels = self._tunnels()
        parents = self._parents()
        for name, bridges in self.wiring.bridges.items():
            bridged: set[str] = set()
            for bridge in bridges:
                # A further bridge of a large network is connected only to the first one.
                if bridge.netns in self.scene.fabrics or bridge.netns in bridged:
                    continue
                if isinstance(bridge, Bridge):
                    bridged.add(bridge.netns)
                status = self.scene.status_of(*parts(bridge))
                words = [
                    *self._addresses(bridge.netns, bridge.name),
                    *self._tunnel_ends(
                        tunnels.get((name, bridge.netns), ())
                        if name not in self.wiring.spread
                        else ()
                    ),
                ]
                if (uplink := uplinks.get((bridge.netns, bridge.name))) is not None:
                    words.append(Text(f"uplink {uplink.nic}", self.scene.status_of(uplink.key)))
                near = EdgeEnd(node_id(self.scene, bridge.netns), bridge.name, tuple(words), status)
                self._add_edge(near, EdgeEnd(network_id(name)), "owner", (), status)
            # A network that has no link of its own is joined to the parent of its members.
            for label, dev in parents.get(name, ()) if not bridges else ():
                near = EdgeEnd(node_id(self.scene, label), dev, self._addresses(label, dev))
                self._add_edge(near, EdgeEnd(network_id(name)), "parent", (), Status.OK)

    def _tunnels(self) -> Mapping[tuple[str, str], Sequence[StandaloneLink]]:
        """Return network and namespace → the links that may be tunnels to its other nodes."""
        tunnels: dict[tuple[str, str], list[StandaloneLink]] = {}
        for key, name in self.wiring.networks.items():
            if isinstance(link := self.scene.state.get(key), StandaloneLink):
                tunnels.setdefault((name, key.netns), []).append(link)
        return tunnels

    def _tunnel_ends(self, links: Sequence[StandaloneLink]) -> Iterator[Text]:
        """Yield the tunnel ends in a node that connect it to the network's other nodes."""
        for link in links:
            if local := getattr(link, "local", None):
                yield Text(f"{link.KIND} from {local}", self.scene.status_of(*parts(link)))

    def _parents(self) -> Mapping[str, Iterable[tuple[str, str]]]:
        """Return network → the parents of its members outside the fabric."""
        parents: dict[str, dict[tuple[str, str], None]] = {}
        for key, network in self.members.items():
            link = self.scene.state.get(key)
            if (
                isinstance(link, StandaloneLink)
                and link.parent is not None
                and link.parent[0] not in self.scene.fabrics
            ):
                parents.setdefault(network, {})[link.parent] = None
        return parents
