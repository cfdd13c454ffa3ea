"""Requests as commands: each has one, a shell does not change its words, and none has a secret."""

from __future__ import annotations

import os
import shlex
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings

from docs.live import sample
from netorch.firewall.iptables import lines as iptables_lines
from netorch.kinds import observed_anywhere
from netorch.kinds.base.standalone import StandaloneLink
from netorch.netlink.constants import IFLA_IFALIAS
from netorch.netlink.qdisc import tbf_options
from netorch.render.script import TRANSLATIONS, commands
from netorch.render.script.context import Context
from netorch.render.script.kinds import data_words
from netorch.render.script.whole_topology import commands_of, lines, sections, step_commands
from netorch.resolve.loaded import Loaded
from netorch.resolve.loader import load
from netorch.state.plan import Step
from netorch.state.planner import plan
from netorch.topology import KINDS, model_of
from netorch.values.filter_rules import FilterRule, Hook, Match, Verdict
from netorch.values.requests import (
    Accept,
    AddressAdd,
    FilterDel,
    FilterSet,
    ForwardAcceptAdd,
    ForwardAcceptDel,
    Hop,
    LinkAdd,
    LinkSet,
    NicGive,
    NicTake,
    QdiscSet,
    Request,
    RouteAdd,
    RouteSpec,
    SysctlSet,
    TunSet,
    UplinkLeave,
    WireguardPeerDel,
    WireguardSet,
)
from netorch.values.secret import Secret
from tests.strategies import Sketch, pairs

EXAMPLES = int(os.environ.get("NETORCH_LAWS_EXAMPLES", "20"))
laws = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def loaded(text: str, folder: str = "/srv/lab") -> Loaded:
    return load(text.encode(), "topo.yaml", folder=folder)


def script(text: str, *, marks: bool = False) -> str:
    return "\n".join(lines(loaded(text).desired, "topo.yaml", marks=marks))


# nothing is forgotten


def test_every_request_has_its_commands() -> None:
    assert set(TRANSLATIONS) == set(get_args(Request))


@pytest.mark.parametrize(
    "kind", sorted({kind.KIND for kind in observed_anywhere() if issubclass(kind, StandaloneLink)})
)
def test_every_attribute_of_a_kind_has_its_word(kind: str) -> None:
    made = next(
        each
        for each in observed_anywhere()
        if issubclass(each, StandaloneLink) and kind == each.KIND
    )
    for attribute in made.ATTRIBUTES:
        for number in {attribute.number, attribute.number6} - {0}:
            assert (
                data_words(
                    kind, ((number, bytes(16 if number == attribute.number6 else 4)),), new=False
                )
                is not None
            )


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_of_each_kind_can_be_made(kind: str) -> None:
    step = Step(None, sample(kind, model_of(kind)), sample(kind, model_of(kind)).CREATION)
    made = step_commands(step, Context())
    assert made or kind == "veth"  # the sample is the far end, which the near one makes
    assert all(shlex.split(line)[0] == "ip" for line in made)


@laws
@given(pairs())
def test_whatever_a_plan_asks_for_can_be_typed(pair: tuple[Sketch, Sketch]) -> None:
    before, after = (load(sketch.text.encode(), "random.yaml").desired for sketch in pair)
    for a, b in (({}, after.state), (before.state, after.state), (before.state, {})):
        commands_for = commands_of(after)
        for step in plan(a, b).steps:
            for line in commands_for([step]):
                assert shlex.split(line.partition("\n")[0])


# words


def test_the_marks_are_all_that_marks_add() -> None:
    text = (
        "{name: t, nodes: {a: {routes: [{to: 10.9.0.0/16, via: 10.0.0.2}]}, b: {}}, "
        "links: [{endpoints: [a:x, b:x], subnet: 10.0.0.0/24}]}"
    )
    plain, marked = script(text).splitlines()[4:], script(text, marks=True).splitlines()[4:]
    more = [line for line in marked if line not in plain]
    assert [line for line in plain if line not in marked] == [
        "ip -n a link add name x address 02:c1:ef:a6:0d:38 type veth peer name x netns b",
        "ip -n b link set dev x address 02:64:4b:8d:a7:fb",
        "ip -n a route add 10.9.0.0/16 via 10.0.0.2 dev x",
    ]
    assert all("netorch:t" in line or " group 13" in line or " proto 1" in line for line in more)


def test_words_are_quoted_for_a_shell() -> None:
    text = """
name: t
nodes:
  a:
    interfaces: {d~0: {kind: dummy, description: "it's `here` $$HOME"}}
    sysctls: {net.ipv4.tcp_rmem: 4096 87380 6291456}
"""
    words = [
        shlex.split(line)
        for section in sections(loaded(text).desired)
        for line in section.commands
        if "\n" not in line
    ]
    assert any(command[-2:] == ["alias", "it's `here` $HOME"] for command in words)
    assert any(command[-1] == "net.ipv4.tcp_rmem=4096 87380 6291456" for command in words)
    assert any("d~0" in command for command in words)


def test_a_name_that_ip_takes_for_a_word_of_its_own_is_a_name() -> None:
    made = commands(LinkAdd("a", "up", "dummy"), Context())
    assert made == ["ip -n a link add name up type dummy"]


def test_dots_in_an_interface_are_slashes_to_sysctl() -> None:
    assert commands(SysctlSet("a", ("net/ipv4/conf/eth0.10/rp_filter",), "1"), Context()) == [
        "ip netns exec a sysctl -qw net.ipv4.conf.eth0/10.rp_filter=1"
    ]


def test_a_here_document_ends_where_its_content_does() -> None:
    from netorch.values.requests import FileWrite

    (_, written) = commands(FileWrite("a", "hosts", "EOF\nEOF_\n"), Context())
    assert written == "cat >/etc/netns/a/hosts <<'EOF__'\nEOF\nEOF_\nEOF__"


def test_a_tunnel_with_its_parent_elsewhere_is_made_under_a_name_that_is_free_there() -> None:
    near = LinkAdd("web", "eth0", "macvlan", parent=("box", "eth0"))
    taken, *renamed = commands(
        near, Context(own_namespaces=frozenset(("box",)), own_links=frozenset((("box", "eth0"),)))
    )
    assert taken.startswith("ip -n box link add name new-")
    assert taken.endswith(" link eth0 netns web type macvlan")
    assert renamed == [f"ip -n web link set dev {shlex.split(taken)[6]} name eth0"]
    assert commands(near, Context(own_namespaces=frozenset(("box",)))) == [
        "ip -n box link add name eth0 link eth0 netns web type macvlan"
    ]


def test_a_cable_to_the_host_is_made_from_there() -> None:
    text = "{name: t, nodes: {a: {}, host: {}}, links: [[a:eth0, host:lab0]]}"
    assert "ip link add name lab0 type veth peer name eth0 netns a" in script(text).replace(
        " address 02:f7:58:67:71:4f", ""
    )


def test_the_keys_of_wireguard_are_files() -> None:
    text = """
name: t
nodes:
  a:
    interfaces:
      wg0:
        kind: wireguard
        private_key_file: my keys/a.key
        peers:
        - {public_key: NUGiPRNZVDfwS+l9nkRDA26r5kQrVzab5/yIGrgZIDM=, preshared_key_file: /k/psk}
"""
    output = script(text)
    assert "wg set wg0 private-key '/srv/lab/my keys/a.key'" in output
    assert "preshared-key /k/psk" in output
    key = WireguardSet("a", "wg0", Secret(b"k" * 32), 5, 7)
    assert commands(key, Context()) == [
        "ip netns exec a wg set wg0 private-key KEY_FILE listen-port 5 fwmark 0x7"
    ]
    assert commands(WireguardSet("a", "wg0", Secret(bytes(32))), Context()) == [
        "ip netns exec a wg set wg0 private-key /dev/null"
    ]
    assert commands(WireguardPeerDel("a", "wg0", bytes(32)), Context())[0].endswith(" remove")


def test_users_have_the_names_of_the_file() -> None:
    output = script(
        "{name: t, nodes: {a: {interfaces: {vm0: {kind: tap, owner: nobody-here, group: 7}}}}}"
    )
    assert "ip -n a tuntap add dev vm0 mode tap user nobody-here group 7" in output
    assert commands(TunSet("a", "vm0", True, False, 5, None), Context()) == [
        "ip netns exec a tunctl -t vm0 -u 5"
    ]


def test_attached_namespaces_are_entered_by_their_path() -> None:
    text = """
name: t
nodes:
  web-1: {attach: docker:web}
  web_1: {attach: "pid:17"}
  old: {attach: netns:old}
  far: {attach: path:/run/a b}
links: [[web-1:x, web_1:x], [old:y, far:y]]
"""
    first, *_ = sections(loaded(text).desired)
    assert first.commands == (
        """netns_web_1="/proc/$(docker inspect --format '{{.State.Pid}}' web)/ns/net\"""",
        "netns_web_1_=/proc/17/ns/net",
        "netns_old=/run/netns/old",
        "netns_far='/run/a b'",
    )
    assert """nsenter --net="$netns_web_1" ip link add name x""" in script(text)
    assert """peer name x netns "$netns_web_1_\"""" in script(text)


# packet filters


def test_filters_of_iptables_are_removed_before_they_are_made_again() -> None:
    rules = (FilterRule(4, Hook.FORWARD, Match(iif="a0"), Verdict.DROP, "no way"),)
    text = "\n".join(
        f"iptables -t {table} {line}"
        for (_, table), rule_lines in iptables_lines("t", rules).items()
        for line in rule_lines
    )
    made = commands(FilterSet("host", "iptables", "t", rules), Context())
    gone = commands(FilterDel("host", "iptables", "t", text), Context())
    assert made == [
        "iptables-legacy -t filter -N netorch-t-fwd",
        "iptables-legacy -t filter -I FORWARD -m comment --comment netorch:t -j netorch-t-fwd",
        "iptables-legacy -t filter -A netorch-t-fwd -m comment --comment netorch:t",
        "iptables-legacy -t filter -A netorch-t-fwd -i a0 -m comment --comment 'no way' -j DROP",
    ]
    assert gone == [
        "iptables-legacy -t filter -D FORWARD -m comment --comment netorch:t -j netorch-t-fwd",
        "iptables-legacy -t filter -F netorch-t-fwd",
        "iptables-legacy -t filter -X netorch-t-fwd",
    ]
    assert commands(FilterSet("host", "iptables", "t", rules, before=text), Context()) == [
        *gone,
        *made,
    ]


def test_a_table_of_nftables_is_loaded_as_a_whole() -> None:
    rules = (FilterRule(4, Hook.FORWARD, Match(iif="a0"), Verdict.DROP, "no way"),)
    (new,) = commands(FilterSet("a", "nftables", "t", rules), Context())
    (other,) = commands(FilterSet("a", "nftables", "t", rules, before="table …"), Context())
    assert new.startswith("ip netns exec a nft -f - <<'EOF'\ntable inet netorch_t {")
    assert other.splitlines()[1:3] == ["add table inet netorch_t", "delete table inet netorch_t"]
    assert commands(FilterDel("a", "nftables", "t"), Context()) == [
        "ip netns exec a nft delete table inet netorch_t"
    ]


def test_accepts_in_the_tables_of_others() -> None:
    add = ForwardAcceptAdd(
        "host", "lan", "t", (Accept("nft", 4, "lan", "wan"), Accept("legacy", 6, "lan", "lan"))
    )
    assert commands(add, Context()) == [
        "iptables-nft -A FORWARD -i lan -o wan -m comment --comment netorch:t -j ACCEPT",
        "ip6tables-legacy -A FORWARD -i lan -o lan -m comment --comment netorch:t -j ACCEPT",
    ]
    assert all(
        "-A/-D" in line for line in commands(ForwardAcceptDel("host", "lan", "t"), Context())
    )


# requests that no topology of these tests makes


def test_the_size_of_a_bucket_is_in_bytes() -> None:
    assert commands(QdiscSet("a", "x", "tbf", tbf_options(1_250_000, 5000, 70_000)), Context()) == [
        "tc -n a qdisc replace dev x root tbf rate 10mbit burst 5000b limit 70000b"
    ]


def test_a_nic_goes_and_comes_back() -> None:
    assert commands(NicTake("a", "nic", "eth8", "t", "netorch:t from=eth8"), Context()) == [
        "ip link set dev eth8 netns a name nic"
    ]
    assert commands(NicGive("a", "nic", "eth8", "t"), Context()) == [
        "ip -n a link set dev nic netns $$ name eth8",
        "ip link set dev eth8 alias ''",
    ]
    assert "ip link set dev eth0 nomaster" in commands(
        UplinkLeave("host", "eth0", "br0", 100), Context()
    )


def test_scopes_that_differ_from_the_default_of_ip_are_written() -> None:
    local = AddressAdd("a", "lo", 2, bytes((127, 0, 0, 9)), bytes((127, 0, 0, 9)), 8, 254, 100)
    assert commands(local, Context()) == ["ip -n a address add 127.0.0.9/8 dev lo"]
    odd = RouteSpec(2, bytes((10, 0, 0, 0)), 8, 254, 0, 6, 253, 100, ())
    assert commands(RouteAdd("a", odd), Context()) == [
        "ip -n a route add blackhole 10.0.0.0/8 scope link"
    ]


def test_a_route_that_an_address_may_have_brought_is_replaced_where_all_is_ours() -> None:
    connected = RouteAdd(
        "a", RouteSpec(2, bytes((10, 0, 0, 0)), 24, 254, 0, 1, 253, 100, (Hop(None, "x"),))
    )
    assert commands(connected, Context(own_namespaces=frozenset("a"))) == [
        "ip -n a route replace 10.0.0.0/24 dev x"
    ]
    assert commands(connected, Context()) == ["ip -n a route add 10.0.0.0/24 dev x"]


def test_of_a_mark_alone_the_mark_is_the_command() -> None:
    only = LinkSet("a", "x", ((IFLA_IFALIAS, b"netorch:t\0"),))
    assert commands(only, Context()) == []
    assert commands(only, Context(marks=True)) == ["ip -n a link set dev x alias netorch:t"]


def test_a_second_name_of_a_namespace_has_a_title_of_its_own() -> None:
    text = "{name: lab, names: false, nodes: {web: {}, sidecar: {attach: 'node:web'}}}"
    titles = [section.about[0] for section in sections(loaded(text).desired)]
    assert titles[:2] == ["node web", "node sidecar, which shares the namespace of web"]
