"""The needs of topologies, and the sentences about limits that are too low for them."""

from __future__ import annotations

import pytest

from netorch.converge.needs import Needs, needs_of, shortages
from netorch.kernel.machine.limits import GroupMemory, Limits, Room
from netorch.resolve.loader import load

MIB = 1 << 20
STAR = """
name: lab
nodes: {'n[1-60]': {networks: [lan], routes: [{to: 10.9.0.0/16, via: 10.0.0.200}]}}
networks: {lan: {subnet: [10.0.0.0/24, "fd00::/64"], ip_range: [10.0.0.0/25, "fd00::/65"]}}
"""
NAT = """
name: lab
nodes: {'n[1-60]': {networks: [lan]}}
networks: {lan: {mode: nat, subnet: 10.0.0.0/24}}
backend: {nat: nftables}
"""


def needs(text: str) -> Needs:
    resources = list(load(text.encode(), "topo.yaml").desired.state.values())
    return needs_of(resources, (), resources)


def test_what_a_topology_needs() -> None:
    assert needs(STAR) == Needs(
        namespaces=61,  # with the one for the bridge
        links=121,
        addresses=120,
        routes=60,
        files={"/run/netns": 61, "/etc/netns": 61},
        neighbours={4: 60, 6: 60},
    )
    assert needs(STAR).is_large


def test_nat_needs_a_namespace_for_a_trial_and_connections() -> None:
    there = needs(NAT)
    assert (there.namespaces, there.trial, there.translated) == (60, True, 60)
    assert there.neighbours == {4: 61}, "with the host's address"


def test_what_is_deleted_before_is_not_needed() -> None:
    resources = list(load(STAR.encode(), "topo.yaml").desired.state.values())
    change = needs_of(resources, resources, resources)
    assert (change.namespaces, change.links, change.files["/run/netns"]) == (0, 0, 0)
    assert not change.is_large


def test_an_update_of_a_large_topology_is_not_large() -> None:
    assert not Needs(namespaces=1, links=2, addresses=1, neighbours={4: 1000}).is_large


LOW: list[tuple[Needs, Limits, str, bool, str]] = [
    (
        Needs(namespaces=61),
        Limits(namespaces=50),
        "user.max_net_namespaces: each user may have 50 network namespaces, and the topology needs "
        "61 more.",
        True,
        "sysctl -w user.max_net_namespaces=128",
    ),
    (
        Needs(namespaces=61, trial=True),
        Limits(namespaces=1061, existing_namespaces=1000),
        "user.max_net_namespaces: each user may have 1,061 network namespaces, 1,000 exist "
        "already, and the topology needs 62 more.",
        True,
        "sysctl -w user.max_net_namespaces=4096",
    ),
    (
        Needs(namespaces=61),
        Limits(mounts=100_000, existing_mounts=99_990),
        "fs.mount-max: there may be 100,000 mounts, 99,990 exist already, and the topology needs "
        "61 more, one for each namespace.",
        True,
        "sysctl -w fs.mount-max=262144",
    ),
    (
        Needs(namespaces=61, files={"/run/netns": 61, "/etc/netns": 61}),
        Limits(files={"/run/netns": Room("/run", 60), "/etc/netns": Room("/etc/netns", 61)}),
        "/run/netns: its file system has room for 60 more files, and the topology needs 61.",
        True,
        "df -i /run",
    ),
    (
        Needs(namespaces=10_000, links=20_000),
        Limits(memory=2000 * MIB),
        "memory: the topology needs about 2.7 GB, and 2.0 GB are free.",
        False,
        "free -m",
    ),
    (
        Needs(namespaces=10_000, links=20_000),
        Limits(memory=1000 * MIB),
        "memory: the topology needs about 2.7 GB, and 1000 MB are free.",
        True,
        "free -m",
    ),
    (
        Needs(namespaces=1000, links=2000),
        Limits(group=GroupMemory("/sys/fs/cgroup/lab/memory.max", 256 * MIB, 128 * MIB)),
        "/sys/fs/cgroup/lab/memory.max: the topology needs about 185 MB, and the control group of "
        "netorch may use 128 MB more.",
        False,
        "echo 499M >/sys/fs/cgroup/lab/memory.max",
    ),
    (
        Needs(neighbours={4: 513, 6: 512}),
        Limits(neighbours={4: 1024, 6: 1024}),
        "net.ipv4.neigh.default.gc_thresh3: all namespaces together may have 1,024 neighbours, and "
        "the 513 IPv4 addresses here need at least 1,026.",
        False,
        "sysctl -w net.ipv4.neigh.default.gc_thresh3=8192",
    ),
    (
        Needs(translated=5000),
        Limits(connections=65536),
        "net.netfilter.nf_conntrack_max: NAT can track 65,536 connections, and 5,000 nodes may "
        "have 80,000 or more.",
        False,
        "sysctl -w net.netfilter.nf_conntrack_max=524288",
    ),
]


@pytest.mark.parametrize(
    ("needed", "limits", "what", "certain", "command"),
    LOW,
    ids=[text.partition(":")[0] + f" {number}" for number, (_, _, text, _, _) in enumerate(LOW)],
)
def test_a_limit_that_is_too_low(
    needed: Needs, limits: Limits, what: str, certain: bool, command: str
) -> None:
    (shortage,) = shortages(needed, limits)
    assert (shortage.problem().what, shortage.certain, shortage.command) == (what, certain, command)
    assert shortage.what.startswith(shortage.object)
    assert f"`{command}`" in shortage.remedy


def test_limits_that_suffice_or_are_unknown() -> None:
    needed = needs(NAT)
    assert list(shortages(needed, Limits())) == []
    assert (
        list(
            shortages(
                needed,
                Limits(
                    namespaces=61,
                    mounts=60,
                    files={"/run/netns": Room("/run", 60), "/etc/netns": Room("/etc", 61)},
                    memory=64 * MIB,
                    group=GroupMemory("/sys/fs/cgroup/memory.max", 64 * MIB, 20 * MIB),
                    neighbours={4: 122},
                    connections=960,
                ),
            )
        )
        == []
    )
