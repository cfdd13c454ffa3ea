"""Makes a picture of a scene."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netorch.render.graph.excerpt import extracts
from netorch.render.graph.file_order import in_file_order
from netorch.render.graph.networks import networks
from netorch.render.graph.nodes import nodes
from netorch.render.graph.overview import overview
from netorch.render.graph.picture import Frame, Picture, Text, Thing
from netorch.render.graph.scene import Scene, of_file
from netorch.render.graph.wiring import Wiring, build_wiring, machine_id


def build(scene: Scene) -> Picture:
    """Make the picture of a scene. That of a live topology is arranged as that of its file."""
    picture = _build(scene)
    if not scene.compared or scene.loaded is None:
        return picture
    return in_file_order(picture, _build(of_file(scene.loaded)))


def _build(scene: Scene) -> Picture:
    wiring = build_wiring(scene)
    of_nodes, of_networks = extracts(scene)
    things = (*nodes(scene, wiring, of_nodes), *networks(scene, wiring, of_networks))
    things = (*things, *_far_machines(scene, wiring), *_empty_machines(scene, things))
    known = {thing.id for thing in things}
    edges = tuple(edge for edge in wiring.edges if all(end.thing in known for end in edge.ends))
    frames = tuple(_frames(scene, things))
    return Picture(
        scene.name, things, edges, scene.live, scene.compared, frames, tuple(overview(scene))
    )


def _far_machines(scene: Scene, wiring: Wiring) -> Iterator[Thing]:
    """Yield the machines to which edges lead, and whose nodes are not in the picture."""
    for name in wiring.far:
        machine = scene.machines.get(name)
        lines = () if machine is None else (Text(str(machine.address)),)
        yield Thing(machine_id(name), "machine", name, "another machine", lines)


def _empty_machines(scene: Scene, things: Iterable[Thing]) -> Iterator[Thing]:
    """Yield the machines on which the topology has nothing."""
    if scene.is_whole:
        inside = {thing.machine for thing in things}
        for name, machine in scene.machines.items():
            if name not in inside:
                lines = (Text(str(machine.address)),)
                yield Thing(machine_id(name), "machine", name, "machine without nodes", lines)


def _frames(scene: Scene, things: Iterable[Thing]) -> Iterator[Frame]:
    inside = {thing.machine for thing in things}
    for name, machine in scene.machines.items():
        if name in inside:
            yield Frame(name, str(machine.address))
