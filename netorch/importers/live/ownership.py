"""Look at a snapshot as if one topology had made everything in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property

from netorch.converge.cables import End, cables_of
from netorch.immutable import Value, field, replace
from netorch.importers.live.other_topologies import OtherTopologies
from netorch.kinds import observed_on
from netorch.kinds.base.link import Link
from netorch.netlink.constants import RTPROT_STATIC
from netorch.state.key import HOST, Key, is_attached
from netorch.state.registry import View
from netorch.state.resource import Resource
from netorch.values.marks import ALIAS_BYTES, PROTOCOLS, Mark, read_alias
from netorch.values.requests import Attachment
from netorch.values.snapshot import LinkRecord, NetnsSnapshot, Snapshot

_TUNNEL_PARENT = 3
"""The number of the attribute of a vxlan with its parent (IFLA_VXLAN_LINK)."""


class Machine(Value, dict=True):
    """What is imported of a machine."""

    snapshot: Snapshot
    """Everything, as it was read."""
    mark: Mark
    """The marks that the objects would have."""
    labels: tuple[str, ...]
    """The labels of the namespaces that are imported. HOST is among them if a part of it is."""
    owned: Mapping[str, frozenset[int]]
    """Label → the indices of the links that are imported."""
    asked: frozenset[str] = frozenset()
    """The labels that the user has named, or all if the user has named none."""
    attached: Mapping[str, Attachment] = field(default_factory=dict)
    stays: bool = True
    """Whether the machine is there after the import, unlike the private host of a script."""
    left_out: tuple[tuple[tuple[str, ...], str, str], ...] = ()
    """The path of a comment, what is not imported, and why."""
    others: OtherTopologies = field(default_factory=OtherTopologies)
    """The topologies whose objects and settings are left to them."""

    def links_of(self, label: str) -> Iterator[LinkRecord]:
        """Yield the links of a namespace that are imported."""
        netns, owned = self.snapshot.namespaces.get(label), self.owned.get(label, frozenset())
        return (link for link in (netns.links if netns else ()) if link.index in owned)

    @cached_property
    def cables(self) -> Mapping[End, End]:
        return cables_of(self.snapshot)

    @cached_property
    def state(self) -> Mapping[Key, Resource]:
        """The objects that netorch knows, with the marks of the topology."""
        return {key: one for key, one in self._everything.items() if not self.owner(key)}

    @cached_property
    def left_to_others(self) -> Sequence[tuple[Resource, str]]:
        """The objects that other topologies have on record, each with its topology."""
        return [
            (one, topology)
            for key, one in self._everything.items()
            if (topology := self.owner(key))
        ]

    def owner(self, key: Key) -> str:
        """Return the other topology that has an object on record, or ""."""
        return self.others.owner(key, self.snapshot.namespaces[key.netns])

    @cached_property
    def _everything(self) -> Mapping[Key, Resource]:
        views: dict[str, View] = {}
        for label in self.labels:
            marked = self._marked(self.snapshot.namespaces[label])
            views[label] = View(marked, self.mark, True, views)
        state: dict[Key, Resource] = {}
        for label, view in views.items():
            for kind in observed_on(view.link_kinds):
                for resource in kind.observe(view):
                    if not (self._is_not_ours(label, resource) or _is_hidden(resource)):
                        state[resource.key] = resource
        return state

    def _is_not_ours(self, label: str, resource: Resource) -> bool:
        """Return whether an object of a namespace belongs to its owner: the host or a container."""
        if label != HOST and not is_attached(label):
            return False
        if resource.key.kind in {"netns", "rule"}:
            return resource.key.kind == "netns" or label not in self.asked
        return resource.key.parts[:1] == ("lo",) and resource.key.kind in {"link", "up"}

    def _marked(self, netns: NetnsSnapshot) -> NetnsSnapshot:
        owned = self.owned.get(netns.label, frozenset())
        whole = netns.label != HOST and not is_attached(netns.label)
        return replace(
            netns,
            links=tuple(self._link(netns, link, link.index in owned) for link in netns.links),
            addresses=tuple(
                replace(one, protocol=self._protocol(one.protocol)) for one in netns.addresses
            ),
            neighbours=tuple(
                replace(one, protocol=self._protocol(one.protocol)) for one in netns.neighbours
            ),
            routes=tuple(
                replace(one, protocol=self._protocol(one.protocol))
                for one in netns.routes
                if whole or one.hops or netns.label in self.asked
            ),
            rules=tuple(replace(one, protocol=self._protocol(one.protocol)) for one in netns.rules),
            lost_routes={},
        )

    def _protocol(self, number: int) -> int:
        """Return the number of an object's maker. Those of netorch count as set by hand."""
        return RTPROT_STATIC if number == self.mark.protocol else self._own(number)

    def _own(self, number: int) -> int:
        return self.mark.protocol if number in PROTOCOLS else number

    def _link(self, netns: NetnsSnapshot, link: LinkRecord, owned: bool) -> LinkRecord:
        if link.name == "lo" and not link.kind:
            return replace(link, alias=self.mark.alias)
        if not owned:
            return replace(link, alias="", group=0)
        alias = read_alias(link.alias)
        description = alias.description if alias.topology else link.alias
        marks = self.mark.link_alias(self._peer(netns, link), description)
        if not description.isprintable() or len(marks.encode()) > ALIAS_BYTES:
            marks = self.mark.link_alias(self._peer(netns, link))
        return replace(link, alias=marks, group=self.mark.group)

    def _peer(self, netns: NetnsSnapshot, link: LinkRecord) -> End | None:
        """Return the other end of a veth, or the parent of a link in another namespace."""
        if link.kind == "veth":
            return self.cables.get((netns.label, link.name))
        if link.link_netnsid is None:
            return None
        index = link.link or int.from_bytes(link.data.get(_TUNNEL_PARENT, b"")[:4], "little")
        for label, number in netns.nsids.items():
            if number == link.link_netnsid and label in self.snapshot.namespaces:
                for other in self.snapshot.namespaces[label].links:
                    if other.index == index:
                        return label, other.name
        return None


def _is_hidden(resource: Resource) -> bool:
    """Return whether an object stands for settings that a file never describes."""
    return resource.key.kind in {"filter", "forward", "uplink"} or (
        isinstance(resource, Link) and resource.LENT
    )


def free_name(name: str, taken: Collection[str]) -> str:
    """Return a name that no topology has."""
    names = (name, *(f"{name}-{number}" for number in range(2, len(taken) + 3)))
    return next(one for one in names if one not in taken)


def free_mark(name: str, snapshot: Snapshot, labels: Collection[str]) -> Mark:
    """Return the marks of a topology whose number no object of these namespaces has."""
    taken = {
        one.protocol
        for label in labels
        for objects in (
            snapshot.namespaces[label].addresses,
            snapshot.namespaces[label].routes,
            snapshot.namespaces[label].rules,
            snapshot.namespaces[label].neighbours,
        )
        for one in objects
    }
    free = next((number for number in PROTOCOLS if number not in taken), 0)
    return Mark(name, free)
