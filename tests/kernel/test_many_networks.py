"""Test the packet filter of many networks on one owner, for both backends."""

from __future__ import annotations

import re

import pytest

from tests.kernel.host import Host

BACKENDS = ("nftables", "iptables")
MODES = ("nat", "host-only", "routed")
COUNT = 300

REACHES = {
    # a node's first letters are the mode of its network
    "nat0": {"nat0b", "nat3"},
    "nat0b": {"nat0", "nat3"},
    "nat3": {"nat0", "nat0b"},
    "nat6": set(),
    "host1": set(),
    "routed2": {"routed5"},
    "routed5": {"routed2"},
}
"""Node → the other nodes that it reaches. n3 allows n0."""


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "iptables":
        pytest.importorskip("iptc", reason="python-iptables is not installed")
    return str(request.param)


def subnet(number: int) -> str:
    return f"10.{number >> 8}.{number & 255}"


def topology(backend: str, count: int = COUNT) -> str:
    """Return a file with networks n0, n1, … of each mode in turn, and nodes in the first ones."""
    lines = ["name: lab", f"backend: {{nat: {backend}}}", "nodes:", "  r: {}"]
    for node in REACHES:
        network = re.sub(r"\D", "", node)
        publish = ', publish: ["8080:80"]' if node == "nat6" else ""
        lines.append(f"  {node}: {{networks: [n{network}]{publish}}}")
    lines.append("networks:")
    for number in range(count):
        allow = ", allow: [n0]" if number == 3 else ""
        lines.append(
            f"  n{number}: {{mode: {MODES[number % 3]}, node: r, "
            f"subnet: [{subnet(number)}.0/24]{allow}}}"
        )
    return "\n".join([*lines, ""])


def rules_of(host: Host, backend: str) -> str:
    """Return the packet filter of the owner, as its own tool prints it."""
    tool = {"nftables": "nft list ruleset", "iptables": "iptables-legacy-save"}[backend]
    return host.run("ip", "netns", "exec", "r", *tool.split()).stdout


def address(host: Host, node: str) -> str:
    [entry] = host.ip("-n", node, "-4", "address", "show", "dev", "eth0")
    return str(entry["addr_info"][0]["local"])


def test_who_reaches_whom_among_300_networks(host: Host, backend: str) -> None:
    host.write("lab.yaml", topology(backend))
    host.netorch("apply", "lab.yaml")
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout
    assert len(rules_of(host, backend).splitlines()) < 30 * COUNT
    addresses = {node: address(host, node) for node in REACHES}
    expected: dict[tuple[str, str], bool] = {}
    for node, reached in REACHES.items():
        for other in REACHES.keys() - {node}:
            expected[node, addresses[other]] = other in reached
        number = int(re.sub(r"\D", "", node))
        expected[node, f"{subnet(number)}.1"] = True  # its own gateway
        foreign = 8 if number == 2 else 2
        # gateways of networks that are isolated from its own do not answer, nor do those of others
        # if its own network is isolated
        expected[node, f"{subnet(foreign)}.1"] = node.startswith("routed")
        expected[node, f"{subnet(9)}.1"] = False  # the gateway of an isolated network
    assert dict(zip(expected, host.pings(expected), strict=True)) == expected
    explained = host.netorch("explain", "nat0", "nat6", check=False).stdout
    assert "not from another network" in explained
    host.netorch("destroy", "lab")
    assert host.run("ip", "netns").stdout == ""


CHANGES = {
    "nftables": {
        "an element of others": (
            """nft 'add element inet netorch_lab networks4 { "evil" }'""",
            '- set networks4 "evil"',
        ),
        "a lost element": (
            """nft 'delete element inet netorch_lab into4 { "n6" }'""",
            '+ map into4 "n6" comment "n6: only what is published" : drop',
        ),
        "a rule in a chain of a network": (
            "nft add rule inet netorch_lab own4_n0 drop",
            "- own4_n0 drop",
        ),
    },
    "iptables": {
        "a rule in a chain of a network": (
            "iptables-legacy -A netorch-lab-fwd_n0 -j DROP",
            "- iptables -t filter -A netorch-lab-fwd_n0 -j DROP",
        ),
        "a lost jump": (
            "iptables-legacy -D netorch-lab-fwd -i n6 -m comment --comment netorch:lab"
            " -g netorch-lab-fwd_n6",
            "+ iptables -t filter -A netorch-lab-fwd -i n6 -m comment --comment netorch:lab"
            " -g netorch-lab-fwd_n6",
        ),
    },
}


@pytest.mark.parametrize(
    ("backend", "what"),
    [(name, what) for name in BACKENDS for what in CHANGES[name]],
    indirect=["backend"],
)
def test_what_others_change_is_one_line_and_put_right(host: Host, backend: str, what: str) -> None:
    command, line = CHANGES[backend][what]
    host.write("lab.yaml", topology(backend, 12))
    host.netorch("apply", "lab.yaml")
    before = rules_of(host, backend)
    host.run("sh", "-ec", f"ip netns exec r {command}")
    differences = host.netorch("diff", "lab.yaml", check=False).stdout.splitlines()
    changes = [text.strip().replace('"', "") for text in differences if text.startswith("    ")]
    assert changes == [line.replace('"', "")]
    host.netorch("apply", "lab.yaml")
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout
    assert strip(rules_of(host, backend)) == strip(before)


def strip(rules: str) -> str:
    """Return rules without counters and the times in comments of iptables-save."""
    return re.sub(r"#.*|\[\d+:\d+\]", "", rules)


PAIRWISE = {
    "nftables": """
ip netns exec r nft -f - <<'END'
add table inet netorch_lab
delete table inet netorch_lab
table inet netorch_lab {
    comment "netorch:lab"
    chain forward {
        type filter hook forward priority 0; policy accept;
        meta nfproto ipv4 oifname "n0" ct state established,related accept
        meta nfproto ipv4 iifname "n1" oifname "n0" drop comment "n0: not from network n1"
    }
}
END
""",
    "iptables": """
ip netns exec r iptables-legacy-save | sed '/netorch-lab/d' | ip netns exec r iptables-legacy-restore
for c in pre out post; do ip netns exec r iptables-legacy -t nat -F; done
ip netns exec r sh -ec '
    iptables-legacy -N netorch-lab-fwd
    iptables-legacy -A netorch-lab-fwd -m comment --comment netorch:lab
    iptables-legacy -A netorch-lab-fwd -i n1 -o n0 -m comment --comment "n0: not from network n1" -j DROP
    iptables-legacy -I FORWARD -m comment --comment netorch:lab -j netorch-lab-fwd'
""",
}
"""Replaces the filter by one with rules for pairs of networks, as earlier versions made it."""


def test_rules_for_pairs_are_replaced_and_removed(host: Host, backend: str) -> None:
    host.write("lab.yaml", topology(backend, 9).replace("node: r, ", "node: r, isolated: true, "))
    host.netorch("apply", "lab.yaml")
    before = rules_of(host, backend)
    host.run("sh", "-ec", PAIRWISE[backend])
    differences = host.netorch("diff", "lab.yaml", check=False)
    assert differences.returncode == 2 and "n0: not from network n1" in differences.stdout
    assert len([text for text in differences.stdout.splitlines() if not text.startswith(" ")]) == 2
    host.netorch("apply", "lab.yaml")
    assert strip(rules_of(host, backend)) == strip(before)
    host.run("sh", "-ec", PAIRWISE[backend])
    host.netorch("destroy", "lab")
    assert host.run("ip", "netns").stdout == ""


def test_accepts_of_many_networks_beside_a_firewall_that_drops(host: Host) -> None:
    host.run("iptables-nft", "-P", "FORWARD", "DROP")
    host.run("iptables-nft", "-A", "FORWARD", "-i", "docker0", "-j", "ACCEPT")
    before = host.run("nft", "list", "ruleset").stdout
    networks = [
        f"  n{number}: {{mode: nat, subnet: {subnet(number)}.0/24}}" for number in range(40)
    ]
    host.write("lab.yaml", "\n".join(["name: lab", "nodes: {}", "networks:", *networks, ""]))
    host.netorch("apply", "lab.yaml")
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout
    accepts = host.run("iptables-nft", "-S", "FORWARD").stdout.splitlines()
    for number in range(40):
        assert any(f" -o n{number} " in line for line in accepts)
    host.run(
        "iptables-nft",
        "-D",
        "FORWARD",
        *accepts[-1].split()[2:-4],
        "--comment",
        "netorch:lab",
        "-j",
        "ACCEPT",
    )
    assert "1 to" in host.netorch("diff", "lab.yaml", check=False).stdout
    host.netorch("apply", "lab.yaml")
    host.netorch("destroy", "lab")
    assert host.run("nft", "list", "ruleset").stdout == before
