"""Test that netorch reads this machine's libnftables like the recorded listings.

netorch also reports what it cannot read.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from netorch.firewall.chains import ListedChain, ListedRule
from netorch.immutable import replace
from tests.filterlistings import FAMILIES, LIST, RULESETS, chains_of, commands, recorded
from tests.kernel.host import Host


def listing(host: Host, script: str) -> dict[str, Any]:
    """Run a script, and return what the library lists then. Check that it prints nothing."""
    done = host.run(
        "unshare", "-n", "sh", "-ec", f'{script}\nexec "$0" -c "$1"', sys.executable, LIST
    )
    assert done.stderr == ""
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def meaning(rule: ListedRule) -> ListedRule:
    """Return a rule without its text, because versions of nft write it differently."""
    return replace(rule, text="", cases=tuple(map(meaning, rule.cases)))


def meanings(chains: tuple[ListedChain, ...]) -> dict[str, list[ListedRule]]:
    return {chain.title: [meaning(rule) for rule in chain.rules] for chain in chains}


@pytest.mark.parametrize("family", FAMILIES)
def test_single_rules(host: Host, family: str) -> None:
    rules = FAMILIES[family][1]
    [chain] = [chain for chain in chains_of(listing(host, commands(family))) if chain.name == "c"]
    live = dict(zip(rules, map(meaning, chain.rules), strict=True))
    handles = [
        {
            "rule": {
                "family": family,
                "table": "t",
                "chain": "c",
                "expr": recorded()["rules"][family][rule],
            }
        }
        for rule in rules
    ]
    sets = [
        {"set": {"family": family, "table": "t", "name": name, "elem": elements}}
        for name, elements in recorded()["sets"].items()
    ]
    document = [*sets, {"chain": {"family": family, "table": "t", "name": "c"}}, *handles]
    [saved] = chains_of({"text": "", "json": {"nftables": document}, "extensions": []})
    assert live == dict(zip(rules, map(meaning, saved.rules), strict=True))
    # netorch has a text for each rule
    assert all(one.text and not one.text.startswith("handle") for one in chain.rules)


@pytest.mark.parametrize("name", RULESETS)
def test_rulesets_of_others(host: Host, name: str) -> None:
    assert meanings(chains_of(listing(host, RULESETS[name]))) == meanings(
        chains_of(recorded()["rulesets"][name])
    )


LAB = """
name: lab
nodes: {a: {networks: [lan]}, b: {networks: [lan]}}
networks: {lan: {subnet: 10.0.1.0/24}}
"""
WITHOUT_JSON = """
import sys
from netorch.cli import main
from netorch.kernel.firewall import libnftables
listed = libnftables._list_ruleset
calls = []
def without(context):
    # return what do_command_list_json returns in a library without JSON
    calls.append(context)
    return ("refused without an error message", "") if len(calls) % 2 == 0 else listed(context)
libnftables._list_ruleset = without
sys.exit(main(sys.argv[1:]))
"""


def test_a_library_without_json_is_a_doubt(host: Host) -> None:
    file = host.write("lab.yaml", LAB)
    host.netorch("apply", file)
    host.run(
        "ip",
        "netns",
        "exec",
        "a",
        "nft",
        "add table ip mine; add chain ip mine c { type filter hook output priority 0; }",
    )
    done = host.python(WITHOUT_JSON, "explain", "a", "b", "--file", file, check=False)
    assert (
        "not certain: a: nftables has rules that netorch cannot read: this libnftables is built without JSON\n"
        in done.stdout
    )
    assert done.stderr == ""


def test_a_listing_that_is_not_understood_is_a_doubt(host: Host) -> None:
    file = host.write("lab.yaml", LAB)
    host.netorch("apply", file)
    host.run("ip", "netns", "exec", "a", "nft", "add table ip mine")
    program = WITHOUT_JSON.replace('("refused without an error message", "")', '(None, "[]")')
    done = host.python(program, "explain", "a", "b", "--file", file, check=False)
    assert (
        "not certain: a: nftables has rules that netorch could not read: libnftables' JSON is not understood: "
        in done.stdout
    )
