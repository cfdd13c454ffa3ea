"""Tests of the expansion of variables, ranges, defaults and profiles."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netorch.errors import FileError
from netorch.language.expand import expand
from netorch.language.yaml_tree import Map, locate, parse
from tests.ends import ends


def expanded(text: str, /, **variables: str) -> Map:
    """Return the expanded tree of a text."""
    return expand(parse(text.encode()), variables)


def refused(text: str, /, **variables: str) -> list[str]:
    """Return the errors of a text that cannot be expanded."""
    with pytest.raises(FileError) as caught:
        expanded(text, **variables)
    return [problem.text("lab.yaml") for problem in caught.value.problems]


def value(expression: str, **variables: str) -> Any:
    """Return the value to which an expression expands."""
    return expanded(f"x: '{expression}'", **variables)["x"]


# Variables


def test_vars_take_the_type_that_a_plain_scalar_would_have() -> None:
    text = """\
vars: {mtu: 9000, fw: true, site: nuremberg, uplink: eth0, nothing: }
name: lab-$(site)
nodes:
  r1:
    forwarding: $(fw)
    interfaces: {$(uplink): {mtu: $(mtu), description: 'costs 5$$', master: $(nothing)}}
"""
    assert expanded(text) == {
        "name": "lab-nuremberg",
        "nodes": {
            "r1": {
                "forwarding": True,
                "interfaces": {"eth0": {"mtu": 9000, "description": "costs 5$", "master": None}},
            }
        },
    }


def test_overrides_win_and_are_never_read_again() -> None:
    text = "vars: {a: '1', b: $(a)0}\nx: $(b)\ny: $(c:-none)\n"
    assert expanded(text) == {"x": 10, "y": "none"}
    assert expanded(text, a="7", c="$(a)") == {"x": 70, "y": "$(a)"}
    assert expanded("x: $(a)", a="set") == {"x": "set"}


def test_an_override_of_a_wrong_variable_mends_the_file() -> None:
    assert expanded("vars: {a: $(nope)}\nx: $(a)", a="1") == {"x": 1}


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("$(1 + 2 * 3)", 7),
        ("$((1 + 2) * 3)", 9),
        ("$(10 - 3 - 2)", 5),
        ("$(n // 256).$(n % 256)", "1.44"),
        ("$(-n + 1)", -299),
        ("$(-7 // 2)", -4),
        ("$(--3)", 3),
        ("$(2 * -3)", -6),
        ("$(007)", 7),
        ("$( n )", 300),
        ("$((n))x", "300x"),
        ("$(word)", "abc"),
        ("$(n:-5)", 300),
        ("$(m:-5)", 5),
        ("$(m:-a b)-$(empty:-c)", "a b-c"),
        ("$(i:-0)", 0),
        ("$$(n)$$", "$(n)$"),
        ("$$$(n)", "$300"),
        ("$(2 * 10 % 7)", 6),
    ],
)
def test_expressions(expression: str, result: object) -> None:
    assert value(expression, n="300", word="abc", empty="") == result


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("${mtu}", "Write $(mtu), in parentheses"),
        ("cost $5", "Write $$ for a dollar"),
        ("$", "Write $$ for a dollar"),
        ("$(n", "A ')' is missing"),
        ("$()", "is not complete"),
        ("$(1 +)", "is not complete"),
        ("$((1)", "A ')' is missing"),
        ("$(1 2)", "is not valid at '2'"),
        ("$(1))(", ""),
        ("$(2 ** 3)", "is not valid at '*'"),
        ("$(1 / 2)", "Use '//' to divide"),
        ("$(n.real)", "'.' is not allowed"),
        ("$(__import__(1))", "is not valid at '('"),
        ("$(1 // 0)", "divides by zero"),
        ("$(n % (n - n))", "divides by zero"),
        ("$(word + 1)", "'abc' is not an integer"),
        ("$(" + "*".join(["99999999"] * 10) + ")", "too large"),
        ("$(" + "9" * 100 + ")", "too large"),
        ("$(" + "1+" * 120 + "1)", "more than 200 characters"),
        ("$(" + "(" * 99 + "1" + ")" * 99 + ")", ""),
        ("$(wrod)", "There is no variable 'wrod'. Did you mean 'word'?"),
        ("$(zzz)", "Declare it under vars"),
        ("$(i)", "inside an entry with a range"),
        ("$(m:-$(n))", "cannot contain another"),
    ],
)
def test_wrong_expressions(expression: str, words: str) -> None:
    if not words:
        value(expression)
        return
    (line,) = refused(f"x: '{expression}'", n="300", word="abc")
    assert line.startswith("lab.yaml:1:1: ")
    assert words in line


def test_every_wrong_variable_is_reported_once_with_its_place() -> None:
    text = (
        "vars:\n  a: $(b)\n  b: $(a)\n  c: $(nope)\n  d: [1]\n  i: 5\n  e-f: 1\n  ok: 1\n"
        "x: $(a) $(c)\n"
        "nodes: {r: {mtu: $(okk)}}\n"
    )
    assert refused(text) == [
        "lab.yaml:3:3: The variables use each other in a circle: a -> b -> a.",
        "lab.yaml:4:3: There is no variable 'nope'. Declare it under vars, or write "
        "$(name:-default).",
        "lab.yaml:5:3: The variable 'd' is a mapping or a list. Use a text, a number or a boolean.",
        "lab.yaml:6:3: A variable cannot have the name 'i'. $(i) is the value of a range. Use "
        "another name.",
        "lab.yaml:7:3: 'e-f' cannot be the name of a variable. Use letters, digits and '_', "
        "and do not begin with a digit.",
        "lab.yaml:10:13: There is no variable 'okk'. Did you mean 'ok'?",
    ]


def test_variables_cannot_grow_without_end() -> None:
    laughs = (
        "vars:\n  v0: ha\n"
        + "".join(f"  v{n}: {f'$(v{n - 1})' * 10}\n" for n in range(1, 12))
        + "x: $(v11)\n"
    )
    assert any("expands to more than" in line for line in refused(laughs))
    deep = (
        "vars:\n  v0: ha\n"
        + "".join(f"  v{n}: $(v{n - 1})\n" for n in reversed(range(1, 5000)))
        + "x: $(v4999)\n"
    )
    assert any("deep" in line for line in refused(deep))


# Ranges


def test_the_example_of_the_contract() -> None:
    text = """\
nodes:
  h[1-300]:
    networks: {lan: {address: 10.0.$(i//256).$(i%256)/16}}
links:
  - {endpoints: ["r[1-9]:right", "r[2-10]:left"], subnet: 10.1.$(i).0/30}
"""
    tree = expanded(text)
    assert len(tree["nodes"]) == 300
    assert tree["nodes"]["h258"] == {"networks": {"lan": {"address": "10.0.1.2/16"}}}
    assert len(tree["links"]) == 9
    assert tree["links"][8] == {"endpoints": ["r9:right", "r10:left"], "subnet": "10.1.9.0/30"}
    assert locate(tree, ("nodes", "h258", "networks", "lan", "address")) == (3, 22)
    assert locate(tree, ("links", 8, "subnet")) == (5, 51)


def test_ranges_keep_zeros_and_take_letters() -> None:
    tree = expanded(
        "nodes: {'leaf[08-11]': {a: $(i), b: $(i + 1)}, 'r[a-c]x': {a: $(i)}, 'h[0-10]': {}, "
        "'z[5-5]': }"
    )
    nodes = tree["nodes"]
    assert list(nodes)[:7] == ["leaf08", "leaf09", "leaf10", "leaf11", "rax", "rbx", "rcx"]
    assert nodes["leaf08"] == {"a": "08", "b": 9}
    assert nodes["rbx"] == {"a": "b"}
    assert "h0" in nodes and "h10" in nodes and nodes["z5"] == {}


def test_addresses_lose_the_zeros_that_a_range_brought() -> None:
    text = (
        "nodes: {'h[01-02]': {a: 10.0.$(i).1/24, b: '10.$(i).0.$(i):80', c: 10.0.010.$(i), "
        "d: v1.$(i), e: 10.0.0.1$(i), f: '$(i).0.0.0'}}"
    )
    assert expanded(text)["nodes"]["h01"] == {
        "a": "10.0.1.1/24",
        "b": "10.1.0.1:80",
        "c": "10.0.010.1",
        "d": "v1.01",
        "e": "10.0.0.101",
        "f": "1.0.0.0",
    }


def test_the_innermost_range_wins() -> None:
    tree = expanded("nodes: {'sw[1-2]': {interfaces: {'eth[3-4]': {x: $(i)}, lo: {x: $(i)}}}}")
    assert tree["nodes"]["sw2"] == {
        "interfaces": {"eth3": {"x": 3}, "eth4": {"x": 4}, "lo": {"x": 2}}
    }


def test_bounds_and_names_may_be_variables() -> None:
    tree = expanded(
        "vars: {count: 3}\nnodes: {'h[1-$(count * (1 + 1))]-$(i % 2)': {}, $(host:-gw): {}}"
    )
    assert list(tree["nodes"]) == ["h1-1", "h2-0", "h3-1", "h4-0", "h5-1", "h6-0", "gw"]


def test_lists_of_names_expand_in_place_and_other_lists_do_not() -> None:
    text = """\
nodes:
  'h[1-2]': {networks: [mgmt, 'lan[1-2]'], aliases: ['pc$(i)', 'www[a-b]-$(i)']}
  sw: {interfaces: {br0: {ports: ['eth[1-3]', up]}}, publish: ['[::1]:80:80', 'x[1-2]']}
"""
    nodes = expanded(text)["nodes"]
    assert nodes["h2"] == {
        "networks": ["mgmt", "lan1", "lan2"],
        "aliases": ["pc2", "wwwa-a", "wwwb-b"],
    }
    assert nodes["sw"] == {
        "interfaces": {"br0": {"ports": ["eth1", "eth2", "eth3", "up"]}},
        "publish": ["[::1]:80:80", "x[1-2]"],
    }
    assert locate(expanded(text), ("nodes", "h1", "networks", 2)) == (2, 31)


@pytest.mark.parametrize(
    "key", ["a[b]", "[]", "a[1]", "a[-]", "a[1-]", "a[1-2", "a[1_2]", "x[::1]"]
)
def test_brackets_that_are_no_range_stay(key: str) -> None:
    assert expanded(f"nodes: {{'{key}': {{}}}}") == {"nodes": {key: {}}}


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("h[3-1]", "'[3-1]' ends before it starts. Write [1-3]."),
        ("h[10-9]", "ends before it starts. Write [9-10]."),
        ("r[c-a]", "ends before it starts. Write [a-c]."),
        ("h[a-10]", "neither two numbers nor two letters"),
        ("h[a-Z]", "neither two numbers"),
        ("h[aa-zz]", "neither two numbers"),
        ("h[01-100]", "different numbers of digits. Write [001-100]."),
        ("h[1-012]", "different numbers of digits. Write [001-012]."),
        ("h[1-2]e[1-2]", "more than one range"),
        ("h[1-2000000]", "more than 1,000,000 values"),
        ("h[1-99999999999999999999999]", "neither two numbers"),
        ("h[1-$(n)]", "There is no variable 'n'"),
    ],
)
def test_wrong_ranges(key: str, words: str) -> None:
    (line,) = refused(f"nodes:\n  '{key}': {{}}\n")
    assert line.startswith("lab.yaml:2:3: ")
    assert words in line


def test_a_range_that_meets_another_name_is_an_error_with_both_lines() -> None:
    text = (
        "nodes:\n  h2: {}\n  h[1-9]: {}\n  h[5-20]: {}\n  r1: {interfaces: {$(x): {}, eth0: {}}}\n"
    )
    assert refused(text, x="eth0") == [
        "lab.yaml:3:3: 'h2' in line 2 and 'h[1-9]' in line 3 both expand to 'h2'. Remove one "
        "of them.",
        "lab.yaml:4:3: 'h[1-9]' in line 3 and 'h[5-20]' in line 4 both expand to 'h5'. Remove "
        "one of them.",
        "lab.yaml:5:31: '$(x)' in line 5 and 'eth0' in line 5 both expand to 'eth0'. Remove "
        "one of them.",
    ]


# Links and checks


def test_short_links_become_long_and_run_together() -> None:
    text = """\
defaults: {link: {mtu: 9000, impair: {delay: '$(i)ms'}}}
links:
  - ['r[1-2]:eth0', 'sw:p$(i)']
  - endpoints: [{node: 'h[01-02]', interface: 'e[3-4]', addresses: [10.0.$(i).1/24]}, 'sw:h[5-6]']
    mtu: 1400
"""
    assert expanded(text)["links"] == [
        {"mtu": 9000, "impair": {"delay": "1ms"}, "endpoints": ["r1:eth0", "sw:p1"]},
        {"mtu": 9000, "impair": {"delay": "2ms"}, "endpoints": ["r2:eth0", "sw:p2"]},
        {
            "mtu": 1400,
            "impair": {"delay": "01ms"},
            "endpoints": [
                {"node": "h01", "interface": "e3", "addresses": ["10.0.1.1/24"]},
                "sw:h5",
            ],
        },
        {
            "mtu": 1400,
            "impair": {"delay": "02ms"},
            "endpoints": [
                {"node": "h02", "interface": "e4", "addresses": ["10.0.2.1/24"]},
                "sw:h6",
            ],
        },
    ]


def test_ranges_of_a_link_must_be_equally_long() -> None:
    assert refused("links:\n  - ['r[1-9]:a', 'r[2-11]:b']\n") == [
        "lab.yaml:2:5: The ranges of one entry must have the same length, but [1-9] has 9 and "
        "[2-11] has 10 values. Make them equally long."
    ]


def test_checks_run_together_too() -> None:
    text = (
        "checks:\n"
        "  - {from: 'h[1-2]', to: 'h[2-3]', tcp: '$(i)0'}\n"
        "  - {from: a, to: 10.0.0.1}\n"
        "  - {all: 'lan[1-2]'}\n"
    )
    assert expanded(text)["checks"] == [
        {"from": "h1", "to": "h2", "tcp": 10},
        {"from": "h2", "to": "h3", "tcp": 20},
        {"from": "a", "to": "10.0.0.1"},
        {"all": "lan1"},
        {"all": "lan2"},
    ]


# Defaults and profiles

PROFILES = """\
defaults:
  node: {forwarding: false, sysctls: {a: 1, b: 1}}
  network: {mtu: 1400}
  interface: {mtu: 9000}
profiles:
  base: {dns: {servers: [9.9.9.9]}, sysctls: {b: 2}}
  router: {profile: base, forwarding: true, interfaces: {lo: {addresses: [10.255.0.$(i)/32]}}}
  quiet: {sysctls: {b: 3, c: 3}, aliases: [q]}
nodes:
  plain:
  r[1-2]: {profile: [router, quiet], sysctls: {c: 4}, aliases: [me]}
  own: {profile: router, interfaces: {lo: {addresses: []}}}
networks:
  lan:
  wan: {mtu: 1500}
"""


def test_defaults_then_profiles_then_own() -> None:
    tree = expanded(PROFILES)
    assert list(tree) == ["defaults", "nodes", "networks"]
    assert tree["defaults"] == {"interface": {"mtu": 9000}}
    assert tree["networks"] == {"lan": {"mtu": 1400}, "wan": {"mtu": 1500}}
    assert tree["nodes"] == {
        "plain": {"forwarding": False, "sysctls": {"a": 1, "b": 1}},
        "r1": {
            "forwarding": True,
            "sysctls": {"a": 1, "b": 3, "c": 4},
            "dns": {"servers": ["9.9.9.9"]},
            "interfaces": {"lo": {"addresses": ["10.255.0.1/32"]}},
            "aliases": ["me"],
        },
        "r2": tree["nodes"]["r1"] | {"interfaces": {"lo": {"addresses": ["10.255.0.2/32"]}}},
        # The node's own keys replace the $(i) of the profile, so it is not an error here.
        "own": {
            "forwarding": True,
            "sysctls": {"a": 1, "b": 2},
            "dns": {"servers": ["9.9.9.9"]},
            "interfaces": {"lo": {"addresses": []}},
        },
    }
    assert locate(tree, ("nodes", "r2", "dns", "servers", 0)) == (6, 26)
    assert locate(tree, ("nodes", "r2", "sysctls", "c")) == (11, 48)


def test_a_profile_named_by_the_range() -> None:
    text = (
        "profiles: {p1: {mtu: 1}, p2: {mtu: 2}}\n"
        "nodes: {'h[1-2]': {profile: p$(i)}, 'k[1-2]': {profile: [p1]}}"
    )
    tree = expanded(text)
    assert tree == {
        "nodes": {"h1": {"mtu": 1}, "h2": {"mtu": 2}, "k1": {"mtu": 1}, "k2": {"mtu": 1}}
    }
    assert tree["nodes"]["k1"] is tree["nodes"]["k2"]


def test_a_range_in_a_profile_meets_a_name_of_the_node() -> None:
    text = (
        "profiles: {sw: {interfaces: {'eth[1-2]': {mtu: $(i)000}}}}\n"
        "nodes: {s: {profile: sw, interfaces: {eth1: {state: down}}}}"
    )
    assert expanded(text)["nodes"]["s"] == {
        "interfaces": {"eth1": {"mtu": 1000, "state": "down"}, "eth2": {"mtu": 2000}}
    }


def test_profile_errors() -> None:
    text = (
        "profiles:\n  a: {profile: b}\n  b: {profile: a}\n  router: {}\n  bad: 5\n"
        "nodes:\n  x: {profile: ruter}\n  y: {profile: {}}\n"
    )
    assert refused(text) == [
        "lab.yaml:2:7: The profiles use each other in a circle: b -> a -> b.",
        "lab.yaml:3:7: The profiles use each other in a circle: a -> b -> a.",
        "lab.yaml:5:3: The profile 'bad' is not a mapping.",
        "lab.yaml:7:7: There is no profile 'ruter'. Did you mean 'router'?",
        "lab.yaml:8:7: 'profile' must be a name or a list of names.",
    ]


def test_a_thousand_profiles_that_take_one_another_twice() -> None:
    text = "profiles:\n  p0: {mtu: 1}\n" + "".join(
        f"  p{n}: {{profile: [p{n - 1}, p{n - 1}]}}\n" for n in range(1, 60)
    )
    assert expanded(text + "nodes: {r: {profile: p59}}\n") == {"nodes": {"r": {"mtu": 1}}}


@pytest.mark.parametrize(
    "text",
    [
        "nodes: [a, $(x)]",
        "nodes: 5",
        "nodes: {a: [1], b: text, c: }",
        "networks: text",
        "links: {a: b}",
        "links: [5, null, text, [[]], {endpoints: 5}, "
        "{endpoints: [[a], 5, {node: [x], interface: {}}]}]",
        "checks: [5, [a, 'b[1-2]'], {from: {a: b}}]",
        "defaults: {interface: 5}",
        "defaults: {nodes: {}}",
        "defaults:\nprofiles:\nvars:\nnodes:\n",
    ],
)
def test_odd_shapes_are_left_to_validation(text: str) -> None:
    expanded(text, x="1")


@pytest.mark.parametrize(
    "text",
    [
        "vars: [1]",
        "vars: text",
        "defaults: 5",
        "defaults: {node: []}",
        "profiles: [a]",
        "nodes: {a: {profile: 1.5}}",
    ],
)
def test_shapes_that_nothing_can_be_made_of(text: str) -> None:
    (line,) = refused(text)
    assert line.startswith("lab.yaml:1:")


# Size and speed


def test_untouched_parts_are_shared_and_the_source_stays() -> None:
    tree = parse(b"nodes: {a: {routes: [1]}, 'h[1-2]': {x: $(i), y: [1]}}\nnames: false\n")
    result = expand(tree, {})
    assert result["nodes"]["a"] is tree["nodes"]["a"]
    assert result["nodes"]["h1"]["y"] is tree["nodes"]["h[1-2]"]["y"]
    assert list(tree["nodes"]) == ["a", "h[1-2]"]
    assert result.size == 1 + 1 + 1 + 3 + 2 * 4


def test_ten_thousand_nodes() -> None:
    text = """\
defaults: {node: {forwarding: true}}
nodes:
  h[1-10000]:
    aliases: [pc$(i)]
    networks: {lan: {address: 10.$(i // 65536).$(i // 256 % 256).$(i % 256)/8}}
    sysctls: {net.ipv4.ip_default_ttl: 64}
    dns: {servers: [9.9.9.9]}
links:
  - ["h[1-10000]:up", "sw:p$(i)"]
"""
    tree = parse(text.encode())
    with ends():
        result = expand(tree, {})
    assert result["nodes"]["h10000"]["networks"] == {"lan": {"address": "10.0.39.16/8"}}
    assert result["links"][9999] == {"endpoints": ["h10000:up", "sw:p10000"]}


@pytest.mark.parametrize(
    "text",
    [
        "nodes: {'a[1-1000]': {'b[1-1000]': {'c[1-1000]': {'d[1-1000]': 1}}}}",
        "nodes: {'a[1-1000000]': {b: [1, 2]}}",
        "nodes: {a: {aliases: [" + ", ".join(["'a[1-900000]'"] * 50) + "]}}",
        "links:\n" + "- ['a[1-900000]:x', b]\n" * 50,
        "vars: {n: 999999}\nnodes: {'a[1-$(n)]': {b: $(i)}}",
        "vars: {t: '" + "x" * 60_000 + "'}\nnodes: {'a[1-1000]': {b: $(t)}}",
        "profiles: {p: {x: [" + "1, " * 2000 + "]}}\nnodes: {'a[1-1000]': {profile: p}}",
    ],
)
def test_what_expands_too_far_is_refused_at_once(text: str) -> None:
    tree = parse(text.encode())
    with ends(), pytest.raises(FileError, match="expands to more than"):
        expand(tree, {})


def test_ten_thousand_wrong_nodes_end_soon() -> None:
    lines = refused(
        "vars: {"
        + ", ".join(f"name{n}: 1" for n in range(1000))
        + "}\nnodes: {'h[1-10000]': {x: $(nome), $(i // 0): {}}}"
    )
    assert len(lines) == 2
    many = refused("nodes: {'h[1-10000]': {profile: p$(i)}}")
    assert "stopped reading after 1000 errors" in " ".join(many)


# Random input

WORDS = [
    "a",
    "b",
    "i",
    "h[1-3]",
    "r[a-b]",
    "$(i)",
    "$(a)",
    "$(b:-x)",
    "$(i+1)",
    "h$(i)",
    "[3-1]",
    "$",
    "$$",
    "10.0.$(i).1",
]
WORDS += [
    "profile",
    "node",
    "nodes",
    "networks",
    "links",
    "checks",
    "vars",
    "defaults",
    "profiles",
    "endpoints",
]
WORDS += ["interface", "from", "to", "ports", "aliases"]
SCALARS = (
    st.sampled_from(WORDS) | st.text(max_size=5) | st.none() | st.integers(0, 9) | st.booleans()
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=15,
)


def only_refusals(data: bytes) -> None:
    """Assert that a file is either expanded, or refused with errors of one line each."""
    with ends():
        try:
            tree = expand(parse(data), {"b": "7"})
        except FileError as error:
            assert error.problems
            assert all("\n" not in line for line in error.lines())
        else:
            assert tree.keys() == tree.where.keys()


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(
        st.sampled_from(
            ["nodes", "networks", "links", "checks", "vars", "defaults", "profiles", "x"]
        ),
        TREES,
        max_size=6,
    )
)
def test_any_tree(tree: dict[str, Any]) -> None:
    only_refusals(json.dumps(tree).encode())


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(alphabet="$(){}[]-+*/%:1290abi_. ", max_size=40))
def test_any_expression(text: str) -> None:
    only_refusals(
        json.dumps(
            {
                "nodes": {"h[1-2]": {text: text}, text: {"aliases": [text]}},
                "links": [[text, "$(" + text]],
            }
        ).encode()
    )


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=100))
def test_any_text(text: str) -> None:
    only_refusals(text.encode("utf-8", "surrogatepass"))


@given(
    st.integers(-300, 300),
    st.integers(-300, 300),
    st.integers(1, 300),
    st.sampled_from(["+", "-", "*", "//", "%"]),
    st.sampled_from(["+", "*"]),
)
def test_arithmetic_is_that_of_python(a: int, b: int, c: int, first: str, second: str) -> None:
    source = f"{a} {first} ({b} {second} {c})"
    if first in ("//", "%") and eval(f"{b} {second} {c}") == 0:
        assert "divides by zero" in refused(f"x: $({source})")[0]
    else:
        assert value(f"$({source})") == eval(source)
        assert value(f"$({b} {second} {c} {first} {c})") == eval(f"{b} {second} {c} {first} {c}")
