"""Writes a live topology as a file: the file that was applied, with what differs from it now.

What is as in the file keeps the words of the file. An interface, or the routes or rules of a node,
that somebody has changed is written as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from netorch.errors import NetorchError
from netorch.immutable import Value
from netorch.kinds.base.link import link_key
from netorch.kinds.bridge import SETTINGS, Bridge
from netorch.kinds.name import SecondName
from netorch.kinds.route import Route
from netorch.kinds.sysctl import Sysctl, interface_of
from netorch.kinds.veth import Veth
from netorch.render.applied_file import tree_of, yaml_of
from netorch.render.changes import changes
from netorch.render.topology_file import LowLevelFile
from netorch.resolve import loader
from netorch.resolve.desired import Desired, Path
from netorch.resolve.loaded import Loaded
from netorch.state.plan import Plan, Step
from netorch.state.resource import Resource

Tree = dict[str, Any]
Differences = Callable[[Loaded], Plan]
"""A function that compares a file with the kernel."""

ROUNDS = 4
"""The number of times that what differs is written into the file and compared again."""

_KEYS: Mapping[str, tuple[str, ...]] = {
    "link": (),
    "up": ("state",),
    "address": ("addresses",),
    "neighbour": ("neighbours",),
    "fdb": ("fdb",),
    "peer": ("peers",),
    "impair": ("impair",),
    "port": ("master", "ports", "port"),
    "vlans": ("port",),
    "mac": ("port",),
    "primary": ("primary",),
}
"""Kind of an object that belongs to one interface, whose name is the first part of the object's key
→ the keys of the interface that say how it is. A `link` has all other keys.
"""
_OF_PARTS = frozenset(key for keys in _KEYS.values() for key in keys) | {"sysctls"}
_MEMBER_KEYS = frozenset(("name", "port", "at", "default_route", "addresses"))
"""The keys of a membership that an interface does not have, or means otherwise."""
_MADE_WITH = frozenset(("kind", "peer", "private_key_file"))
"""The keys of an interface that another end or a key file decides."""


class LiveFile(Value):
    """A live topology as a file."""

    text: str
    lost: tuple[str, ...] = ()
    """A sentence about each part of the live state that the file does not express."""


def write(
    applied: Loaded, record_text: str, low: LowLevelFile, plan: Plan, differences: Differences
) -> LiveFile:
    """Return the file of a topology that has a record.

    `low` writes the live state, in the words of a file. `plan` leads from there to the file that
    was applied. `differences` compares another file with the kernel.
    """
    text = record_text
    tree: Tree = tree_of(applied)
    loaded, rest = applied, plan
    for _ in range(ROUNDS):
        if not rest:
            break
        edit = _Edit(tree, loaded.desired, low)
        edited = edit.apply(rest)
        if edited == tree:
            break
        again = yaml_of(edited)
        try:
            next_loaded = loader.load(again.encode(), "topology.yaml", folder="/")
            next_rest = differences(next_loaded)
        except NetorchError:
            break
        if _weight(next_rest) > _weight(rest):
            break
        text, tree, loaded, rest = again, edited, next_loaded, next_rest
    return LiveFile(text, tuple(_lost(rest)))


def _weight(plan: Plan) -> int:
    """Return the number of steps, without those of hosts files, which follow from the others."""
    return sum(step.key.kind != "file" for step in plan.steps)


def remarks(lost: Sequence[str]) -> Iterator[str]:
    """Yield comments of the file about what it does not express."""
    if lost:
        yield "# This file does not have these parts of the live state:"
    for sentence in lost:
        yield f"#   {sentence}"


def _lost(plan: Plan) -> Iterator[str]:
    """Yield a sentence about each object that the file describes otherwise."""
    files = [change for change in changes(plan) if change.key.kind == "file"]
    if files:
        names = ", ".join(change.key.netns for change in files)
        yield f"files in /etc/netns of {names}: they have other names or addresses than this file"
    for change in changes(plan):
        if change.key.kind == "file":
            continue
        values = ", ".join(
            f"{name} is {old or 'missing'}, not {new or 'missing'}"
            for name, (old, new) in change.values.items()
        )
        lines = [*(f"without {line}" for line in change.removed), *change.added]
        yield f"{change.title}: {values or '; '.join(lines) or change.disruption.value}"


class _Edit:
    """One round of changes of the tree of a file."""

    def __init__(self, tree: Tree, desired: Desired, low: LowLevelFile) -> None:
        self.tree: Tree = _copy(tree)
        self.desired, self.low = desired, low
        self.words: Tree = low.tree()
        self.nodes = desired.nodes
        self.paths: dict[tuple[str, str], Path] = {
            (key.netns, key.parts[0]): path
            for key, path in desired.origins.items()
            if key.kind == "link"
        }
        self.gone: set[str] = set()
        """The nodes whose namespaces are missing."""
        self.gone_memberships: list[tuple[list[Tree], Tree]] = []
        """A list of memberships, and one of them whose interface is missing."""
        self.cut: list[int] = []
        """The links that are missing."""

    def apply(self, plan: Plan) -> Tree:
        steps = plan.steps
        for step in steps:
            if step.key.kind == "netns":
                self.node(step)
        for step in steps:
            if isinstance(step.resource, SecondName):
                self.second_name(step)
        missing = {step.key for step in steps if step.before is None and step.key.kind == "link"}
        for place, kinds in sorted(self.places(steps).items()):
            if self.nodes.get(place[0]) in self.gone:
                continue
            if link_key(*place) in missing and link_key(*place) not in self.low.state:
                self.remove(place)
            else:
                self.interface(place, kinds)
        for label in sorted({step.key.netns for step in steps if isinstance(step.resource, Route)}):
            self.routes(label)
        for label in sorted({step.key.netns for step in steps if step.key.kind == "rule"}):
            if (words := self.model(label)) is not None:
                self.put(words, "rules", self.low_node(label).get("rules"))
        for step in steps:
            if isinstance(step.resource, Sysctl):
                self.sysctl(step.before, step.resource)
        for index in sorted(set(self.cut), reverse=True):
            del self.tree["links"][index]
        # at the end, because paths have the position of each membership
        for several, member in self.gone_memberships:
            several[:] = [one for one in several if one is not member]
        return self.tree

    def places(self, steps: Sequence[Step]) -> dict[tuple[str, str], set[str]]:
        """Return label and name of each interface that differs → the kinds of what differs."""
        places: dict[tuple[str, str], set[str]] = {}
        for step in steps:
            if step.key.kind in _KEYS:
                places.setdefault((step.key.netns, step.key.parts[0]), set()).add(step.key.kind)
        return places

    def model(self, label: str) -> Tree | None:
        """Return the entry of a node, or None if it has none."""
        node = self.nodes.get(label, "")
        nodes = self.tree.get("nodes") or {}
        if node not in nodes:
            return None
        if nodes[node] is None:
            nodes[node] = {}
        return cast(Tree, nodes[node])

    def low_node(self, label: str) -> Tree:
        return cast(Tree, self.words.get("nodes", {}).get(self.low.node(label), {}))

    @staticmethod
    def put(words: Tree, key: str, value: Any) -> None:
        """Set a key, or remove it if the value is empty."""
        if value:
            words[key] = value
        else:
            words.pop(key, None)

    def node(self, step: Step) -> None:
        """Write the forwarding of a namespace, or remove the node whose namespace is missing."""
        node = self.nodes.get(step.key.netns, "")
        words = self.model(step.key.netns)
        if words is None:
            return
        if step.before is not None:
            low = self.low_node(step.key.netns)
            self.put(words, "forwarding", low.get("forwarding"))
            for name in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
                sysctls = dict(words.get("sysctls") or {})
                self.put(sysctls, name, (low.get("sysctls") or {}).get(name))
                self.put(words, "sysctls", sysctls)
            return
        self.gone.add(node)
        del self.tree["nodes"][node]
        for index, link in enumerate(self.tree.get("links") or []):
            if any(_node_of(end) == node for end in _ends(link)):
                self.cut.append(index)
        self.drop_checks(lambda end: end.partition(":")[0] == node)

    def second_name(self, step: Step) -> None:
        """Write which namespace a second name leads to, or remove the node if it leads nowhere."""
        label = step.key.netns
        node = next(
            (node for node, own in self.desired.second_names.items() if own == label),
            self.low.node(label),
        )
        nodes = self.tree.setdefault("nodes", {})
        before = step.before
        target = self.nodes.get(before.target, "") if isinstance(before, SecondName) else ""
        if target and target not in self.gone:
            nodes[node] = {**(nodes.get(node) or {}), "attach": f"node:{target}"}
        else:
            nodes.pop(node, None)
            self.drop_checks(lambda end: end.partition(":")[0] == node)

    def drop_checks(self, concerns: Callable[[str], bool]) -> None:
        checks = [
            check
            for check in self.tree.get("checks") or []
            if not any(concerns(str(check.get(word, ""))) for word in ("from", "to", "all"))
        ]
        self.put(self.tree, "checks", checks)

    def membership(self, path: Path) -> Tree | None:
        """Return the membership at a path, in its long form, or None if there is none."""
        if len(path) < 4 or path[0] != "nodes" or path[2] != "networks":
            return None
        node = (self.tree.get("nodes") or {}).get(path[1])
        if not node:
            return None
        if isinstance(node["networks"], list):
            node["networks"] = {name: {} for name in node["networks"]}
        words = node["networks"].get(path[3])
        if isinstance(words, list):
            position = int(path[4])
            return words[position] if position < len(words) else None
        if not isinstance(words, dict):
            words = {"address": words} if words is not None else {}
            node["networks"][path[3]] = words
        return words

    def interface(self, place: tuple[str, str], kinds: set[str]) -> None:
        """Write an interface as it is."""
        path = self.paths.get(place)
        if place[1] == "lo":
            path = path or ("nodes", self.nodes.get(place[0], ""))
        if path is None:
            return
        if path[0] == "networks":
            self.network(place, str(path[1]))
            return
        if path[0] == "links":
            self.cable(int(path[1]), kinds)
            return
        member = self.membership(path)
        if member is None:
            self.own_interface(place, kinds)
        elif self.nodes.get(place[0]) == path[1]:
            self.member(place, member, kinds)
        else:
            self.far_end(place, member, kinds)

    def entry(self, place: tuple[str, str]) -> Tree | None:
        """Return the entry of an interface below its node, or None if the file lacks the node."""
        node = self.model(place[0])
        if node is None:
            return None
        interfaces = node.setdefault("interfaces", {})
        name = self.low.name(*place)
        if not isinstance(interfaces.get(name), dict):
            interfaces[name] = {}
        entry: Tree = interfaces[name]
        return entry

    def low_entry(self, place: tuple[str, str]) -> Tree:
        """Return all keys of an interface as it is, also those of a membership."""
        words: Tree = dict(
            self.low_node(place[0]).get("interfaces", {}).get(self.low.name(*place), {})
        )
        entries = (self.low_node(place[0]).get("networks") or {}).values()
        several = (entry if isinstance(entry, list) else [entry] for entry in entries)
        for member in (one for each in several for one in each):
            if member.get("name") == self.low.name(*place):
                words |= {key: value for key, value in member.items() if key not in _MEMBER_KEYS}
        link = self.low.state.get(link_key(*place))
        mtu = getattr(link, "mtu", 0)
        return {**({"mtu": mtu} if mtu and isinstance(link, Veth) else {}), **words}

    def own_interface(self, place: tuple[str, str], kinds: set[str]) -> None:
        """Write the keys of an interface that differ."""
        entry = self.entry(place)
        if entry is not None:
            self.replace(entry, self.low_entry(place), kinds)

    @staticmethod
    def replace(entry: Tree, low: Tree, kinds: set[str]) -> None:
        """Replace the keys of an interface that say how something of these kinds is."""
        parts = {key for kind in kinds for key in _KEYS[kind]}
        changed = {
            key
            for key in {*entry, *low}
            if key in parts or ("link" in kinds and key not in _OF_PARTS and key not in _MADE_WITH)
        }
        for key in changed:
            entry.pop(key, None)
        entry |= {key: value for key, value in low.items() if key in changed}
        if "up" in kinds and "state" not in entry:
            entry["state"] = "up"

    def member(self, place: tuple[str, str], member: Tree, kinds: set[str]) -> None:
        """Write the near end of the cable of a member.

        The keys stay in the membership if they are there, because the order of the hosts files
        depends on where an interface is named first.
        """
        name = self.low.name(*place)
        node = self.model(place[0]) or {}
        if "address" in kinds or "impair" in kinds or name in (node.get("interfaces") or {}):
            if "address" in kinds:
                member.pop("address", None)
                member["addresses"] = False
            member["name"] = name
            self.own_interface(place, kinds)
            removed = {key for kind in kinds for key in _KEYS[kind]} - _MEMBER_KEYS
            if "link" in kinds:
                removed |= {"mac", "mtu", "txqueuelen", "description"}
            for key in removed:
                member.pop(key, None)
            return
        words = {key: value for key, value in member.items() if key in _MEMBER_KEYS}
        rest = {key: value for key, value in member.items() if key not in _MEMBER_KEYS}
        self.replace(rest, self.low_entry(place), kinds)
        member.clear()
        member |= words | rest

    def far_end(self, place: tuple[str, str], member: Tree, kinds: set[str]) -> None:
        """Write what the port of a network to which a member is connected has."""
        if not kinds.isdisjoint(("port", "vlans", "mac")):
            self.put(member, "port", self.low.port_settings(*place))
        link = self.low.state.get(link_key(*place))
        near = self.low.state.get(link_key(*link.peer)) if isinstance(link, Veth) else None
        if "impair" in kinds and isinstance(near, Veth):
            words: Tree = {}
            member.pop("impair", None)
            self.low.add_impairments(near, member, words)
            member["name"] = self.low.name(near.netns, near.name)
            if words and (entry := self.entry((near.netns, near.name))) is not None:
                entry |= words

    def cable(self, index: int, kinds: set[str]) -> None:
        """Write both ends of a link as they are."""
        links = self.tree["links"]
        both = [*_ends(links[index])]
        ends = [_parts(end) for end in both]
        words = {**links[index]} if isinstance(links[index], dict) else {}
        removed = [key for kind in kinds for key in _KEYS[kind]]
        if "address" in kinds:
            words.pop("subnet", None)
        if "link" in kinds:
            words.pop("mtu", None)
            removed += ["mac", "mtu", "txqueuelen", "description"]
        for end in both:
            for key in removed if isinstance(end, dict) else ():
                end.pop(key, None)
        if "impair" in kinds:
            words.pop("impair", None)
        links[index] = words | {"endpoints": both}
        for node, name in ends:
            label = self.desired.labels.get(node, node)
            place = next(
                (
                    place
                    for place, path in self.paths.items()
                    if path[:2] == ("links", index)
                    and place[0] == label
                    and self.low.name(*place) == name
                ),
                None,
            )
            if place is not None and self.model(label) is None:
                self.tree.setdefault("nodes", {})[node] = {}
                self.nodes.setdefault(label, node)
            if place is not None:
                self.own_interface(place, kinds)

    def network(self, place: tuple[str, str], name: str) -> None:
        """Write the settings of a network's bridge."""
        bridge = self.low.state.get(link_key(*place))
        words = (self.tree.get("networks") or {}).get(name)
        if not isinstance(bridge, Bridge) or name not in (self.tree.get("networks") or {}):
            return
        words = words or {}
        self.tree["networks"][name] = {
            key: value for key, value in words.items() if key not in (*SETTINGS, "mtu")
        } | self.low.bridge_settings(bridge)
        if bridge.mtu and (bridge.mtu != 1500 or "mtu" in words):
            self.tree["networks"][name]["mtu"] = bridge.mtu

    def remove(self, place: tuple[str, str]) -> None:
        """Remove an interface that is missing."""
        path = self.paths.get(place, ())
        if not path:
            return
        name = self.low.name(*place)
        node = self.nodes.get(place[0], "")
        if path[0] == "links":
            self.cut.append(int(path[1]))
        elif (member := self.membership(path)) is not None:
            networks = self.tree["nodes"][path[1]]["networks"]
            if isinstance(networks[path[3]], list) and networks[path[3]][1:]:
                self.gone_memberships.append((networks[path[3]], member))
            else:
                del networks[path[3]]
        words = self.model(place[0])
        if words is not None:
            (words.get("interfaces") or {}).pop(name, None)
        self.drop_checks(lambda end: end == f"{node}:{name}")

    def routes(self, label: str) -> None:
        """Write all routes of a node as they are. Its networks add none."""
        words = self.model(label)
        if words is None:
            return
        self.put(words, "routes", self.low_node(label).get("routes"))
        if not words.get("networks"):
            return
        node = self.nodes[label]
        asked = [
            path
            for key, path in self.desired.origins.items()
            if key.kind == "route" and key.netns == label and path[2:3] == ("networks",)
        ]
        for path in asked:
            if path[1] == node and (member := self.membership(path)) is not None:
                member["default_route"] = False

    def sysctl(self, live: Resource | None, resource: Sysctl) -> None:
        """Write the present value of a sysctl that the file sets."""
        words = self.model(resource.netns)
        path = self.desired.origins.get(resource.key, ())
        if words is None or not isinstance(live, Sysctl) or "sysctls" not in path:
            return
        link = interface_of(resource.paths[0])
        place = words
        if link is not None:
            place = words.setdefault("interfaces", {}).setdefault(
                self.low.name(resource.netns, link), {}
            )
        name = path[path.index("sysctls") + 1]
        place.setdefault("sysctls", {})[name] = live.value


def _ends(link: Any) -> Sequence[Any]:
    ends = link["endpoints"] if isinstance(link, dict) else link
    return [*ends]


def _node_of(end: Any) -> str:
    return _parts(end)[0]


def _parts(end: Any) -> tuple[str, str]:
    """Return the node and the interface of an end of a link."""
    if isinstance(end, dict):
        return str(end["node"]), str(end["interface"])
    node, _, name = str(end).partition(":")
    return node, name


def _copy(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _copy(value) for key, value in tree.items()}
    return [_copy(value) for value in tree] if isinstance(tree, list) else tree
