"""Which connections a change of rules ends: those that the new rules treat differently."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from netorch.converge.connections import InterfaceMap, treatment, wrong
from netorch.firewall import ruleset_chains
from netorch.firewall.chains import ListedChain
from netorch.kernel.firewall.conntrack import decoded
from netorch.kinds.filter import PacketFilter
from netorch.netlink.codec import attr
from netorch.resolve.loader import load
from netorch.values.connections import Connection, End

FILE = """
name: lab
nodes:
  box: {interfaces: {up: {addresses: [192.0.2.1/24, "2001:db8::1/64"]}}, nat: [NAT]}
  out: {interfaces: {eth0: {addresses: [192.0.2.2/24]}}}
  m: {networks: {one: {address: [10.1.0.2, "fd00:1::2"]}}, publish: [PORTS]}
  n: {networks: {two: {address: [10.2.0.2, "fd00:2::2"]}}}
links: [[box:up, out:eth0]]
networks:
  one: {mode: nat, node: box, subnet: [10.1.0.0/24, "fd00:1::/64"]ONE}
  two: {mode: routed, node: box, subnet: [10.2.0.0/24, "fd00:2::/64"]TWO}
"""
BOX = InterfaceMap(
    frozenset(map(ip_address, ("192.0.2.1", "2001:db8::1", "10.1.0.1", "fd00:1::1", "10.2.0.1"))),
    (
        (ip_network("10.1.0.0/24"), "one"),
        (ip_network("fd00:1::/64"), "one"),
        (ip_network("10.2.0.0/24"), "two"),
        (ip_network("fd00:2::/64"), "two"),
        (ip_network("192.0.2.0/24"), "up"),
        (ip_network("2001:db8::/64"), "up"),
    ),
    {ip_address("198.51.100.1"): "up"},
)


def rules(
    nat: str = "", ports: str = "", one: str = "", two: str = "", mode: str = "nat"
) -> tuple[ListedChain, ...]:
    text = FILE.replace("NAT", nat).replace("PORTS", ports).replace("ONE", one).replace("TWO", two)
    text = text.replace("mode: nat", f"mode: {mode}")
    state = load(text.encode(), "lab.yaml").desired.state
    [packet_filter] = [
        resource for resource in state.values() if isinstance(resource, PacketFilter)
    ]
    return ruleset_chains.chains_of("lab", packet_filter.rules)


def end(text: str) -> End:
    address, _, port = text.rpartition(" ")
    return ip_address(address), int(port)


def connection(
    protocol: str, source: str, target: str, led_to: str = "", leaves_as: str = "", **more: bool
) -> Connection:
    return Connection(
        protocol, end(source), end(target), end(led_to or target), end(leaves_as or source), **more
    )


def ended(flow: Connection, old: tuple[ListedChain, ...], new: tuple[ListedChain, ...]) -> bool:
    return bool([*wrong([flow], old, BOX, new, BOX)])


IN = "192.0.2.2 40000", "192.0.2.1 5353"
SIX = "2001:db8::2 40000", "2001:db8::1 5353"


@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
@pytest.mark.parametrize(("ends", "member"), [(IN, "10.1.0.2"), (SIX, "fd00:1::2")])
def test_published_ports(protocol: str, ends: tuple[str, str], member: str) -> None:
    first, other, none = (
        rules(ports=f"'5353:53/{protocol}'"),
        rules(ports=f"'5353:54/{protocol}'"),
        rules(),
    )
    led = connection(protocol, *ends, f"{member} 53")
    assert ended(led, first, other)
    assert ended(led, first, none)
    assert not ended(led, first, first)
    assert not ended(led, first, rules(ports=f"'5353:53/{protocol}', '99:99/{protocol}'"))
    assert not ended(led, other, first), "the connection is as the new rules make it"
    assert not ended(led, none, other), "something else than netorch translated it"
    assert not ended(connection(protocol, *ends, f"{member} 99"), first, other)


def test_a_port_that_is_published_from_now_on() -> None:
    new = rules(ports="'5353:53/udp', '5353:53/tcp'")
    assert ended(connection("udp", *IN), rules(), new), "no program answers these datagrams"
    assert not ended(connection("tcp", *IN), rules(), new), (
        "a program of the owner has this connection"
    )


@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp"])
def test_the_address_that_members_leave_with(protocol: str) -> None:
    ends = "10.1.0.2 40000", "198.51.100.1 53"
    masquerade, egress = rules(), rules(one=", egress: 192.0.2.9")
    flow = connection(protocol, *ends, leaves_as="192.0.2.1 40000")
    assert ended(flow, masquerade, egress)
    assert ended(flow, masquerade, rules(mode="routed"))
    assert ended(flow, masquerade, rules(mode="host-only"))
    assert not ended(flow, masquerade, masquerade)
    assert not ended(flow, egress, masquerade), "the address of the egress did not make it"
    assert ended(connection(protocol, *ends, leaves_as="192.0.2.9 1"), egress, masquerade)
    assert not ended(connection(protocol, *ends, leaves_as="192.0.2.9 1"), masquerade, egress)
    private = connection(protocol, *ends)
    assert ended(private, (), masquerade)
    assert ended(private, rules(mode="routed"), egress)
    assert not ended(flow, rules(mode="routed"), ()), "something else than netorch translated it"


@pytest.mark.parametrize("kind", ["masquerade: {", "snat: {to: 192.0.2.1, "])
def test_the_ports_that_members_leave_with(kind: str) -> None:
    def nat(words: str) -> tuple[ListedChain, ...]:
        return rules(nat=f"{{{kind}out: up, from: 10.1.0.0/24{words}}}}}")

    plain, low, high = nat(""), nat(", proto: tcp, ports: 1-99"), nat(", proto: tcp, ports: 9-9999")
    flow = connection("tcp", "10.1.0.2 400", "198.51.100.1 53", leaves_as="192.0.2.1 400")
    moved = connection("tcp", "10.1.0.2 40000", "198.51.100.1 53", leaves_as="192.0.2.1 50")
    assert ended(flow, plain, low) and not ended(moved, plain, low)
    assert ended(flow, high, low) and not ended(flow, plain, high)
    assert not ended(moved, low, plain), "the kernel may choose this port, too"
    assert not ended(moved, low, high) and not ended(moved, low, low)
    foreign = connection("tcp", "10.1.0.2 400", "198.51.100.1 53", leaves_as="192.0.2.77 400")
    assert ended(foreign, plain, low) == kind.startswith("masq"), "or something else translated it"
    datagrams = connection("udp", "10.1.0.2 400", "198.51.100.1 53", leaves_as="192.0.2.1 400")
    assert not ended(datagrams, low, high)


@pytest.mark.parametrize("own", ["127.0.0.1", "192.0.2.1"])
def test_published_ports_for_the_owner_itself(own: str) -> None:
    first, other = rules(ports="'8080:80'"), rules(ports="'8080:81'")
    flow = connection("tcp", f"{own} 40000", f"{own} 8080", "10.1.0.2 80", "10.1.0.1 40000")
    assert ended(flow, first, other) and ended(flow, first, rules())
    assert not ended(flow, first, first)


def test_a_range_of_ports() -> None:
    first, moved = rules(ports="'5001-5003:6001-6003'"), rules(ports="'5001-5003:7001-7003'")
    flow = connection("tcp", "192.0.2.2 40000", "192.0.2.1 5002", "10.1.0.2 6002")
    assert ended(flow, first, moved) and not ended(flow, first, first)
    assert not ended(flow, first, rules(ports="'5002:6002'")), "the destination stays the same"


def test_networks_that_are_closed_to_one_another() -> None:
    opened, shut = rules(one=", isolated: false"), rules(one=", isolated: true")
    forth = connection("tcp", "10.1.0.2 40000", "10.2.0.2 80", leaves_as="10.2.0.1 40000")
    back = connection("tcp", "10.2.0.2 40000", "10.1.0.2 80")
    gateway = connection("tcp", "10.2.0.2 40000", "10.1.0.1 80")
    for flow in (forth, gateway):
        assert ended(flow, opened, shut)
        assert not ended(flow, shut, opened)
    assert not ended(back, shut, opened)
    outward = connection("tcp", "10.1.0.2 1", "198.51.100.1 80", leaves_as="192.0.2.1 1")
    assert not ended(outward, opened, shut)
    assert not ended(connection("tcp", "192.0.2.1 1", "10.1.0.2 80"), opened, shut), (
        "the owner may reach its networks"
    )


def test_allow() -> None:
    opened, shut = rules(mode="host-only", one=", allow: two"), rules(mode="host-only")
    flow = connection("udp", "fd00:2::2 40000", "fd00:1::2 53")
    assert ended(flow, opened, shut)
    assert not ended(flow, shut, opened)


def test_from_outside_to_a_network_that_is_translated_now() -> None:
    flow = connection("tcp", "192.0.2.2 40000", "10.1.0.2 22")
    assert ended(flow, rules(mode="routed"), rules())
    assert ended(flow, (), rules())
    announced = connection("tcp", "192.0.2.2 20", "10.1.0.2 40001", expected=True)
    assert not ended(announced, (), rules()), "another connection announced this one"


def test_translations_of_a_node_of_its_own() -> None:
    dnat = "{dnat: {in: up, proto: tcp, port: 8080, to: '10.2.0.2:PORT'}}"
    old, new = rules(nat=dnat.replace("PORT", "80")), rules(nat=dnat.replace("PORT", "81"))
    flow = connection("tcp", "192.0.2.2 40000", "192.0.2.1 8080", "10.2.0.2 80")
    assert ended(flow, old, new) and ended(flow, old, rules()) and not ended(flow, old, old)
    assert not ended(connection("tcp", "10.1.0.2 1", "192.0.2.1 8080"), old, new), (
        "it does not come by the interface up"
    )
    snat = rules(nat="{masquerade: {out: up, from: 10.2.0.0/24}}")
    private = connection("udp", "10.2.0.2 1", "198.51.100.1 53")
    assert ended(private, rules(), snat) and not ended(private, rules(), rules())


def test_without_rules_nothing_is_translated_or_dropped() -> None:
    result = treatment(connection("tcp", *IN), (), BOX)
    assert (result.dropped, result.led_to, result.masqueraded, result.leaves_as) == (
        False,
        None,
        False,
        None,
    )


def test_entries_of_the_kernel() -> None:
    nested = 0x8000

    def half(source: str, target: str, sport: int, dport: int) -> bytes:
        addresses = attr(1, ip_address(source).packed) + attr(2, ip_address(target).packed)
        ports = attr(2, sport.to_bytes(2)) + attr(3, dport.to_bytes(2))
        return attr(1 | nested, addresses) + attr(2 | nested, attr(1, b"\x06") + ports)

    there = half("192.0.2.2", "192.0.2.1", 40000, 8080)
    payload = bytes((2, 0, 0, 0)) + attr(1 | nested, there)
    payload += attr(2 | nested, half("10.1.0.2", "192.0.2.2", 80, 40000))
    payload += attr(3, (0x1AF).to_bytes(4)) + attr(12, b"\1\2\3\4")
    [entry] = decoded([(256, payload, 0, len(payload))])
    assert entry.led_to == (ip_address("10.1.0.2"), 80) and entry.leaves_as is None
    assert entry.protocol == "tcp" and entry.expected
    assert entry.key == attr(1 | nested, there) + attr(12, b"\1\2\3\4")
    assert not [*decoded([(257, payload, 0, len(payload)), (256, payload[:4], 0, 4)])]
