"""Writes the live state of a topology as a tree of namespaces, links and their addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from netorch.converge.live import Live
from netorch.errors import printable
from netorch.kinds.address import Address
from netorch.kinds.base.link import kind_of, link_key
from netorch.kinds.name import SecondName, name_key
from netorch.kinds.netns import netns_key
from netorch.render.changes import Change, changes
from netorch.render.compact import natural
from netorch.render.live_table import row
from netorch.render.text import count_text
from netorch.state.key import Key, is_attached, label_text
from netorch.state.plan import Plan
from netorch.state.resource import Disruption, Resource
from netorch.values.marks import Mark
from netorch.values.requests import Attachment

NO_CAPTIONS: Mapping[Key, str] = {}


def resources(
    state: Mapping[Key, Resource], captions: Mapping[Key, str] = NO_CAPTIONS
) -> list[dict[str, Any]]:
    """Return every resource for the JSON document. `captions` are the labels of the file."""
    return [
        {
            "kind": key.kind,
            "netns": key.netns,
            "name": key.name,
            "title": resource.title(),
            **({"label": captions[key]} if key in captions else {}),
            "attributes": dict(resource.attributes()),
        }
        for key, resource in state.items()
    ]


def lines(entry: Live, node: str | None = None) -> Iterator[str]:
    """Return the lines of a tree. With `node`, the label of a node, only that one."""
    # escaped, because other programs may have written the texts that the kernel has
    return map(printable, _lines(entry, node))


def drift(entry: Live, node: str | None = None) -> list[Change]:
    """Return how the kernel differs from the file that was applied last."""
    entries = changes(entry.difference) if entry.difference is not None else []
    return [change for change in entries if node is None or change.key.netns == node]


def _lines(entry: Live, node: str | None) -> Iterator[str]:
    values = row(entry)
    source = f", from {values['file']}" if values["file"] else ""
    status = values["status"]
    if "machine" in values:
        status = f"{values['machine']}, {status}"
    if values["differences"]:
        status += f" in {count_text(values['differences'], 'place')}"
    if entry.intended:
        status += f", {count_text(len(entry.intended), 'intended deviation')}"
    nodes, links = count_text(values["nodes"], "node"), count_text(values["links"], "link")
    yield f"{entry.name}: {status}, {nodes}, {links}{source}"
    fabric = Mark(entry.name).fabric
    plan = entry.difference or Plan()
    # A missing part of a link that exists is not in this mapping, because the line of the link
    # shows it.
    missing = {
        step.key: step.resource
        for step in plan.changes
        if step.before is None
        and step.key not in entry.state
        and step.resource.part_of not in entry.state
    }
    differences = _differences(plan, {**entry.state, **missing})
    for deviation in entry.intended:
        line = link_key(deviation.netns, deviation.link)
        differences.setdefault(line, []).append(f"intended: {deviation.text()}")
    by_namespace: dict[str, dict[Key, Resource]] = {}
    for key, resource in {**entry.state, **missing}.items():
        by_namespace.setdefault(key.netns, {})[key] = resource
    labels = sorted(
        by_namespace, key=lambda label: (label == fabric, label != "host", natural(label))
    )
    if node is not None:
        labels = [label for label in labels if label == node]
    for index, label in enumerate(labels):
        last = index == len(labels) - 1
        about = _about(by_namespace[label], label, fabric, entry.attached)
        line = _key_of_line(label, by_namespace[label])
        suffix = _suffix(differences, line)
        caption = _caption(entry.captions, line)
        yield f"{'└─' if last else '├─'} {label_text(label)}{caption}{about}{suffix}"
        yield from _branch(
            by_namespace[label], "   " if last else "│  ", differences, entry.captions
        )


Differences = Mapping[Key, list[str]]
"""Key of an object that has a line → how it differs from the file."""


def _differences(plan: Plan, state: Mapping[Key, Resource]) -> dict[Key, list[str]]:
    """Return what `netorch diff` lists, by the key of the line in which the tree shows it.

    That is the line of the object, or of its namespace if the object has none.
    """
    by_line: dict[Key, list[str]] = {}
    for change in changes(plan):
        line, is_named = _line_of(change, state)
        text = _change_text(change)
        by_line.setdefault(line, []).append(text if is_named else f"{change.title}: {text}")
    for step in plan.changes:
        # objects that the kernel makes with another one, such as the lo of a namespace, are not
        # changes of their own
        if step.before is None and step.key.kind not in _NO_LINE and step.key not in by_line:
            by_line[step.key] = ["missing"]
    return by_line


def _line_of(change: Change, state: Mapping[Key, Resource]) -> tuple[Key, bool]:
    """Return the key of the line that shows a change, and whether that line names its object."""
    part = next((step.resource.part_of for step in change.steps), None)
    if part is not None and part in state and part.kind == "link":
        return part, True
    if change.key in state and change.key.kind not in _NO_LINE:
        return change.key, True
    return _key_of_line(change.key.netns, state), False


def _key_of_line(label: str, state: Mapping[Key, Resource]) -> Key:
    """Return the key of the object that the line of a label shows."""
    return name_key(label) if name_key(label) in state else netns_key(label)


def _change_text(change: Change) -> str:
    if change.disruption is Disruption.CREATE:
        return "missing"
    if change.disruption is Disruption.DELETE:
        return "not in the file"
    values = (
        f"{name} {old or 'none'} → {new or 'none'}"
        for name, (old, new) in change.values.items()
        if old is not None or change.disruption is not Disruption.REPLACE
    )
    return ", ".join(values) or change.disruption.value


_NO_LINE = {"file", "up", "port"}
"""Kinds whose resources have no line of their own."""


def _caption(captions: Mapping[Key, str], key: Key) -> str:
    return f'  "{captions[key]}"' if key in captions else ""


def _suffix(differences: Differences, key: Key) -> str:
    return f"  [{'; '.join(differences[key])}]" if key in differences else ""


def _about(
    state: Mapping[Key, Resource], label: str, fabric: str, attached: Mapping[str, Attachment]
) -> str:
    netns = state.get(netns_key(label))
    words = ["the segments' bridges"] if label == fabric else []
    name = state.get(name_key(label))
    if isinstance(name, SecondName):
        words.append(f"shares the namespace of {label_text(name.target)}")
    elif netns is not None:
        words += [name for name, value in netns.attributes().items() if value == "on"]
    elif label in attached or is_attached(label):
        words.append(str(attached.get(label, "attached")))
    elif label != "host":
        words.append("missing")
    return f"  ({', '.join(words)})" if words else ""


def _branch(
    objects: Mapping[Key, Resource],
    margin: str,
    differences: Differences,
    captions: Mapping[Key, str],
) -> Iterator[str]:
    links = {key: resource for key, resource in objects.items() if key.kind == "link"}
    entries: list[tuple[str, list[str]]] = []
    parts_of: dict[Key | None, list[Resource]] = {}
    addresses: dict[Key, list[str]] = {}
    for resource in objects.values():
        parts_of.setdefault(resource.part_of, []).append(resource)
        if isinstance(resource, Address):
            addresses.setdefault(link_key(resource.netns, resource.link), []).append(
                f"{resource.address}{_suffix(differences, resource.key)}"
            )
    for key, resource in links.items():
        values = dict(resource.attributes())
        parts = parts_of.get(key, [])
        state = "up" if any(part.key.kind == "up" for part in parts) else "down"
        values |= {
            name: value
            for part in parts
            for name, value in part.attributes().items()
            if name != "state"
        }
        words = ", ".join(f"{name} {value}" for name, value in values.items() if name != "mac")
        name = f"{key.name}{_caption(captions, key)}"
        text = f"{name}  {kind_of(resource)}, {state}{', ' + words if words else ''}"
        entries.append((f"{text}{_suffix(differences, key)}", addresses.get(key, [])))
    for key, resource in objects.items():
        if (
            key.kind not in {"netns", "name", "link", "up", "port", "address", "file"}
            and resource.part_of not in links
        ):
            words = " ".join(f"{name} {value}" for name, value in resource.attributes().items())
            text = f"{key.kind} {key.name}  {words}".rstrip()
            entries.append((f"{text}{_suffix(differences, key)}", []))
    all_addresses = [resource for resource in objects.values() if isinstance(resource, Address)]
    entries += [
        (f"address {item.key.name}{_suffix(differences, item.key)}", [])
        for item in all_addresses
        if link_key(item.netns, item.link) not in links
    ]
    for index, (text, children) in enumerate(entries):
        last = index == len(entries) - 1
        yield f"{margin}{'└─' if last else '├─'} {text}"
        for child in children:
            yield f"{margin}{'   ' if last else '│  '}    {child}"
