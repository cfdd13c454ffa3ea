"""Test macvlans and macvtaps, with a parent in the same namespace and in another one."""

from __future__ import annotations

from tests.kernel.host import Host
from tests.kernel.kindcase import Damage, Edit, KindCase, check_kind

FILE = """
name: lab
nodes:
  a: {interfaces: {mv0: $WORDS}}
  b: {interfaces: {eth0: {kind: KIND, parent: "a:eth0", mode: bridge, addresses: [10.0.0.2/24]}}, routes: [{to: default, via: 10.0.0.9}]}
  c: {}
links: [["a:eth0", "c:eth0"], ["a:eth1", "c:eth1"]]
"""


def case(kind: str) -> KindCase:
    return KindCase(
        FILE.replace("KIND", kind),
        f"{{kind: {kind}, parent: eth0, mode: private, addresses: [10.0.0.1/24]}}",
        (kind,),
        sees=(
            ("ip -n a -d link show mv0", f"{kind} mode private"),
            ("ip -n b -d link show eth0", f"{kind} mode bridge"),
            ("ip -n b link show eth0", "link-netns a"),
        ),
        edits=(
            Edit(
                f"{{kind: {kind}, parent: eth0, addresses: [10.0.0.1/24]}}",
                f"~ {kind} a/mv0  mode private → vepa",
            ),
            Edit(
                f"{{kind: {kind}, parent: eth0, mode: bridge, mac: '02:00:00:00:00:07', "
                "mtu: 1400, txqueuelen: 7}",
                f"! {kind} a/mv0  mode vepa → bridge … [flap]",
                ("- address a/mv0 10.0.0.1/24",),
            ),
            Edit(
                f"{{kind: {kind}, parent: eth1, mode: passthru, addresses: [10.0.0.1/24]}}",
                f"± {kind} a/mv0  parent eth0 → eth1  mode bridge → passthru … [replace]",
            ),
            Edit(
                f"{{kind: {kind}, parent: eth1, mode: vepa, addresses: [10.0.0.1/24]}}",
                f"± {kind} a/mv0  parent eth1  mode passthru → vepa … [replace]",
            ),
        ),
        damages=(
            Damage(
                f"ip -n a link set mv0 type {kind} mode vepa",
                f"~ {kind} a/mv0  mode vepa → private",
            ),
            Damage(
                "ip -n a link set mv0 address 02:00:00:00:00:09 mtu 1300",
                f"! {kind} a/mv0  mtu 1300 → 1500  mac 02:00:00:00:00:09",
            ),
            Damage(
                "ip -n a link del mv0; ip -n b link set eth0 down",
                f"+ {kind} a/mv0  parent eth0  mode private",
                ("+ address a/mv0 10.0.0.1/24", "~ link b/eth0  state down → up"),
            ),
            Damage(
                "ip -n a link del eth0",
                f"+ {kind} b/eth0  parent a:eth0  mode bridge",
                ("+ address b/eth0 10.0.0.2/24", "+ route b default  via 10.0.0.9  dev eth0"),
            ),
            Damage(
                "ip -n a link set eth0 mtu 1200",
                "~ veth a/eth0  mtu 1200 → 1500",
                (f"~ {kind} a/mv0  mtu 1200 → 1500", f"~ {kind} b/eth0  mtu 1200 → 1500"),
            ),
        ),
    )


def test_a_macvlan(host: Host) -> None:
    check_kind(host, case("macvlan"))


def test_a_macvtap(host: Host) -> None:
    check_kind(host, case("macvtap"))


def test_a_macvtap_is_a_device_for_a_program(host: Host) -> None:
    file = host.write(
        "lab.yaml",
        "name: lab\nnodes: {host: {interfaces: {tap0: {kind: macvtap, parent: eth0}}}, b: {}}\n"
        "links: [[host:eth0, b:eth0]]",
    )
    host.netorch("apply", file)
    index = host.ip("link", "show", "tap0")[0]["ifindex"]
    assert host.run("cat", f"/sys/class/net/tap0/macvtap/tap{index}/dev").stdout
    assert host.ip("link", "show", "tap0")[0]["txqlen"] == 500
