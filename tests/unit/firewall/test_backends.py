"""Tests that the tables of backends agree: each one has a syntax, a kernel part and a name."""

from __future__ import annotations

from typing import get_args

import pytest

from netorch.firewall.syntax import AUTO, PREFERRED, SYNTAXES, syntax_of
from netorch.kernel.firewall.filters import BACKENDS
from netorch.topology import Backend
from netorch.values.snapshot import FilterListing

TEXTS = {
    "nftables": (
        "table inet netorch_lab {\n"
        "\tchain prerouting {\n"
        "\t\ttype nat hook prerouting priority dstnat; policy accept;\n"
        '\t\tmeta nfproto ipv4 tcp dport 80 dnat ip to 10.0.0.2:80 comment "publish web"\n'
        "\t\tmeta nfproto ipv6 dnat ip6 to [fd00::2]:80\n"
        "\t}\n"
        "}\n"
    ),
    "iptables": (
        "iptables -t nat -N netorch-lab-pre\n"
        'iptables -t nat -I PREROUTING -m comment --comment "netorch:lab" -j netorch-lab-pre\n'
        "iptables -t nat -A netorch-lab-pre -p tcp -m tcp --dport 80"
        " -j DNAT --to-destination 10.0.0.2:80\n"
        "ip6tables -t nat -A netorch-lab-pre -p tcp -m tcp --dport 80"
        " -j DNAT --to-destination [fd00::2]:80"
    ),
}


def test_each_backend_is_in_each_table() -> None:
    assert list(SYNTAXES) == list(BACKENDS)
    assert get_args(Backend.model_fields["nat"].annotation) == (AUTO, *SYNTAXES)
    assert TEXTS.keys() == SYNTAXES.keys()
    assert syntax_of(AUTO) is syntax_of(PREFERRED)


@pytest.mark.parametrize("name", SYNTAXES)
def test_each_backend_understands_its_own_text(name: str) -> None:
    syntax, text = syntax_of(name), TEXTS[name]
    translations = syntax.translations_of(text)
    assert len(translations) == 2 and all("80" in line for line in translations)
    assert sum("80" in line for line in syntax.lines_of(text)) == 2
    assert all("netorch" in command.line for command in syntax.commands_to_delete("lab", text))
    assert syntax.commands_to_replace("lab", (), text, "")
    assert (syntax.MODULE, syntax.CONFIG.startswith("CONFIG_")) in {
        ("nf_tables", True),
        ("ip_tables", True),
    }


def test_rules_of_a_listing_by_their_handles() -> None:
    from netorch.firewall.nftables import rule_texts

    text = """\
table inet t { # handle 5
	comment "a table # handle 3"
	set s { # handle 7
		type ipv4_addr
		elements = { 10.0.0.0/24,
			10.9.0.1 }
	}

	chain f { # handle 2
		type filter hook forward priority filter + 5; policy drop;
		ip saddr @s drop # handle 15
		counter drop comment "x # handle 9" # handle 16
		ct state new jump {
			ip saddr 10.0.0.0/24 drop
			accept
		} # handle 97
	}
}
table ip nat { # handle 6
	chain f { # handle 1
		masquerade # handle 15
	}
}
"""
    assert rule_texts(text) == {
        ("inet", "t", 15): "ip saddr @s drop",
        ("inet", "t", 16): 'counter drop comment "x # handle 9"',
        ("inet", "t", 97): "ct state new jump { ip saddr 10.0.0.0/24 drop accept }",
        ("ip", "nat", 15): "masquerade",
    }


def test_lines_of_iptables_are_read_as_chains() -> None:
    text = (
        "iptables -t filter -P FORWARD DROP\n"
        "ip6tables -t filter -P FORWARD ACCEPT\n"
        "iptables -t filter -A FORWARD -i a -j ACCEPT"
    )
    four, six = syntax_of("iptables").chains_of(FilterListing(text))
    assert (four.title, four.tool, four.policy, len(four.rules)) == (
        "filter FORWARD",
        "iptables",
        "drop",
        1,
    )
    assert (six.title, six.tool, six.policy, len(six.rules)) == (
        "filter FORWARD",
        "ip6tables",
        "accept",
        0,
    )
