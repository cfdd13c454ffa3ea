"""Makes the nodes of a picture, with the lines in their boxes and their details."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from netorch.kinds.base.link import Link, kind_of, link_key, link_of
from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.filter import PacketFilter
from netorch.kinds.netns import IPV4_FORWARDING, Netns
from netorch.kinds.port import Port
from netorch.kinds.sysctl import sysctl_key
from netorch.language.publish import (
    COMMENT,
    NatModel,
    PublishModel,
    comment,
    host_text,
    ports_text,
)
from netorch.render.graph.picture import DetailSection, Status, Text, Thing
from netorch.render.graph.scene import Scene
from netorch.render.graph.sizes import MAX_LETTERS
from netorch.render.graph.wiring import Wiring, impairment_text, node_id, parts
from netorch.state.key import HOST
from netorch.state.resource import Resource

PURPOSE = {"id", "vni", "mode", "table", "from"}
"""Attributes that show the purpose of an interface."""
WITH_LINK = {"link", "up", "port", "vlans", "impair", "address"}
"""Kinds of resources that are listed with their interface."""


@dataclass(slots=True)
class StateIndex:
    """A state, by namespace and kind."""

    by_label: dict[str, dict[str, list[Resource]]] = field(default_factory=dict)
    """Label → kind → resources."""
    ports: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """Label and master → the master's ports."""
    lacking: frozenset[str] = frozenset()
    """The comments of those published ports for which a packet filter lacks a rule."""

    @classmethod
    def of(cls, scene: Scene) -> StateIndex:
        index = cls(lacking=lacking_ports(scene))
        for key, resource in scene.state.items():
            index.by_label.setdefault(key.netns, {}).setdefault(key.kind, []).append(resource)
            if isinstance(resource, Port):
                index.ports.setdefault((resource.netns, resource.master), []).append(resource.link)
        return index

    def get(self, label: str, kind: str) -> list[Resource]:
        return self.by_label.get(label, {}).get(kind, [])


def nodes(scene: Scene, wiring: Wiring, yamls: Mapping[str, str]) -> Iterator[Thing]:
    """Yield the nodes in the order of the file, then namespaces that the file does not have."""
    index = StateIndex.of(scene)
    desired = scene.desired
    labels = dict.fromkeys(
        (*(desired.labels.values() if desired is not None else ()), *index.by_label)
    )
    declared = set(desired.labels.values()) if desired is not None else set()
    for label in labels:
        if label in scene.fabrics:
            continue
        kinds = index.by_label.get(label, {}).keys()
        if label not in declared and kinds <= {"file"}:
            continue  # the files of a namespace that was deleted are not a node
        if (
            label in scene.hosts
            and label not in declared
            and node_id(scene, label) not in wiring.drawn
            and not {"address", "filter"} & kinds
        ):
            continue
        yield _Node(scene, wiring, index, label).thing(yamls)


class _Node:
    def __init__(self, scene: Scene, wiring: Wiring, index: StateIndex, label: str) -> None:
        self.scene, self.wiring, self.index, self.label = scene, wiring, index, label
        self.name = scene.node(label)
        self.machine = scene.machine_of(label)
        self.drawn = wiring.drawn.get(node_id(scene, label), set())
        topology = scene.loaded.topology if scene.loaded is not None else None
        self.model = topology.nodes.get(self.name) if topology is not None else None
        self.netns = next(
            (item for item in index.get(label, "netns") if isinstance(item, Netns)), None
        )

    def thing(self, yamls: Mapping[str, str]) -> Thing:
        kind = (
            "host" if self.label in self.scene.hosts else "router" if self._forwards() else "node"
        )
        attached = self.scene.attached.get(self.label)
        tag = "" if attached is None else str(attached)
        lines = (*self._inner_lines(), *self._translations())
        return Thing(
            id=node_id(self.scene, self.label),
            kind=kind,
            name=self.name,
            tag=tag,
            lines=lines,
            status=self._status(),
            sections=tuple(self._sections()),
            yaml=yamls.get(self.name, ""),
            machine=self.machine,
        )

    def _forwards(self) -> bool:
        if self.netns is not None:
            return self.netns.ipv4_forwarding or self.netns.ipv6_forwarding
        return sysctl_key(self.label, IPV4_FORWARDING) in self.scene.state

    def _status(self) -> Status:
        if (
            self.netns is not None
            and (own := self.scene.status_of(self.netns.key)) is not Status.OK
        ):
            return own
        for key in self.scene.differing.get(self.label, ()):
            if key.kind not in WITH_LINK:
                return Status.CHANGED
            dev = link_of(key)
            if dev not in self.drawn and link_key(self.label, dev) not in self.wiring.networks:
                return Status.CHANGED
        return Status.OK

    def _text(self, resource: Resource, text: str) -> Text:
        return Text(
            text, self.scene.status_of(resource.key), self.scene.differences.get(resource.key, ())
        )

    def _inner_lines(self) -> Iterator[Text]:
        """Yield a line for each interface that no edge shows."""
        for link in self.wiring.inner.get(self.label, ()):
            addresses = self.wiring.addresses_of(link.netns, link.name)
            about = " ".join((link.name, *self._kind(link)))
            model = " ".join((about, *(str(address.address) for address in addresses)))
            whole = len(model) <= MAX_LETTERS
            statuses = (
                {self.scene.status_of(address.key) for address in addresses} - {Status.OK}
                if whole
                else set()
            )
            own = self.scene.status_of(*parts(link))
            status = own if own is not Status.OK or not statuses else Status.CHANGED
            yield Text(model if whole else about, status)
            if not whole:
                yield from (
                    Text(str(address.address), self.scene.status_of(address.key))
                    for address in addresses
                )
        known = {link.name for link in self.wiring.inner.get(self.label, ())} | self.drawn
        for dev, addresses in self.wiring.addresses.get(self.label, {}).items():
            if dev not in known and link_key(self.label, dev) not in self.wiring.networks:
                statuses = {self.scene.status_of(address.key) for address in addresses}
                one = statuses.pop() if len(statuses) == 1 else Status.CHANGED
                yield Text(" ".join((dev, *(str(address.address) for address in addresses))), one)

    def _kind(self, link: Link) -> Iterator[str]:
        """Yield what the line of an interface says after its name."""
        if link.name != "lo":
            yield link.KIND
        if isinstance(link, StandaloneLink):
            yield from (f"{name} {value}" for name, value in link.own().items() if name in PURPOSE)
            if link.parent is not None:
                yield f"on {link.parent[1]}"
        if ports := self.index.ports.get((link.netns, link.name)):
            yield f"of {' '.join(ports)}" if len(ports) <= 4 else f"of {len(ports)} ports"
        if (impairment := impairment_text(self.scene, link)) is not None:
            yield impairment.text

    def _translations(self) -> Iterator[Text]:
        if self.model is None:
            return
        for publish in self.model.publish:
            text = published(publish)
            is_missing = comment(self.name, publish) in self.index.lacking
            yield Text(f"publishes {text}", Status.MISSING if is_missing else Status.OK)
        for nat in self.model.nat:
            yield Text(translated(nat))

    def _sections(self) -> Iterator[DetailSection]:
        if rows := tuple(self._about()):
            yield DetailSection("About", rows)
        if rows := tuple(self._interfaces()):
            yield DetailSection("Interfaces", rows)
        if rows := tuple(self._plain("route")):
            yield DetailSection("Routes", rows)
        if rows := tuple(self._plain("rule")):
            yield DetailSection("Policy rules", rows)
        if rows := tuple(self._translations()):
            yield DetailSection("Translation", rows)
        if rows := tuple(self._filters()):
            yield DetailSection("Packet filter", rows)
        listed = {"netns", "route", "rule", "filter", "file", *WITH_LINK}
        others = [kind for kind in self.index.by_label.get(self.label, {}) if kind not in listed]
        if rows := tuple(row for kind in others for row in self._plain(kind)):
            yield DetailSection("Settings and more", rows)
        if rows := tuple(
            self._text(file, file.key.name) for file in self.index.get(self.label, "file")
        ):
            yield DetailSection("Files in /etc/netns", rows)

    def _about(self) -> Iterator[Text]:
        machine = self.scene.machines.get(self.machine)
        if machine is not None:
            yield Text(f"on machine {machine.name}, {machine.address}")
        if self.label in self.scene.hosts:
            yield Text(
                "the namespace that netorch runs in"
                if machine is None or self.label == HOST
                else f"the namespace that netorch runs in on {machine.name}"
            )
        elif self.netns is not None:
            versions = [
                name
                for name, on in (
                    ("IPv4", self.netns.ipv4_forwarding),
                    ("IPv6", self.netns.ipv6_forwarding),
                )
                if on
            ]
            model = f"network namespace {self.label}" + (
                f", forwards {' and '.join(versions)}" if versions else ""
            )
            yield self._text(self.netns, model)
        elif self.label in self.scene.attached:
            yield Text(f"attached to {self.scene.attached[self.label]}")
        if self.model is not None and self.model.aliases:
            yield Text(f"also called {', '.join(self.model.aliases)}")

    def _interfaces(self) -> Iterator[Text]:
        known: set[str] = set()
        for link in self.index.get(self.label, "link"):
            if not isinstance(link, Link):
                continue
            known.add(link.name)
            values = dict(link.attributes())
            for key in parts(link)[1:]:
                part = self.scene.state.get(key)
                # Parts that the link lacks are left out, because the values shown are those of the
                # kernel.
                if part is not None and Status.MISSING not in {self.scene.status_of(key)} - {
                    self.scene.status_of(link.key)
                }:
                    values |= part.attributes()
            values.setdefault("state", "down")
            if link.name == "lo":
                values = {"state": values["state"]}
            model = ", ".join(f"{name} {value}" for name, value in values.items())
            more = tuple(
                line for key in parts(link) for line in self.scene.differences.get(key, ())
            )
            yield Text(
                f"{link.name}: {kind_of(link)}, {model}", self.scene.status_of(*parts(link)), more
            )
            yield from self._addresses(link.name)
        for dev in self.wiring.addresses.get(self.label, ()):
            if dev not in known:
                yield Text(f"{dev}: not made by netorch")
                yield from self._addresses(dev)

    def _addresses(self, dev: str) -> Iterator[Text]:
        for address in self.wiring.addresses_of(self.label, dev):
            yield self._text(address, f"{dev} {address.address}")

    def _plain(self, kind: str) -> Iterator[Text]:
        for resource in self.index.get(self.label, kind):
            model = " ".join(f"{name} {value}" for name, value in resource.attributes().items())
            name = resource.key.name.replace("/", ".") if kind == "sysctl" else resource.key.name
            yield self._text(
                resource,
                f"{name if kind in {'route', 'rule'} else f'{kind} {name}'} {model}".rstrip(),
            )

    def _filters(self) -> Iterator[Text]:
        for resource in self.index.get(self.label, "filter"):
            if not isinstance(resource, PacketFilter):
                continue
            yield self._text(
                resource,
                f"made of {len(resource.rules)} rules"
                if not self.scene.live
                else f"{resource.backend}, as listed:",
            )
            if self.scene.live:
                yield from (
                    Text(
                        line.strip(),
                        self.scene.status_of(resource.key)
                        if self.scene.status_of(resource.key) is not Status.CHANGED
                        else Status.OK,
                    )
                    for line in resource.lines()
                )


def lacking_ports(scene: Scene) -> frozenset[str]:
    """Return the comments of those published ports for which a packet filter lacks a rule."""
    if not scene.status:
        return frozenset()
    keys = [key for key in scene.state if key.kind == "filter"]
    lines = [line for key in keys for line in scene.missing_lines.get(key, ())]
    for key in keys:
        if scene.status_of(key) is Status.MISSING:
            lines += scene.state[key].lines()
    return frozenset(match for line in lines for match in COMMENT.findall(line))


def published(model: PublishModel) -> str:
    """Return `127.0.0.1:8080 → 80/tcp`."""
    outside = f"{host_text(model.address) or ':'}{ports_text(model.port)}"
    return f"{outside} → {ports_text(model.to)}/{model.proto}"


def translated(model: NatModel) -> str:
    """Return an entry of `nat` as one line."""
    if (masquerade := model.masquerade) is not None:
        return f"masquerade {masquerade.source or 'all'} out {masquerade.out}"
    if (snat := model.snat) is not None:
        return f"snat {snat.source or 'all'} out {snat.out} → {snat.to}"
    dnat = model.dnat
    assert dnat is not None
    address, ports = dnat.to
    where = "".join(
        (f" in {dnat.in_}" if dnat.in_ else "", f" at {dnat.address}" if dnat.address else "")
    )
    target = f"{address}{f':{ports_text(ports)}' if ports else ''}"
    return f"dnat {dnat.proto} {ports_text(dnat.port)}{where} → {target}"
