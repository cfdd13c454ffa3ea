"""Test every file in topologies/: it comes up, and destroy leaves no trace of it.

In between, each node reaches what it should reach, and nothing that it should not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kernel.engine import Engine
from tests.kernel.host import SOURCE, Host, diff_snapshots
from tests.kernel.kindcase import require
from tests.kernel.traffic import mbit, round_trip, serve

FOLDER = SOURCE / "topologies"
FILES = [
    path
    for path in sorted(FOLDER.glob("*.yaml"))
    # test_three_machines.py has those for several machines
    if "\nhosts:" not in path.read_text()
]

# Pings in addition to the files' own checks: (from, to, whether an answer comes).
PINGS: dict[str, list[tuple[str | None, str, bool]]] = {
    "rate-limit": [
        ("gold", "server", True),
        ("server", "dsl", True),
        ("silver", "fd00:64::4", True),
        (None, "10.64.0.1", False),
    ],
    "none": [("alone", "::1", True), (None, "10.0.0.2", False)],
    "veth-pair": [(None, "10.0.0.2", True), ("ns1", "10.0.0.1", True), ("ns1", "192.0.2.1", False)],
    "two-segments": [
        ("a1", "fd00:1::2", True),
        ("b1", "fd00:2::2", True),
        ("a1", "10.0.2.1", False),
        ("a1", "fd00:2::1", False),
        ("spy", "fd00:1::1", False),
        (None, "10.0.1.1", False),
        ("a1", "ff02::1%eth0", True),
    ],
    "host-only": [
        (None, "192.168.56.100", True),
        (None, "fd00:56::100", True),
        ("guest1", "fd00:56::102", True),
        ("guest3", "192.168.56.1", True),
        ("guest1", "fd00:99::1", False),
    ],
    "routers": [
        ("h1", "10.0.3.2", True),
        ("h1", "fd00:12::2", True),
        ("h3", "fd00:2::2", True),
        ("h1", "198.51.100.1", False),
    ],
    "docker-bridge": [
        ("mybox2", "172.17.0.1", True),
        ("mybox2", "172.21.0.1", False),
        ("other2", "mybox1", False),
        ("pc-a", "192.0.2.1", True),
    ],
    "publish": [
        ("pc", "192.0.2.1", True),
        ("client", "fd17::2", True),
        ("web", "2001:db8::2", True),
        ("pc", "fd17::2", False),
    ],
    "vm-modes": [
        ("vm-none", "192.168.1.10", False),
        ("vm-nat", "192.168.56.1", False),
        ("router", "192.168.56.2", False),
    ],
    "containers": [
        ("web", "fd20::2", True),
        ("db", "fd20::1", True),
        ("probe", "fd20::1", True),
        ("web", "172.17.0.3", True),
        ("db", "10.20.2.2", False),
        (None, "10.20.0.1", False),
    ],
    "macvlan": [
        ("pc", "192.168.1.128", True),
        ("box", "192.168.1.20", True),
        ("lone1", "198.51.100.1", True),
    ],
    "ipvlan": [
        ("shop1", "fd20::1", True),
        ("shop2", "fd20::2", True),
        ("shop1", "fd20::2", True),
        ("box", "198.51.100.2", True),
    ],
    "star-100": [
        ("h1", "10.100.2.2", True),
        ("h99", "10.100.1.1", True),
        (None, "10.100.1.2", False),
    ],
}


# Link kinds and qdiscs that not every kernel has. Such a file runs on the second test kernel, too.
NEEDS: dict[str, tuple[str, ...]] = {
    "ipvlan": ("ipvlan", "vlan"),
    "tunnels": ("gre",),
    "wan": ("netem",),
    "wireguard": ("wireguard",),
    "vlan-trunk": ("bridge-vlans", "vlan"),
    "bond": ("bond",),
    "vrf": ("vrf",),
}
THIRD = {"wireguard"}
"""The files among them whose kinds only the third test kernel has."""


def start_containers(host: Host) -> None:
    engine = Engine(host)
    for name in ("web", "db"):
        engine.run(name)


# What a file needs on the machine before it is applied.
AROUND: dict[str, Callable[[Host], None]] = {"containers": start_containers}


SERVES: dict[str, dict[str, tuple[str, ...]]] = {"publish": {"web": ("tcp:80",)}}
"""The servers that a file's checks of TCP need: file → node → ports."""


def checks_of(path: Path) -> list[tuple[str | None, str, bool]]:
    """Return the file's own checks as pings, without those of TCP or an MTU."""
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    pings: list[tuple[str | None, str, bool]] = []
    for check in content.get("checks", []):
        if "from" in check and not check.keys() & {"tcp", "mtu"}:
            where = None if check["from"] == "host" else check["from"]
            pings.append((where, check["to"], check.get("reachable", True)))
    return pings


def number_of_checks(path: Path) -> int:
    return len(yaml.safe_load(path.read_text()).get("checks", []))


def copied(host: Host, path: Path) -> Path:
    """Copy a file and the folder of its name to a place where only root can read the keys."""
    host.run("cp", "-r", path, path.with_suffix(""), host.directory)
    host.run("chmod", "-R", "go-rwx", host.directory / path.stem)
    return host.directory / path.name


def address_of(host: Host, name: str) -> str:
    """Return the address that the nodes' hosts files give for a name, or an address itself."""
    for file in (host.root / "etc/netns").glob("*/hosts"):
        for line in file.read_text().splitlines():
            if name in line.split()[1:]:
                return line.split()[0]
    return name


def answers_to(host: Host, source: str | None, target: str) -> bool:
    """Return whether a ping from a node is answered. netorch enters a namespace without a name."""
    if source is None or (host.root / "run/netns" / source).exists():
        return host.ping(source, target)
    return (
        host.netorch(
            "exec", source, "ping", "-n", "-q", "-W", "2", "-c", "1", target, check=False
        ).returncode
        == 0
    )


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path,
            id=path.stem,
            marks=[pytest.mark.qemu if path.stem in THIRD else pytest.mark.uml]
            if path.stem in NEEDS
            else [],
        )
        for path in FILES
    ],
)
def test_a_topology_does_what_it_says(host: Host, path: Path) -> None:
    require(host, *NEEDS.get(path.stem, ()))
    AROUND.get(path.stem, lambda _: None)(host)
    path = copied(host, path) if path.with_suffix("").is_dir() else path
    before = host.snapshot()
    assert "ok, topology" in host.netorch("validate", path).stdout
    host.netorch("apply", path)
    for source, target, answers in (*PINGS.get(path.stem, []), *checks_of(path)):
        knows = (
            source is not None and (host.root / "etc/netns" / source).exists()
        )  # only nodes know names
        address = target if knows else address_of(host, target)
        assert answers_to(host, source, address) is answers, f"{source or 'the host'} → {target}"
    for node, sockets in SERVES.get(path.stem, {}).items():
        serve(host, node, *sockets)
    # `netorch check` agrees with ping, and also passes the checks that ping cannot make
    report = json.loads(host.netorch("check", path, "-o", "json", check=False).stdout)
    assert [
        pair for check in report["checks"] for pair in check["pairs"] if not pair["passed"]
    ] == []
    assert (report["passed"], report["in_sync"], len(report["checks"])) == (
        True,
        bool(report["checks"]) or None,
        number_of_checks(path),
    )
    diff = host.netorch("diff", path)
    assert (diff.stdout, diff.stderr) == (f"{path.stem}: in sync\n", "")
    again = host.netorch("apply", path)
    assert again.stdout == f"{path.stem}: in sync, nothing to do\n"
    # with -q, destroy reads less; the tests of the kinds cover destroy with its output
    host.netorch("destroy", "-q", path)
    assert diff_snapshots(before, host.snapshot()) == []


def test_no_file_is_forgotten_here() -> None:
    """A topology without pings in this module has checks in its own file."""
    assert {path.stem for path in FILES} >= PINGS.keys()
    assert [path.name for path in FILES if path.stem not in PINGS and not checks_of(path)] == []


@pytest.mark.uml
def test_a_cut_cable_of_the_triangle_is_gone_around(host: Host) -> None:
    host.netorch("apply", FOLDER / "routers.yaml")
    assert "10.0.12.2" in host.run("ip", "-n", "r1", "route", "get", "10.0.2.2").stdout
    host.run("ip", "-n", "r1", "link", "set", "to-r2", "down")
    assert "10.0.13.2" in host.run("ip", "-n", "r1", "route", "get", "10.0.2.2").stdout
    assert "10.0.23.2" in host.run("ip", "-n", "r2", "route", "get", "10.0.1.2").stdout
    assert host.ping("h1", "h2")
    assert host.ping("h1", "fd00:2::2")
    host.netorch("apply", FOLDER / "routers.yaml")
    assert "10.0.12.2" in host.run("ip", "-n", "r1", "route", "get", "10.0.2.2").stdout
    assert host.ping("h2", "h1")


@pytest.mark.uml
def test_vlans_are_apart_where_their_router_stands_still(host: Host) -> None:
    require(host, *NEEDS["vlan-trunk"])
    host.netorch("apply", FOLDER / "vlan-trunk.yaml")
    assert host.ping("office2", "server2")
    host.run("ip", "netns", "exec", "router", "sysctl", "-qw", "net.ipv4.ip_forward=0")
    assert not host.ping("office2", "server2")
    assert host.ping("office2", "office1")
    assert host.ping("server2", "10.0.20.1")
    macs = {
        node: host.ip("-n", node, "link", "show", "eth0")[0]["address"]
        for node in ("office1", "server1")
    }
    table = json.loads(host.run("bridge", "-j", "-n", "netorch-vlan-trunk", "fdb").stdout)
    seen = {entry["mac"]: entry.get("vlan") for entry in table if "vlan" in entry}
    assert (seen[macs["office1"]], seen[macs["server1"]]) == (10, 20)


@pytest.mark.uml
def test_a_bond_goes_on_with_the_cable_that_is_left(host: Host) -> None:
    require(host, *NEEDS["bond"])
    host.netorch("apply", FOLDER / "bond.yaml")
    for cable, other in (("eth0", "eth1"), ("eth1", "eth0")):
        host.run("ip", "-n", "a", "link", "set", cable, "down")
        _soon(lambda other=other: _active(host, "a") == _active(host, "b") == other)
        assert host.ping("a", "10.0.0.2")
        assert host.ping("b", "fd00::1")
        host.netorch("apply", FOLDER / "bond.yaml")
        _soon(lambda: _active(host, "a") == _active(host, "b") == "eth0")
        assert host.ping("b", "10.0.0.1")


@pytest.mark.uml
def test_customers_with_the_same_addresses_have_nothing_of_each_other(host: Host) -> None:
    require(host, *NEEDS["vrf"])
    host.netorch("apply", FOLDER / "vrf.yaml")
    host.run("ip", "-n", "blue2", "link", "set", "eth0", "down")
    assert host.ping("red1", "10.0.2.2")
    assert not host.ping("blue1", "10.0.2.2")
    host.run("ip", "-n", "red1", "addr", "del", "10.9.0.1/32", "dev", "lo")
    assert not host.ping("red2", "10.9.0.1")
    host.netorch("apply", FOLDER / "vrf.yaml")
    assert host.ping("blue1", "10.9.0.1")
    assert host.ping("red2", "10.9.0.1")


def _active(host: Host, node: str) -> str:
    return str(
        host.ip("-d", "-n", node, "link", "show", "bond0")[0]["linkinfo"]["info_data"].get(
            "active_slave"
        )
    )


def _soon(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_hundred_spokes_are_quick(host: Host) -> None:
    """An apply takes less than 30 s on any machine.

    Making a hundred cables one by one with `ip` takes longer.
    """
    result = host.netorch("apply", FOLDER / "star-100.yaml", timeout=30)
    assert "star-100: " in result.stdout
    names = sorted(path.name for path in (host.root / "run/netns").iterdir())
    assert names == sorted(["hub", *(f"h{number}" for number in range(1, 101))])
    assert len(host.ip("-n", "hub", "route", "show", "proto", "kernel")) == 100


@pytest.mark.uml
def test_the_wan_is_far_away_and_faster_down_than_up(host: Host) -> None:
    require(host, "netem")
    host.netorch("apply", FOLDER / "wan.yaml")
    assert 40 < round_trip(host, "pc", "server") < 250
    assert 0.5 < mbit(host, "pc", "server", "10.2.0.2") < 2.5
    assert 2.5 < mbit(host, "server", "pc", "10.1.0.2") < 20
    diff = host.netorch("diff", FOLDER / "wan.yaml", "--set", "loss=100%", check=False).stdout
    assert "~ impair main/wan  loss none → 100%  [update]" in diff
    host.netorch("apply", FOLDER / "wan.yaml", "--set", "loss=100%")
    assert not host.ping("pc", "server")


def test_each_customer_gets_what_they_pay_for(host: Host) -> None:
    require(host, "tbf")
    host.netorch("apply", FOLDER / "rate-limit.yaml")
    server, gold, silver, dsl = (f"10.64.0.{number}" for number in range(1, 5))
    assert 10 < mbit(host, "gold", "server", server) < 55
    assert 3 < mbit(host, "server", "silver", silver) < 11
    assert 0.3 < mbit(host, "dsl", "server", server) < 1.3
    assert 4 < mbit(host, "gold", "dsl", dsl) < 18
    assert 10 < mbit(host, "server", "gold", gold) < 55
