"""Lists what a picture shows nowhere else in one place: the checks, and the published ports."""

from __future__ import annotations

from collections.abc import Iterator

from netorch.language.publish import comment
from netorch.render.graph.nodes import lacking_ports, published
from netorch.render.graph.picture import DetailSection, Status, Text
from netorch.render.graph.scene import Scene
from netorch.topology.checks import CheckModel


def overview(scene: Scene) -> Iterator[DetailSection]:
    """Yield the sections. There are none if the file has neither, or is not known."""
    if scene.loaded is None:
        return
    topology = scene.loaded.topology
    if checks := tuple(Text(check_text(check)) for check in topology.checks):
        yield DetailSection("Checks", checks)
    lacking = lacking_ports(scene)
    ports = tuple(
        Text(
            f"{name}: {published(publish)}",
            Status.MISSING if comment(name, publish) in lacking else Status.OK,
        )
        for name, node in topology.nodes.items()
        for publish in node.publish
    )
    if ports:
        yield DetailSection("Published ports", ports)


def check_text(check: CheckModel) -> str:
    """Return `pc reaches web, tcp 80`."""
    if check.all is not None:
        verb = "reach" if check.reachable else "do not reach"
        text = f"the members of {check.all} {verb} one another"
    else:
        text = f"{check.source} {'reaches' if check.reachable else 'does not reach'} {check.to}"
    if check.tcp is not None:
        return f"{text}, tcp {check.tcp}"
    return text if check.mtu is None else f"{text}, mtu {check.mtu}"
