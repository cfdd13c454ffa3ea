"""Writes a picture with its layout as an HTML page that loads nothing else.

The page has the SVG, the details as JSON, and a script that moves and searches them. No text of a
topology becomes markup: ElementTree writes the SVG, the JSON has no character that could end its
element, and the script writes text nodes only. A content security policy allows only the one script
and the one style whose digests it names, and no request.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Any
from xml.etree import ElementTree as ET

from netorch.render.graph.legend import entries
from netorch.render.graph.picture import Edge, Picture, Status, Text, Thing
from netorch.render.graph.placement import Placed
from netorch.render.graph.svg import clean, inline, light_and_dark, styles


def document(placed: Placed) -> str:
    picture = placed.picture
    light, dark = light_and_dark(placed)
    dark += styles("page-dark.css")
    style = "\n".join(
        (
            light,
            styles("page.css"),
            "@media screen and (prefers-color-scheme: dark) {",
            f":root:not([data-theme=light]) {{\n{dark}}} }}",
            f"@media screen {{ :root[data-theme=dark] {{\n{dark}}} }}",
        )
    )
    script = styles("page.js")
    policy = "; ".join(
        (
            "default-src 'none'; img-src data:",
            f"style-src {_digest(style)}; script-src {_digest(script)}",
            "base-uri 'none'; form-action 'none'",
        )
    )
    parts = {
        "POLICY": escape(policy),
        "TITLE": escape(clean(picture.title)),
        "STYLE": style,
        "SVG": inline(placed),
        "LEGEND": _legend(picture),
        "OVERVIEW": _overview(picture),
        "DATA": data(picture),
        "SCRIPT": script,
    }
    # in one pass, so that a placeholder in an inserted text is not replaced
    return re.sub(r"@([A-Z]+)@", lambda match: parts[match[1]], styles("page.html")).rstrip()


def data(picture: Picture) -> str:
    """Return the details of all things as JSON that is safe in a script element."""
    content = {
        "title": picture.title,
        "live": bool(picture.live),
        "things": [_thing(thing) for thing in picture.things],
        "edges": [_edge(picture, edge) for edge in picture.edges],
    }
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _thing(thing: Thing) -> dict[str, Any]:
    return {
        "kind": thing.kind,
        "name": thing.name,
        "tag": thing.tag,
        "status": thing.status.value,
        "sections": [
            {"title": section.title, "rows": [_row(row) for row in section.rows]}
            for section in thing.sections
        ],
        "yaml": thing.yaml,
    }


def _edge(picture: Picture, edge: Edge) -> dict[str, Any]:
    """Return the details of an edge: its ends, with their interfaces, and its labels."""
    things = {thing.id: thing for thing in picture.things}
    sections = []
    for end in edge.ends:
        rows = [
            row
            for section in things[end.thing].sections
            if section.title == "Interfaces" and end.interface
            for row in section.rows
            if re.match(rf"{re.escape(end.interface)}\b", row.text)
        ]
        title = " ".join(filter(None, (end.thing.name, end.interface)))
        sections.append({"title": title, "rows": [_row(row) for row in rows or end.addresses]})
    if edge.labels:
        sections.append({"title": "On the way", "rows": [_row(row) for row in edge.labels]})
    names = " – ".join(end.thing.name for end in edge.ends)
    return {"kind": edge.kind, "name": names, "status": edge.status.value, "sections": sections}


def _row(text: Text) -> dict[str, Any]:
    return {"text": text.text, "status": text.status.value, "more": list(text.more)}


def _overview(picture: Picture) -> str:
    """Return the lists of the checks and of the published ports of the topology."""
    parts = []
    for section in picture.overview:
        parts.append(f"<h3>{escape(section.title)}</h3><ul>")
        for row in section.rows:
            text = escape(clean(row.with_status()))
            drift = "" if row.status is Status.OK else ' class="drift"'
            parts.append(f"<li{drift}>{text}</li>")
        parts.append("</ul>")
    return "".join(parts)


def _legend(picture: Picture) -> str:
    """Return the list items of the legend, each with its sample."""
    items = []
    for entry in entries(picture):
        item = ET.Element("li")
        drawn = ET.SubElement(
            item,
            "svg",
            {
                "class": "netorch",
                "width": "26",
                "height": "18",
                "viewBox": "-1 -9 26 18",
                "aria-hidden": "true",
            },
        )
        entry.sample(drawn)
        ET.SubElement(item, "span").text = entry.text
        items.append(ET.tostring(item, encoding="unicode"))
    return "".join(items)


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
