"""The words that netorch suggests for words that it does not know."""

from __future__ import annotations

import pytest

from netorch.errors import Suggestions, did_you_mean, most_similar

KEYS = ("attach", "on", "forwarding", "sysctls", "networks", "interfaces", "routes", "rules")
KEYS += ("aliases", "dns", "nat", "publish", "profile", "address", "addresses", "mtu", "mac")
KEYS += ("state", "description", "neighbours", "default_route", "vlan", "via", "vars")


@pytest.mark.parametrize(
    ("word", "guess"),
    [
        ("adress", "address"),
        ("adresses", "addresses"),
        ("adres", "address"),
        ("forwardin", "forwarding"),
        ("forward", "forwarding"),
        ("netwroks", "networks"),
        ("Networks", "networks"),
        ("NAT", "nat"),
        ("mut", "mtu"),
        ("sysctl", "sysctls"),
        ("neighbors", "neighbours"),
        ("default-route", "default_route"),
        ("desc", "description"),
        ("publsih", "publish"),
        ("vlna", "vlan"),
    ],
)
def test_mistakes(word: str, guess: str) -> None:
    assert most_similar(word, KEYS) == guess


@pytest.mark.parametrize(
    "word",
    [
        "ports",
        "image",
        "cidr",
        "type",
        "dhcp",
        "exec",
        "ip",
        "internal",
        "gateway",
        "x",
        "env",
        "name",
        "hosts",
        "command",
        "links",
    ],
)
def test_other_words_are_not_mistakes(word: str) -> None:
    assert most_similar(word, KEYS) == ""


@pytest.mark.parametrize(
    ("word", "known"), [("h9", ["h1", "h2"]), ("eth10", ["eth0"]), ("10.0.0.1", ["10.0.0.2"])]
)
def test_other_numbers_are_other_names(word: str, known: list[str]) -> None:
    assert most_similar(word, known) == ""


def test_the_most_similar_name_wins() -> None:
    assert did_you_mean("eht0", ["eth1", "eth0", "et0"]) == "Did you mean 'eth0'?"
    assert most_similar("rooter", ["routes", "root", "router"]) == "router"


def test_one_mapping_is_compared_once_for_each_word() -> None:
    suggestions, known = Suggestions(), {"router": 1}
    for _ in range(2):
        assert suggestions.did_you_mean("ruter", known) == "Did you mean 'router'?"
