"""Counts what each machine of a topology has."""

from __future__ import annotations

from collections.abc import Iterator

from netorch.immutable import Value
from netorch.kinds.fdb import Fdb
from netorch.kinds.vxlan import Vxlan
from netorch.language.addresses import Address
from netorch.resolve.desired import Desired
from netorch.state.key import HOST, Key


class Share(Value):
    """What one machine has of a topology."""

    machine: str
    address: Address
    nodes: int = 0
    """The number of nodes."""
    interfaces: int = 0
    """The number of interfaces in all namespaces, without lo."""
    tunnels: int = 0
    """The number of tunnels to other machines."""
    entries: int = 0
    """The number of entries in the forwarding databases of these tunnels."""
    neighbours: int = 0
    """The number of machines to which these tunnels lead."""


def tunnels(desired: Desired) -> Iterator[tuple[Key, Vxlan]]:
    """Yield the tunnels between the machines."""
    for key, resource in desired.state.items():
        if isinstance(resource, Vxlan) and _is_tunnel(desired, key, resource):
            yield key, resource


def _is_tunnel(desired: Desired, key: Key, link: Vxlan) -> bool:
    """Whether netorch makes a vxlan because a link or a network is on several machines."""
    machines = desired.machines
    if machines is None:
        return False
    if link.underlay:
        return True
    match desired.origins.get(key):
        case ("links", *_) | ("networks", _):
            return True
        case ("nodes", *_):
            # the end of a link on a host may have an entry under `interfaces`
            here = machines.all[machines.of_label[key.netns]]
            return not link.learning and link.local == str(here.tunnel_address)
    return False


def shares(desired: Desired) -> list[Share]:
    """Return what each machine has, or only that of the machine whose part the state is."""
    machines = desired.machines
    if machines is None:
        return []
    of_label = machines.of_label
    names = [machines.here] if machines.here else [*machines.all]
    counts = {
        name: dict.fromkeys(("nodes", "interfaces", "tunnels", "entries"), 0) for name in names
    }
    for label in desired.labels.values():
        if label != HOST and not label.startswith(f"{HOST}."):
            counts[of_label[label]]["nodes"] += 1
    ends = {(key.netns, link.name): link for key, link in tunnels(desired)}
    remotes: dict[str, set[str]] = {name: set() for name in names}
    for key, link in desired.state.items():
        machine = of_label[key.netns]
        if key.kind == "link" and key.name != "lo":
            counts[machine]["interfaces"] += 1
        elif isinstance(link, Fdb) and (link.netns, link.link) in ends:
            counts[machine]["entries"] += 1
            remotes[machine].add(link.dst)
    for (label, _), end in ends.items():
        counts[of_label[label]]["tunnels"] += 1
        if end.remote:
            remotes[of_label[label]].add(str(end.remote))
    return [
        Share(name, machines.all[name].address, **counts[name], neighbours=len(remotes[name]))
        for name in names
    ]
