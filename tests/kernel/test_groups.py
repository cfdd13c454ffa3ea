"""Test groups of members: they reach their own group and the gateway, and no other group."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.kindcase import require, trace
from tests.kernel.wire import sniff

LAB = """
name: lab
nodes:
  a: {networks: {lan: {group: red}}}
  b: {networks: {lan: {group: red}}}
  c: {networks: {lan: {group: blue}}, publish: ["8080:80"]}
  d: {networks: {lan: {group: blue}}}
  e: {networks: [lan]}
networks:
  lan: {MODE, subnet: [10.1.0.0/24, "fd00:1::/64"]}
"""
SEGMENT = LAB.replace("MODE", "gateway: e").replace(', publish: ["8080:80"]', "")
GROUPS = {"a": "red", "b": "red", "c": "blue", "d": "blue", "e": ""}


def together(one: str, other: str) -> bool:
    return not (GROUPS[one] and GROUPS[other]) or GROUPS[one] == GROUPS[other]


@pytest.mark.uml
def test_members_reach_their_group_and_the_gateway(host: Host) -> None:
    require(host, "bridge-vlans")
    check(host, SEGMENT, ())


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_members_of_a_nat_network(host: Host, backend: str) -> None:
    require(host, "bridge-vlans")
    text = LAB.replace("MODE", "mode: nat")
    check(host, f"{text}backend: {{nat: {backend}}}\n", ("10.1.0.1", "fd00:1::1"))


def check(host: Host, text: str, gateways: tuple[str, ...]) -> None:
    """Apply a file, and compare what each member reaches with its group."""
    before = trace(host)
    file = host.write("lab.yaml", text)
    host.netorch("apply", file)
    assert host.netorch("diff", check=False).stdout == "lab: in sync\n"
    addresses = {
        name: [
            address["local"]
            for address in host.ip("-n", name, "addr", "show", "dev", "eth0")[0]["addr_info"]
            if address["scope"] == "global"
        ]
        for name in GROUPS
    }
    pairs = [
        (one, address, together(one, other))
        for one in GROUPS
        for other, held in addresses.items()
        if one != other
        for address in held
    ]
    pairs += [(one, gateway, True) for one in GROUPS for gateway in gateways]
    for one, address, reaches in pairs:
        if reaches:
            assert host.reaches(one, address), (one, address)
    answers = host.pings([(one, address) for one, address, _ in pairs])
    assert answers == [reaches for *_, reaches in pairs]
    for one, address, reaches in pairs[::7]:
        live = host.netorch("explain", one, address, check=False)
        offline = host.netorch("explain", one, address, "--offline", "--file", file, check=False)
        assert (live.returncode == 0) == reaches, live.stdout
        assert (offline.returncode == 0) == reaches, offline.stdout
    host.netorch("destroy", "lab")
    assert trace(host) == before


@pytest.mark.uml
def test_others_do_not_see_what_is_for_a_member_of_a_group(host: Host) -> None:
    require(host, "bridge-vlans")
    host.netorch("apply", host.write("lab.yaml", SEGMENT))
    assert host.reaches("a", address_of(host, "e"))
    ping = ("ip", "netns", "exec", "e", "ping", "-c", "2", "-i", "0.2", address_of(host, "a"))
    frames = sniff(
        host,
        "c",
        "eth0",
        "icmp or udp port 9",
        "192.0.2.9",
        "sh",
        "-c",
        f"{' '.join(ping)}; ip netns exec c ping -c 1 -W 1 192.0.2.9 || true",
    )
    assert address_of(host, "a") not in frames


@pytest.mark.uml
def test_a_change_of_a_group_and_drift(host: Host) -> None:
    require(host, "bridge-vlans")
    file = host.write("lab.yaml", SEGMENT)
    host.netorch("apply", file)
    d, a = address_of(host, "d"), address_of(host, "a")
    assert not host.ping("a", d)
    file.write_text(
        SEGMENT.replace("d: {networks: {lan: {group: blue}}}", "d: {networks: {lan: {group: red}}}")
    )
    changes = host.netorch("diff", file, check=False).stdout
    assert "lan/d-eth0" in changes or "d-eth0" in changes
    host.netorch("apply", file)
    assert host.reaches("a", d)
    assert not host.ping("d", address_of(host, "c"))
    host.run(
        "bridge",
        "-n",
        "netorch-lab",
        "vlan",
        "add",
        "dev",
        "c-eth0",
        "vid",
        "2",
        "untagged",
        "pvid",
    )
    assert host.netorch("diff", check=False).returncode == 2
    host.netorch("apply", file)
    assert not host.ping("c", a)
    again = host.write("again.yaml", host.netorch("show", "-o", "yaml").stdout)
    assert "group: red" in again.read_text()
    assert host.netorch("diff", again, check=False).stdout == "lab: in sync\n"
    host.netorch("destroy", "lab")


def address_of(host: Host, name: str) -> str:
    held = host.ip("-4", "-n", name, "addr", "show", "dev", "eth0")[0]["addr_info"]
    return str(held[0]["local"])
