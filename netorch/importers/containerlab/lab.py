"""The draft of a lab, with what its parts share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netorch.importers.containerlab.settings import Setting
from netorch.importers.containerlab.source import Source
from netorch.importers.draft import Draft, add_membership
from netorch.importers.names import Names, network_names, node_names, topology_name
from netorch.importers.shell_lines.node import Interface, Node
from netorch.importers.shell_lines.programs import NO_PROGRAMS
from netorch.importers.shell_lines.write import write
from netorch.render.yaml_text import flow

MTU = 9500
"""The MTU of links that have none (DefaultLinkMTU of containerlab)."""
HOST = "host"
_TOP_KEYS = frozenset(("mgmt", "name", "topology"))
_TOPOLOGY_KEYS = frozenset(("defaults", "groups", "kinds", "links", "nodes"))
_NO_WORD = "netorch has no word for it"
MANAGEMENT = "mgmt"
"""The network to which containerlab connects each container."""


class Lab:
    def __init__(self, source: Source, name: str | None) -> None:
        self.source = source
        self.topology = source.topology()
        stem = source.file.split(".")[0]
        title = source.tree.get("name")
        self.draft = Draft(topology_name(name or str(title or stem)), source.path, "containerlab")
        self.settings: dict[str, dict[str, Setting]] = {}
        """Name in the source → the keys of a node that is a node here."""
        self.nodes: dict[str, Node] = {}
        """Name in the source → what the lines of the node declare."""
        self.sharing: dict[str, Node] = {}
        """Name in the source → the node whose namespace it has, if that is not its own."""
        self.bridges: dict[str, str] = {}
        """Name of a bridge in the source → the network that it is here."""
        self.hosts: set[str] = set()
        """Names in the source that stand for this machine."""
        self.names: Names = node_names()
        self.networks: Names = network_names(MANAGEMENT)
        self.interfaces: dict[str, Names] = {}
        """Node → the names of its interfaces."""
        self.managed: set[str] = set()
        """Names in the source of the nodes in the management network, if the file mentions it."""

    def place(self, line: int) -> str:
        return f"{self.source.file}:{line}"

    def lose(
        self, path: Iterable[str | int], text: str, why: str, line: int, *, matters: bool = False
    ) -> None:
        self.draft.lose(path, text, why, self.place(line), matters=matters)

    def set_place(self, path: Iterable[str | int], line: int) -> None:
        """Remember the line of an entry of the draft."""
        self.draft.set_place(path, self.place(line))

    def lose_other_keys(self) -> None:
        """Record the keys at the top of the file and of `topology` that are not read."""
        for tree, known in ((self.source.tree, _TOP_KEYS), (self.topology, _TOPOLOGY_KEYS)):
            for key, value in tree.items():
                if key not in known and value not in (None, ""):
                    why = _NO_WORD
                    if key == "prefix":
                        why = "only the names of containers have it"
                    self.lose((), f"{key}: {flow(value)}", why, tree.where[key].line)

    def node(self, name: str) -> Node | None:
        """Return a node by its name in the source, also by that of one that shares its namespace.

        None if it is not a node here.
        """
        return self.sharing.get(name, self.nodes.get(name))

    def join(self, node: Node, network: str, name: str) -> dict[str, Any]:
        """Make a node a member of a network. Return the membership."""
        networks = self.draft.nodes[node.name].setdefault("networks", {})
        entry = add_membership(networks, network, name)
        mtu = self.draft.networks[network].get("mtu", 1500)
        node.interfaces[name] = Interface(name, entry=entry, mtu=mtu)
        return entry

    def finish(self) -> None:
        """Write the nodes and the defaults."""
        for node in self.nodes.values():
            write(node, self.draft, forwards=True)
            for version in node.drops_default_route:
                self._drop_default_route(node, version)
        for index, link in enumerate(self.draft.links):
            self._set_mtus_of_bonded(link, index)
        defaults: dict[str, Any] = {}
        if self.nodes:
            defaults["node"] = {"forwarding": True}
            note = "containers forward packets, because the container engine turns it on"
            self.draft.note(("defaults", "node"), note)
            self.draft.note((), NO_PROGRAMS)
        if self.draft.links:
            defaults["link"] = {"mtu": MTU}
            self.draft.note(("defaults", "link"), f"links of containerlab have an MTU of {MTU}")
        tree = self.draft.tree
        self.draft.tree = {"name": tree["name"], "defaults": defaults} | tree

    def _set_mtus_of_bonded(self, link: dict[str, Any], index: int) -> None:
        """Give the ends of a link that are ports of a bond its MTU, as Linux does."""
        ends = link["endpoints"]
        bonds = [self._bond_of(end) for end in ends]
        if not any(bonds):
            return
        mtu = link.pop("mtu", None)
        for end, bond in zip(ends, bonds, strict=True):
            if bond is not None:
                end["mtu"] = bond.setdefault("mtu", 1500)
                if mtu not in (None, bond["mtu"]):
                    note = f"a port of a bond takes the MTU of the bond, here in place of {mtu}"
                    self.draft.note(("links", index), note)
            elif mtu is not None:
                end.setdefault("mtu", mtu)
        if len({end.get("mtu") for end in ends}) == 1:
            link["mtu"] = ends[0]["mtu"]
            for end in ends:
                del end["mtu"]

    def _bond_of(self, end: dict[str, Any]) -> dict[str, Any] | None:
        """Return the entry of the bond of which an end is a port, None if it is not one."""
        interfaces = self.draft.nodes.get(end["node"], {}).get("interfaces", {})
        for one in interfaces.values():
            if one.get("kind") == "bond" and end["interface"] in one.get("ports", ()):
                entry: dict[str, Any] = one
                return entry
        return None

    def _drop_default_route(self, node: Node, version: int) -> None:
        """Take the default route of the management network from a node that deletes it."""
        entry = self.draft.nodes[node.name]
        membership = entry.get("networks", {}).get(MANAGEMENT)
        if membership is not None and version == 4:
            first = membership[0] if isinstance(membership, list) else membership
            first["default_route"] = False
