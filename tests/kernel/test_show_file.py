"""Test that `show -o yaml` prints a file that changes nothing, also after changes by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.kernel.host import Host
from tests.kernel.kindcase import require
from tests.kernel.test_topologies import AROUND, FILES, NEEDS, THIRD, copied

TEXT = """\
# the office
name: office
nodes:
  router: {forwarding: true, networks: [desks, net-of-a-long-name], routes: [{to: 10.50.0.0/16, via: 10.1.0.1}]}
  pc[1-2]:  # two of them
    networks: [desks]
  web-server-with-a-name: {networks: [out], publish: "8080:80", rules: [{from: 10.9.0.0/16, table: 7}]}
  host: {}
networks:
  desks: {subnet: 10.1.0.0/24, gateway: router}
  net-of-a-long-name: {}
  out: {mode: nat, subnet: [10.2.0.0/24, "fd02::/64"]}
links:
  - {endpoints: [pc1:cable, pc2:cable], subnet: 10.3.0.0/30}
checks: [{from: pc1, to: pc2}]
"""


def printed(host: Host, name: str, lost: int = 0) -> str:
    """Return the file of a topology after netorch has compared it with the kernel."""
    result = host.netorch("show", name, "-o", "yaml")
    host.write("shown.yaml", result.stdout)
    assert len([line for line in result.stderr.splitlines() if "not in this file" in line]) == lost
    if not lost:
        assert result.stderr == ""
        assert host.netorch("diff", "shown.yaml").stdout == f"{name}: in sync\n"
    return result.stdout


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
def test_each_topology_is_printed_as_it_was_applied(host: Host, path: Path) -> None:
    require(host, *NEEDS.get(path.stem, ()))
    AROUND.get(path.stem, lambda _: None)(host)
    path = copied(host, path) if path.with_suffix("").is_dir() else path
    host.netorch("apply", path)
    text = printed(host, path.stem)
    assert yaml.safe_load(text).keys() >= yaml.safe_load(path.read_text()).keys() - {"vars"}


@pytest.mark.uml
def test_the_words_and_comments_of_the_author_stay(host: Host) -> None:
    host.netorch("apply", host.write("lab.yaml", TEXT))
    assert printed(host, "office") == TEXT
    host.netorch("destroy", "office")
    host.netorch("apply", "--name", "copy", "lab.yaml")
    text = printed(host, "copy")
    assert text.startswith("name: copy\nprefix: copy-\n")
    assert yaml.safe_load(text)["networks"]["out"]["mode"] == "nat"


def test_a_file_without_a_name_gets_it(host: Host) -> None:
    host.netorch("apply", host.write("pair.yaml", "# two\n---\nnodes: {a: {}, b: {}}\n"))
    assert printed(host, "pair") == "# two\n---\nname: pair\nnodes: {a: {}, b: {}}\n"


def test_given_variables_are_in_it(host: Host) -> None:
    host.write("lab.yaml", "name: lab\nvars: {size: 1}\nnodes: {'n[1-$(size)]': {}}\n")
    host.netorch("apply", "lab.yaml", "--set", "size=3")
    assert yaml.safe_load(printed(host, "lab"))["nodes"].keys() == {"n1", "n2", "n3"}


BY_HAND = {
    "an mtu beside another": ("ip -n pc1 link set cable mtu 1300", "mtu: 1300"),
    "an mtu of a member": (
        "ip -n pc1 link set eth0 mtu 1300; ip -n netorch-office link set pc1-eth0 mtu 1300",
        "mtu: 1300",
    ),
    "an address more": ("ip -n pc1 addr add 10.77.0.1/24 dev eth0", "10.77.0.1/24"),
    "an address less": ("ip -n pc1 addr del 10.3.0.1/30 dev cable", ""),
    "a member of nat with one more": (
        "ip -n web-server-with-a-name addr add 10.77.0.1/24 dev eth0",
        "mode: nat",
    ),
    "another mac": ("ip -n pc2 link set eth0 address 02:aa:00:00:00:01", "02:aa:00:00:00:01"),
    "a link that is down": ("ip -n pc1 link set cable down", "state: down"),
    "a route": ("ip -n router route add 10.99.0.0/16 via 10.1.0.2", "10.99.0.0/16"),
    "no default route": ("ip -n pc1 route del default", "default_route: false"),
    "a rule": ("ip -n pc1 rule add from 10.88.0.0/16 table 9 priority 90", "10.88.0.0/16"),
    "no rule": ("ip -n web-server-with-a-name rule del from 10.9.0.0/16", ""),
    "a cable less": ("ip -n pc1 link del cable", ""),
    "an address of lo": ("ip -n pc1 addr add 10.77.0.1/32 dev lo", "10.77.0.1/32"),
    "forwarding": (
        "ip netns exec router sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0",
        "",
    ),
    "a neighbour": (
        "ip -n pc1 neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev eth0",
        "neighbours:",
    ),
    "a bridge": ("ip -n netorch-office link set desks type bridge ageing_time 6000", "ageing_time"),
    "a port": ("bridge -n netorch-office link set dev pc1-eth0 isolated on", "isolated: true"),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_a_change_by_hand_is_in_it(host: Host, case: str) -> None:
    command, word = BY_HAND[case]
    host.netorch("apply", host.write("lab.yaml", TEXT))
    host.run("sh", "-ec", command)
    assert host.netorch("diff", "lab.yaml", check=False).returncode == 2
    result = host.netorch("show", "office", "-o", "yaml")
    host.write("shown.yaml", result.stdout)
    diff = host.netorch("diff", "shown.yaml", check=False).stdout
    # the hosts files are still those of the file that was applied
    rest = [line for line in diff.splitlines() if line.startswith(("+ ", "- ", "~ ", "! "))]
    assert [line for line in rest if "file /etc/netns" not in line] == [], (result.stdout, diff)
    assert word in result.stdout
    assert "mode: nat" in result.stdout
    assert ("files in /etc/netns" in result.stderr) is bool(rest)
