"""Interfaces, files and commands that a user writes in another way than netorch expects."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host

LAB = """name: lab
nodes: {pc: {}, r1: {forwarding: true}, web: {}}
links:
  - {endpoints: [pc:eth0, r1:lan], subnet: 10.1.0.0/24}
  - {endpoints: [web:eth0, r1:dmz], subnet: 10.2.0.0/24}
"""


def test_an_interface_as_diff_prints_it(host: Host) -> None:
    host.write("lab.yaml", LAB)
    host.netorch("apply", "lab.yaml")
    assert host.netorch("link", "r1/dmz", "down").stdout == "lab: r1 dmz is down\n"
    assert host.netorch("link", "r1/dmz", "up").stdout == "lab: r1 dmz is up\n"
    assert host.netorch("impair", "r1/dmz", "--clear").returncode == 0
    first = host.netorch("explain", "pc/eth0", "web/eth0", check=False).stdout.splitlines()[0]
    assert first == "pc:eth0 → web:eth0: ICMP echo from 10.1.0.1 to 10.2.0.1"
    words = ("capture", "r1/dmz", "pc/eth0", "icmp", "--duration", "0.1", "-o", "text")
    assert "capturing on r1:dmz, pc:eth0" in host.netorch(*words).stderr


@pytest.mark.parametrize("end", ["r1/dmz", "r1:dmz"])
def test_an_interface_in_the_place_of_a_node(host: Host, end: str) -> None:
    host.write("lab.yaml", LAB)
    host.netorch("apply", "lab.yaml")
    done = host.netorch("exec", end, "true", check=False)
    assert done.stderr.endswith(f"{end!r} is an interface: write its node, r1.\n")
    for words in (["show", end], ["show", "lab", end]):
        assert "Write `netorch show r1`." in host.netorch(*words, check=False).stderr


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["capture", "r1", "dmz"], "Write an interface as r1:dmz."),
        (["capture", "r1", "dmz", "icmp"], "Write an interface as r1:dmz."),
        (["capture", "r1", "eth9"], "If it is an interface, write r1:eth9."),
        (["capture", "r1", "webb"], "Did you mean 'web'?"),
        (["explain", "pc", "web:80"], "If 80 is a port, write --tcp 80 instead."),
        (["explain", "pc", "10.2.0.1:80"], "If 80 is a port, write --tcp 80 instead."),
        (["exec", "r1", "ip a | head"], "For a line of a shell, write sh -c 'ip a | head'."),
        (["exec", "*", "ip a"], "For a line of a shell, write sh -c 'ip a'."),
        (["apply", "lab"], "a live topology of this name. Specify its file: "),
        (["enable", "lab"], "a live topology of this name. Specify its file: "),
    ],
)
def test_the_remedy_names_what_was_meant(host: Host, words: list[str], remedy: str) -> None:
    file = host.write("lab.yaml", LAB)
    host.netorch("apply", "lab.yaml")
    done = host.netorch(*words, check=False)
    assert done.returncode in (1, 127)
    assert remedy in done.stderr
    if words[1] == "lab":
        assert done.stderr.endswith(f"{file}.\n")


def test_the_default_file_with_the_other_suffix(host: Host) -> None:
    host.write("topo.yml", LAB)
    done = host.netorch("apply", check=False)
    there = "there is no topo.yaml here, but there is a topo.yml"
    assert done.stderr == f"netorch: {there}: specify a FILE\n"
    done = host.netorch("diff", check=False)
    assert done.stderr == f"netorch: {there}, and no topology is live: specify a FILE\n"
