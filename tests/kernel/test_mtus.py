"""Test MTUs: each kind of link has the limits of Linux, and lo has the MTU that Linux gives it."""

from __future__ import annotations

import pytest

from netorch.kinds.base.link import Link
from netorch.kinds.bridge import Bridge
from netorch.kinds.dummy import Dummy
from netorch.kinds.geneve import Geneve
from netorch.kinds.ifb import Ifb
from netorch.kinds.sit import Sit
from netorch.kinds.tuntap import Tap, Tun
from netorch.kinds.veth import Veth
from netorch.kinds.vrf import Vrf
from netorch.kinds.vxlan import Vxlan
from netorch.language.limits import LARGEST_MTU
from tests.kernel.host import Host
from tests.kernel.kindcase import require

MADE: dict[str, tuple[type[Link], str]] = {
    "bridge": (Bridge, "link add x type bridge"),
    "dummy": (Dummy, "link add x type dummy"),
    "geneve": (Geneve, "link add x type geneve id 5 remote 192.0.2.2"),
    "ifb": (Ifb, "link add x type ifb"),
    "sit": (Sit, "link add x type sit local 192.0.2.1 remote 192.0.2.2"),
    "tap": (Tap, "tuntap add x mode tap"),
    "tun": (Tun, "tuntap add x mode tun"),
    "veth": (Veth, "link add x type veth peer name y"),
    "vrf": (Vrf, "link add x type vrf table 9"),
    "vxlan": (Vxlan, "link add x type vxlan id 5 dstport 4789 remote 192.0.2.2"),
}


@pytest.mark.uml
@pytest.mark.parametrize("kind", MADE)
def test_the_limits_are_those_of_the_driver(host: Host, kind: str) -> None:
    require(host, kind)
    made, command = MADE[kind]
    host.run("ip", *command.split())
    (link,) = host.ip("link", "show", "dev", "x")
    least, most = made.MTUS
    assert least == max(link["min_mtu"], 68), "IPv4 needs at least 68"
    assert most == (link["max_mtu"] or LARGEST_MTU)


LO = """\
name: lo
nodes:
  a: {interfaces: {lo: {mtu: 65536}, over: {kind: vxlan, vni: 5, parent: lo}}}
  b: {interfaces: {lo: {mtu: 9000}, over: {kind: vxlan, vni: 5, parent: lo}}}
  c: {interfaces: {lo: {mtu: 2147483647, addresses: 10.255.0.1/32}, over: {kind: vxlan, vni: 5, local: 127.0.0.1, parent: lo, mtu: 65486}}}
  d: {interfaces: {lo: {addresses: 10.255.0.1/32}, over: {kind: vxlan, vni: 5, local: 10.255.0.1}}}
  host: {interfaces: {over: {kind: vxlan, vni: 5, parent: lo}}}
"""


def test_lo_has_what_linux_gives_it_and_carries_vxlan(host: Host) -> None:
    require(host, "vxlan")
    host.write("lo.yaml", LO)
    host.netorch("apply", "lo.yaml")
    host.netorch("diff", "lo.yaml")

    def mtus(*where: str) -> list[int]:
        links = {link["ifname"]: link["mtu"] for link in host.ip(*where, "link")}
        return [links["lo"], links["over"]]

    assert mtus("-n", "a") == [65536, 65486]
    assert mtus("-n", "b") == [9000, 8950]
    assert mtus("-n", "c") == [2147483647, 65486]
    assert mtus("-n", "d") == [65536, 1450], (
        "packets with lo's address as source do not leave by lo"
    )
    assert mtus() == [65536, 65486]
    over = host.ip("-n", "a", "link", "show", "dev", "over")[0]
    assert over["linkinfo"]["info_data"]["link"] == "lo"
    host.netorch("destroy", "lo")
