"""Tunnels between machines inside WireGuard. Only the third test kernel has it (tests/qemu)."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable

import pytest

from netorch.kinds.base.curve25519 import public_key
from tests.kernel.host import SOURCE
from tests.kernel.kindcase import require
from tests.kernel.machines import Machine, Machines, diff_machines

SECRETS = [b64encode(bytes([8 * number]) * 32).decode() for number in (1, 2, 3)]
KEYS = [b64encode(public_key(bytes([8 * number]) * 32)).decode() for number in (1, 2, 3)]


def lab(racks: Machines, *, ipv6: bool = False) -> str:
    hosts = "\n".join(
        f"  {rack.name}: {{address: '{rack.address6 if ipv6 else rack.address}',"
        f" public_key: {key}}}"
        for rack, key in zip(racks, KEYS, strict=False)
    )
    return f"""
name: lab
hosts:
{hosts}
tunnels: {{wireguard: true, private_key_file: secret.key}}
nodes:
  a: {{on: rack1, networks: [lan]}}
  b: {{on: rack2, networks: [lan]}}
links:
  - {{endpoints: [a:eth9, b:eth9], subnet: [10.0.0.0/30, "fd00::/64"]}}
networks:
  lan: {{subnet: 10.60.0.0/24}}
"""


def write(rack: Machine, text: str) -> None:
    rack.write("topo.yaml", text)
    rack.write("secret.key", SECRETS[int(rack.name[-1]) - 1] + "\n").chmod(0o600)


def full(rack: Machine, node: str, target: str, size: int) -> bool:
    """Tell whether an answer comes to a packet that must not be fragmented."""
    words = ("ping", "-c1", "-W5", "-Mdo", "-s", str(size - 28), target)
    return rack.run("ip", "netns", "exec", node, *words, check=False).returncode == 0


@pytest.mark.qemu
@pytest.mark.parametrize("ipv6", [False, True])
def test_tunnels_inside_wireguard(machines: Callable[[int], Machines], ipv6: bool) -> None:
    racks = machines(2)
    one, two = racks
    require(one, "wireguard")
    require(one, "vxlan")
    # WireGuard itself turns it off when an interface comes up (wg_open), and never on again
    ignore = ["host: sysctl net/ipv4/conf/all/send_redirects"]
    before = racks.snapshot()
    for rack in racks:
        write(rack, lab(racks, ipv6=ipv6))
    # a port that another interface has
    one.run("sh", "-ec", "ip link add other type wireguard; wg set other listen-port 51820")
    one.run("ip", "link", "set", "other", "up")
    taken = one.netorch("apply", check=False)
    assert "wireguard host/lab-wg: UDP port 51820 of rack1 is in use already." in taken.stderr
    assert (taken.returncode, taken.stdout) == (1, "")
    one.run("ip", "link", "delete", "other")
    assert diff_machines(before, racks.snapshot(), ignore) == []
    for rack in racks:
        rack.netorch("apply")
    assert one.reaches("a", "10.0.0.2")
    assert one.reaches("a", "fd00::2")
    assert one.reaches("a", "10.60.0.2")
    assert two.reaches("b", "10.60.0.1")
    mtu = 1350 if ipv6 else 1370
    assert one.ip("-n", "a", "link", "show", "eth9")[0]["mtu"] == mtu
    assert full(one, "a", "10.0.0.2", mtu)
    assert full(two, "b", "10.60.0.1", mtu)
    # nothing but WireGuard is on the network between the machines
    with racks.router.start(
        "timeout", "60", "tcpdump", "-nli", "to-rack1", "-c", "4", "udp or ip proto 1"
    ) as dump:
        assert dump.stderr is not None and dump.stdout is not None
        while "listening on" not in dump.stderr.readline():
            pass
        assert one.ping("a", "10.0.0.2", count=2)
        lines = dump.stdout.read().splitlines()
    assert len(lines) == 4
    assert all(".51820 > " in line and ".51820: UDP" in line for line in lines), lines
    # the rule of docs/security.md
    page = (SOURCE / "docs/security.md").read_text()
    one.run("sh", "-ec", next(line for line in page.splitlines() if line.startswith("nft ")))
    assert one.reaches("a", "10.0.0.2")
    one.run("nft", "delete", "table", "inet", "tunnels")
    for rack in racks:
        assert rack.netorch("diff").stdout == "lab: in sync\n"
    answer = json.loads(one.netorch("explain", "a", "10.0.0.2", "-o", "json").stdout)
    assert answer["outcome"] == "arrives"
    (tunnel,) = answer["there"]["hops"][0]["tunnels"]
    assert tunnel["encrypted"] and tunnel["mtu"] == mtu
    for text in (
        one.netorch("show", "lab").stdout,
        one.netorch("show", "lab", "-o", "yaml").stdout,
    ):
        assert SECRETS[0][:40] not in text
    # a peer that is gone is drift, and is mended
    one.run("wg", "set", "lab-wg", "peer", KEYS[1], "remove")
    assert not one.ping("a", "10.0.0.2")
    explained = one.netorch("explain", "a", "10.0.0.2", check=False).stdout
    assert "lab-wg has no peer with fd" in explained
    assert f"+ peer host/lab-wg {KEYS[1]}" in one.netorch("diff", check=False).stdout
    one.netorch("apply")
    assert one.reaches("a", "10.0.0.2")
    for rack in racks:
        rack.netorch("destroy", "lab")
    assert diff_machines(before, racks.snapshot(), ignore) == []


def test_keys_that_are_wrong_change_nothing(machines: Callable[[int], Machines]) -> None:
    racks = machines(2)
    one = racks[0]
    before = racks.snapshot()
    write(one, lab(racks))
    key = one.directory / "secret.key"
    for command, message in {
        "rm secret.key": f"{key}: No such file or directory. The path is relative to the topology's"
        f" folder, {one.directory}.",
        f"echo {SECRETS[0]} >secret.key; chmod 644 secret.key": f"{key}: everybody can read this"
        f" key. Run chmod 600 {key}.",
        f"echo {SECRETS[1]} >secret.key; chmod 600 secret.key": f"secret.key has the public key"
        f" {KEYS[1]}, but in `hosts` it is {KEYS[0]}. Correct `public_key` in the file on all"
        " machines, or the key file on this one.",
    }.items():
        one.run("sh", "-c", command)
        for verb in ("diff", "apply"):
            done = one.netorch(verb, check=False)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr.splitlines()[0].endswith(f"wireguard host/lab-wg: {message}")
    assert diff_machines(before, racks.snapshot()) == []
