"""The outer interfaces of a machine, and others that lead to containers."""

from __future__ import annotations

import pytest

from netorch.kinds.outer_interfaces import outer_interfaces
from netorch.netlink.constants import AF_INET, IFF_UP, RTN_UNICAST
from netorch.values.requests import Hop, RouteSpec
from netorch.values.snapshot import AddressRecord, LinkRecord, NetnsSnapshot


def link(index: int, name: str, kind: str = "", master: int = 0, alias: str = "") -> LinkRecord:
    flags = IFF_UP | (8 if name == "lo" else 0)
    return LinkRecord(
        index, name, flags, 1500, bytes(6), kind, master, 0, None, 0, alias, 1000, (), {}, {}
    )


def address(index: int, local: bytes = b"\x0a\0\0\1") -> AddressRecord:
    return AddressRecord(AF_INET, index, local, local, 24, 0, 0, 0)


def route(device: str, dst: bytes | None = None) -> RouteSpec:
    return RouteSpec(
        AF_INET, dst, 24 if dst else 0, 254, 0, RTN_UNICAST, 0, 4, (Hop(None, device),)
    )


def outer(*links: LinkRecord, own: tuple[str, ...] = (), **what: tuple[object, ...]) -> set[str]:
    netns = NetnsSnapshot("host", (0, 1), links, **what)  # type: ignore[arg-type]
    return set(outer_interfaces(netns, {}, "lab", own))


def test_nics_and_tunnels_are_outer_interfaces_and_loopback_is_not() -> None:
    links = (link(1, "lo"), link(2, "eth0"), link(3, "wg0", "wireguard"), link(4, "d0", "dummy"))
    assert outer(*links) == {"eth0", "wg0"}


def test_a_bridge_of_containers_is_not_one_and_neither_are_its_ports() -> None:
    links = (link(2, "docker0", "bridge"), link(3, "veth1", "veth", 2), link(4, "tap0", "tun", 2))
    assert outer(*links, addresses=(address(2), address(3))) == set()


@pytest.mark.parametrize("kind", ["", "vlan", "bond"])
def test_a_bridge_with_a_nic_is_one_and_the_nic_is_not(kind: str) -> None:
    links = (link(2, "br0", "bridge"), link(3, "eth0", kind, 2), link(4, "veth1", "veth", 2))
    assert outer(*links) == {"br0"}


def test_a_bridge_with_the_default_route_is_one() -> None:
    links = (link(2, "br0", "bridge"), link(3, "br1", "bridge"), link(4, "eth0", "veth", 2))
    names = outer(*links, routes=(route("br0"), route("br1", b"\x0a\1\0\0")))
    assert names == {"br0"}


def test_a_veth_is_one_with_an_address_or_a_route() -> None:
    links = tuple(link(index, f"v{index}", "veth") for index in range(2, 6))
    addresses = (address(2), address(4, b"\xfe\x80" + bytes(14)))
    assert outer(*links, addresses=addresses, routes=(route("v3", b"\x0a\1\0\0"),)) == {"v2", "v3"}


def test_an_own_bridge_or_a_link_to_be_deleted_is_not_one() -> None:
    links = (link(2, "lan"), link(3, "old", alias="netorch:lab"), link(4, "eth0"))
    assert outer(*links, own=("lan",)) == {"eth0"}


@pytest.mark.parametrize("name", ["eth+", "eth*", 'a"b', "a\\b"])
def test_a_name_that_a_packet_filter_reads_as_a_pattern_is_left_out(name: str) -> None:
    assert outer(link(2, name)) == set()
