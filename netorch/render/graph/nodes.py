"""Makes the nodes of a picture, with the lines in their boxes and their details."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from netorch.kinds.base.link import Link, kind_of, link_key, link_of
from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.filter import PacketFilter
from netorch.kinds.name import SecondName
from netorch.kinds.netns import IPV4_FORWARDING, Netns
from netorch.kinds.port import Port
from netorch.kinds.sysctl import sysctl_key
from netorch.language.publish import (
    COMMENT,
    NatModel,
    PublishModel,
    SourceModel,
    comment,
    host_text,
    ports_text,
)
from netorch.render.graph.drift import limited, link_drift, node_drift
from netorch.render.graph.picture import DetailSection, Status, Text, Thing
from netorch.render.graph.scene import Scene
from netorch.render.graph.sizes import MAX_LETTERS
from netorch.render.graph.wiring import Wiring, impairment_text, node_id, parts
from netorch.state.key import HOST, label_text
from netorch.state.resource import Resource
from netorch.topology import NodeModel
from netorch.topology.filters import HOOKS, FilterRuleModel, protocol_name

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
    second_names: dict[str, list[SecondName]] = field(default_factory=dict)
    """Label → the second names of the namespace."""
    lacking: frozenset[str] = frozenset()
    """The comments of those published ports for which a packet filter lacks a rule."""

    @classmethod
    def of(cls, scene: Scene) -> StateIndex:
        index = cls(lacking=lacking_ports(scene))
        for key, resource in scene.state.items():
            index.by_label.setdefault(key.netns, {}).setdefault(key.kind, []).append(resource)
            if isinstance(resource, SecondName):
                index.second_names.setdefault(resource.target, []).append(resource)
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
        if label not in declared and kinds <= {"file", "name"}:
            # a second name is a line of the node, and the files of a deleted namespace are not one
            continue
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
        self.model = self._model_of(self.name)
        self.netns = next(
            (item for item in index.get(label, "netns") if isinstance(item, Netns)), None
        )

    def thing(self, yamls: Mapping[str, str]) -> Thing:
        kind = (
            "host" if self.label in self.scene.hosts else "router" if self._forwards() else "node"
        )
        attached = self.scene.attached.get(self.label)
        tag = "" if attached is None else str(attached)
        label = self.model.label if self.model is not None else None
        caption = () if label is None else (Text(label),)
        lines = (
            *caption,
            *self._second_names(),
            *self._drift(),
            *self._inner_lines(),
            *self._translations(),
        )
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

    def _drift(self) -> tuple[Text, ...]:
        """Return lines for what differs in a node and has neither a line nor an edge."""
        if self.netns is not None and self.scene.status_of(self.netns.key) in {
            Status.MISSING,
            Status.EXTRA,
        }:
            return ()
        keys = [
            key
            for key in self.scene.differing.get(self.label, ())
            if key.kind not in WITH_LINK and key.kind != "name"
        ]
        return limited(node_drift(self.scene, keys))

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
            yield from limited(link_drift(self.scene, parts(link)))
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

    def _second_names(self) -> Iterator[Text]:
        """Yield a line for each node that shares the namespace."""
        for name in self.index.second_names.get(self.label, ()):
            node = self.scene.second_names.get(name.netns, label_text(name.netns))
            model = self._model_of(node)
            caption = "" if model is None or model.label is None else f": {model.label}"
            yield self._text(name, f"is also {node}{caption}")

    def _model_of(self, node: str) -> NodeModel | None:
        topology = self.scene.loaded.topology if self.scene.loaded is not None else None
        return topology.nodes.get(node) if topology is not None else None

    def _translations(self) -> Iterator[Text]:
        if self.model is None:
            return
        names = self.index.second_names.get(self.label, ())
        sharing = [self.scene.second_names.get(name.netns, "") for name in names]
        for node in (self.name, *sharing):
            model = self._model_of(node)
            for publish in model.publish if model is not None else ():
                text = published(publish)
                is_missing = comment(node, publish) in self.index.lacking
                yield Text(f"publishes {text}", Status.MISSING if is_missing else Status.OK)
        for nat in self.model.nat:
            yield Text(translated(nat))

    def _rules(self) -> Iterator[Text]:
        """Yield the rules of `filter` in the file."""
        model = None if self.model is None else self.model.filter
        if model is None:
            return
        for way in HOOKS:
            yield from (Text(f"{way} {filtered(entry)}") for entry in getattr(model, way))
            policy = "accept" if model.policy is None else getattr(model.policy, way)
            if policy != "accept":
                yield Text(f"{way} {policy} everything else")

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
        if rows := (*self._rules(), *self._filters()):
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
        if self.model is not None and self.model.label is not None:
            yield Text(self.model.label)
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
        for name, addresses in (self.model.extra_hosts if self.model is not None else {}).items():
            yield Text(f"resolves {name} to {', '.join(map(str, addresses))}")

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
    outside = f"{host_text(model.address) or ':'}{ports_text(model.owner_port)}"
    return f"{outside} → {ports_text(model.to)}/{model.proto}"


def filtered(model: FilterRuleModel) -> str:
    """Return a rule of `filter` as one line: `accept from lan to web proto tcp port 80,443`."""
    words: list[tuple[str, Sequence[str]]] = [
        ("in", [model.in_] if model.in_ else []),
        ("out", [model.out] if model.out else []),
        ("from", [end.text for end in model.source]),
        ("to", [end.text for end in model.to]),
        ("proto", [protocol_name(number) for number in model.proto]),
        ("type", [] if model.type is None else [str(model.type)]),
        ("sport", [ports_text(pair) for pair in model.sport]),
        ("port", [ports_text(pair) for pair in model.port]),
        ("state", model.state),
    ]
    text = " ".join(f"{word} {','.join(values)}" for word, values in words if values)
    return f"{model.action} {text or 'everything'}"


def _leaving(model: SourceModel) -> str:
    """Return the packets of which an entry of `nat` translates the source."""
    protocols = "".join(f"{protocol} " for protocol in model.proto)
    return f"{protocols}{model.source or 'all'} out {model.out}"


def _source_ports(model: SourceModel) -> str:
    ports = "" if model.ports is None else f" port {ports_text(model.ports)}"
    return f"{ports}{' random' if model.random else ''}"


def translated(model: NatModel) -> str:
    """Return an entry of `nat` as one line."""
    if (masquerade := model.masquerade) is not None:
        chosen = _source_ports(masquerade)
        return f"masquerade {_leaving(masquerade)}{f' →{chosen}' if chosen else ''}"
    if (snat := model.snat) is not None:
        return f"snat {_leaving(snat)} → {snat.to}{_source_ports(snat)}"
    dnat = model.dnat
    assert dnat is not None
    address, ports = dnat.to
    where = "".join(
        (f" in {dnat.in_}" if dnat.in_ else "", f" at {dnat.address}" if dnat.address else "")
    )
    target = f"{address}{f':{ports_text(ports)}' if ports else ''}"
    return f"dnat {dnat.proto} {ports_text(dnat.port)}{where} → {target}"
