"""MTUs that Linux refuses for kinds of links."""

from __future__ import annotations

import pytest

from netorch.errors import FileError
from netorch.resolve.loader import load


def errors_of(interface: str, more: str = "") -> list[str]:
    """Return `CODE MESSAGE` of the errors of a file with this interface."""
    text = f"nodes: {{a: {{interfaces: {{x: {interface}}}}}, b: {{}}}}\n{more}"
    try:
        load(text.encode(), "lab.yaml")
    except FileError as error:
        return [f"{problem.code} {problem.what}" for problem in error.problems]
    return []


WRONG = {
    "{kind: bridge, mtu: 65536}": "bad-number",
    "{kind: vrf, table: 9, mtu: 1279}": "bad-number",
    "{kind: sit, remote: 192.0.2.1, mtu: 1279}": "bad-number",
    "{kind: tap, mtu: 65522}": "bad-number",
    "{kind: geneve, vni: 5, remote: 192.0.2.1, mtu: 65486}": "bad-number",
    "{kind: geneve, vni: 5, remote: 'fd00::1', mtu: 65466}": "mtu-too-large",
    "{kind: dummy, mtu: 2147483648}": "bad-number",
}
RIGHT = (
    "{kind: bridge, mtu: 65535}",
    "{kind: vrf, table: 9, mtu: 65575}",
    "{kind: sit, remote: 192.0.2.1, mtu: 65555}",
    "{kind: tap, mtu: 65521}",
    "{kind: tun, mtu: 65535}",
    "{kind: dummy, mtu: 2147483647}",
    "{kind: ifb, mtu: 70000}",
)


@pytest.mark.parametrize("interface", WRONG)
def test_too_much_or_too_little(interface: str) -> None:
    assert [entry.split()[0] for entry in errors_of(interface)] == [WRONG[interface]]


@pytest.mark.parametrize("interface", RIGHT)
def test_what_linux_accepts(interface: str) -> None:
    assert errors_of(interface) == []


def test_the_end_of_a_link_with_a_larger_mtu_than_a_veth_has() -> None:
    links = "links: [[a:x, b:x]]"
    assert errors_of("{mtu: 65536}", links) == [
        "mtu-too-large a:x cannot have MTU 65536: that of a veth is 65535 or less"
    ]
    assert errors_of("{mtu: 65535}", links) == []


def test_a_default_for_all_interfaces() -> None:
    assert errors_of("{kind: vrf, table: 9}", "defaults: {interface: {mtu: 1000}}") == [
        "mtu-too-small a:x cannot have MTU 1000: that of a vrf is 1280 or more"
    ]


def test_lo_carries_no_vlans() -> None:
    assert errors_of("{kind: vlan, parent: lo, id: 5}") == [
        "loopback a:lo is the loopback interface, which carries no vlan"
    ]


def warnings_of(interfaces: str, more: str = "") -> list[str]:
    text = f"nodes: {{a: {{interfaces: {{{interfaces}}}}}, b: {{}}}}\n{more}"
    return [one.what for one in load(text.encode(), "lab.yaml").warnings]


def test_a_tunnel_that_is_not_bound_may_be_larger_than_its_way() -> None:
    end = "{mtu: 1400, addresses: 10.0.0.1/24}"
    tunnel = "{kind: vxlan, vni: 1, local: 10.0.0.1, mtu: 1500%s}"
    links = "links: [[a:x, b:x]]"
    (warning,) = warnings_of(f"x: {end}, v: {tunnel % ''}", links)
    assert warning.startswith("a:v has MTU 1500, but a:x has 1400, which leaves 1350")
    bound = tunnel % ", parent: x"
    assert errors_of(f"{end}, v: {bound}", links) == [
        "mtu-too-large a:v cannot have MTU 1500: a:x has 1400, which leaves 1350 after the headers"
    ]


def test_a_tunnel_in_a_vrf_needs_an_mtu() -> None:
    vrf = "r: {kind: vrf, table: 9}"
    tunnel = "g: {kind: gre, local: 10.0.0.1, remote: 10.0.0.2, parent: r%s}"
    (warning,) = warnings_of(f"{vrf}, {tunnel % ''}")
    assert warning.startswith("a:g leaves by the VRF r, whose MTU is not that of its ports")
    assert warnings_of(f"{vrf}, {tunnel % ', mtu: 1476'}") == []
