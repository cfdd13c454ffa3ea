"""A Sphinx extension: the search finds the reference of a key or a command first.

The reference of a key is a row of a table whose first column is `key`. Each such row gets an
anchor, and is an object of the domain `netorch`, as a function would be of the domain `py`. So is
each command: its section, or its row in the table of commands. The search ranks objects by their
priority (`scorer.js`). The pages themselves stay plain Markdown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx.domains import Domain, ObjType

if TYPE_CHECKING:
    from sphinx.application import Sphinx

TABLES = {
    "top level": "key at the top level",
    "node": "key of a node",
    "interface": "key of an interface",
    "interface common": "key of an interface",
    "network": "key of a network",
    "link": "key of a link",
    "membership": "key of a membership in a network",
    "endpoint": "key of an end of a link",
    "route": "key of a route",
    "next hop": "key of a next hop",
    "rule": "key of a rule",
    "address": "key of an address",
    "impair": "key of an impairment",
    "publish": "key of a published port",
    "nat": "key of a translation",
    "masquerade": "key of a translation",
    "snat": "key of a translation",
    "dnat": "key of a translation",
    "dns": "key of dns",
    "check": "key of a check",
    "host": "key of a machine",
    "tunnels": "key of tunnels",
    "bridge settings": "key of a bridge",
    "port": "key of a port",
    "port vlan": "key of a VLAN of a port",
    "port fdb": "key of a forwarding entry of a port",
    "wireguard peer": "key of a WireGuard peer",
    "pool": "key of pool",
    "network route": "key of a route of a network",
    "defaults": "key of defaults",
    "backend": "key of backend",
}
"""Table of `language.md` → what its keys are. Of keys with the same name, the first comes first.

The keys of a table that is not here come after those, as "key".
"""

OTHER = "key"

KINDS = "kinds"
"""The page with a section for each kind of interface."""
COMMANDS = "cli"
"""The page with the table of commands."""
COMMAND = "command"
KIND = "kind"
KIND_KEY = "kind-key"
COMMON = "Every kind"
"""The section of `kinds.md` that repeats the keys that all interfaces have."""

_COMMAND = re.compile(r"netorch (\w+)\b")
_MARKER = re.compile(r"<!-- generated: ([\w ]+) -->")


class KeyDomain(Domain):
    name = "netorch"
    label = "topology language"
    object_types = {  # noqa: RUF012  # Sphinx declares it without ClassVar
        **{table.replace(" ", "-"): ObjType(label) for table, label in TABLES.items()},
        OTHER: ObjType("key"),
        COMMAND: ObjType("command"),
        KIND: ObjType("kind of interface"),
        KIND_KEY: ObjType("key of this kind"),
    }
    initial_data = {"objects": {}}  # noqa: RUF012

    @property
    def objects(self) -> dict[str, list[tuple[str, str, str, int]]]:
        """Page → its objects: the name, the type, the anchor and the priority of each."""
        return self.data["objects"]

    def clear_doc(self, docname: str) -> None:
        self.objects.pop(docname, None)

    def merge_domaindata(self, docnames: Iterable[str], otherdata: dict) -> None:
        self.objects.update(
            {page: otherdata["objects"][page] for page in docnames if page in otherdata["objects"]}
        )

    def get_type_name(self, type: ObjType, primary: bool = False) -> str:
        return type.lname

    def get_objects(self) -> Iterator[tuple[str, str, str, str, str, int]]:
        for page, objects in self.objects.items():
            for name, kind, anchor, priority in objects:
                yield f"{kind} {name}", name, kind, page, anchor, priority


def add_anchors(app: Sphinx, document: nodes.document) -> None:
    """Give each row of a table of keys, each kind and each command an anchor and an object."""
    page = app.env.docname
    if page == COMMANDS:
        app.env.get_domain(KeyDomain.name).objects[page] = list(_commands(document))
    if page not in {"language", KINDS}:
        return
    objects: list[tuple[str, str, str, int]] = []
    for section in document.findall(nodes.section):
        title = section.next_node(nodes.title).astext()
        is_kind = page == KINDS and title != COMMON and section.parent is not document
        if is_kind:
            objects.append((title, KIND, section["ids"][0], len(TABLES) + 2))
        table_name = ""
        for child in section.children:
            if marker := _MARKER.fullmatch(child.astext().strip()):
                table_name = marker[1]
            if not isinstance(child, nodes.table) or not _has_keys(child):
                continue
            if is_kind:
                objects += _anchor_rows(child, title, KIND_KEY, len(TABLES) + 1, f"{title}.")
            elif page != KINDS:
                place = table_name.replace(" ", "-")
                kind = place if table_name in TABLES else OTHER
                priority = [*TABLES, table_name].index(table_name)
                objects += _anchor_rows(child, place, kind, priority)
    app.env.get_domain(KeyDomain.name).objects[page] = objects


def _has_keys(table: nodes.table) -> bool:
    return next(iter(table.findall(nodes.entry))).astext() == "key"


def _commands(document: nodes.document) -> Iterator[tuple[str, str, str, int]]:
    sections = {
        section.next_node(nodes.title).astext(): section["ids"][0]
        for section in document.findall(nodes.section)
    }
    names: set[str] = set()
    for row in next(iter(document.findall(nodes.tbody))).children:
        match = _COMMAND.match(row.children[0].astext())
        if match and match[1] not in names:
            names.add(name := match[1])
            anchor = f"command-{name}"
            row["ids"].append(anchor)
            yield name, COMMAND, sections.get(name, anchor), len(TABLES) + 1


def _anchor_rows(
    table: nodes.table, place: str, kind: str, priority: int, prefix: str = ""
) -> Iterator[tuple[str, str, str, int]]:
    for row in next(iter(table.findall(nodes.tbody))).children:
        key = row.children[0].astext()
        anchor = f"key-{place}-{key}"
        row["ids"].append(anchor)
        yield f"{prefix}{key}", kind, anchor, priority


def setup(app: Sphinx) -> dict[str, int]:
    app.add_domain(KeyDomain)
    app.connect("doctree-read", add_anchors)
    return {"env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
