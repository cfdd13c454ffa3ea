"""Makes the networks of a picture, with the lines in their boxes and their details."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netorch.render.graph.drift import limited, link_drift
from netorch.render.graph.picture import DetailSection, Status, Text, Thing
from netorch.render.graph.scene import Scene
from netorch.render.graph.wiring import Wiring, network_id, parts, tunnel_text
from netorch.topology import NetworkModel


def networks(scene: Scene, wiring: Wiring, yamls: Mapping[str, str]) -> Iterator[Thing]:
    topology = scene.loaded.topology if scene.loaded is not None else None
    for name in dict.fromkeys((*wiring.bridges, *wiring.members)):
        model = topology.networks.get(name) if topology is not None else None
        tag, lines = described(model) if model is not None else ("", ())
        if (spread := wiring.spread.get(name)) is not None:
            lines = (*lines, tunnel_text(spread[0]))
        bridges = wiring.bridges.get(name, [])
        own = [scene.status_of(*parts(bridge)) for bridge in bridges]
        status = own[0] if len(set(own)) == 1 else Status.CHANGED if own else Status.OK
        caption = (Text(model.label),) if model is not None and model.label is not None else ()
        drift = [text for bridge in bridges for text in link_drift(scene, parts(bridge))]
        sections = []
        made_of = [
            Text(
                f"{_place(scene, link.netns)}:{link.name} "
                + " ".join(f"{key} {value}" for key, value in link.attributes().items()),
                scene.status_of(*parts(link)),
                tuple(line for key in parts(link) for line in scene.differences.get(key, ())),
            )
            for link in bridges
        ]
        if model is not None:
            sections.append(
                DetailSection(
                    "About",
                    (
                        Text(
                            ", ".join(
                                word
                                for word in (tag or "segment", f"driver {model.driver}")
                                if word
                            )
                        ),
                        *caption,
                        *lines,
                    ),
                )
            )
        if made_of:
            sections.append(DetailSection("Made of", tuple(made_of)))
        members = [
            Text(
                " ".join(
                    (f"{end.thing.name}:{end.interface}", *(text.text for text in end.addresses))
                ),
                end.status,
            )
            for end in wiring.members.get(name, ())
        ]
        if members:
            sections.append(DetailSection(f"Members ({len(members)})", tuple(members)))
        yield Thing(
            id=network_id(name),
            kind="network",
            name=name,
            tag=tag,
            lines=(*caption, *lines, *limited(drift)),
            status=status,
            sections=tuple(sections),
            yaml=yamls.get(name, ""),
            machine=_machine(scene, wiring, name),
        )


def _place(scene: Scene, label: str) -> str:
    """Return the node of a network's bridge, or `fabric`."""
    if label not in scene.fabrics:
        return scene.node(label)
    machine = scene.machine_of(label)
    return f"fabric of {machine}" if machine else "fabric"


def _machine(scene: Scene, wiring: Wiring, network: str) -> str:
    """Return the machine of a network, "" if it is on several of them."""
    if not scene.machines or network in wiring.spread:
        return ""
    machines = {scene.machine_of(link.netns) for link in wiring.bridges.get(network, ())}
    members = wiring.members.get(network, ())
    machines |= {scene.machine_of_node(end.thing.name) for end in members}
    return machines.pop() if len(machines) == 1 else ""


def described(model: NetworkModel) -> tuple[str, tuple[Text, ...]]:
    """Return the mode or driver of a network in a word or two, and its subnets."""
    mode = (
        model.mode.v4
        if model.mode.v4 == model.mode.v6
        else f"v4 {model.mode.v4}, v6 {model.mode.v6}"
    )
    if model.driver != "bridge":
        mode = model.driver if model.vni is None else f"vxlan {model.vni}"
    if model.vlan:
        mode += f" vlan {model.vlan}"
    return mode, tuple(Text(str(subnet)) for subnet in model.subnets)
