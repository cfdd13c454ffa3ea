"""Import a machine as it is: its namespaces, and the links of the host that belong to them.

Everything is read as if one topology had made it (`ownership`), and then written in the words of a
file. The file is resolved again, and what it says otherwise than the kernel is a loss. So nothing
is dropped that netorch reads. `inventory` adds what netorch has no object for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netorch.immutable import replace
from netorch.importers.draft import Draft
from netorch.importers.live import inventory, settings, translations
from netorch.importers.live.ownership import Machine, free_mark, free_name
from netorch.importers.live.selection import select
from netorch.importers.live.unwritable import split
from netorch.kernel.linux import LinuxKernel
from netorch.kinds.peer import Peer, WireguardKey
from netorch.kinds.up import up_key
from netorch.kinds.wireguard import Wireguard
from netorch.render.changes import changes
from netorch.render.topology_file import LowLevelFile
from netorch.state.key import HOST, Key
from netorch.state.planner import plan as make_plan
from netorch.state.resource import Resource

NAME = "live"
"""The name of the topology, if neither the user nor a mark says another."""

_NOT_COMPARED = frozenset(("file", "filter", "forward", "sysctl", "publish"))
"""Kinds of objects that `translations`, `settings` and `inventory` look at."""

Tree = dict[str, Any]


def read(
    nodes: list[str], name: str | None, kernel: LinuxKernel | None = None, *, stays: bool = True
) -> Draft:
    """Return the draft of a machine.

    `nodes` are names in `ip netns list`, `host`, and containers such as `docker:web`. Without any
    they are all namespaces with a name, and the host. `stays` says whether the machine is there
    after the import. Raise NetorchError if a node does not exist.
    """
    with kernel or LinuxKernel() as opened:
        machine = select(opened, nodes, name, NAME, stays=stays)
        draft = _read(opened, machine)
        if name is None and translations.would_delete(draft, machine):
            unused = free_name(NAME, machine.others.names)
            mark = free_mark(unused, machine.snapshot, machine.labels)
            return _draft(opened, replace(machine, mark=mark), False)
        return draft


def _read(kernel: LinuxKernel, machine: Machine) -> Draft:
    draft = _draft(kernel, machine, machine.mark.fabric in machine.labels)
    if machine.mark.fabric in machine.labels and draft.losses:
        # The names of a network's ports may be other ones than those that a file would have. Then
        # the fabric becomes a node, which needs another topology: its own cannot have such a node.
        title = f"{machine.mark.topology[:27]}-live"
        mark = free_mark(title, machine.snapshot, machine.labels)
        other = _draft(kernel, replace(machine, mark=mark), False)
        return other if len(other.losses) < len(draft.losses) else draft
    return draft


def _draft(kernel: LinuxKernel, machine: Machine, with_networks: bool) -> Draft:
    draft = Draft(machine.mark.topology, "this machine", "what the kernel has")
    everything, warnings = _in_file_words(kernel, machine)
    state, unwritable = split(everything)
    low = LowLevelFile(
        machine.mark.topology, state, "", machine.attached, with_networks=with_networks
    )
    words = {key: value for key, value in low.tree().items() if key != "name"}
    first = {key: words.pop(key) for key in ("names",) if key in words}
    draft.tree = {"name": draft.tree["name"], **first, **draft.tree, **words}
    labels = [label for label in machine.labels if label != low.fabric]
    for label in labels:
        draft.nodes.setdefault(low.node(label), {})
    draft.nodes.update({name: draft.nodes.pop(name) for name in _order(draft.nodes)})
    for sentence in warnings:
        draft.note((), sentence)
    for path, text, why in machine.left_out:
        draft.lose(path, text, why)
    inventory.add_left_to_others(draft, low, machine)
    translations.add(draft, low, machine, labels)
    settings.add(draft, low, machine, labels, kernel)
    inventory.add(draft, low, machine, unwritable, kernel.extras(labels))
    if not draft.nodes.get(HOST, True) and not _is_end(draft, HOST):
        del draft.nodes[HOST]
    _compare(draft, low, machine, state)
    return draft


def _is_end(draft: Draft, node: str) -> bool:
    """Return whether a link ends in a node."""
    ends = (end for link in draft.links for end in link["endpoints"])
    return any(end.partition(":")[0] == node for end in ends)


def _order(nodes: Mapping[str, Any]) -> list[str]:
    return sorted(nodes, key=lambda name: name == HOST)


def _in_file_words(kernel: LinuxKernel, machine: Machine) -> tuple[dict[Key, Resource], list[str]]:
    from netorch.converge.file_words import in_file_words

    converted, warnings = in_file_words(kernel, machine.state, None)
    return {key: _without_secret(one) for key, one in converted.items()}, warnings


def _without_secret(resource: Resource) -> Resource:
    """Return a resource whose keys are only the names of their files."""
    if isinstance(resource, Wireguard) and resource.private_key is not None:
        return replace(resource, private_key=WireguardKey(resource.private_key.file))
    if isinstance(resource, Peer) and resource.preshared_key is not None:
        return replace(resource, preshared_key=WireguardKey(resource.preshared_key.file))
    return resource


def _compare(
    draft: Draft, low: LowLevelFile, machine: Machine, state: Mapping[Key, Resource]
) -> None:
    """Record as lost what a file cannot have, and what the draft says otherwise than the kernel."""
    from netorch.importers.refused import load_without_errors

    loaded, refused = load_without_errors(draft)
    if loaded is None:
        return  # because the command reports the errors of the file
    desired = loaded.desired.with_mark(machine.mark)
    plan = make_plan(_compared(state), _compared(desired.state, state))
    for change in changes(plan):
        if refused.intersection(change.key.parts):
            continue
        values = ", ".join(
            f"{name} {old or 'unset'} (the file: {new or 'unset'})"
            for name, (old, new) in change.values.items()
            if old is not None or str(new) not in change.title
        )
        label = change.key.netns
        if change.key == up_key(label, "lo"):
            draft.note(("nodes", low.node(label)), "lo is down here, and netorch brings it up")
            continue
        path: tuple[str, ...] = ("nodes", low.node(label))
        if change.key.kind in {"link", "up", "address", "port", "impair"}:
            path = (*path, "interfaces", low.name(label, change.key.parts[0]))
        what = f"{change.title}: {values}" if values else change.title
        is_there = change.key in state and change.key in desired.state
        matters = not is_there or change.key.kind == "netns"
        draft.lose(path, what, "a topology file has no words for it", matters=matters)


def _compared(
    state: Mapping[Key, Resource], live: Mapping[Key, Resource] | None = None
) -> dict[Key, Resource]:
    """Return the objects of a state that the file and the kernel must have in common.

    In a file's state, each has the values that Linux may choose by itself.
    """
    return {
        key: one if live is None or key not in live else one.adapt_to(live[key], lambda: None)
        for key, one in state.items()
        if key.kind not in _NOT_COMPARED
    }
