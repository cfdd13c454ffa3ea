"""Routes with one key and several makers: which belong to netorch, and how they change alone."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from netorch.immutable import replace
from netorch.kinds.route import MAIN, Route
from netorch.netlink.constants import AF_INET6, RTN_UNICAST, RTPROT_BOOT
from netorch.state.registry import View
from netorch.values.marks import Mark
from netorch.values.requests import Hop, RouteAdd, RouteDel, RouteSpec
from netorch.values.snapshot import LinkRecord, NetnsSnapshot

MARK = Mark("lab")
DAEMON = 186
LO = LinkRecord(1, "lo", 1, 65536, bytes(6), "", 0, 0, None, 0, MARK.alias, 1000, (), {}, {})
E0 = LinkRecord(2, "e0", 1, 1500, bytes(6), "veth", 0, 0, None, 0, MARK.alias, 1000, (), {}, {})


def spec(protocol: int, *hosts: int, weight: int = 1) -> RouteSpec:
    hops = tuple(Hop(ip_address(f"fd00::{host}").packed, "e0", weight) for host in hosts)
    return RouteSpec(AF_INET6, None, 0, MAIN, 1024, RTN_UNICAST, 0, protocol, hops)


def observed(*specs: RouteSpec) -> list[Route]:
    netns = NetnsSnapshot("r", (0, 1), (LO, E0), routes=specs)
    return [
        route for route in Route.observe(View(netns, MARK, True, {})) if isinstance(route, Route)
    ]


def test_the_route_that_netorch_made_comes_first_in_any_order() -> None:
    mine, by_hand = spec(MARK.protocol, 2), spec(RTPROT_BOOT, 7)
    for order in ((mine, by_hand), (by_hand, mine)):
        (route,) = observed(*order, spec(DAEMON, 9))
        assert (route.spec, route.siblings, route.shared) == (mine, (by_hand,), True)
    assert not Route("r", mine).differs(observed(mine, spec(DAEMON, 9))[0])
    assert observed(spec(DAEMON, 9)) == []


hosts = st.sets(st.integers(1, 6), min_size=1).map(sorted)


@given(hosts, hosts, st.sets(st.integers(7, 9)).map(sorted), st.integers(1, 2))
def test_an_update_among_foreign_routes_changes_only_what_differs(
    before: list[int], after: list[int], by_hand: list[int], weight: int
) -> None:
    expected = Route("r", spec(MARK.protocol, *after, weight=weight))
    specs = [spec(MARK.protocol, *before), *(spec(RTPROT_BOOT, host) for host in by_hand)]
    (route,) = observed(*specs, spec(DAEMON, 10))
    legs = {leg for one in specs for leg in one.legs}
    for request in expected.update(route) or ():
        if isinstance(request, RouteDel):
            legs.remove(request.route)
        else:
            assert isinstance(request, RouteAdd)
            assert request.append
            # the kernel refuses a second route with the same gateway, however it differs otherwise
            assert request.route.hops[0].via not in {leg.hops[0].via for leg in legs}
            legs.add(request.route)
    assert legs == set(expected.spec.legs)


def test_a_hop_of_an_unknown_maker_stays_unless_a_file_had_it() -> None:
    there = spec(MARK.protocol, 2, 3, 9)
    (route,) = observed(replace(there, unsure=there.hops[1:]))
    expected, last = Route("r", spec(MARK.protocol, 2)), Route("r", spec(MARK.protocol, 2, 3))
    adapted = expected.adapt_to(route, lambda: last)
    assert isinstance(adapted, Route)
    assert adapted.spec.hops == spec(0, 2, 9).hops
    assert "fd00::9 dev e0" in adapted.left_alone()
    assert last.adapt_to(observed(spec(MARK.protocol, 2, 3))[0], lambda: None) is last
