"""The JSON Schema accepts what `validate` accepts, and refuses what has a wrong shape.

tests/unit/conftest.py checks the files of the other unit tests against it, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from netorch.language.schema_shapes import decimal
from netorch.topology import KINDS, model_of
from netorch.topology.schema import schema
from netorch.version import LANGUAGE, __version__
from tests import editor
from tests.strategies import Sketch, topologies

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = schema()


def subschemas(value: Any) -> Iterator[dict[str, Any]]:
    """Yield all mappings in a schema."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from subschemas(item)
    elif isinstance(value, list):
        for item in value:
            yield from subschemas(item)


def test_it_is_a_schema_of_its_dialect_and_refers_to_nothing_outside() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == Draft7Validator.META_SCHEMA["$id"]
    references = {
        value["$ref"] for value in subschemas(SCHEMA) if isinstance(value.get("$ref"), str)
    }
    assert all(reference.startswith("#/definitions/") for reference in references)
    assert {reference.split("/")[2] for reference in references} == SCHEMA["definitions"].keys()
    assert not [
        value
        for value in subschemas(SCHEMA)
        if {"$word", "$kinds", "$key", "$model", "$rules"} & value.keys()
    ]


def test_editors_in_javascript_can_use_it() -> None:
    """Patterns are valid with the flag `u`, and a `$ref` has no rules beside it, as in draft 7."""
    patterns = {value["pattern"] for value in subschemas(SCHEMA) if "pattern" in value}
    patterns |= {key for value in subschemas(SCHEMA) for key in value.get("patternProperties", {})}
    escapes = {escape for pattern in patterns for escape in re.findall(r"\\(.)", pattern)}
    assert len(patterns) > 50
    assert escapes <= set("^$\\.*+?()[]{}|/-dDsSwWbBnrtxu")
    siblings = {key for value in subschemas(SCHEMA) if "$ref" in value for key in value}
    assert siblings <= {"$ref", "description", "default"}


def test_its_id_has_the_version_of_the_language_only() -> None:
    assert SCHEMA["$id"].startswith("https://")
    assert SCHEMA["$id"].endswith(f"/v{LANGUAGE}/topology.json")
    assert __version__ in SCHEMA["$comment"]
    assert Draft7Validator(SCHEMA).is_valid({"version": LANGUAGE})
    assert not Draft7Validator(SCHEMA).is_valid({"version": LANGUAGE + 1})


def test_defaults_and_examples_are_right_themselves() -> None:
    schemas = [
        value
        for value in subschemas(SCHEMA)
        if {"default", "examples"} & value.keys() and not isinstance(value.get("default"), dict)
    ]
    assert len(schemas) > 100
    for value in schemas:
        one = Draft7Validator({**value, "definitions": SCHEMA["definitions"]})
        for text in [
            *([value["default"]] if "default" in value else []),
            *value.get("examples", []),
        ]:
            assert one.is_valid(text), (text, value)


def test_every_key_has_a_description() -> None:
    for name, model in SCHEMA["definitions"].items():
        if name != "interface-of-any-kind":  # this repeats the keys of the other definitions
            for key, value in model.get("properties", {}).items():
                assert "description" in value or "$ref" in value, (name, key)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_own_keys(kind: str) -> None:
    keys = SCHEMA["definitions"][f"interface-{kind}"]["properties"]
    model = model_of(kind)
    assert keys.keys() == {
        field.serialization_alias or name for name, field in model.model_fields.items()
    }
    interface = Draft7Validator(
        {"$ref": "#/definitions/interface", "definitions": SCHEMA["definitions"]}
    )
    some = {"vni": 1, "table": 5, "stp": True, "peers": []}
    messages = " ".join(error.message for error in interface.iter_errors({"kind": kind, **some}))
    assert {key for key in some if f"'{key}'" in messages} == some.keys() - keys.keys()


@given(st.integers(0, 70_000), st.integers(0, 70_000), st.integers(0, 70_000))
def test_patterns_of_numbers(low: int, high: int, number: int) -> None:
    assume(low <= high)
    for each in (number, low - 1, low, high, high + 1):
        assert bool(re.fullmatch(decimal(low, high), str(each))) == (low <= each <= high)


# Files that validate accepts


def whole_files() -> dict[str, str]:
    """Return the right files of the examples, the documentation and the plans by their names."""
    texts = {path.name: path.read_text() for path in sorted((ROOT / "topologies").glob("*.yaml"))}
    for page in ("language.md", "index.md", "tutorial/02-one-file.md", "tutorial/03-routers.md"):
        blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.S | re.M)
        texts |= {
            f"{page} {index}": block
            for index, block in enumerate(blocks)
            if not editor.problems(block)
        }
    for case in sorted((ROOT / "tests/plans").glob("*.yaml")):
        words = yaml.load(case.read_text(), yaml.BaseLoader)
        texts |= {f"{case.name} {side}": words[side] for side in ("observed", "desired")}
    return texts


FILES = whole_files()


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_right(name: str) -> None:
    assert editor.problems(FILES[name]) == []
    assert editor.complaints(FILES[name]) == []


RIGHT = {
    "nothing yet": "nodes:\n  a:\n",
    "empty sections": "vars:\ndefaults:\nprofiles:\nnodes: {a: }\n",
    "ranges": "nodes: {'h[01-12]': {networks: ['n[1-2]']}, 'r[a-c]': }\nnetworks: {'n[1-2]': }\n",
    "ranges of links": "nodes: {'r[1-10]': }\nlinks: [['r[1-9]:right', 'r[2-10]:left'], {endpoints: ['r[1-3]:a$(i)', 'r[4-6]:b']}]\n",
    "ranges of checks": "nodes: {'h[1-3]': }\nchecks: [{from: 'h[1-2]', to: 'h[2-3]'}]\n",
    "ranges with variables": "vars: {n: 3}\nnodes: {'h[1-$(n)]': }\n",
    "variables for numbers, flags and choices": """\
vars: {m: 9000, yes: true, kind: bridge, at: 10.0.0, port: 8080, none: ''}
name: $(none:-lab)
nodes:
  a:
    forwarding: $(yes)
    interfaces: {x: {kind: $(kind), mtu: $(m), stp: $(yes), addresses: ['$(at).1/24']}}
    routes: [{to: default, via: '$(at).2', metric: $(m // 2)}]
    publish: ['$(port):80']
    networks: {out: $(at).9}
networks: {out: {mode: nat, subnet: '$(at).0/25'}}
""".replace("$(at).1/24", "10.9.0.1/24").replace("'$(at).2'", "10.9.0.2"),
    "numbers as text": "nodes: {a: {interfaces: {x: {kind: vlan, parent: y, id: '0x10', mtu: '1400'}, y: {kind: dummy, txqueuelen: '0100'}}}}\n",
    "names that are numbers": "nodes: {1: {networks: [2]}, 1.5: }\nnetworks: {2: }\nlinks: [[{node: 1, interface: 7}, '1.5:x']]\n",
    "hexadecimal": "nodes: {a: {rules: [{fwmark: 0x10/0xff, table: 0x64}], networks: [n]}}\nnetworks: {n: {priority: 0x1000}}\n",
    "anchors and merge keys": """\
profiles: {p: &p {forwarding: true}}
nodes:
  a: &a {<<: *p, interfaces: {lo: &lo {addresses: [10.0.0.1/32]}}}
  b: {<<: [*a, *p], interfaces: {lo: {<<: *lo, addresses: [10.0.0.2/32]}}}
""",
    "a profile completes an interface": """\
profiles: {p: {interfaces: {x: {kind: vlan, parent: lower, mtu: 1400}, lower: {kind: dummy}}, dns: {servers: 9.9.9.9}}}
nodes: {a: {profile: p, interfaces: {x: {id: 7}}}}
""",
    "defaults complete everything": """\
defaults:
  node: {interfaces: {x: {kind: dummy}, t: {kind: gre, remote: 192.0.2.1}}}
  network: {driver: macvlan, parent: x}
  link: {mtu: 1400}
  interface: {txqueuelen: 500}
nodes: {a: {interfaces: {x: {mtu: 1500}, t: {key: 5}}, networks: {n: {}}}}
networks: {n: {vlan: 7, node: a}}
""",
    "a key that takes something back": "nodes: {a: {interfaces: {t: {kind: vxlan, vni: 1, remote: 192.0.2.1, group: null, parent: ~}}}}\n",
    "a name of a key": "vars: {k: mtu}\nnodes: {a: {interfaces: {x: {kind: dummy, $(k): 1400}}}}\n",
    "odd spellings": """\
name: 12
nodes:
  a:
    sysctls: {net/ipv4/conf/all/rp_filter: 0, net.ipv4.tcp_rmem: 4096 131072 6291456, net.ipv4.ip_forward: true}
    aliases: web
    dns: {servers: ['::1', 9.9.9.9], search: lab.test, options: 'ndots:2'}
    interfaces:
      x: {kind: dummy, mac: 02-00-00-00-00-0A, addresses: [10.0.0.1/255.255.255.0, 'fd00::10.0.0.1/064'], description: 5 $$ a day}
      b: {kind: bridge, ageing_time: 10.5s, hello_time: 1500ms, port: {vlans: [10, 20-30, {id: 40, untagged: true}], pvid: 1}, vlan_filtering: true}
      v: {kind: vxlan, vni: 0, port: 4790, ttl: inherit, local: 192.0.2.1}
      u: {kind: vxlan, vni: 1, port: {isolated: true}, ttl: 9, master: b, local: 192.0.2.1}
      g: {kind: gre, remote: 192.0.2.1, key: 0.0.0.5}
      t: {kind: tap, owner: root, group: 0}
    networks: {n: {impair: {delay: 1.5 ms, loss: .5%, rate: 1Gbit, jitter: 0}}}
    publish: [8080:80, '127.0.0.1:53:53/UDP', '[::1]:8000-8010:8000-8010/tcp', {port: 443, to: 8443}]
    nat: [{masquerade: {out: '!x'}}, {masquerade: {proto: udp, ports: 7, random: true}}, {snat: {proto: [tcp, sctp], ports: 1-65535, to: '::1'}}, {dnat: {port: 90-91, to: '10.0.0.9:90-91'}}]
networks: {n: {mode: {v4: nat, v6: routed}, subnet: [10.1.0.0/24, 'fd01::/64'], gateway: [10.1.0.1]}}
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right(name: str) -> None:
    assert editor.problems(RIGHT[name]) == []
    assert editor.complaints(RIGHT[name]) == []


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(topologies(nodes=4))
def test_random_files_are_right(sketch: Sketch) -> None:
    assert editor.complaints(sketch.text) == []


# Files that validate refuses because of their shape

WRONG_VALUES: tuple[Any, ...] = ({"no": "such"}, [[1]], True, -7, "no such thing: ~", None, 1.5)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(topologies(nodes=3), st.data())
def test_a_changed_file_is_refused_by_both_or_by_neither(
    sketch: Sketch, data: st.DataObject
) -> None:
    """After one change of a key or a value, `validate` and the schema agree about the shape."""
    tree = json.loads(json.dumps(sketch.file))
    places = [
        (parent, key)
        for parent in subtrees(tree)
        for key in (parent if isinstance(parent, dict) else range(len(parent)))
    ]
    parent, key = data.draw(st.sampled_from(places))
    if isinstance(parent, dict) and data.draw(st.booleans()):
        parent["no-such-key"] = data.draw(st.sampled_from(WRONG_VALUES))
    else:
        parent[key] = data.draw(st.sampled_from(WRONG_VALUES))
    text = yaml.safe_dump(tree, sort_keys=False)
    problems = editor.problems(text)
    assert editor.let_pass(text, problems) == []
    assert problems or editor.complaints(text) == []


def subtrees(value: Any) -> Iterator[Any]:
    """Yield all mappings and lists in a tree."""
    if isinstance(value, (dict, list)):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from subtrees(item)


RULES = [
    "nodes: {a: {nat: [{}]}}",
    "nodes: {a: {nat: [{masquerade: {out: x}, snat: {out: x, to: 10.0.0.1}}]}}",
    "nodes: {a: {nat: [{masquerade: {ports: 1024-2000}}]}}",
    "nodes: {a: {nat: [{snat: {ports: 7, to: 10.0.0.1}}]}}",
    "nodes: {a: {routes: [{to: default}]}}",
    "nodes: {a: {routes: [{to: default, via: 10.0.0.1, type: blackhole}]}}",
    "nodes: {a: {routes: [{to: default, onlink: true, via: 10.0.0.1}]}}",
    "nodes: {a: {routes: [{to: default, dev: x, vrf: v, table: 5}]}}",
    "nodes: {a: {routes: [{to: default, dev: x, nexthops: [{dev: y}]}]}}",
    "nodes: {a: {routes: [{to: default, nexthops: [{weight: 2}]}]}}",
    "nodes: {a: {rules: [{from: 10.0.0.0/8}]}}",
    "nodes: {a: {rules: [{action: blackhole, table: 5}]}}",
    "nodes: {a: {interfaces: {v: {kind: vlan, parent: x}}}}",
    "nodes: {a: {interfaces: {v: {kind: vxlan, vni: 1, group: 239.0.0.1}}}}",
    "nodes: {a: {interfaces: {v: {kind: gre}}}}",
    "nodes: {a: {interfaces: {v: {kind: bond, lacp_rate: fast}}}}",
    "nodes: {a: {interfaces: {v: {kind: bond, primary: x, mode: 802.3ad}}}}",
    "nodes: {a: {interfaces: {v: {kind: vrf, table: 254}}}}",
    "nodes: {a: {interfaces: {v: {id: 5}}}}",
    "nodes: {a: {interfaces: {v: {kind: dummy, id: 5}}}}",
    "networks: {n: {mode: {v4: bridged, v6: nat}}}",
    "networks: {n: {mode: bridged}}",
    "networks: {n: {uplink: eth0}}",
    "networks: {n: {mode: bridged, uplink: eth0, isolated: true}}",
    "networks: {n: {mode: bridged, uplink: eth0, gateway: 10.0.0.1}}",
    "networks: {n: {vni: 5}}",
    "networks: {n: {driver: vxlan, vni: 5}}",
    "networks: {n: {driver: vxlan, vni: 5, mode: nat, endpoints: {a: 10.0.0.1}}}",
    "networks: {n: {parent: eth0}}",
    "networks: {n: {driver: macvlan, mode: nat}}",
    "networks: {n: {driver: macvlan, driver_mode: l2}}",
    "networks: {n: {driver: macvlan, stp: false}}",
    "networks: {n: {driver: ipvlan, vlan: 5}}",
    "checks: [{from: a}]",
    "checks: [{from: a, to: b, all: n}]",
    "links: [[a:x, b:x, c:x]]",
    "links: [{subnet: 10.0.0.0/30}]",
]


@pytest.mark.parametrize("text", RULES)
def test_rules_about_keys(text: str) -> None:
    assert editor.problems(text)
    assert editor.complaints(text)


def test_a_misspelt_substitution() -> None:
    for wrong in ("${m}", "$m", "5$", "$()", "$(a b", "$(a/b;c)"):
        text = json.dumps(
            {"vars": {"m": 1}, "nodes": {"a": {"interfaces": {"lo": {"mtu": wrong}}}}}
        )
        assert editor.problems(text)
        assert editor.complaints(text), wrong
