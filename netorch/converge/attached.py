"""The existing namespaces that a topology is attached to: which exist, and which it has left."""

from __future__ import annotations

from collections.abc import Mapping

from netorch.errors import ConflictError, Problem
from netorch.immutable import Value, field, replace
from netorch.kernel.files import records
from netorch.kernel.files.records import Record
from netorch.kernel.linux import LinuxKernel
from netorch.kernel.namespaces.attach import NotAttached
from netorch.kernel.system.nsfs import OWN_NETNS
from netorch.kinds.name import names_in
from netorch.kinds.netns import netns_key
from netorch.resolve.desired import Desired
from netorch.resolve.loaded import Loaded
from netorch.state.key import HOST, attached_label, is_attached, label_text
from netorch.values.marks import Mark, read_alias
from netorch.values.requests import Attachment
from netorch.values.snapshot import Scope, Snapshot
from netorch.values.typed_json import decode, encode

LEFT = "left.json"
NodePlace = tuple[str, str, str | None]
"""How a namespace is looked up (a word of `KINDS`), by which value, and its name in /etc/netns.

The name is None for a namespace without files in /etc/netns.
"""
KINDS = ("netns", "pid", "path", "docker", "podman")


class Attached(Value):
    """The result of looking up every attached namespace of this file and of the previous one."""

    labels: frozenset[str] = frozenset()
    """The labels whose namespaces exist and are open now."""
    missing: Mapping[str, NotAttached] = field(default_factory=dict)
    """Label → why its namespace could not be opened."""
    left: frozenset[str] = frozenset()
    """The labels of namespaces that only the previous file was attached to."""
    moved: Mapping[str, str] = field(default_factory=dict)
    """Label in the previous file → the label that the same namespace has now."""
    places: Mapping[str, Attachment] = field(default_factory=dict)
    """Label → what its namespace was looked up by."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """A warning for each left namespace that may exist but could not be opened.

        A namespace that certainly does not exist holds nothing, so it needs no warning.
        """
        unseen = {
            label_text(label): error
            for label, error in self.missing.items()
            if label in self.left and error.unsure
        }
        return tuple(f"{name} could not be read: {error}" for name, error in unseen.items())


class Reach(Value):
    """The namespaces in which a topology may have objects, by its record or else by its marks."""

    desired: Desired | None
    """What the recorded file asks for; None if that was not loaded."""
    attached: frozenset[str]
    """The labels of the attached namespaces."""
    names: frozenset[str]
    """The names of the topology's namespaces in /run/netns. Unless `known`, these are all names
    with its mark.
    """
    known: bool = True
    """Whether a record says which names the topology made."""
    warnings: tuple[str, ...] = ()


def place(desired: Desired, node: str) -> NodePlace | None:
    """Return where the namespace of a node is; None if the topology has no node of that name."""
    label = desired.labels.get(node)
    if label is not None and label in desired.attached:
        return (*desired.attached[label], None)
    if label == HOST:
        return "path", OWN_NETNS, None
    return ("netns", label, label) if label is not None else None


def attach(kernel: LinuxKernel, desired: Desired, before: Desired | None) -> Attached:
    """Open every namespace that the file attaches to, and those that the previous file did.

    A namespace of the previous file gets its old label. If the file has given that label to
    another namespace, it gets a label made of how it is looked up. If a node of the file already
    has the same namespace, it gets that node's label.
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
    duplicates = {label: owners[places[label]] for label in left if places.get(label) in owners}
    moved = {label: duplicates.get(new, new) for label, new in moved.items()} | {
        old: new for old, new in duplicates.items() if old not in moved.values()
    }
    labels = frozenset(places) - duplicates.keys()
    return Attached(labels, missing, frozenset(left), moved, asked)


def remember_left(topology: str, desired: Desired, before: Desired | None) -> None:
    """Save the attached namespaces that the new record no longer mentions.

    This is done before the first step, because after a crash the next apply must clear them.
    """
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
    """Delete the list of left namespaces, because nothing of the topology is in them any more."""
    records.remove_file(topology, LEFT)


def has_left(topology: str) -> bool:
    """Whether a killed apply has saved namespaces that it did not clear."""
    return records.read_file(topology, LEFT) is not None


def with_left(topology: str, desired: Desired | None) -> Desired | None:
    """Return the recorded topology, with attached namespaces that a killed apply did not clear."""
    try:
        text = records.read_file(topology, LEFT) if desired is not None else None
        saved = decode(text or "{}", dict[str, Attachment])
    except ValueError:
        return desired
    left = {label: attachment for label, attachment in saved.items() if attachment.how in KINDS}
    return (
        replace(desired, attached={**left, **desired.attached})
        if desired is not None and left
        else desired
    )


def check_attached(
    desired: Desired, attached: Attached, snapshot: Snapshot, loaded: Loaded | None
) -> None:
    """Raise ConflictError for a namespace that does not exist, or that two nodes attach to."""
    problems: dict[str, Problem] = {}
    nodes = desired.nodes
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
            # a missing container engine is one problem, however many nodes are containers
            problems.setdefault(error.what if error.unsure else node, error.of_node(node, where))
        elif (other := seen.setdefault(snapshot.namespaces[label].inode, node)) != node:
            problem = f"the nodes {other} and {node} ({how}:{what}) are the same namespace."
            problems[node] = Problem(
                "same-namespace",
                problem,
                where,
                f"Delete {node}, and write what it has under {other}.",
                object=node,
            )
    if problems:
        raise ConflictError(list(problems.values()), loaded.file if loaded else "")


def reach(kernel: LinuxKernel, mark: Mark, desired: Desired | None) -> Reach:
    """Find the namespaces in which the topology may have objects.

    `desired` is the recorded topology. An attached namespace whose name is unknown is found by
    the veth pairs that end in it.
    """
    if desired is None:
        kernel.attach({})
        names = frozenset(
            name
            for name, alias in kernel.read(Scope(mark.alias)).other_names.items()
            if alias is not None
        )
        return Reach(
            None, _follow(kernel, mark, Scope(mark.alias, in_full=names)), names, known=False
        )
    missing = dict(kernel.attach(desired.attached))
    labels = frozenset(desired.attached) - missing.keys()
    names = names_in(desired.state)
    if missing:
        labels = _follow(kernel, mark, Scope(mark.alias, in_full=names, attached=labels))
    unseen = Attached(
        missing={label: error for label, error in missing.items() if label not in labels},
        left=frozenset(missing),
    )
    return Reach(desired, labels, names, warnings=unseen.warnings)


def reach_on_record(kernel: LinuxKernel, topology: str, record: Record | None) -> Reach | None:
    """Like `reach`, from the record's list of namespaces alone, without loading its file.

    Returns None where that list is not complete.
    """
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
    """Return all attached labels, and those that veth pairs lead to, directly or over others."""
    sure = scope.attached
    while more := kernel.attach_unnamed(_cables(snapshot := kernel.read(scope), mark)):
        scope = replace(scope, attached=scope.attached | more)
    # Root of an attached namespace can make a link that leads anywhere. So a namespace counts only
    # if it also has a link with the topology's mark.
    return sure | {
        label
        for label in scope.attached - sure
        if label in snapshot.namespaces
        and any(mark.owns_alias(link.alias) for link in snapshot.namespaces[label].links)
    }


def _cables(snapshot: Snapshot, mark: Mark) -> dict[str, dict[int, str]]:
    """Return label → (namespace ID → label) of the attached namespaces that the topology's links
    end in.
    """
    cables: dict[str, dict[int, str]] = {}
    for label, netns in snapshot.namespaces.items():
        for link in netns.links:
            peer = read_alias(link.alias).peer
            if (
                mark.owns_alias(link.alias)
                and peer is not None
                and is_attached(peer[0])
                and link.link_netnsid is not None
            ):
                cables.setdefault(label, {})[link.link_netnsid] = peer[0]
    return cables
