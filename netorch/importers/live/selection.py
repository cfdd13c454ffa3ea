"""Choose which namespaces of a machine to import, and which links of the host."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from netorch.converge.cables import cables_of
from netorch.errors import NetorchError, Problem, did_you_mean, listing
from netorch.importers.live.other_topologies import OtherTopologies, made_by
from netorch.importers.live.ownership import Machine, free_mark, free_name
from netorch.importers.live.released import released_topologies
from netorch.importers.names import topology_name
from netorch.kernel.linux import LinuxKernel
from netorch.kinds.base.ip_tunnel import MADE_BY_LINUX
from netorch.state.key import HOST, attached_label
from netorch.topology.attach import existing_namespace
from netorch.values.marks import Mark, read_alias
from netorch.values.requests import Attachment
from netorch.values.snapshot import LinkRecord, NetnsSnapshot, Scope, Snapshot

LeftOut = tuple[tuple[str, ...], str, str]

_NODE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_ENGINES = (
    (re.compile(r"docker0|docker_gwbridge|br-[0-9a-f]{12}"), "Docker"),
    (re.compile(r"podman\d+|cni-podman\d+"), "Podman"),
    (re.compile(r"virbr\d+(-nic)?|vnet\d+|macvtap\d+"), "libvirt"),
    (re.compile(r"lxcbr\d+|lxdbr\d+|incusbr\d+"), "LXC"),
    (re.compile(r"cni\d+|flannel\.\d+|cali[0-9a-f]+|cilium_\w+|kube-\w+"), "Kubernetes"),
    (re.compile(r"tailscale\d+|zt\w+|nordlynx|proton\d+"), "a VPN"),
)
"""Names of links → the program that makes links of such names and looks after them."""
_CONTAINERS = ("docker:", "podman:", "pid:", "path:/", "netns:")


def select(
    kernel: LinuxKernel, nodes: list[str], name: str | None, default: str, *, stays: bool = True
) -> Machine:
    """Read the machine and choose what to import. Raise NetorchError for an unknown node.

    `stays` says whether the machine is there after the import.
    """
    attached = _attach(kernel, [node for node in nodes if node.startswith(_CONTAINERS)])
    names = [node for node in nodes if not node.startswith(_CONTAINERS)]
    every = sorted(kernel.read(Scope(mark="", only=None, brief=True)).other_names)
    for node in names:
        if node not in (HOST, *every):
            what = f"there is no namespace {node!r}."
            remedy = did_you_mean(node, every) or _remedy(every)
            raise NetorchError(Problem("unknown-node", what, remedy=remedy, object=node))
    snapshot = kernel.read(
        Scope(
            mark="",
            in_full=frozenset(every),
            attached=frozenset(attached),
            neighbours=True,
            static_macs=True,
            passage=True,
            unmarked=True,
            numbers=True,
        )
    )
    # a private host has a /run of its own, whose records end with it
    topologies = OtherTopologies.read(snapshot, with_records=stays)
    own = {read_alias(snapshot.namespaces[one].mark).topology for one in (*names, *attached)}
    others = topologies.without({*own, name or ""})
    left_out: list[LeftOut] = []
    labels = [*attached]
    for label in every if not nodes else [node for node in names if node != HOST]:
        netns = snapshot.namespaces.get(label)
        if netns is None:
            continue
        whose = read_alias(netns.mark).topology
        if whose in others.names:
            why = f"it is of topology {whose}: `netorch show {whose} -o yaml`"
            left_out.append(((), f"namespace {label}", why))
        elif not nodes and (inside := _links_of_others(netns, others)):
            left_out.append(((), f"namespace {label}", _has_inside(inside)))
        elif not _NODE.fullmatch(label) or label == HOST:
            left_out.append(((), f"namespace {label!r}", "a node cannot have this name"))
        else:
            labels.append(label)
    is_host_asked = HOST in names or not nodes
    owned = {
        label: _virtual(snapshot.namespaces[label], others)
        for label in labels
        if label not in attached
    }
    host = _Host(snapshot, labels, others)
    chosen = host.choose(is_host_asked)
    left_out += host.left_out
    for label in attached:
        virtual = _virtual(snapshot.namespaces[label], others)
        owned[label] = frozenset(
            link.index
            for link in snapshot.namespaces[label].links
            if link.index in virtual
            and (link.kind != "veth" or host.is_imported(label, link.name, owned, chosen))
        )
    if chosen:
        owned[HOST] = frozenset(link.index for link in host.links if link.name in chosen)
    if chosen or is_host_asked:
        labels.append(HOST)
    title = name or _own_name(snapshot, labels)
    if not name and (not title or title in others.names):
        title = free_name(default, others.names)
    title = topology_name(title)
    return Machine(
        snapshot=snapshot,
        mark=free_mark(title, snapshot, labels),
        labels=tuple(labels),
        owned=owned,
        asked=frozenset(labels) if is_host_asked else frozenset(labels) - {HOST},
        attached=attached,
        stays=stays,
        left_out=tuple(left_out),
        others=others,
    )


def _remedy(every: list[str]) -> str:
    return f"This machine has {listing(every)}." if every else "`ip netns list` is empty."


def _attach(kernel: LinuxKernel, nodes: list[str]) -> dict[str, Attachment]:
    """Give labels to the containers and namespaces that the user has named."""
    attached: dict[str, Attachment] = {}
    for node in nodes:
        place = existing_namespace(node)
        assert isinstance(place, dict)
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", str(place["what"])).strip("-.") or "container"
        attached[attached_label(name)] = Attachment(str(place["how"]), str(place["what"]))
    missing = kernel.attach(attached)
    for error in missing.values():
        raise NetorchError(error.problem)
    return attached


def _virtual(netns: NetnsSnapshot, others: OtherTopologies) -> frozenset[int]:
    """Return the links of a namespace that are made of software and not by another topology."""
    return frozenset(
        link.index
        for link in netns.links
        if link.kind and link.name not in MADE_BY_LINUX and not others.owner_of_link(link, netns)
    )


def _links_of_others(netns: NetnsSnapshot, others: OtherTopologies) -> dict[str, list[str]]:
    """Return topology → the names of its links in a namespace that it did not make."""
    links: dict[str, list[str]] = {}
    for link in netns.links:
        if link.name != "lo" and (whose := others.owner_of_link(link, netns)):
            links.setdefault(whose, []).append(link.name)
    return links


def _has_inside(links: Mapping[str, list[str]]) -> str:
    """Return the reason why a namespace that has links of other topologies is not imported."""
    each = (f"{listing(names)} of topology {whose}" for whose, names in links.items())
    return f"`apply` could not take it over, because it has {' and '.join(each)}"


def _own_name(snapshot: Snapshot, labels: list[str]) -> str:
    """Return the name of the topology that made all of the namespaces, or "".

    A filter that a topology has released still has its name, so that this one can take it over.
    """
    marks = {read_alias(snapshot.namespaces[label].mark).topology for label in labels} - {""}
    if not marks:
        given_up = {
            one
            for label in labels
            if (passage := snapshot.namespaces[label].passage) is not None
            for backend, listing in passage.filters.items()
            for one in released_topologies(backend, listing, snapshot.namespaces[label])
        }
        return given_up.pop() if len(given_up) == 1 else ""
    if len(marks) != 1:
        return ""
    (name,) = marks
    return name if Mark(name).fabric in labels or len(labels) == 1 else ""


class _Host:
    """Chooses links of the host."""

    def __init__(self, snapshot: Snapshot, labels: list[str], others: OtherTopologies) -> None:
        self.netns = snapshot.namespaces[HOST]
        self.others = others
        self.links = snapshot.namespaces[HOST].links
        self.by_index = {link.index: link for link in self.links}
        self.cables = cables_of(snapshot)
        self.labels = frozenset((*labels, HOST))
        self.left_out: list[LeftOut] = []

    def choose(self, everything: bool) -> frozenset[str]:
        """Return the names of the links to import, and record what is not imported.

        Unless the host is asked for, these are the links that lead to the other namespaces, with
        the bridges that they are ports of and the links that they are made on.
        """
        chosen = {
            link.name
            for link in self.links
            if link.kind and link.name not in MADE_BY_LINUX
            if everything or self.leads_to_a_node(link)
        }
        while more := {*self.around(chosen)} - chosen:
            chosen |= more
        reasons: dict[str, list[str]] = {}
        for link in self.links:
            if link.name in chosen and (why := self.reason_against(link)):
                reasons.setdefault(why, []).append(link.name)
                chosen.remove(link.name)
        for why, names in reasons.items():
            kind = "link" if len(names) == 1 else "links"
            self.left_out.append(((), f"{kind} {', '.join(names)} of the host", why))
        for nic in self.links:
            if not nic.kind and nic.name != "lo":
                self.leave_nic(nic, chosen, everything)
        return frozenset(chosen)

    def leads_to_a_node(self, link: LinkRecord) -> bool:
        end = self.cables.get((HOST, link.name))
        return end is not None and end[0] in self.labels and end[0] != HOST

    def is_imported(
        self, label: str, name: str, owned: Mapping[str, object], chosen: frozenset[str]
    ) -> bool:
        """Return whether the other end of a veth of a container is imported."""
        end = self.cables.get((label, name))
        return end is not None and (end[0] in owned or (end[0] == HOST and end[1] in chosen))

    def around(self, names: set[str]) -> Iterator[str]:
        """Yield the masters and parents of links, as far as they are made of software."""
        for link in self.links:
            if link.name not in names:
                continue
            below = None if link.kind == "veth" else self.by_index.get(link.link)
            for other in (self.by_index.get(link.master), below):
                if other is not None and other.kind:
                    yield other.name

    def reason_against(self, link: LinkRecord) -> str:
        """Return why a link is not imported, or ""."""
        if whose := self.others.owner_of_link(link, self.netns):
            return made_by(whose)
        if program := self.program(link):
            return f"{program} looks after it"
        if link.kind == "veth":
            end = self.cables.get((HOST, link.name))
            if end is None:
                return "its other end is in a namespace without a name, such as a container"
            if end[0] not in self.labels:
                return f"its other end is in {end[0]}, which is not imported"
        return ""

    def program(self, link: LinkRecord) -> str:
        """Return the program that looks after a link, or after the bridge that it is a port of."""
        if self.leads_to_a_node(link):
            return ""
        master = self.by_index.get(link.master)
        names = [link.name, *([master.name] if master is not None else [])]
        return next(
            (whose for name in names for form, whose in _ENGINES if form.fullmatch(name)), ""
        )

    def leave_nic(self, nic: LinkRecord, chosen: set[str], everything: bool) -> None:
        master = self.by_index.get(nic.master)
        if master is not None and master.name in chosen:
            why = (
                "the NIC is the host's own; to connect the bridge to it, write a network with"
                " `mode: bridged` and this `uplink`"
            )
            path = ("nodes", HOST, "interfaces", master.name)
            self.left_out.append((path, f"NIC {nic.name} as a port of {master.name}", why))
        elif everything:
            why = "it is the host's own, with its addresses and routes"
            self.left_out.append((("nodes", HOST), f"NIC {nic.name}", why))
