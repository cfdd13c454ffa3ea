"""The live state of a topology as a tree of namespaces, links and what hangs on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from netorch.converge.live import Live
from netorch.errors import printable
from netorch.kinds.address import Address
from netorch.kinds.base.link import kind_of, link_key
from netorch.kinds.netns import netns_key
from netorch.render.live_table import row
from netorch.render.text import count_text
from netorch.state.key import Key, label_text
from netorch.state.resource import Resource
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
    yield f"{entry.name}: {found['status']}, {count_text(found['nodes'], 'node')}, {count_text(found['links'], 'link')}{source}"
    fabric = Mark(entry.name).fabric
    places: dict[str, dict[Key, Resource]] = {}
    for key, resource in entry.state.items():
        places.setdefault(key.netns, {})[key] = resource
    labels = sorted(places, key=lambda label: (label == fabric, label != "host", label))
    for index, label in enumerate(labels):
        last = index == len(labels) - 1
        yield f"{'└─' if last else '├─'} {label_text(label)}{_about(places[label], label, fabric, entry.attached)}"
        here = places[label]
        yield from _branch(here, "   " if last else "│  ")


def _about(
    here: Mapping[Key, Resource], label: str, fabric: str, attached: Mapping[str, Attachment]
) -> str:
    netns = here.get(netns_key(label))
    words = ["the segments' bridges"] if label == fabric else []
    if netns is not None:
        words += [name for name, value in netns.attributes().items() if value == "on"]
    elif label != "host":
        words.append(str(attached.get(label, "attached")))
    return f"  ({', '.join(words)})" if words else ""


def _branch(here: Mapping[Key, Resource], margin: str) -> Iterator[str]:
    links = {key: resource for key, resource in here.items() if key.kind == "link"}
    entries: list[tuple[str, list[str]]] = []
    parts_of: dict[Key | None, list[Resource]] = {}
    addresses: dict[Key, list[str]] = {}
    for resource in here.values():
        parts_of.setdefault(resource.part_of, []).append(resource)
        if isinstance(resource, Address):
            addresses.setdefault(link_key(resource.netns, resource.link), []).append(
                str(resource.address)
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
                f"{key.name}  {kind_of(resource)}, {state}{', ' + words if words else ''}",
                addresses.get(key, []),
            )
        )
    for key, resource in here.items():
        if (
            key.kind not in {"netns", "link", "up", "port", "address", "file"}
            and resource.part_of not in links
        ):
            words = " ".join(f"{name} {value}" for name, value in resource.attributes().items())
            entries.append((f"{key.kind} {key.name}  {words}".rstrip(), []))
    held = [resource for resource in here.values() if isinstance(resource, Address)]
    entries += [
        (f"address {item.key.name}", [])
        for item in held
        if link_key(item.netns, item.link) not in links
    ]
    for index, (text, children) in enumerate(entries):
        last = index == len(entries) - 1
        yield f"{margin}{'└─' if last else '├─'} {text}"
        for child in children:
            yield f"{margin}{'   ' if last else '│  '}    {child}"
