"""Keep the default routes that nodes had before netorch: on the host, in a container.

This holds for every namespace that a node is attached to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from netorch.kinds.route import Route
from netorch.netlink.constants import AF_INET, RTN_UNICAST
from netorch.resolve.desired import Desired
from netorch.state.by_class import of_class
from netorch.state.key import Key, label_text
from netorch.state.resource import Resource
from netorch.values.requests import RouteSpec
from netorch.values.snapshot import Snapshot


def keep_own_default_routes(
    desired: Desired, state: Mapping[Key, Resource], snapshot: Snapshot
) -> tuple[Mapping[Key, Resource], list[str]]:
    """Return the state without the default routes of networks where a node has its own.

    Also returns a sentence for each node that keeps its own default route.
    """
    own_routes: dict[Key, RouteSpec] = {}
    for route in of_class(state, Route):
        if route.yields:
            own = next(_own_default_routes(route, snapshot), None)
            if own is not None:
                own_routes[route.key] = own
    if not own_routes:
        return state, []
    rest = {key: resource for key, resource in state.items() if key not in own_routes}
    return rest, [_sentence(desired, key, own) for key, own in own_routes.items()]


def _own_default_routes(route: Route, snapshot: Snapshot) -> Iterator[RouteSpec]:
    there, desired = snapshot.namespaces.get(route.netns), route.spec
    for spec in there.routes if there is not None else ():
        is_default = spec.dst is None and spec.type == RTN_UNICAST
        if (
            is_default
            and (spec.family, spec.table) == (desired.family, desired.table)
            and spec.protocol != desired.protocol
        ):
            yield spec


def _sentence(desired: Desired, key: Key, own: RouteSpec) -> str:
    version = 4 if own.family == AF_INET else 6
    node = desired.nodes.get(key.netns, label_text(key.netns))
    network = desired.origins[key][3]
    ways = (
        " ".join(
            [
                *([f"via {ip_address(hop.via)}"] if hop.via else []),
                *([f"dev {hop.dev}"] if hop.dev else []),
            ]
        )
        for hop in own.hops
    )
    return (
        f"node {node} keeps its IPv{version} default route {' and '.join(ways)}: "
        f"network {network} does not add another one. Write `networks: {{{network}: "
        "{default_route: false}}` to confirm that, or `true` to use the network's default route"
    )
