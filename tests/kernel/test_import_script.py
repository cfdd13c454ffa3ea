"""A shell script is run in a private host, and what it makes there becomes a topology file."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.test_failure import settled, shot

SCRIPT = """#!/bin/bash
set -e
ip netns add a
ip netns add b
ip netns add r
for n in a b; do
    ip link add to-$n netns r type veth peer name eth0 netns $n
    ip -n $n link set lo up
    ip -n $n link set eth0 up
    ip -n r link set to-$n up
done
ip -n r link set lo up
ip -n b link set eth0 address 02:00:00:00:00:0B
ip -n a addr add 10.0.1.1/24 dev eth0
ip -n b addr add 10.0.2.1/24 dev eth0
ip -n r addr add 10.0.1.254/24 dev to-a
ip -n r addr add 10.0.2.254/24 dev to-b
ip -n a route add default via 10.0.1.254
ip -n b route add default via 10.0.2.254
ip netns exec r sysctl -qw net.ipv4.ip_forward=1
echo ready
"""


def test_what_it_makes_is_a_file_that_makes_the_same(host: Host) -> None:
    host.write("setup.sh", SCRIPT)
    before = shot(host)
    done = host.netorch("import", "--run", "setup.sh", "-o", "lab.yaml")
    assert done.stdout == "" and "ready" in done.stderr
    assert settled(before, host) == [], "the script ran elsewhere"
    text = (host.directory / "lab.yaml").read_text()
    assert "name: setup" in text
    assert text.count("mac: ") == 1 and "mac: 02:00:00:00:00:0b" in text
    host.netorch("apply", "lab.yaml")
    assert host.reaches("a", "10.0.2.1")
    host.netorch("destroy", "setup")
    # the commands of the script still work, so nothing of either network is left
    host.run("bash", "setup.sh")


def test_macs_that_the_script_computes_stay(host: Host) -> None:
    host.write(
        "setup.sh",
        SCRIPT.replace("address 02:00:00:00:00:0B", "address 02:00:00:00:00:0$((5 + 4))"),
    )
    text = host.netorch("import", "--run", "setup.sh").stdout
    assert text.count("mac: ") == 4 and 'mac: "02:00:00:00:00:09"' in text


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("ip netns add a; exit 3", "setup.sh ended with status 3"),
        ("kill -9 $$", "setup.sh was ended by signal 9"),
        ("#!/no/such/shell\ntrue", "there is no program '/no/such/shell'"),
    ],
)
def test_a_script_that_fails_is_an_error(host: Host, script: str, words: str) -> None:
    host.write("setup.sh", script)
    before = shot(host)
    done = host.netorch("import", "--run", "setup.sh", "-o", "lab.yaml", check=False)
    assert done.returncode == 1 and words in done.stderr, done.stderr
    assert not (host.directory / "lab.yaml").exists()
    assert settled(before, host) == []


def test_wrong_usage_and_a_missing_file(host: Host) -> None:
    both = host.netorch("import", "--run", "setup.sh", "--live", check=False)
    assert both.returncode == 64 and "leave out SOURCE and --live" in both.stderr
    missing = host.netorch("import", "--run", "none.sh", check=False)
    assert missing.returncode == 1 and "none.sh: No such file or directory." in missing.stderr


def test_no_rule_stays_when_the_private_host_is_gone(host: Host) -> None:
    host.write(
        "nat.sh",
        """#!/bin/sh -e
ip netns add gw; ip -n gw link set lo up
ip netns exec gw iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -j MASQUERADE
ip netns exec gw iptables -A INPUT -p tcp --dport 22 -j DROP
""",
    )
    text = host.netorch("import", "--run", "nat.sh").stdout
    assert "nat: [{masquerade:" in text and "filter:" in text
    assert "stay" not in text
