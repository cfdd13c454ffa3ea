"""Test warnings of what a user does to a live topology and netorch does not undo."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.traffic import serve

LAB = """
name: lab
nodes:
  r: {}
  web: {networks: [lan], publish: ["8080:80", "127.0.0.1:9090:80"]}
  a: {networks: [lan]}
networks:
  lan: {mode: nat, node: OWNER, subnet: [172.17.0.0/16, "fd17::/64"]}
"""

FIREWALLS = {
    "iptables-nft": (
        "iptables-nft -P FORWARD DROP",
        "the chain FORWARD of iptables-nft in r drops",
    ),
    "ip6tables-nft": (
        "ip6tables-nft -A FORWARD -j REJECT",
        "the chain FORWARD of ip6tables-nft in r drops",
    ),
    "iptables-legacy": (
        "iptables-legacy -P FORWARD DROP",
        "the chain FORWARD of iptables-legacy in r drops",
    ),
    "nft": (
        "nft 'table inet mine { chain f { type filter hook forward priority 0; policy drop; }; }'",
        "the nftables chain inet mine f in r drops",
    ),
    "a table with a name like netorch's": (
        "nft 'table inet netorch_other { chain f { type filter hook forward priority 0; "
        "policy drop; }; }'",
        "the nftables chain inet netorch_other f in r drops",
    ),
}


def in_node(host: Host, node: str, script: str) -> None:
    host.run("ip", "netns", "exec", node, "sh", "-ec", script)


@pytest.mark.parametrize("kind", FIREWALLS)
def test_a_firewall_in_the_owner_of_a_network_gives_a_warning(host: Host, kind: str) -> None:
    script, sentence = FIREWALLS[kind]
    if "legacy" in kind:
        pytest.importorskip("iptc", reason="python-iptables is not installed")
    host.write("lab.yaml", LAB.replace("OWNER", "r"))
    host.netorch("apply", "lab.yaml")
    assert "are lost there" not in host.netorch("diff", "lab.yaml").stderr
    in_node(host, "r", script)
    warnings = host.netorch("diff", "lab.yaml").stderr
    assert sentence in warnings and "packets through lan are lost there" in warnings
    # the command in the warning lets packets through, and then there is no warning
    host.run("sh", "-ec", warnings.partition("Let them through: ")[2].splitlines()[0])
    assert "are lost there" not in host.netorch("diff", "lab.yaml").stderr


def test_a_firewall_that_names_the_bridge_gives_no_warning(host: Host) -> None:
    host.write("lab.yaml", LAB.replace("OWNER", "r"))
    host.netorch("apply", "lab.yaml")
    in_node(host, "r", "iptables-nft -A FORWARD -i lan -j ACCEPT; iptables-nft -P FORWARD DROP")
    assert "are lost there" not in host.netorch("diff", "lab.yaml").stderr


@pytest.mark.parametrize("owner", ["host", "r"])
def test_a_program_that_listens_on_a_published_port_gives_a_warning(host: Host, owner: str) -> None:
    host.write("lab.yaml", LAB.replace("OWNER", owner))
    host.netorch("apply", "lab.yaml")
    assert "listens on" not in host.netorch("diff", "lab.yaml").stderr
    node = owner
    if owner == "host":
        # `serve` needs the name of a namespace, so this gives the host's own namespace a name
        host.run("ip", "netns", "attach", "self", str(1))
        node = "self"
    serve(host, node, "tcp:8080", "udp:9090", "tcp:9090")
    done = host.netorch("diff", "lab.yaml")
    assert "in sync" in done.stdout
    for text, port in (("8080:80/tcp", 8080), ("127.0.0.1:9090:80/tcp", 9090)):
        line = next(line for line in done.stderr.splitlines() if text in line)
        assert f"a program listens on tcp port {port} of {owner}, but nobody can reach it" in line
        assert f"`ss -lnp sport = {port}` shows the program" in line
    assert done.stderr.count("a program listens on") == 2, "a UDP program does not take a TCP port"
