"""Test that the plan contains the side effects of netorch's own changes.

netorch must not report them as changes by something else.
"""

from __future__ import annotations

import re

import pytest

from tests.kernel.host import Host

BY_OTHERS = "changed meanwhile"


def apply(host: Host, text: str) -> str:
    """Apply the text, and return the output.

    Check that netorch reports no change by something else, and that nothing differs afterwards.
    """
    host.write("topo.yaml", text)
    done = host.netorch("apply")
    assert BY_OTHERS not in done.stdout + done.stderr, done.stdout + done.stderr
    assert host.netorch("diff").stdout == "lab: in sync\n"
    return done.stdout


def value(host: Host, node: str, name: str) -> str:
    return host.run("ip", "netns", "exec", node, "sysctl", "-n", name).stdout.strip()


MTU = """\
name: lab
nodes:
  r: {interfaces: {e0: {sysctls: {$NAMES}}}}
  s: {}
links: [{endpoints: [r:e0, s:e0], subnet: [10.0.0.0/30$SIX], mtu: $MTU}]
"""


def mtu(names: str, link: int) -> str:
    text = MTU.replace("$NAMES", names).replace("$MTU", str(link))
    return text.replace("$SIX", ', "fd00::/64"' if link >= 1280 else "")


def test_an_ipv6_mtu_next_to_that_of_the_link(host: Host) -> None:
    for number in range(5):
        apply(host, mtu("mtu: 1400", 1500))
        assert value(host, "r", "net.ipv6.conf.e0.mtu") == "1400", number
        host.netorch("destroy")
    apply(host, mtu("mtu: 1400", 1500))
    output = apply(host, mtu("mtu: 1400", 9000))
    assert "± sysctl r net.ipv6.conf.e0.mtu  value 1400  [replace]  (goes with veth r/e0)" in output
    assert value(host, "r", "net.ipv6.conf.e0.mtu") == "1400"
    apply(host, mtu("mtu: 1300", 1500))
    assert value(host, "r", "net.ipv6.conf.e0.mtu") == "1300"


def test_settings_that_only_ipv6_has_where_there_is_none(host: Host) -> None:
    """A link with an MTU below 1280 has no IPv6 and none of its settings.

    The settings come with IPv6, when the MTU grows.
    """
    names = "disable_ipv6: 0, accept_ra: 0, mtu: 1300, accept_redirects: 0"
    output = apply(host, mtu(names, 1000))
    assert "ipv6" not in output
    assert value(host, "r", "net.ipv4.conf.e0.accept_redirects") == "0"
    apply(host, mtu(names, 1500))
    for name, expected in (("accept_ra", "0"), ("mtu", "1300"), ("accept_redirects", "0")):
        assert value(host, "r", f"net.ipv6.conf.e0.{name}") == expected
    apply(host, mtu(names, 1000))
    apply(
        host,
        "name: lab\ndefaults: {interface: {sysctls: {disable_ipv6: 1}}}\nnodes: {r: {}, s: {}}\n"
        "links: [{endpoints: [r:e0, s:e0], mtu: 1000}, {endpoints: [r:e1, s:e1]}]\n",
    )
    assert value(host, "r", "net.ipv6.conf.e1.disable_ipv6") == "1"
    # the sysctls of the node may name such settings, too
    apply(
        host,
        "name: lab\nnodes: {r: {sysctls: {net.ipv6.conf.e0.accept_ra: 0}}, s: {}}\n"
        "links: [{endpoints: [r:e0, s:e0], mtu: 1000}]\n",
    )


def test_a_setting_that_does_not_exist_is_still_an_error(host: Host) -> None:
    for link in (1000, 1500):
        host.write("topo.yaml", mtu("accept_rq: 1", link))
        refused = host.netorch("apply", check=False)
        assert refused.returncode == 1
        assert "no such s" in refused.stderr


SETTINGS = """\
name: lab
nodes:
  r:
    forwarding: $ON
    sysctls: {net.ipv4.conf.all.accept_redirects: 1}
    interfaces: {e0: {sysctls: {forwarding: 0}}, e1: {sysctls: {forwarding: 1}}}
  s: {}
links: [[r:e0, s:e0], [r:e1, s:e1]]
"""


def test_settings_of_all_interfaces_next_to_those_of_one(host: Host) -> None:
    for on in ("true", "false", "true"):
        apply(host, SETTINGS.replace("$ON", on))
        for family in ("ipv4", "ipv6"):
            assert value(host, "r", f"net.{family}.conf.e0.forwarding") == "0"
            assert value(host, "r", f"net.{family}.conf.e1.forwarding") == "1"
        assert value(host, "r", "net.ipv4.conf.all.accept_redirects") == "1"


SOURCES = """\
name: lab
nodes:
  r:
    interfaces: {lo: {addresses: [$LO]}, e0: {addresses: [$ADDRESSES]}}
    routes: [$ROUTES]
  s: {interfaces: {e0: {addresses: [10.0.0.9/24, "fd00::9/64"]}}}
links: [[r:e0, s:e0]]
"""


def sources(addresses: str, routes: str, lo: str = "") -> str:
    text = SOURCES.replace("$ADDRESSES", addresses).replace("$ROUTES", routes)
    return text.replace("$LO", lo)


FOUR = (
    "{to: 10.9.0.0/16, via: 10.0.0.9, src: $SRC}, {to: 10.8.0.0/16, nexthops: [{via: 10.0.0.9}, "
    "{via: 10.0.0.8}], src: $SRC}, {to: 10.7.0.0/16, via: 10.0.0.9, src: $SRC, table: 100}"
)
SIX = (
    '{to: "fd09::/64", via: "fd00::9", src: "$SRC"}, {to: "fd08::/64", '
    'nexthops: [{via: "fd00::9"}, {via: "fd00::8"}], src: "$SRC"}, {to: "fd07::/64", '
    'via: "fd00::9", src: "$SRC", table: 100}'
)


@pytest.mark.parametrize(
    ("before", "after", "routes", "sources_of"),
    [
        ("10.0.0.1/24, 10.5.0.1/24", "10.0.0.1/24, 10.6.0.1/24", FOUR, ("10.5.0.1", "10.6.0.1")),
        ("10.0.0.1/24, 10.0.0.5/24", "10.0.0.5/24, 10.0.0.1/24", FOUR, ("10.0.0.5", "10.0.0.5")),
        ("10.0.0.1/24, 10.5.0.1/24", "10.0.0.1/24, 10.5.0.1/16", FOUR, ("10.5.0.1", "10.5.0.1")),
        ("10.0.0.1/24, 10.5.0.1/24", "10.0.0.1/24", FOUR, ("10.5.0.1", "10.0.0.1")),
        ('"fd00::1/64", "fd05::1/64"', '"fd00::1/64", "fd06::1/64"', SIX, ("fd05::1", "fd06::1")),
        ('"fd00::1/64", "fd05::1/64"', '"fd00::1/64", "fd05::1/56"', SIX, ("fd05::1", "fd05::1")),
        ('"fd00::1/64", "fd05::1/64"', '"fd00::1/64"', SIX, ("fd05::1", "fd00::1")),
    ],
)
def test_the_source_of_a_route_changes(
    host: Host, before: str, after: str, routes: str, sources_of: tuple[str, str]
) -> None:
    first = sources(before, routes.replace("$SRC", sources_of[0]))
    apply(host, first)
    apply(host, sources(after, routes.replace("$SRC", sources_of[1])))
    apply(host, first)
    # the kernel deletes a route together with its source address
    apply(host, sources(after, ""))
    apply(host, first)
    # the source address moves to lo and back
    bare = re.sub(
        r"/\d+", lambda match: "/128" if ":" in sources_of[0] else "/32", before.split(", ")[1]
    )
    if sources_of[0] in bare:
        apply(
            host,
            sources(
                before.split(", ", maxsplit=1)[0], routes.replace("$SRC", sources_of[0]), lo=bare
            ),
        )
        apply(host, first)
