"""The live state of a topology as a tree of namespaces, links and what hangs on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from netorch.converge.live import Live
from netorch.errors import printable
from netorch.kinds.address import Address
from netorch.kinds.base.link import kind_of, link_key
from netorch.kinds.netns import netns_key
from netorch.render.changes import Change, changes
from netorch.render.live_table import row
from netorch.render.text import count_text
from netorch.state.key import Key, is_attached, label_text
from netorch.state.plan import Plan
from netorch.state.resource import Disruption, Resource
from netorch.values.marks import Mark
from netorch.values.requests import Attachment


def resources(state: Mapping[Key, Resource]) -> list[dict[str, Any]]:
    """Every resource as JSON has it."""
    return [
        {
            "kind": key.kind,
            "netns": key.netns,
            "name": key.name,
            "title": resource.title(),
            "attributes": dict(resource.attributes()),
        }
        for key, resource in state.items()
    ]


def lines(entry: Live) -> Iterator[str]:
    # what the kernel has of a text may be somebody else's
    return map(printable, _lines(entry))


def _lines(entry: Live) -> Iterator[str]:
    found = row(entry)
    source = f", from {found['file']}" if found["file"] else ""
    status = found["status"]
    if found["differences"]:
        status += f" in {count_text(found['differences'], 'place')}"
    yield f"{entry.name}: {status}, {count_text(found['nodes'], 'node')}, {count_text(found['links'], 'link')}{source}"
    fabric = Mark(entry.name).fabric
    plan = entry.difference or Plan()
    # a link that is there shows what it is, without the parts that it lacks
    missing = {
        step.key: step.resource
        for step in plan.changes
        if step.before is None
        and step.key not in entry.state
        and step.resource.part_of not in entry.state
    }
    marks = _marks(plan, {**entry.state, **missing})
    places: dict[str, dict[Key, Resource]] = {}
    for key, resource in {**entry.state, **missing}.items():
        places.setdefault(key.netns, {})[key] = resource
    labels = sorted(places, key=lambda label: (label == fabric, label != "host", label))
    for index, label in enumerate(labels):
        last = index == len(labels) - 1
        about = _about(places[label], label, fabric, entry.attached)
        mark = _mark(marks, netns_key(label))
        yield f"{'└─' if last else '├─'} {label_text(label)}{about}{mark}"
        yield from _branch(places[label], "   " if last else "│  ", marks)


Marks = Mapping[Key, Sequence[str]]
"""Key of what has a line → how that differs from the file."""


def _marks(plan: Plan, state: Mapping[Key, Resource]) -> Marks:
    """What `netorch diff` lists, each at the line of its object, or of its namespace where it has none."""
    found: dict[Key, list[str]] = {}
    for change in changes(plan):
        line, is_named = _line_of(change, state)
        text = _difference(change)
        found.setdefault(line, []).append(text if is_named else f"{change.title}: {text}")
    for step in plan.changes:
        # what comes with its object by itself, such as the lo of a namespace
        if step.before is None and step.key.kind not in _NO_LINE and step.key not in found:
            found[step.key] = ["missing"]
    return found


def _line_of(change: Change, state: Mapping[Key, Resource]) -> tuple[Key, bool]:
    """The key of the line in which a change is told, and whether that line names its object."""
    part = next((step.resource.part_of for step in change.steps), None)
    if part is not None and part in state and part.kind == "link":
        return part, True
    if change.key in state and change.key.kind not in _NO_LINE:
        return change.key, True
    return netns_key(change.key.netns), False


def _difference(change: Change) -> str:
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


def _mark(marks: Marks, key: Key) -> str:
    return f"  [{'; '.join(marks[key])}]" if key in marks else ""


def _about(
    here: Mapping[Key, Resource], label: str, fabric: str, attached: Mapping[str, Attachment]
) -> str:
    netns = here.get(netns_key(label))
    words = ["the segments' bridges"] if label == fabric else []
    if netns is not None:
        words += [name for name, value in netns.attributes().items() if value == "on"]
    elif label in attached or is_attached(label):
        words.append(str(attached.get(label, "attached")))
    elif label != "host":
        words.append("missing")
    return f"  ({', '.join(words)})" if words else ""


def _branch(here: Mapping[Key, Resource], margin: str, marks: Marks) -> Iterator[str]:
    links = {key: resource for key, resource in here.items() if key.kind == "link"}
    entries: list[tuple[str, list[str]]] = []
    parts_of: dict[Key | None, list[Resource]] = {}
    addresses: dict[Key, list[str]] = {}
    for resource in here.values():
        parts_of.setdefault(resource.part_of, []).append(resource)
        if isinstance(resource, Address):
            addresses.setdefault(link_key(resource.netns, resource.link), []).append(
                f"{resource.address}{_mark(marks, resource.key)}"
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
        entries.append(
            (
                f"{key.name}  {kind_of(resource)}, {state}{', ' + words if words else ''}{_mark(marks, key)}",
                addresses.get(key, []),
            )
        )
    for key, resource in here.items():
        if (
            key.kind not in {"netns", "link", "up", "port", "address", "file"}
            and resource.part_of not in links
        ):
            words = " ".join(f"{name} {value}" for name, value in resource.attributes().items())
            text = f"{key.kind} {key.name}  {words}".rstrip()
            entries.append((f"{text}{_mark(marks, key)}", []))
    held = [resource for resource in here.values() if isinstance(resource, Address)]
    entries += [
        (f"address {item.key.name}{_mark(marks, item.key)}", [])
        for item in held
        if link_key(item.netns, item.link) not in links
    ]
    for index, (text, children) in enumerate(entries):
        last = index == len(entries) - 1
        yield f"{margin}{'└─' if last else '├─'} {text}"
        for child in children:
            yield f"{margin}{'   ' if last else '│  '}    {child}"
