"""Test the translations and settings of namespaces that `import --live` reads."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.firewall import iptables, iptables_save, ruleset_chains
from netorch.firewall.chains import Clause, ListedChain, ListedRule
from netorch.immutable import replace
from netorch.importers.draft import Draft
from netorch.importers.live import settings, translations
from netorch.importers.live.filter_rules import FilterWords
from netorch.kinds.filter import PacketFilter
from netorch.language.publish import DnatModel, MasqueradeModel, SnatModel
from netorch.render import yaml_text
from netorch.resolve.loader import load
from netorch.topology.filters import FilterModel

MODELS: dict[str, Any] = {
    "masquerade": MasqueradeModel,
    "snat": SnatModel,
    "dnat": DnatModel,
}


def entries(*lines: str, is_host: bool = False) -> tuple[list[dict[str, Any]], Draft]:
    """Return the `nat` of a node with rules of the table nat of iptables, and the draft."""
    chains = iptables_save.chains(
        {
            (4, "nat"): (
                "-P PREROUTING ACCEPT",
                "-P POSTROUTING ACCEPT",
                "-P OUTPUT ACCEPT",
                *lines,
            )
        }
    )
    draft = Draft("t", "s", "t")
    translations.add_chains(draft, "r", chains, is_host)
    return draft.nodes.get("r", {}).get("nat", []), draft


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (
            "-A POSTROUTING -s 10.0.0.0/24 -o eth0 -j MASQUERADE",
            {"masquerade": {"from": "10.0.0.0/24", "out": "eth0"}},
        ),
        (
            "-A POSTROUTING -s 10.0.0.0/24 ! -o br0 -j MASQUERADE",
            {"masquerade": {"from": "10.0.0.0/24", "out": "!br0"}},
        ),
        ("-A POSTROUTING -j MASQUERADE", {"masquerade": {}}),
        (
            "-A POSTROUTING -o eth0 -j SNAT --to-source 192.0.2.1",
            {"snat": {"out": "eth0", "to": "192.0.2.1"}},
        ),
        (
            "-A POSTROUTING -p tcp -j MASQUERADE --to-ports 1024-31000",
            {"masquerade": {"proto": "tcp", "ports": "1024-31000"}},
        ),
        (
            "-A POSTROUTING -o eth0 -p udp -j SNAT --to-source 192.0.2.1:7 --random-fully",
            {
                "snat": {
                    "out": "eth0",
                    "proto": "udp",
                    "ports": 7,
                    "random": True,
                    "to": "192.0.2.1",
                }
            },
        ),
        (
            "-A POSTROUTING -j SNAT --to-source 192.0.2.1 --random --persistent",
            {"snat": {"random": True, "to": "192.0.2.1"}},
        ),
        ("-A POSTROUTING -j MASQUERADE --random", {"masquerade": {"random": True}}),
        (
            "-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.2:8080",
            {"dnat": {"port": 80, "to": "10.0.0.2:8080"}},
        ),
        (
            "-A PREROUTING -d 192.0.2.1/32 -i eth0 -p udp -m udp --dport 53 -j DNAT --to-destination 10.0.0.2",
            {
                "dnat": {
                    "proto": "udp",
                    "port": 53,
                    "address": "192.0.2.1",
                    "in": "eth0",
                    "to": "10.0.0.2",
                }
            },
        ),
    ],
)
def test_a_translation_is_an_entry_of_nat(line: str, entry: dict[str, Any]) -> None:
    rules, draft = entries(line)
    assert rules == [entry]
    assert draft.losses == []
    ((word, words),) = entry.items()
    MODELS[word].model_validate(words)


EXEMPTION = "-A POSTROUTING -s 10.0.0.0/24 -d 10.9.0.0/16 -j ACCEPT"
MASQUERADE = "-A POSTROUTING -s 10.0.0.0/24 -o eth0 -j MASQUERADE"


@pytest.mark.parametrize(
    "lines",
    [
        (EXEMPTION, MASQUERADE),
        (EXEMPTION.replace("ACCEPT", "RETURN"), MASQUERADE),
        ("-N own", "-A POSTROUTING -j own", EXEMPTION.replace("POSTROUTING", "own"), MASQUERADE),
    ],
)
def test_an_exemption_takes_the_translation_with_it(lines: tuple[str, ...]) -> None:
    rules, draft = entries(*lines)
    assert rules == []
    exemption, masquerade = sorted(draft.losses, key=lambda one: "translate" in one.why)
    assert exemption.matters and "has no word for a rule that keeps packets" in exemption.why
    assert masquerade.matters and "it would translate too much" in masquerade.why
    assert "10.9.0.0/16" in exemption.text and "MASQUERADE" in masquerade.text


def test_an_exemption_of_an_interface_is_a_word_of_the_translation() -> None:
    rules, draft = entries("-A POSTROUTING -o wg0 -j RETURN", "-A POSTROUTING -j MASQUERADE")
    assert rules == [{"masquerade": {"out": "!wg0"}}]
    assert draft.losses == []


def test_an_exemption_of_other_packets_restricts_nothing() -> None:
    rules, draft = entries("-A POSTROUTING -o wg0 -j RETURN", MASQUERADE)
    assert rules == [{"masquerade": {"from": "10.0.0.0/24", "out": "eth0"}}]
    assert [one.matters for one in draft.losses] == [False]


def test_an_exemption_of_nftables_takes_the_translation_with_it() -> None:
    networks = (Clause("daddr", (ip_network("10.9.0.0/16"),)),)
    exempt = ListedRule(networks, "accept", text="ip daddr 10.9.0.0/16 accept")
    wan = ListedRule((Clause("oif", ("wan",)),), "masquerade", (None, 0), "oifname wan masquerade")
    chains = [
        ListedChain("ip", "t", name, "postrouting", "nat", rules=rules)
        for name, rules in (("p", (exempt, wan)), ("q", (wan,)))
    ]
    draft = Draft("t", "s", "t")
    # an `accept` ends only the chain that it is in
    translations.add_chains(draft, "gw", chains[:1], False)
    assert "nat" not in draft.nodes.get("gw", {})
    assert [one.text for one in draft.losses if one.matters] == [
        "ip t p: ip daddr 10.9.0.0/16 accept",
        "ip t p: oifname wan masquerade",
    ]
    other = Draft("t", "s", "t")
    translations.add_chains(other, "gw", chains[1:], False)
    assert other.nodes["gw"]["nat"] == [{"masquerade": {"out": "wan"}}]


def test_each_lost_rule_is_named() -> None:
    _, draft = entries(*(f"-A POSTROUTING -d 10.0.0.{one} -j MASQUERADE" for one in range(60)))
    assert len(draft.losses) == 60
    assert all(one.matters and "-d 10.0.0." in one.text for one in draft.losses)


@pytest.mark.parametrize(("policy", "action"), [("ACCEPT", "accept"), ("DROP", "drop")])
def test_a_return_of_a_base_chain_is_its_policy(policy: str, action: str) -> None:
    words, draft = filter_words(
        f"-P INPUT {policy}",
        "-A INPUT -s 10.0.0.9 -j RETURN",
        "-A INPUT -i lo -j ACCEPT",
        "-A INPUT -j DROP",
    )
    assert words["input"][0] == {"from": "10.0.0.9", "action": action}
    assert draft.losses == []


def test_an_interface_wildcard_is_a_loss_with_its_reason() -> None:
    rules, draft = entries("-A POSTROUTING -o wan+ -j MASQUERADE")
    assert (rules, [one.why for one in draft.losses]) == (
        [],
        ["`nat` has no word for several interfaces"],
    )
    words, draft = filter_words("-A INPUT -i wan+ -j DROP", "-A INPUT -p tcp --dport 7 -j DROP")
    assert len(words["input"]) == 1
    assert [one.why for one in draft.losses] == ["`filter` has no word for several interfaces"]


def test_the_translations_of_both_backends_are_one_list() -> None:
    draft = Draft("t", "s", "t")
    for lines in (
        ("-A POSTROUTING -o a -j MASQUERADE", "-A POSTROUTING -o b -j MASQUERADE"),
        ("-A POSTROUTING -o b -j MASQUERADE", "-A POSTROUTING -o c -j MASQUERADE"),
    ):
        chains = iptables_save.chains({(4, "nat"): ("-P POSTROUTING ACCEPT", *lines)})
        translations.add_chains(draft, "r", chains, False)
    assert draft.nodes["r"]["nat"] == [{"masquerade": {"out": name}} for name in "abc"]


def test_a_dormant_table_is_a_remark() -> None:
    chains = iptables_save.chains(
        {
            (4, "nat"): ("-P POSTROUTING ACCEPT", "-A POSTROUTING -j MASQUERADE"),
            (4, "filter"): ("-P INPUT DROP",),
        }
    )
    draft = Draft("t", "s", "t")
    asleep = [replace(chain, active=False) for chain in chains]
    translations.add_chains(draft, "r", asleep, False, may_filter=True)
    assert "r" not in draft.nodes and draft.losses == []
    assert [one.text for one in draft.remarks["nodes", "r"]] == [
        f"not in this file: the table ip {table}, which is dormant and does nothing"
        for table in ("nat", "filter")
    ]


@pytest.mark.parametrize(
    "line",
    [
        "-A POSTROUTING -s 10.0.0.0/24 -d 10.1.0.0/24 -j MASQUERADE",
        "-A POSTROUTING ! -s 10.0.0.0/24 -o eth0 -j MASQUERADE",
        "-A POSTROUTING -o eth+ -j MASQUERADE",
        "-A POSTROUTING -m mark --mark 0x1 -j MASQUERADE",
        "-A POSTROUTING -p icmp -j MASQUERADE",
        "-A POSTROUTING ! -p tcp -j MASQUERADE",
        "-A POSTROUTING -j SNAT --to-source 192.0.2.1-192.0.2.9",
        "-A POSTROUTING -p tcp -j SNAT --to-source 192.0.2.1-192.0.2.9:1024-2000",
        "-A PREROUTING -i eth0 -j DNAT --to-destination 10.0.0.2",
        "-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080",
        "-A OUTPUT -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.2",
    ],
)
def test_another_rule_is_lost_and_matters(line: str) -> None:
    rules, draft = entries(line)
    assert rules == []
    (loss,) = draft.losses
    assert loss.matters
    assert line.partition(" ")[2].partition(" ")[2] in loss.text


source_words = st.fixed_dictionaries(
    {"kind": st.sampled_from(("masquerade", "snat"))},
    optional={
        "from": st.sampled_from(("10.0.0.0/24", "fd00::/64")),
        "out": st.sampled_from(("eth0", "!eth0")),
        "proto": st.sampled_from(("tcp", "udp", "sctp")),
        "ports": st.sampled_from((7, "1024-31000", "1-65535")),
        "random": st.just(True),
    },
)


@given(source_words)
def test_a_translation_of_sources_is_read_back(words: dict[str, Any]) -> None:
    """What each backend writes for an entry is the same entry again."""
    kind = words.pop("kind")
    if "proto" not in words:
        words.pop("ports", None)
    if kind == "snat":
        words["to"] = "2001:db8::1" if ":" in words.get("from", "") else "192.0.2.1"
    else:
        words.setdefault("from", "10.0.0.0/24")
    words.setdefault("out", "!lo")
    entry = {kind: words}
    text = yaml_text.document({"name": "t", "nodes": {"r": {"nat": [entry]}}})
    state = load(text.encode(), "t.yaml").desired.state
    [rules] = [one.rules for one in state.values() if isinstance(one, PacketFilter)]
    version = 6 if any(":" in str(words.get(key)) for key in ("from", "to")) else 4
    [table] = [one for one in iptables.translate("t", rules) if one.name == "nat"]
    lines = tuple(f"-A POSTROUTING {rule}" for chain in table.chains for rule in chain.rules)
    tables = {(version, "nat"): ("-P POSTROUTING ACCEPT", *lines)}
    for listed in (iptables_save.chains(tables), ruleset_chains.chains_of("t", rules)):
        chains = tuple(replace(one, table="nat") for one in listed if one.kind == "nat")
        draft = Draft("t", "s", "t")
        translations.add_chains(draft, "r", chains, False)
        assert draft.nodes["r"]["nat"] == [entry]
        assert draft.losses == []


FILTER = (
    "-P FORWARD DROP",
    '-A FORWARD -i eth0 -p tcp -m tcp --dport 80:90 -m comment --comment "the web" -j ACCEPT',
    "-A FORWARD -s 10.0.0.0/24 ! -d 10.1.0.0/24 -p icmp -m icmp --icmp-type 8 -j ACCEPT",
    "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-N mine",
    "-A mine -p ipv6-icmp -j DROP",
    "-A mine -p udp -m udp --sport 53 -j REJECT --reject-with icmp-port-unreachable",
    "-A INPUT -j mine",
    "-A INPUT -p tcp -m multiport --dports 22,8000:8010 -j in-web",
    "-A INPUT -m limit --limit 1/s -j DROP",
)


def filter_words(
    *lines: str, versions: tuple[int, ...] = (4,), may_filter: bool = True
) -> tuple[dict[str, Any], Draft]:
    chains = iptables_save.chains({(version, "filter"): lines for version in versions})
    draft = Draft("t", "s", "t")
    translations.add_chains(draft, "r", chains, False, may_filter=may_filter)
    return draft.nodes.get("r", {}).get("filter", {}), draft


def test_the_rules_of_a_packet_filter_are_a_filter() -> None:
    words, draft = filter_words(*FILTER)
    assert words == {
        "forward": [
            {
                "from": "0.0.0.0/0",
                "in": "eth0",
                "proto": "tcp",
                "port": "80-90",
                "action": "accept",
                "comment": "the web",
            },
            {
                "from": "10.0.0.0/24",
                "to": "!10.1.0.0/24",
                "proto": "icmp",
                "type": "echo-request",
                "action": "accept",
            },
            {"from": "0.0.0.0/0", "state": ["related", "established"], "action": "accept"},
            {"from": "0.0.0.0/0", "action": "drop"},
        ],
        "input": [{"from": "0.0.0.0/0", "proto": "udp", "sport": 53, "action": "reject"}],
    }
    FilterModel.model_validate(words)
    assert [(one.text.partition("-m ")[2][:9], one.matters) for one in draft.losses] == [
        ("multiport", True),
        ("limit --l", True),
    ]


def test_the_rules_of_both_ip_versions_are_one_filter() -> None:
    answers = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    words, _ = filter_words(
        "-P INPUT DROP", answers, "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT", versions=(4, 6)
    )
    assert words == {
        "input": [
            {"state": ["related", "established"], "action": "accept"},
            {"proto": "tcp", "port": 22, "action": "accept"},
            {"action": "drop"},
        ]
    }
    words, draft = filter_words("-P INPUT DROP", answers, "-A INPUT -p icmp -j ACCEPT")
    assert draft.losses == []
    assert words == {
        "input": [
            {"from": "0.0.0.0/0", "state": ["related", "established"], "action": "accept"},
            {"proto": "icmp", "action": "accept"},
            {"from": "0.0.0.0/0", "action": "drop"},
        ]
    }


TOO_STRICT = "which is not carried over, it would drop too much"


@pytest.mark.parametrize(
    "lost",
    [
        "-m limit --limit 50/s -j ACCEPT",
        "-m mark --mark 0x0 -j ACCEPT",
        "-p tcp -m tcp --tcp-flags SYN SYN -j RETURN",
        "-j NFQUEUE --queue-num 1",
        "-i eth9 -j inner",
    ],
)
def test_nothing_is_dropped_after_a_lost_rule_that_may_accept(lost: str) -> None:
    inner = () if "inner" not in lost else ("-N inner", "-A inner -s 10.0.0.7 -j ACCEPT")
    words, draft = filter_words(
        *inner,
        "-A FORWARD -i eth1 -j DROP",
        f"-A FORWARD {lost}",
        "-A FORWARD -i eth2 -j DROP",
        "-A FORWARD -i eth3 -j ACCEPT",
        *(() if "RETURN" in lost else ("-P FORWARD DROP",)),
    )
    assert words["forward"] == [
        {"from": "0.0.0.0/0", "in": "eth1", "action": "drop"},
        {"from": "0.0.0.0/0", "in": "eth3", "action": "accept"},
    ]
    left_out = [one for one in draft.losses if TOO_STRICT in one.why]
    assert [one.text.removeprefix("filter ") for one in left_out] == [
        "FORWARD: -i eth2 -j DROP",
        *(() if "RETURN" in lost else ("FORWARD: policy drop",)),
    ]
    assert all(one.matters and f"without `{lost}`" in one.why for one in left_out)


@pytest.mark.parametrize(
    "lost",
    [
        "-m limit --limit 50/s -j DROP",
        "-m limit --limit 1/s -j LOG",
        "-p tcp -m tcp --tcp-flags SYN SYN -j RETURN",
        "-i eth9 -j inner",
    ],
)
def test_what_can_only_drop_is_a_loss_and_no_more(lost: str) -> None:
    inner = ("-N inner", "-A inner -s 10.0.0.7 -j RETURN", "-A inner -j DROP")
    words, draft = filter_words("-P FORWARD DROP", *inner, f"-A FORWARD {lost}")
    assert words == {"forward": [{"from": "0.0.0.0/0", "action": "drop"}]}
    assert not [one for one in draft.losses if TOO_STRICT in one.why]


def test_a_lost_rule_of_one_ip_version_spares_the_other() -> None:
    chains = iptables_save.chains(
        {
            (4, "filter"): ("-P INPUT DROP", "-A INPUT -m limit --limit 5/s -j ACCEPT"),
            (6, "filter"): ("-P INPUT DROP",),
        }
    )
    assert FilterWords(chains).words == {"input": [{"from": "::/0", "action": "drop"}]}


def test_rules_of_two_chains_on_one_hook_are_all_named() -> None:
    drop = ListedRule((Clause("dport", (22,)), Clause("proto", ("tcp",))), "drop", text="22 drop")
    accept = ListedRule((Clause("dport", (80,)), Clause("proto", ("tcp",))), "accept", text="80")
    chains = [
        ListedChain("inet", "t", "all", "input", rules=(drop,)),
        ListedChain("ip", "u", "four", "input", rules=(accept,), policy="drop"),
    ]
    draft = Draft("t", "s", "t")
    translations.add_chains(draft, "gw", chains, False, may_filter=True)
    entry = {"from": "::/0", "proto": "tcp", "port": 22, "action": "drop"}
    assert draft.nodes["gw"]["filter"] == {"input": [entry]}
    assert [(one.text, one.matters) for one in draft.losses] == [
        ("inet t all: 22 drop", True),
        ("ip u four: 80", True),
        ("ip u four: policy drop", True),
    ]


def test_a_map_of_verdicts_that_is_lost() -> None:
    cases = tuple(
        ListedRule((Clause("state", (state,)),), verdict)
        for state, verdict in (("established", "accept"), ("invalid", "drop"))
    )
    first = ListedRule((), "", text="ct state vmap { … }", cases=cases)
    pair = (Clause("iif", ("ia",)), Clause("oif", ("ib",)))
    second = ListedRule(pair, "accept", text="iifname ia oifname ib accept")
    chain = ListedChain("inet", "t", "forw", "forward", policy="drop", rules=(first, second))
    draft = Draft("t", "s", "t")
    translations.add_chains(draft, "gw", [chain], False, may_filter=True)
    assert "filter" not in draft.nodes.get("gw", {})
    assert [(one.text, one.matters) for one in draft.losses] == [
        ("inet t forw: ct state vmap { … }", True),
        ("inet t forw: iifname ia oifname ib accept", False),
        ("inet t forw: policy drop", True),
    ]


def test_nothing_is_a_filter_where_none_is_possible() -> None:
    words, draft = filter_words(*FILTER, may_filter=False)
    assert words == {}
    assert "filter FORWARD: policy drop" in [one.text for one in draft.losses]
    accepts, draft = filter_words("-P INPUT ACCEPT", "-A INPUT -i lo -j ACCEPT")
    assert accepts == {}
    assert [one.matters for one in draft.losses] == [False]


def test_rules_of_docker_are_counted() -> None:
    rules, draft = entries(
        "-N DOCKER", "-A DOCKER -i docker0 -j RETURN", "-A PREROUTING -j DOCKER", is_host=True
    )
    assert (rules, draft.losses) == ([], [])
    (remark,) = draft.remarks["nodes", "r"]
    assert remark.text == "not in this file: 2 rules of the packet filter, which Docker looks after"


def test_only_settings_that_differ_are_there() -> None:
    new = {
        "net/ipv4/ip_forward": "0",
        "net/ipv4/conf/all/rp_filter": "0",
        "net/ipv4/conf/all/accept_redirects": "1",
        "net/ipv6/conf/all/disable_ipv6": "0",
        "net/ipv4/tcp_syncookies": "1",
    }
    there = {
        "net/ipv4/ip_forward": "1",
        "net/ipv4/conf/all/rp_filter": "2",
        "net/ipv4/conf/all/accept_redirects": "0",
        "net/ipv6/conf/all/disable_ipv6": "0",
        "net/ipv4/tcp_syncookies": "1",
        "net/ipv4/conf/eth0/rp_filter": "1",
    }
    assert dict(settings.of_namespace(there, new)) == {"net/ipv4/conf/all/rp_filter": "2"}


def test_a_setting_of_one_ip_version_is_one_of_the_node() -> None:
    there = {
        "net/ipv4/conf/default/accept_redirects": "1",
        "net/ipv6/conf/default/accept_redirects": "1",
        "net/ipv4/conf/default/rp_filter": "0",
        "net/ipv4/conf/eth0.5/accept_redirects": "0",
        "net/ipv6/conf/eth0.5/accept_redirects": "1",
        "net/ipv4/conf/eth0.5/rp_filter": "2",
    }
    own, single = settings.of_link(there, {}, "eth0.5")
    assert own == {"rp_filter": 2}
    assert single == {"net.ipv4.conf.eth0/5.accept_redirects": 0}


def test_a_link_that_is_older_than_a_new_default_keeps_its_own_value() -> None:
    there = {
        "net/ipv4/conf/default/rp_filter": "1",
        "net/ipv4/conf/e0/rp_filter": "0",
        "net/ipv4/conf/e1/rp_filter": "1",
    }
    new = {"net/ipv4/conf/default/rp_filter": "0"}
    assert settings.of_link(there, new, "e0")[0] == {"rp_filter": 0}
    assert settings.of_link(there, new, "e1")[0] == {}


def test_the_neighbours_of_a_link_have_the_settings_of_lo_in_a_new_namespace() -> None:
    there = {
        "net/ipv4/neigh/e0/gc_stale_time": "60",
        "net/ipv4/neigh/e0/delay_first_probe_time": "6",
        "net/ipv4/neigh/e0/unres_qlen": "31",
    }
    new = {
        "net/ipv4/neigh/lo/gc_stale_time": "60",
        "net/ipv4/neigh/lo/delay_first_probe_time": "5",
        "net/ipv4/neigh/lo/unres_qlen": "101",
    }
    single = settings.of_link(there, new, "e0")[1]
    assert single == {"net.ipv4.neigh.e0.delay_first_probe_time": 6}


def test_forwarding_is_written_where_it_differs_from_that_of_all_links() -> None:
    there = {
        "net/ipv4/ip_forward": "1",
        "net/ipv4/conf/all/forwarding": "1",
        "net/ipv4/conf/default/forwarding": "1",
        "net/ipv4/conf/e0/forwarding": "1",
        "net/ipv4/conf/e1/forwarding": "0",
    }
    new = {**dict.fromkeys(there, "0")}
    assert dict(settings.of_namespace(there, new)) == {}
    assert settings.of_link(there, new, "e0") == ({}, {})
    assert settings.of_link(there, new, "e1") == ({"forwarding": 0}, {})


@pytest.mark.parametrize("forwards", [True, False])
def test_a_masquerade_of_ipv4_alone_does_not_hold_for_ipv6(forwards: bool) -> None:
    def nat(*families: str) -> Any:
        out = ListedRule((Clause("oif", ("wan",)),), "masquerade", (None, 0), "masquerade")
        chains = [
            ListedChain(one, "t", "p", "postrouting", "nat", rules=(out,)) for one in families
        ]
        draft = Draft("t", "s", "t")
        translations.add_chains(draft, "gw", chains, False, forwards_ipv6=forwards)
        return draft.nodes["gw"]["nat"]

    both = [{"masquerade": {"out": "wan"}}]
    four = [{"masquerade": {"from": "0.0.0.0/0", "out": "wan"}}]
    assert nat("ip") == (four if forwards else both)
    assert nat("ip", "ip6") == nat("inet") == both
