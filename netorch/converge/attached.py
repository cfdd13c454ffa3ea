"""Namespaces of others that a topology is attached to: which labels mean them, which are not there, which were left behind."""

from __future__ import annotations

from collections.abc import Mapping

from netorch.errors import ConflictError, Problem
from netorch.immutable import Value, field, replace
from netorch.kernel.files import records
from netorch.kernel.files.records import Record
from netorch.kernel.linux import LinuxKernel
from netorch.kernel.namespaces.attach import NotAttached
from netorch.kernel.namespaces.open_namespaces import OWN_NETNS
from netorch.kinds.netns import netns_key
from netorch.resolve import Desired
from netorch.resolve.loader import Loaded
from netorch.state.key import HOST, attached_label, is_attached, label_text
from netorch.values.marks import Mark, read_alias
from netorch.values.requests import Attachment
from netorch.values.snapshot import Scope, Snapshot
from netorch.values.typed_json import decode, encode

LEFT = "left.json"
NodePlace = tuple[str, str, str | None]
"""How and what as in `attach`, and the name in /etc/netns."""
KINDS = ("netns", "pid", "path", "docker", "podman")


class Attached(Value):
    """`labels`: those that mean an open namespace now. `missing`: why not, of the others. `left`: labels of namespaces that the
    file has no more but the one before had. `moved`: labels of the file before → what the same namespace goes by now. `places`: what
    each of them was looked up by.
    """

    labels: frozenset[str] = frozenset()
    missing: Mapping[str, NotAttached] = field(default_factory=dict)
    left: frozenset[str] = frozenset()
    moved: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Attachment] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What could not be looked into; what is gone for sure has nothing left in it."""
        unseen = {
            label_text(label): error
            for label, error in self.missing.items()
            if label in self.left and error.unsure
        }
        return tuple(f"{name} was not looked into: {error}" for name, error in unseen.items())


class Reach(Value):
    """Where a topology may have something, by its record or, without one, by its marks.

    `names`: what it made in /run/netns, or all that is there where that is not `known`.
    """

    desired: Desired | None
    attached: frozenset[str]
    names: frozenset[str]
    known: bool = True
    warnings: tuple[str, ...] = ()


def place(desired: Desired, node: str) -> NodePlace | None:
    """Where the node of a topology is; None if it has none of that name."""
    label = desired.labels.get(node)
    if label is not None and label in desired.attached:
        return (*desired.attached[label], None)
    if label == HOST:
        return "path", OWN_NETNS, None
    return ("netns", label, label) if label is not None else None


def attach(kernel: LinuxKernel, desired: Desired, before: Desired | None) -> Attached:
    """Look up every namespace that the file attaches to, and those that the file from before did: by the same label, or by one that
    says what it is, unless it is there by another node's already.
    """
    left: dict[str, Attachment] = {}
    moved: dict[str, str] = {}
    for label, how in (before.attached if before is not None else {}).items():
        now = desired.attached.get(label)
        if now is None:
            left[label] = how
        elif now != how:
            moved[label] = attached_label(how)
            left[moved[label]] = how
    asked = {**left, **desired.attached}
    missing = kernel.attach(asked)
    places = kernel.attached()
    owners = {places[label]: label for label in desired.attached if label in places}
    twins = {label: owners[places[label]] for label in left if places.get(label) in owners}
    moved = {label: twins.get(new, new) for label, new in moved.items()} | {
        old: new for old, new in twins.items() if old not in moved.values()
    }
    labels = frozenset(places) - twins.keys()
    return Attached(labels, missing, frozenset(left), moved, asked)


def remember_left(topology: str, desired: Desired, before: Desired | None) -> None:
    """Note, ahead of the first step, the namespaces that the record will say nothing of any more: a crash must find them there."""
    known = with_left(topology, before)
    gone = (
        [
            (label, how)
            for label, how in known.attached.items()
            if how not in desired.attached.values()
        ]
        if known
        else []
    )
    left = {
        label if label not in desired.attached else attached_label(how): how for label, how in gone
    }
    if left:
        records.write_file(topology, LEFT, encode(left))


def forget_left(topology: str) -> None:
    """Nothing is left in them any more."""
    records.remove_file(topology, LEFT)


def has_left(topology: str) -> bool:
    """Whether a killed apply noted namespaces that it had not come round to clear."""
    return records.read_file(topology, LEFT) is not None


def with_left(topology: str, desired: Desired | None) -> Desired | None:
    """What the record says, with the namespaces that an apply which was killed had not come round to clear."""
    try:
        text = records.read_file(topology, LEFT) if desired is not None else None
        found = decode(text or "{}", dict[str, Attachment])
    except ValueError:
        return desired
    left = {label: attachment for label, attachment in found.items() if attachment.how in KINDS}
    return (
        replace(desired, attached={**left, **desired.attached})
        if desired is not None and left
        else desired
    )


def check_attached(
    desired: Desired, attached: Attached, snapshot: Snapshot, loaded: Loaded | None
) -> None:
    """ConflictError for what is not there, and for one namespace under two names."""
    problems: dict[str, Problem] = {}
    nodes = {label: node for node, label in desired.labels.items()}
    made = {
        label: netns
        for label, netns in snapshot.namespaces.items()
        if label == HOST or netns_key(label) in desired.state
    }
    seen = {netns.inode: nodes.get(label, label) for label, netns in made.items()}
    for label, (how, what) in desired.attached.items():
        node = nodes.get(label, label)
        where = loaded.where(("nodes", node, "attach")) if loaded else None
        if (error := attached.missing.get(label)) is not None:
            # an engine that is not there is one problem, however many its containers
            problems.setdefault(error.what if error.unsure else node, error.of_node(node, where))
        elif (other := seen.setdefault(snapshot.namespaces[label].inode, node)) != node:
            problem = f"the nodes {other} and {node} ({how}:{what}) are one and the same namespace."
            problems[node] = Problem(
                "same-namespace",
                problem,
                where,
                f"Leave {node} out, and say all of it under {other}.",
                object=node,
            )
    if problems:
        raise ConflictError(list(problems.values()), loaded.file if loaded else "")


def reach(kernel: LinuxKernel, mark: Mark, desired: Desired | None) -> Reach:
    """Find the places where the topology may have something; `desired`: what its record says.

    What no name leads to is found by the cables that end in it.
    """
    if desired is None:
        kernel.attach({})
        names = frozenset(
            name
            for name, alias in kernel.read(Scope(mark.alias)).strangers.items()
            if alias is not None
        )
        return Reach(
            None, _follow(kernel, mark, Scope(mark.alias, in_full=names)), names, known=False
        )
    missing = dict(kernel.attach(desired.attached))
    labels = frozenset(desired.attached) - missing.keys()
    names = frozenset(key.netns for key in desired.state if key.kind == "netns")
    if missing:
        labels = _follow(kernel, mark, Scope(mark.alias, in_full=names, attached=labels))
    unseen = Attached(
        missing={label: error for label, error in missing.items() if label not in labels},
        left=frozenset(missing),
    )
    return Reach(desired, labels, names, warnings=unseen.warnings)


def reach_on_record(kernel: LinuxKernel, topology: str, record: Record | None) -> Reach | None:
    """The same by what the record notes, so that its file need not be loaded; None where that is not all."""
    try:
        if (
            record is None
            or record.namespaces is None
            or records.read_file(topology, LEFT) is not None
        ):
            return None
    except ValueError:
        return None
    kernel.attach({})
    return Reach(None, frozenset(), frozenset(record.namespaces))


def _follow(kernel: LinuxKernel, mark: Mark, scope: Scope) -> frozenset[str]:
    """All attached labels, with those that cables lead to, and the ones that cables lead to from there."""
    sure = scope.attached
    while more := kernel.attach_unnamed(_cables(snapshot := kernel.read(scope), mark)):
        scope = replace(scope, attached=scope.attached | more)
    # a cable in a namespace of others may lead anywhere: what it leads to has to say the same
    return sure | {
        label
        for label in scope.attached - sure
        if label in snapshot.namespaces
        and any(mark.owns_alias(link.alias) for link in snapshot.namespaces[label].links)
    }


def _cables(snapshot: Snapshot, mark: Mark) -> dict[str, dict[int, str]]:
    """Label → the namespaces that our links to attached nodes end in: the number they have there → the label that they went by."""
    found: dict[str, dict[int, str]] = {}
    for label, netns in snapshot.namespaces.items():
        for link in netns.links:
            peer = read_alias(link.alias).peer
            if (
                mark.owns_alias(link.alias)
                and peer is not None
                and is_attached(peer[0])
                and link.link_netnsid is not None
            ):
                found.setdefault(label, {})[link.link_netnsid] = peer[0]
    return found
