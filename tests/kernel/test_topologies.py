"""Every file in topologies/ does what it says: it comes up, who shall talk talks, who shall not does not, and it goes without a trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kernel.host import SOURCE, Host, diff_snapshots
from tests.kernel.kindcase import require

FOLDER = SOURCE / "topologies"
FILES = sorted(FOLDER.glob("*.yaml"))

# Beyond what the files' own checks say: (from, to, answers).
PINGS: dict[str, list[tuple[str | None, str, bool]]] = {
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
    "routers": [("h1", "10.0.3.2", True), ("h1", "fd00:12::2", True), ("h3", "fd00:2::2", True), ("h1", "198.51.100.1", False)],
    "docker-bridge": [
        ("mybox2", "172.17.0.1", True),
        ("mybox2", "172.21.0.1", False),
        ("other2", "mybox1", False),
        ("pc-a", "192.0.2.1", True),
    ],
    "publish": [("pc", "192.0.2.1", True), ("client", "fd17::2", True), ("web", "2001:db8::2", True), ("pc", "fd17::2", False)],
    "vm-modes": [("vm-none", "192.168.1.10", False), ("vm-nat", "192.168.56.1", False), ("router", "192.168.56.2", False)],
    "macvlan": [("pc", "192.168.1.128", True), ("box", "192.168.1.20", True), ("lone1", "198.51.100.1", True)],
    "ipvlan": [("shop1", "fd20::1", True), ("shop2", "fd20::2", True), ("shop1", "fd20::2", True), ("box", "198.51.100.2", True)],
    "star-100": [("h1", "10.100.2.2", True), ("h99", "10.100.1.1", True), (None, "10.100.1.2", False)],
}


# Link kinds that not every kernel has; such a file is run on the second test kernel too.
NEEDS: dict[str, tuple[str, ...]] = {"ipvlan": ("ipvlan", "vlan")}


def checks_of(path: Path) -> list[tuple[str | None, str, bool]]:
    """The file's own checks as pings; those of a protocol above are not for ping."""
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    pings: list[tuple[str | None, str, bool]] = []
    for check in content.get("checks", []):
        if "from" in check and not check.keys() & {"tcp", "mtu"}:
            where = None if check["from"] == "host" else check["from"]
            pings.append((where, check["to"], check.get("reachable", True)))
    return pings


def address_of(host: Host, name: str) -> str:
    """What the hosts files of the nodes say for a name; an address is its own answer."""
    for file in (host.root / "etc/netns").glob("*/hosts"):
        for line in file.read_text().splitlines():
            if name in line.split()[1:]:
                return line.split()[0]
    return name


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.stem, marks=[pytest.mark.uml] if path.stem in NEEDS else []) for path in FILES]
)
def test_a_topology_does_what_it_says(host: Host, path: Path) -> None:
    require(host, *NEEDS.get(path.stem, ()))
    before = host.snapshot()
    assert "ok, topology" in host.netorch("validate", path).stdout
    host.netorch("apply", path)
    for source, target, answers in (*PINGS.get(path.stem, []), *checks_of(path)):
        address = target if source else address_of(host, target)  # only nodes know names
        assert host.ping(source, address) is answers, f"{source or 'the host'} → {target}"
    diff = host.netorch("diff", path)
    assert (diff.stdout, diff.stderr) == (f"{path.stem}: in sync\n", "")
    again = host.netorch("apply", path)
    assert again.stdout == f"{path.stem}: in sync, nothing to do\n"
    host.netorch("destroy", path)
    assert diff_snapshots(before, host.snapshot()) == []


def test_no_file_is_forgotten_here() -> None:
    """A topology without pings of its own here has checks of its own there."""
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


def test_a_hundred_spokes_are_quick(host: Host) -> None:
    """A bound that no machine should miss: a hundred cables one by one with `ip` take longer than this."""
    result = host.netorch("apply", FOLDER / "star-100.yaml", timeout=30)
    assert "star-100: " in result.stdout
    names = sorted(path.name for path in (host.root / "run/netns").iterdir())
    assert names == sorted(["hub", *(f"h{number}" for number in range(1, 101))])
    assert len(host.ip("-n", "hub", "route", "show", "proto", "kernel")) == 100
