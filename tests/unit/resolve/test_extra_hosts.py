"""Further names in hosts files: `extra_hosts`."""

from __future__ import annotations

import pytest

from netorch.errors import FileError
from netorch.kinds.file import EXTRA_HOSTS, NodeFile
from netorch.render.topology_file import topology
from netorch.resolve.desired import Desired
from netorch.resolve.loader import load
from tests.editor import complaints

FILE = """\
name: t
extra_hosts: {registry: 192.0.2.7, gw: host-gateway}
nodes:
  a:
    networks: [plain, lan]
    extra_hosts: {db: [10.9.0.5, "fd00::5"], me: host-gateway, registry: 192.0.2.8}
  b: {networks: plain}
  side: {attach: node:a}
  host: {}
networks:
  plain: {subnet: 10.1.0.0/24}
  lan: {mode: nat, subnet: [10.2.0.0/24, "fd02::/64"]}
"""


def lines(of: Desired, node: str) -> list[str]:
    content = next(
        one.content
        for one in of.state.values()
        if isinstance(one, NodeFile) and (one.netns, one.name) == (node, "hosts")
    )
    return content.partition(EXTRA_HOSTS)[2].splitlines()[1:]


def test_names_of_a_node_and_of_all() -> None:
    assert complaints(FILE) == []
    desired = load(FILE.encode(), "topo.yaml").desired
    own = [
        *("10.2.0.1 gw", "fd02::1 gw", "10.9.0.5 db", "fd00::5 db"),
        *("10.2.0.1 me", "fd02::1 me", "192.0.2.8 registry"),
    ]
    assert lines(desired, "a") == lines(desired, "side") == own
    assert lines(desired, "b") == ["192.0.2.7 registry"]


def test_without_names_the_file_is_as_before() -> None:
    text = "name: t\nnodes: {a: {}}\n"
    desired = load(text.encode(), "topo.yaml").desired
    assert not any(EXTRA_HOSTS in str(one) for one in desired.state.values())


@pytest.mark.parametrize(
    ("network", "address"),
    [
        ("{subnet: 10.2.0.0/24}", "10.2.0.77"),
        ("{mode: host-only, subnet: 10.2.0.0/24, gateway: 10.2.0.9}", "10.2.0.9"),
        ("{mode: routed, subnet: 10.2.0.0/24}", "10.2.0.1"),
    ],
)
def test_the_host_in_the_network(network: str, address: str) -> None:
    host = "host: {networks: {lan: 10.2.0.77}}, " if "mode" not in network else ""
    text = f"""\
name: t
nodes: {{{host}a: {{networks: lan, extra_hosts: {{me: host-gateway}}}}}}
networks: {{lan: {network}}}
"""
    assert lines(load(text.encode(), "topo.yaml").desired, "a") == [f"{address} me"]


def test_the_low_level_file_has_them() -> None:
    desired = load(FILE.encode(), "topo.yaml").desired
    again = load(topology("t", desired.state).encode(), "again.yaml").desired
    for node in ("a", "b", "side"):
        assert lines(again, node) == lines(desired, node)


def test_wrong_entries() -> None:
    text = """\
name: t
extra_hosts: {b: 10.0.0.1}
nodes:
  a: {extra_hosts: {db: host-gateway, localhost: 10.0.0.1, x: nowhere, "b d": 10.0.0.1}}
  b: {extra_hosts: ["db:10.0.0.5", "gw=host-gateway"], aliases: www}
  c: {attach: node:a, extra_hosts: {db: 10.0.0.1}}
  d: {attach: netns:d, extra_hosts: {www: 10.0.0.1}}
"""
    with pytest.raises(FileError) as refused:
        load(text.encode(), "topo.yaml")
    assert [f"{one.what} {one.remedy}".rstrip() for one in refused.value.problems] == [
        "'b' is already a name of b: use another one",
        "a is in no network in which the host has an address, so `host-gateway` has none. Write an"
        " address, or make the node a member of a network of mode nat, routed or host-only.",
        "'localhost' is already a name of each node for itself (127.0.0.1 and ::1): remove it",
        "nodes.a.extra_hosts.x: 'nowhere' is not an IP address",
        "nodes.a.extra_hosts.b d: 'b d' is not a valid DNS name",
        "nodes.b.extra_hosts: this must be a mapping, not a list. Write"
        " `extra_hosts: {db: 10.0.0.5, gw: host-gateway}`.",
        "nodes.c.extra_hosts: a node with `attach: node:…` has no `extra_hosts` of its own: write"
        " it under the other node",
        "`extra_hosts` cannot be set for d, because netorch does not make this namespace. Remove"
        " it.",
        "'www' is already a name of b: use another one",
    ]


def test_without_hosts_files() -> None:
    text = "name: t\nnames: false\nextra_hosts: {x: 10.0.0.1}\nnodes: {a: {extra_hosts: {y: 10.0.0.1}}}\n"
    with pytest.raises(FileError) as refused:
        load(text.encode(), "topo.yaml")
    assert [one.code for one in refused.value.problems] == ["no-hosts-file", "no-hosts-file"]
