"""Makes a picture of a scene."""

from __future__ import annotations

from netorch.render.graph.excerpt import extracts
from netorch.render.graph.networks import networks
from netorch.render.graph.nodes import nodes
from netorch.render.graph.picture import Picture
from netorch.render.graph.scene import Scene
from netorch.render.graph.wiring import build_wiring


def build(scene: Scene) -> Picture:
    wiring = build_wiring(scene)
    of_nodes, of_networks = extracts(scene)
    things = (*nodes(scene, wiring, of_nodes), *networks(scene, wiring, of_networks))
    known = {thing.id for thing in things}
    edges = tuple(edge for edge in wiring.edges if all(end.thing in known for end in edge.ends))
    return Picture(scene.name, things, edges, scene.live, scene.compared)
