"""Subnets that netorch chooses for networks."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.errors import FileError
from netorch.language.addresses import Network
from netorch.resolve.loader import load


def chosen(text: str, name: str | None = None) -> dict[str, list[str]]:
    """Return the subnets that netorch chose: network → subnets."""
    desired = load(text.encode(), "lab.yaml", name=name).desired
    return {network: [str(one) for one in subnets] for network, subnets in desired.chosen.items()}


def subnet_of(network: str, extra: str = "") -> str:
    return chosen(f"networks: {{{network}: {{mode: nat{extra}}}}}")[network][0]


def test_a_mode_with_addresses_needs_no_subnet() -> None:
    networks = ", ".join(f"{mode}: {{mode: {mode}}}" for mode in ("nat", "routed", "host-only"))
    subnets = chosen(f"networks: {{{networks}, plain: {{}}}}")
    assert subnets.keys() == {"nat", "routed", "host-only"}
    for (subnet,) in subnets.values():
        assert ip_network(subnet).prefixlen == 24
        assert ip_network(subnet).subnet_of(ip_network("10.210.0.0/16"))  # type: ignore[arg-type]


def test_the_members_and_the_bridge_get_addresses_of_the_subnet() -> None:
    text = "nodes: {a: {networks: [lan]}}\nnetworks: {lan: {mode: nat, subnet: [auto, auto6]}}"
    subnets = [ip_network(one) for one in chosen(text)["lan"]]
    state = load(text.encode(), "lab.yaml").desired.state
    addresses = {(key.netns, key.name) for key in state if key.kind == "address"}
    expected = {(f"{subnet[1]}", f"{subnet[2]}") for subnet in subnets}
    for host, member in expected:
        assert any(netns != "a" and host in name for netns, name in addresses)
        assert any(netns == "a" and member in name for netns, name in addresses)


def test_words_stand_in_a_list_with_subnets() -> None:
    text = "networks: {lan: {subnet: [10.0.0.0/24, auto6]}, seg: {subnet: auto}}"
    subnets = chosen(text)
    assert [ip_network(one).version for one in subnets["lan"]] == [6]
    assert ip_network(subnets["lan"][0]).is_private and subnets["lan"][0].startswith("fd")
    assert [ip_network(one).version for one in subnets["seg"]] == [4]


def test_the_default_for_all_networks() -> None:
    text = "defaults: {network: {subnet: auto}}\nnetworks: {one: {}, two: {subnet: 10.0.0.0/24}}"
    assert chosen(text).keys() == {"one"}


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ("10.9.0.0/16", ["10.9."]),
        ("{base: 10.9.0.0/16, size: 20}", ["10.9."]),
        ('[10.9.0.0/16, "fd00:1::/48"]', ["10.9.", "fd00:1:"]),
        ('"fd00:1::/48"', ["fd00:1:"]),
        ("10.9.8.0/28", ["10.9.8.0/28"]),
    ],
)
def test_pools(pool: str, expected: list[str]) -> None:
    for text in (
        f"networks: {{lan: {{mode: nat, pool: {pool}}}}}",
        f"defaults: {{network: {{pool: {pool}}}}}\nnetworks: {{lan: {{mode: nat}}}}",
    ):
        subnets = chosen(text)["lan"]
        assert len(subnets) == len(expected)
        assert all(map(str.startswith, subnets, expected))


def test_the_size_of_a_pool() -> None:
    text = "networks: {lan: {mode: nat, pool: {base: 10.0.0.0/8, size: 20}}}"
    assert ip_network(chosen(text)["lan"][0]).prefixlen == 20


def test_a_pool_of_the_other_ip_version_changes_nothing() -> None:
    text = 'networks: {lan: {subnet: auto, pool: "fd00:1::/48"}}'
    assert chosen(text)["lan"][0].startswith("10.210.")


def test_the_order_in_the_file_does_not_count() -> None:
    names = ["one", "two", "three", "four"]
    texts = [f"{name}: {{mode: nat}}" for name in names]
    assert chosen(f"networks: {{{', '.join(texts)}}}") == chosen(
        f"networks: {{{', '.join(reversed(texts))}}}"
    )


def test_another_name_gives_other_subnets() -> None:
    text = "networks: {lan: {subnet: [auto, auto6]}}"
    assert chosen(text)["lan"] != chosen(text, "other")["lan"]
    assert chosen(text) == chosen(f"name: lab\n{text}")


def test_a_place_that_is_taken_gives_the_next_one() -> None:
    first = ip_network(subnet_of("lan"))
    follows = first.supernet(new_prefix=16)
    number = (int(first[0]) - int(follows[0])) // 256
    expected = list(follows.subnets(new_prefix=24))[(number + 1) % 256]
    for other in (
        f"networks: {{lan: {{mode: nat}}, other: {{subnet: {first}}}}}",
        f"networks: {{lan: {{mode: nat}}, other: {{subnet: {first[64]}/26}}}}",
        f"networks: {{lan: {{mode: nat}}}}\nlinks: [{{endpoints: [a:x, b:x], subnet: {first[0]}/30}}]",
        f"networks: {{lan: {{mode: nat}}}}\nnodes: {{a: {{interfaces: {{d: {{kind: dummy, addresses: {first[7]}/32}}}}}}}}",
        f"networks: {{lan: {{mode: nat}}}}\nnodes: {{a: {{interfaces: {{d: {{kind: dummy, addresses: {{address: 192.0.2.1/32, peer: {first[7]}}}}}}}}}}}",
        f"networks: {{lan: {{mode: nat}}}}\nnodes: {{a: {{interfaces: {{d: {{kind: dummy}}}}, routes: [{{to: {first}, dev: d}}]}}}}",
        f"networks: {{lan: {{mode: nat}}, seg: {{}}}}\nnodes: {{a: {{networks: {{seg: {{address: {first[7]}/25}}}}}}}}",
    ):
        text = f"nodes: {{a: {{}}, b: {{}}}}\n{other}" if "links" in other else other
        assert chosen(text)["lan"] == [str(expected)], text


def test_a_route_to_more_than_the_pool_does_not_count() -> None:
    text = (
        "nodes: {a: {interfaces: {d: {kind: dummy}}, routes: [{to: 10.0.0.0/8, dev: d}]}}\n"
        "networks: {lan: {mode: nat}}"
    )
    assert chosen(text)["lan"] == [subnet_of("lan")]


@given(st.lists(st.sampled_from("abcdefghijklmnop"), unique=True), st.integers(20, 24))
def test_chosen_subnets_are_apart_and_the_last_network_moves_none(
    names: list[str], length: int
) -> None:
    text = "".join(f"  {name}: {{mode: nat}}\n" for name in names)
    pool = f"defaults: {{network: {{pool: {{base: 10.9.0.0/{length}, size: 28}}}}}}\n"
    before = chosen(f"{pool}networks:\n{text or '  {}'}")
    subnets: list[Network] = [ip_network(subnet) for (subnet,) in before.values()]
    assert not [pair for pair in combinations(subnets, 2) if pair[0].overlaps(pair[1])]  # type: ignore[arg-type]
    if len(names) < 16:
        after = chosen(f"{pool}networks:\n{text}  last: {{mode: nat}}\n")
        assert {name: after[name] for name in names} == before


def test_all_places_of_a_pool_are_used() -> None:
    networks = "".join(f"  n{number}: {{}}\n" for number in range(16))
    text = (
        "defaults: {network: {subnet: auto, pool: {base: 10.9.0.0/24, size: 28}}}\n"
        f"networks:\n{networks}"
    )
    assert len({subnet for (subnet,) in chosen(text).values()}) == 16
    with pytest.raises(FileError) as error:
        chosen(f"{text}  more: {{}}\n")
    (problem,) = error.value.problems
    assert problem.code == "pool-full"
    assert "network more: no subnet is free in 10.9.0.0/24 (size 28)" in problem.what


@pytest.mark.parametrize(
    ("network", "what"),
    [
        ("{subnet: atuo}", "Did you mean 'auto'"),
        ("{subnet: [auto, auto]}", "has `auto` twice"),
        ("{subnet: auto, mode: bridged, uplink: eth0}", "does not support `subnet: auto`"),
        ("{subnet: auto, driver: macvlan, parent: eth0}", "does not support `subnet: auto`"),
        ("{subnet: auto, pool: 10.0.0.0/32}", "no room for a subnet with two hosts"),
        ("{subnet: auto, pool: {base: 10.0.0.0/16, size: 8}}", "between 16, that of the pool"),
        ("{subnet: auto, pool: {base: 10.0.0.0/16, size: 31}}", "between 16, that of the pool"),
        ("{subnet: auto, pool: {size: 20}}", "base"),
        ("{subnet: auto, pool: 10.0.0.1/16}", "bits set to the right"),
        ("{mode: nat, gateway: 10.0.0.1}", "needs a `subnet` that contains its `gateway`"),
        ("{mode: nat, ip_range: 10.0.0.0/25}", "needs a `subnet` that contains its `ip_range`"),
        ("{mode: nat, subnet: auto, gateway: 10.0.0.1}", "outside the subnet"),
    ],
)
def test_errors(network: str, what: str) -> None:
    with pytest.raises(FileError) as error:
        chosen(f"networks: {{lan: {network}}}")
    assert what in str(error.value)


def test_ipvlan_in_a_routing_mode_may_have_a_chosen_subnet() -> None:
    text = "networks: {lan: {driver: ipvlan, driver_mode: l3, parent: eth0, subnet: auto}}"
    assert chosen(text).keys() == {"lan"}
