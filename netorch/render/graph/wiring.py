"""A state seen as a graph: which links are ends of edges, which make up a network, and which are a node's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from netorch.kinds.address import Address
from netorch.kinds.base.link import Link, link_key, link_of
from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.bridge import Bridge
from netorch.kinds.impair import impair_key
from netorch.kinds.loopback import Loopback
from netorch.kinds.peer import Peer
from netorch.kinds.port import Port, port_key
from netorch.kinds.up import up_key
from netorch.kinds.uplink import Uplink
from netorch.kinds.veth import UNKNOWN, Veth
from netorch.kinds.vlans import vlans_key
from netorch.render.graph.picture import Edge, EdgeEnd, Status, Text, ThingId
from netorch.render.graph.scene import Scene
from netorch.state.key import Key


@dataclass(slots=True)
class Wiring:
    """`edges` in the order of the state. `networks`: link → the network that it is a part of; `inner`: links that no edge shows, by label.

    `members`: network → its members' ends. `bridges`: network → its bridges, or what stands for them. `addresses`: label → interface →
    its addresses. `drawn`: thing → its interfaces that edges show.
    """

    edges: list[Edge] = field(default_factory=list)
    networks: dict[Key, str] = field(default_factory=dict)
    inner: dict[str, list[Link]] = field(default_factory=dict)
    members: dict[str, list[EdgeEnd]] = field(default_factory=dict)
    bridges: dict[str, list[Link]] = field(default_factory=dict)
    addresses: dict[str, dict[str, list[Address]]] = field(default_factory=dict)
    drawn: dict[ThingId, set[str]] = field(default_factory=dict)

    def of(self, label: str, dev: str) -> Sequence[Address]:
        """The addresses of one interface."""
        return self.addresses.get(label, {}).get(dev, ())


def node_id(scene: Scene, label: str) -> ThingId:
    return ThingId("node", scene.node(label))


def network_id(name: str) -> ThingId:
    return ThingId("network", name)


def parts(link: Link) -> tuple[Key, ...]:
    """What a person would call one thing with the link."""
    place = (link.netns, link.name)
    return link.key, up_key(*place), port_key(*place), vlans_key(*place), impair_key(*place)


def impaired(scene: Scene, link: Link) -> Text | None:
    """What happens to what a link sends."""
    resource = scene.state.get(impair_key(link.netns, link.name))
    if resource is None:
        return None
    return Text(
        " ".join(f"{name} {value}" for name, value in resource.attributes().items()),
        scene.of(resource.key),
    )


def build_wiring(scene: Scene) -> Wiring:
    return _Wirer(scene).run()


class _Wirer:
    def __init__(self, scene: Scene) -> None:
        self.scene, self.found = scene, Wiring()
        self.shown: set[Key] = set()
        self.members: dict[Key, str] = {}
        self.owners: dict[str, list[str]] = {}
        """Address → the namespaces that have it."""
        for resource in scene.state.values():
            if isinstance(resource, Address):
                self.found.addresses.setdefault(resource.netns, {}).setdefault(
                    resource.link, []
                ).append(resource)
                self.owners.setdefault(resource.address.local, []).append(resource.netns)

    def run(self) -> Wiring:
        self._by_file()
        self._by_bridges()
        self.solos: dict[tuple[str, str], list[StandaloneLink]] = {}
        """Kind and namespace → the links of no network."""
        for key, resource in self.scene.state.items():
            if isinstance(resource, StandaloneLink) and key not in self.found.networks:
                self.solos.setdefault((resource.KIND, key.netns), []).append(resource)
        for resource in self.scene.state.values():
            if isinstance(resource, Veth):
                self._cable(resource)
            elif isinstance(resource, StandaloneLink):
                self._solo(resource)
            elif isinstance(resource, Peer):
                self._peer(resource)
        self._owners()
        for resource in self.scene.state.values():
            if (
                isinstance(resource, Link)
                and resource.key not in self.shown
                and resource.key not in self.found.networks
            ):
                has_words = not isinstance(resource, Loopback) or self.found.of(
                    resource.netns, resource.name
                )
                if has_words and resource.netns != self.scene.fabric:
                    self.found.inner.setdefault(resource.netns, []).append(resource)
        return self.found

    def _by_file(self) -> None:
        """What the file's networks are made of, by the places that resolving noted down."""
        desired = self.scene.desired
        if desired is None:
            return
        for key, resource in desired.state.items():
            if not isinstance(resource, Link):
                continue
            match desired.origins.get(key):
                case ("networks", str(name), *_):
                    self.found.networks[key] = name
                case ("nodes", _, "networks", str(name), *_):
                    if isinstance(resource, Veth) and not resource.far:
                        self.found.networks[key] = name
                    else:
                        self.members[key] = name
        for name in self.scene.loaded.topology.networks if self.scene.loaded else ():
            self.found.bridges[name] = []

    def _by_bridges(self) -> None:
        """What else is plugged into a network's bridge; without a file the bridges of the fabric are the networks."""
        state = self.scene.state
        for key, resource in state.items():
            if (
                isinstance(resource, Bridge)
                and key.netns == self.scene.fabric
                and key not in self.found.networks
            ):
                self.found.networks[key] = resource.altname or resource.name
        for key, resource in state.items():
            if isinstance(resource, Port) and (
                master := self.found.networks.get(link_key(resource.netns, resource.master))
            ):
                self.found.networks.setdefault(link_key(key.netns, resource.link), master)
        for key, name in self.found.networks.items():
            part = state.get(key)
            if isinstance(part, Bridge) or (
                isinstance(part, StandaloneLink) and not self._is_port(key)
            ):
                self.found.bridges.setdefault(name, []).append(part)

    def _is_port(self, key: Key) -> bool:
        return port_key(key.netns, link_of(key)) in self.scene.state

    def _thing(self, key: Key) -> ThingId:
        return (
            network_id(self.found.networks[key])
            if key in self.found.networks
            else node_id(self.scene, key.netns)
        )

    def end(self, link: Link) -> EdgeEnd:
        """A link's end of an edge; a network's port is nothing that anybody looks for."""
        if link.key in self.found.networks:
            return EdgeEnd(self._thing(link.key))
        return EdgeEnd(
            self._thing(link.key),
            link.name,
            self._addresses(link.netns, link.name),
            self.scene.of(*parts(link)),
        )

    def _addresses(self, label: str, dev: str) -> tuple[Text, ...]:
        return tuple(
            Text(str(address.address), self.scene.of(address.key))
            for address in self.found.of(label, dev)
        )

    def _put(
        self, one: EdgeEnd, other: EdgeEnd, kind: str, labels: tuple[Text, ...], *made_of: Status
    ) -> None:
        whole = [status for status in made_of if status in {Status.MISSING, Status.EXTRA}]
        status = whole[0] if whole else Status.CHANGED if Status.CHANGED in made_of else Status.OK
        self.found.edges.append(Edge((one, other), kind, labels, status))
        for end in (one, other):
            self.found.drawn.setdefault(end.thing, set()).add(end.interface)

    def _member(self, network: str, end: EdgeEnd) -> None:
        self.found.members.setdefault(network, []).append(end)

    def _cable(self, veth: Veth) -> None:
        other = self.scene.state.get(link_key(*veth.peer)) if veth.peer != UNKNOWN else None
        if veth.key in self.shown or not isinstance(other, Veth):
            return
        if other.key in self.found.networks:
            veth, other = other, veth
        one, two = self.end(veth), self.end(other)
        if one.thing == two.thing:
            return
        self.shown |= {veth.key, other.key}
        labels = self._impairments(veth, other)
        self._put(
            one, two, "cable", labels, self.scene.of(*parts(veth)), self.scene.of(*parts(other))
        )
        for near, far in ((veth, two), (other, one)):
            if near.key in self.found.networks and far.interface:
                self._member(self.found.networks[near.key], far)

    def _impairments(self, *links: Link) -> tuple[Text, ...]:
        """What happens on the way: once where both directions are alike, else with the node that sends."""
        told = [(link, text) for link in links if (text := impaired(self.scene, link)) is not None]
        if len(told) == 2 and told[0][1] == told[1][1]:
            return (told[0][1],)
        senders = [
            self.found.networks.get(link.key) or self.scene.node(link.netns) for link, _ in told
        ]
        return tuple(
            Text(f"from {sender}: {text.text}", text.status)
            for sender, (_, text) in zip(senders, told, strict=True)
        )

    def _solo(self, link: StandaloneLink) -> None:
        """What rides on an interface of elsewhere, or leads to another node by itself."""
        status = self.scene.of(*parts(link))
        if link.key in self.members:
            self.shown.add(link.key)
            network = self.members[link.key]
            end = self.end(link)
            self._put(EdgeEnd(network_id(network)), end, "cable", self._impairments(link), status)
            self._member(network, end)
        elif link.key in self.found.networks:
            return
        elif link.parent is not None and link.parent[0] != link.netns and link.parent != UNKNOWN:
            self.shown.add(link.key)
            label, dev = link.parent
            below = EdgeEnd(node_id(self.scene, label), dev, self._addresses(label, dev))
            self._put(
                self.end(link), below, "parent", (Text(link.KIND), *self._impairments(link)), status
            )
        elif remote := getattr(link, "remote", None):
            self._tunnel(link, str(remote), back=True)

    def _peer(self, peer: Peer) -> None:
        link = self.scene.state.get(link_key(peer.netns, peer.link))
        if not isinstance(link, StandaloneLink) or peer.endpoint is None:
            return
        self._tunnel(link, peer.endpoint.address, back=False)

    def _tunnel(self, link: StandaloneLink, remote: str, *, back: bool) -> None:
        """To the interface of the same kind where the address is; `back`: one whose own remote end is here. Without one, to the node."""
        labels = [label for label in self.owners.get(remote, ()) if label != link.netns]
        if not labels or any(
            edge.kind == "tunnel" and self._joins(edge, link, labels) for edge in self.found.edges
        ):
            return
        far = next(
            (
                other
                for label in labels
                for other in self.solos.get((link.KIND, label), ())
                if not back or self._leads(other, link)
            ),
            None,
        )
        self.shown |= {link.key, *((far.key,) if far is not None else ())}
        two = self.end(far) if far is not None else EdgeEnd(node_id(self.scene, labels[0]))
        ends = (link, far) if far is not None else (link,)
        told = (Text(link.KIND), *self._impairments(*ends))
        self._put(
            self.end(link), two, "tunnel", told, *(self.scene.of(*parts(end)) for end in ends)
        )

    def _leads(self, link: StandaloneLink, to: StandaloneLink) -> bool:
        return to.netns in self.owners.get(str(getattr(link, "remote", "")), ())

    def _joins(self, edge: Edge, link: StandaloneLink, labels: Sequence[str]) -> bool:
        ends = {(end.thing, end.interface) for end in edge.ends}
        there = {node_id(self.scene, label) for label in labels}
        return (node_id(self.scene, link.netns), link.name) in ends and not there.isdisjoint(
            end.thing for end in edge.ends
        )

    def _owners(self) -> None:
        """The node that has a network's bridge, its tunnel end, or the parent of its members."""
        uplinks = {
            (up.netns, up.bridge): up for up in self.scene.state.values() if isinstance(up, Uplink)
        }
        for name, bridges in self.found.bridges.items():
            for bridge in bridges:
                if bridge.netns == self.scene.fabric or self._hangs_on(bridge, bridges):
                    continue
                status = self.scene.of(*parts(bridge))
                words = [
                    *self._addresses(bridge.netns, bridge.name),
                    *self._tunnel_ends(name, bridge.netns),
                ]
                if (uplink := uplinks.get((bridge.netns, bridge.name))) is not None:
                    words.append(Text(f"uplink {uplink.nic}", self.scene.of(uplink.key)))
                near = EdgeEnd(node_id(self.scene, bridge.netns), bridge.name, tuple(words), status)
                self._put(near, EdgeEnd(network_id(name)), "owner", (), status)
            if not bridges:
                self._parent(name)

    def _tunnel_ends(self, network: str, label: str) -> Iterator[Text]:
        """Where a network that spans several nodes is reached below."""
        for key, name in self.found.networks.items():
            link = self.scene.state.get(key)
            if (
                name == network
                and key.netns == label
                and isinstance(link, StandaloneLink)
                and (local := getattr(link, "local", None))
            ):
                yield Text(f"{link.KIND} from {local}", self.scene.of(*parts(link)))

    def _hangs_on(self, bridge: Link, bridges: list[Link]) -> bool:
        """Whether it is a further bridge of a large network: those have no way out but by the first."""
        return any(
            bridge is not other and other.netns == bridge.netns and isinstance(other, Bridge)
            for other in bridges[: bridges.index(bridge)]
        )

    def _parent(self, name: str) -> None:
        """Of a network without anything of its own: the interface that its members are on."""
        parents: dict[tuple[str, str], None] = {}
        for key, network in self.members.items():
            link = self.scene.state.get(key)
            if (
                network == name
                and isinstance(link, StandaloneLink)
                and link.parent is not None
                and link.parent[0] != self.scene.fabric
            ):
                parents[link.parent] = None
        for label, dev in parents:
            near = EdgeEnd(node_id(self.scene, label), dev, self._addresses(label, dev))
            self._put(near, EdgeEnd(network_id(name)), "parent", (), Status.OK)
