"""Test which routes and addresses of the owner take traffic from a network's subnet."""

from __future__ import annotations

import json

import pytest

from tests.kernel.host import Host, diff_snapshots

FILE = """\
name: lab
nodes: {a: {networks: [lan]}, $MORE}
networks: {lan: {mode: nat, node: $OWNER, subnet: [10.60.0.0/24, "fd60::/64"]}}
"""
LOCK = ["files: /run/netorch/"]

LESS_SPECIFIC = [
    "route add 0.0.0.0/1 dev tun9",
    "route add 0.0.0.0/1 dev tun9 table 51820",
    "-6 route add fd00::/8 dev tun9",
    "-6 route add ::/1 dev tun9",
    "route add blackhole 10.0.0.0/8",
    "route add unreachable 10.60.0.0/23 metric 9",
    "-6 route add prohibit fd60::/63",
    "route add default via 192.0.2.9",
]
TAKES = [
    "route add 10.60.0.0/24 dev tun9",
    "route add 10.60.0.0/24 dev tun9 table 77",
    "route add 10.60.0.128/25 dev tun9",
    "route add blackhole 10.60.0.9",
    "-6 route add fd60::/64 dev tun9",
    "-6 route add fd60::7 dev tun9",
    "-6 route add unreachable fd60::/80",
    "addr add 10.60.0.7/8 dev tun9",
    "addr add 10.200.0.7/8 dev tun9",
    "addr add 10.60.0.7/25 dev tun9",
    "addr add fd60::7/16 dev tun9 nodad",
    "route add 10.99.0.0/16 via 10.60.0.9 dev tun9 onlink",
]
TUN = "link add tun9 type bridge; ip link set tun9 up; ip addr add 192.0.2.1/24 dev tun9"


def write(host: Host, owner: str) -> str:
    """Write a file whose network is on the host or in a foreign namespace.

    Return the option that makes `ip` work there.
    """
    if owner == "host":
        host.write("topo.yaml", FILE.replace("$MORE", "").replace("$OWNER", "host"))
        where = ""
    else:
        host.run("ip", "netns", "add", "box")
        host.write(
            "topo.yaml", FILE.replace("$MORE", "box: {attach: netns:box}").replace("$OWNER", "box")
        )
        where = "-n box "
    host.run("sh", "-ec", f"ip {TUN}".replace("ip ", f"ip {where}"))
    return where


@pytest.mark.parametrize("owner", ["host", "box"])
def test_less_specific_routes_take_nothing(host: Host, owner: str) -> None:
    where = write(host, owner)
    for line in LESS_SPECIFIC:
        host.run("ip", *where.split(), *line.split())
    before = host.snapshot()
    assert "already" not in host.netorch("apply").stderr
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert host.ping("a", "10.60.0.1")
    assert host.ping("a", "fd60::1")
    host.netorch("destroy", "lab")
    assert diff_snapshots(before, host.snapshot(), LOCK) == []


@pytest.mark.parametrize("line", TAKES)
def test_equal_and_more_specific_ones_take_a_new_subnet(host: Host, line: str) -> None:
    write(host, "host")
    host.run("ip", *line.split())
    before = host.snapshot()
    refused = host.netorch("apply", check=False)
    assert refused.returncode == 1
    assert ", which overlaps with " in refused.stderr
    assert diff_snapshots(before, host.snapshot(), LOCK) == []


@pytest.mark.parametrize("owner", ["host", "box"])
def test_a_live_subnet_is_compared_and_mended_whatever_comes(host: Host, owner: str) -> None:
    where = write(host, owner)
    host.netorch("apply")
    for line in (
        *LESS_SPECIFIC,
        "route add 10.60.0.128/25 dev tun9",
        "-6 route add fd60::/80 dev tun9",
    ):
        host.run("ip", *where.split(), *line.split())
    there = host.snapshot()
    diff = host.netorch("diff")
    assert diff.stdout == "lab: in sync\n"
    assert f"{owner} already reaches 10.60.0.128/25 by another route," in diff.stderr
    host.run("ip", *where.split(), "addr", "del", "10.60.0.1/24", "dev", "lan")
    host.run("ip", "-n", "a", "route", "del", "default")
    assert host.netorch("diff", check=False).returncode == 2
    host.netorch("apply")
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert diff_snapshots(there, host.snapshot(), LOCK) == []


CHOSEN = """\
nodes: {a: {networks: [lan]}}
networks: {lan: {mode: nat, subnet: [auto, auto6]}}
"""


def test_a_chosen_subnet_works_and_the_file_stays_in_sync(host: Host) -> None:
    host.write("lab.yaml", CHOSEN)
    before = host.snapshot()
    host.netorch("apply", "lab.yaml")
    bridge = host.run("ip", "-br", "addr", "show", "dev", "lan").stdout.split()
    gateways = [text.partition("/")[0] for text in bridge if text.startswith(("10.210.", "fd"))]
    assert len(gateways) == 2
    assert all(host.ping("a", gateway) for gateway in gateways)
    assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
    host.netorch("apply", "--name", "other", "lab.yaml")
    host.run("ip", "addr", "del", f"{gateways[0]}/24", "dev", "lan")
    assert f"{gateways[0]}/24" in host.netorch("diff", "lab.yaml", check=False).stdout
    host.netorch("apply", "lab.yaml")
    assert host.ping("a", gateways[0])
    host.netorch("destroy", "lab")
    host.netorch("destroy", "other")
    assert diff_snapshots(before, host.snapshot(), LOCK) == []


@pytest.mark.parametrize("version", [4, 6])
def test_a_chosen_subnet_in_use_is_refused_with_a_free_pool(host: Host, version: int) -> None:
    host.write("lab.yaml", CHOSEN)
    host.run("sh", "-ec", f"ip {TUN}")
    host.run("ip", "route", "add", "10.211.7.0/24", "dev", "tun9")
    host.run("ip", "-6", "route", "add", "fd00:0:1:9::/64", "dev", "tun9")
    report = json.loads(host.netorch("validate", "-o", "json", "lab.yaml").stdout)
    (network,) = report["files"]
    subnet = network["subnets"]["lan"][0 if version == 4 else 1]
    host.run("ip", f"-{version}", "route", "add", subnet, "dev", "tun9")
    before = host.snapshot()
    refused = host.netorch("apply", "lab.yaml", check=False)
    assert refused.returncode == 1
    pool = "10.212.0.0/16" if version == 4 else '"fd00:0:2::/48"'
    remedy = f"defaults: {{network: {{pool: {pool}}}}}"
    assert remedy in refused.stderr
    assert diff_snapshots(before, host.snapshot(), LOCK) == []
    host.write("lab.yaml", f"{remedy}\n{CHOSEN}")
    host.netorch("apply", "lab.yaml")
    assert host.netorch("diff", "lab.yaml").stdout == "lab: in sync\n"
