"""`exec` in many nodes, and `show` of one."""

from __future__ import annotations

import json

from tests.kernel.host import Host

FILE = """\
name: lab
nodes: {"h[1-12]": {networks: [lan]}, r1: {networks: [lan]}}
networks: {lan: {subnet: 10.0.0.0/16, gateway: r1}}
"""


def test_a_pattern(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply", "-q")
    script = "echo in $NAME; printf rest; echo wrong >&2; exit 0"
    done = host.netorch("exec", "h*", "--", "sh", "-c", script)
    lines = done.stdout.splitlines()
    assert sorted({line.split(" | ")[0].strip() for line in lines}) == sorted(
        f"h{number}" for number in range(1, 13)
    )
    assert sum(line.endswith("| rest") for line in lines) == 12
    assert sum(line.endswith("| wrong") for line in done.stderr.splitlines()) == 12
    done = host.netorch("exec", "h[12]", "--", "ip", "-br", "address", "show", "eth0")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["h1", "h2"]
    assert "10.0.0.1/16" in done.stdout and "10.0.0.2/16" in done.stdout
    done = host.netorch("exec", "h[12]", "sh", "-c", "exit 7", check=False)
    assert (done.returncode, done.stdout) == (7, "")
    done = host.netorch("exec", "h?", "no-such-command", check=False)
    assert done.returncode == 127
    assert done.stderr == "netorch: no-such-command: command not found\n"
    done = host.netorch("exec", "x*", "true", check=False)
    assert done.returncode == 1
    assert "no live topology has a node whose name matches 'x*'." in done.stderr

    # one node
    assert host.netorch("show", "h2").stdout == host.netorch("show", "lab", "h2").stdout
    tree = host.netorch("show", "h2").stdout
    assert "└─ h2" in tree and "h1\n" not in tree
    assert host.netorch("show", "--drift").stdout == "lab: in sync\n"
    host.run("ip", "-n", "h2", "link", "set", "eth0", "mtu", "1400")
    drift = "~ veth h2/eth0  mtu 1400 → 1500  [update]\n"
    assert host.netorch("show", "--drift").stdout == f"{drift}lab: 1 to update\n"
    assert host.netorch("show", "h2", "--drift").stdout == f"{drift}lab h2: 1 to update\n"
    assert host.netorch("show", "h1", "--drift").stdout == "lab h1: in sync\n"
    document = json.loads(host.netorch("show", "h2", "--drift", "-o", "json").stdout)
    assert {row["netns"] for row in document["resources"]} == {"h2"}
    assert [row["title"] for row in document["changes"]] == ["veth h2/eth0"]
    for words, status in ((("lab", "x"), 1), (("x",), 1), (("h2", "-o", "yaml"), 64)):
        assert host.netorch("show", *words, check=False).returncode == status, words
