"""Conditions of policy rules beyond subnets, interfaces and marks."""

from __future__ import annotations

import pytest

from netorch.errors import FileError
from netorch.kinds.rule import Rule, conditions, more_text
from netorch.netlink.constants import FRA_TUN_ID
from netorch.resolve.loader import load


def rule(words: str) -> Rule:
    text = f"nodes: {{r: {{rules: [{{{words}}}]}}}}"
    state = load(text.encode(), "lab.yaml").desired.state
    (resource,) = [one for one in state.values() if isinstance(one, Rule)]
    return resource


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("table: 254, suppress_prefixlength: 0", "suppress_prefixlength 0"),
        ("table: 7, not: true, fwmark: 0xca6c", "fwmark 0xca6c not"),
        ("table: 7, ipproto: tcp, dport: 80", "ipproto 6 dport 80-80"),
        ("table: 7, ipproto: 89", "ipproto 89"),
        ("table: 7, sport: 1000-2000, ipproto: udp", "ipproto 17 sport 1000-2000"),
        ("table: 7, uidrange: 0-1000", "uidrange 0-1000"),
        ("table: 7, uidrange: 5", "uidrange 5-5"),
        ("table: 7, tos: 0x10", "tos 0x10"),
        ("table: 7, family: ipv6, ipproto: icmpv6, uidrange: 5", "uidrange 5-5 ipproto 58 (v6)"),
        ("action: prohibit, dport: 25", "dport 25-25"),
    ],
)
def test_they_are_part_of_the_name_as_in_ip(words: str, name: str) -> None:
    resource = rule(words)
    assert resource.key.name == f"priority 10000 {name}"
    again = ", ".join(
        f"{key}: {str(value).lower()}" for key, value in conditions(resource.spec).items()
    )
    rest = [
        word
        for word in words.split(", ")
        if word.split(":")[0] in {"table", "action", "family", "fwmark"}
    ]
    assert rule(", ".join([*rest, again])) == resource


def test_an_attribute_that_has_no_key_has_its_name_in_ip() -> None:
    assert more_text(FRA_TUN_ID, (7).to_bytes(8, "big")) == "tun_id 7"
    assert more_text(99, b"\x05") == "attribute 99 5"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("table: 7, tos: 3", "between 4 and 252"),
        ("table: 7, tos: 18", "multiple of 4"),
        ("table: 7, tos: 256", "between 4 and 252"),
        ("table: 7, ipproto: tpc", "Did you mean 'tcp'"),
        ("table: 7, ipproto: 0", "between 1 and 255"),
        ("table: 7, ipproto: http", "is not a protocol"),
        ("table: 7, dport: 0", "between 1 and 65535"),
        ("table: 7, dport: 9-8", "ends before it starts"),
        ("table: 7, uidrange: 9-8", "ends before it starts"),
        ("table: 7, uidrange: root", "is not a whole number"),
        ("table: 7, suppress_prefixlength: 33", "at most 32"),
        ("table: 7, suppress_prefixlength: 129, family: ipv6", "between 0 and 128"),
        ("action: prohibit, suppress_prefixlength: 0", "cannot have `suppress_prefixlength`"),
        ("table: 7, not: no", "neither true nor false"),
        ("table: 7, inverted: true", "unknown key 'inverted'"),
    ],
)
def test_errors(words: str, what: str) -> None:
    with pytest.raises(FileError) as error:
        rule(words)
    assert what in str(error.value)
