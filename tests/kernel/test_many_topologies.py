"""Many topologies on one machine: `list` reads the kernel once for all of them."""

from __future__ import annotations

import json
import sys

from tests.kernel.host import Host

SEGMENT = """\
name: t{number}
prefix: t{number}-
nodes: {{'h[1-2]': {{networks: [lan]}}}}
networks: {{lan: {{mode: {mode}, subnet: 10.{number}.0.0/24}}}}
"""

CABLES = """\
name: t{number}
nodes: {{t{number}a: {{}}, t{number}b: {{routes: [{{to: 10.9.0.0/16, via: 10.0.0.1}}]}}}}
links: [{{endpoints: ['t{number}a:eth0', 't{number}b:eth0'], subnet: 10.0.0.0/30}}]
"""

BOX = """\
name: boxed
nodes: {box: {attach: 'netns:box', routes: [{to: 10.8.0.0/16, type: blackhole}]}, near: {}}
links: [{endpoints: ['near:eth0', 'box:cable'], subnet: 10.0.0.0/24}]
"""

APPLY = """\
import sys
import netorch
for file in sys.argv[1:]:
    netorch.apply(file)
"""

HARM = """\
ip -n t1-h1 address flush dev eth0
ip -n t2a link delete eth0
ip netns delete t4a
ip -n t10-h1 route add 10.77.0.0/16 dev eth0 proto 120
nft delete table inet netorch_t5
echo '{' >/run/netorch/t6/meta.json
rm -r /run/netorch/t7
rm /run/netorch/t8/topology.yaml
rm /run/netorch/t9/ownership.json
touch /run/netns/t11-h3 /run/netns/stale
mkdir /run/netns/folder
mkdir -p /etc/netns/t12a /etc/netns/odd
echo foreign >/etc/netns/t12a/resolv.conf
echo foreign >/etc/netns/odd/hosts
ip netns add ghost
ip -n ghost link set lo alias netorch:phantom
ip netns delete box
"""

COMPARE = """\
import json
from netorch.converge import live
from netorch.converge.orchestrator import Orchestrator
from netorch.kernel import reader

with Orchestrator() as orchestrator:
    names = orchestrator.names()
    apart = [live.look(orchestrator.kernel, name) for name in names]
    dumps = []
    dump = reader.dump_links
    reader.dump_links = lambda socket: dumps.append(socket) or dump(socket)
    together = orchestrator.live()
    namespaces = sum(1 for inode in orchestrator.kernel._namespaces.names().values() if inode)
differing = [
    (one.name, field)
    for one, other in zip(apart, together, strict=True)
    for field in one.__struct_fields__
    if getattr(one, field) != getattr(other, field)
]
print(json.dumps([names, differing, len(dumps), namespaces]))
"""


def test_one_look_at_all_equals_a_look_at_each(host: Host) -> None:
    """Topologies that are in sync, that have drifted, and whose records are damaged or gone.

    The names include t1 and t10, because the mark of the one is the beginning of the other's.
    """
    files = [host.write("boxed.yaml", BOX)]
    for number in range(1, 41):
        text = CABLES if number % 4 in (0, 2) else SEGMENT
        mode = "nat" if number % 8 == 5 else "segment"
        files.append(host.write(f"t{number}.yaml", text.format(number=number, mode=mode)))
    host.run("ip", "netns", "add", "box")
    host.run(sys.executable, "-c", APPLY, *files)
    in_sync = json.loads(host.netorch("list", "-o", "json").stdout)["topologies"]
    assert [entry["status"] for entry in in_sync] == ["in sync"] * 41
    for harm in ("true", HARM):
        host.run("sh", "-c", harm)
        names, differing, dumps, namespaces = json.loads(
            host.run(sys.executable, "-c", COMPARE).stdout
        )
        assert differing == []
        assert len(names) == 41 + ("phantom" in names)
        assert dumps == namespaces + 1, "one for each namespace, and one for the host"
    status = {
        entry["name"]: entry["status"]
        for entry in json.loads(host.netorch("list", "-o", "json").stdout)["topologies"]
    }
    assert {name for name, what in status.items() if what == "drifted"} >= {"t1", "t2", "t4", "t5"}
    assert status["t3"] == status["t40"] == "in sync"
    assert status["t7"] == status["phantom"] == "unknown"
    host.run("rm", "-r", "/run/netns/folder", "/etc/netns/odd", "/etc/netns/t12a/resolv.conf")
    host.netorch("destroy", "--all", "--yes", "-q")
    assert json.loads(host.netorch("list", "-o", "json").stdout)["topologies"] == []
    assert host.run("ls", "/run/netns", "/etc/netns").stdout.split() == [
        "/etc/netns:",
        "/run/netns:",
        "stale",
        "t11-h3",
    ]
