"""Tests of the YAML parser: which values texts become, and the error of each wrong file."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netorch.errors import FileError, Position
from netorch.language.yaml_tree import MAX_BYTES, Map, Seq, TaggedText, locate, parse, retype
from tests.ends import ends

LAB = b"""\
nodes:
  r1:
    forwarding: true
    routes:
      - {to: default, via: 10.0.0.1}
      - {to: 10.1.0.0/16, via: 10.0.0.2}
links:
  - [r1:eth1, r2:eth1]
"""


def refused(data: bytes) -> list[str]:
    """Return the errors of a file that cannot be parsed."""
    with pytest.raises(FileError) as caught:
        parse(data)
    return caught.value.lines()


@pytest.mark.parametrize(
    "text",
    [
        "on",
        "no",
        "off",
        "yes",
        "y",
        "12:30:00",
        "0o17",
        "0x1F",
        "007",
        "1.5",
        "22:22",
        "2026-01-31",
        "NaN",
        ".inf",
        "1e999",
        "-0",
        "+1",
        "1_000",
        "00:11:22:33:44:55",
        "02:00:00:00:00:01",
        "10.0.0.1/24",
        "fd00::1",
        "true ish",
        "9" * 5000,
    ],
)
def test_what_a_network_engineer_writes_stays_text(text: str) -> None:
    assert parse(f"a: {text}".encode()) == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("NULL", None),
        ("true", True),
        ("TRUE", True),
        ("False", False),
        ("0", 0),
        ("-17", -17),
        ("9000", 9000),
    ],
)
def test_yaml_1_2_values(text: str, value: object) -> None:
    result = parse(f"a: {text}".encode())["a"]
    assert result == value
    assert type(result) is type(value)
    assert retype(text) == value


def test_quoted_and_block_scalars_are_text() -> None:
    assert parse(b"a: '1'\nb: \"true\"\nc: |\n  1\nd: !!str 5\ne: !!int '5'") == {
        "a": "1",
        "b": "true",
        "c": "1\n",
        "d": "5",
        "e": 5,
    }


def test_keys_are_the_text_as_written() -> None:
    assert list(parse(b"{10: a, true: b, ~: c, 0x1F: d, 'on': e}")) == [
        "10",
        "true",
        "~",
        "0x1F",
        "on",
    ]


def test_positions() -> None:
    tree = parse(LAB)
    assert tree.at == (1, 1)
    assert tree.where["links"] == Position(7, 1)
    assert locate(tree, ("nodes", "r1", "routes", 1, "via")) == (6, 27)
    assert locate(tree, ("nodes", "r1", "routes", 1)) == (6, 9)
    assert locate(tree, ("links", 0, 1)) == (8, 15)


def test_locate_passes_over_what_the_tree_does_not_have() -> None:
    tree = parse(LAB)
    assert locate(
        tree, ("nodes", "r1", "Veth", "routes", 0, "function-after[check()]", "metric")
    ) == (5, 9)
    assert locate(tree, ("nodes", "r1", "routes", 7)) == (4, 5)
    assert locate(tree, ("nodes", "r1", "forwarding", 0, "x")) == (3, 5)
    assert locate(tree, ("nope",)) is None
    assert locate(None, ("a", 0)) is None


def test_size_counts_values_with_aliases_expanded() -> None:
    tree = parse(b"a: &x [1, 2, {b: c}]\nd: [*x, *x]\n")
    assert tree["a"].size == 5
    assert tree.size == 1 + 5 + 11
    assert tree["d"][0] is tree["a"]


def test_needs_expansion() -> None:
    tree = parse(b"a: {b: [c, 5]}\nd: {e: ['$(x)']}\n'h[1-3]': {}\n")
    assert not tree["a"].needs_expansion
    assert tree["d"].needs_expansion
    assert tree.needs_expansion
    assert not tree["h[1-3]"].needs_expansion


def test_anchors_and_merge_keys() -> None:
    tree = parse(
        b"a: &a {mtu: 9000, stp: true}\n"
        b"b: &b {mtu: 1400, id: 5}\n"
        b"c:\n  mtu: 1\n  <<: [*a, *b]\n"
        b"d: {<<: *b}\n"
        b"'<<': plain\n"
    )
    assert tree["c"] == {"mtu": 1, "stp": True, "id": 5}
    assert tree["d"] == {"mtu": 1400, "id": 5}
    assert tree["c"].where == {"mtu": (4, 3), "stp": (1, 19), "id": (2, 19)}
    assert tree["<<"] == "plain"
    assert (tree["c"].size, tree["d"].size) == (4, 3)


def test_an_alias_may_be_a_key() -> None:
    assert parse(b"a: &n 10\nb: {*n : x}") == {"a": 10, "b": {"10": "x"}}


def test_encodings_and_line_ends() -> None:
    text = "nodes:\n  münchen: {}\n"
    for data in (
        text.encode(),
        text.encode("utf-8-sig"),
        text.encode("utf-16"),
        text.replace("\n", "\r\n").encode(),
    ):
        tree = parse(data)
        assert tree == {"nodes": {"münchen": {}}}
        assert tree["nodes"].where["münchen"] == (2, 3)
    big_endian = b"\xfe\xff" + text.encode("utf-16-be")
    assert parse(big_endian) == {"nodes": {"münchen": {}}}


def test_all_duplicate_keys_are_reported_with_both_places() -> None:
    with pytest.raises(FileError) as caught:
        parse(b"nodes:\n  a: {}\n  b: {}\n  a: {}\n  b: {mtu: 1, mtu: 2}\n")
    assert [problem.text("lab.yaml") for problem in caught.value.problems] == [
        "lab.yaml:4:3: The key 'a' appears twice, first in line 2. Remove one of them.",
        "lab.yaml:5:3: The key 'b' appears twice, first in line 3. Remove one of them.",
        "lab.yaml:5:15: The key 'mtu' appears twice, first in line 5. Remove one of them.",
    ]


@pytest.mark.parametrize(
    ("data", "place", "words"),
    [
        (b"", (1, 1), "is empty: a topology is a mapping with keys such as `nodes`"),
        (b"# nothing\n", (1, 1), "is empty"),
        (b"---\n~\n", (2, 1), "is empty"),
        (b"- a\n- b\n", (1, 1), "a topology is a mapping"),
        (b"hello", (1, 1), "a topology is a mapping"),
        (b"a: 1\n---\nb: 2\n", (2, 1), "second document"),
        (b"a: 1\n? [x, y]\n: 2\n", (2, 3), "A key is a mapping or a list"),
        (b"a: {{ ip }}\n", (1, 5), "If this is a text, quote it. A variable is $(name)."),
        (b"a: !!python/object/apply:os.system [id]\n", (1, 4), "is not part of the language"),
        (b"a: !!float 1.5\n", (1, 4), "is not part of the language"),
        (b"a: !lab {}\n", (1, 4), "is not part of the language"),
        (b"a: !!map [1]\n", (1, 4), "is not part of the language"),
        (b"a: !!int 12:30\n", (1, 4), "is not a !!int"),
        (b"a: *b\n", (1, 4), "no anchor &b"),
        (b"a: &a [*a]\n", (1, 8), "contains it"),
        (b"a: &a {b: [{<<: *a}]}\n", (1, 17), "contains it"),
        (b"<<: 5\n", (1, 1), "'<<' takes a mapping"),
        (b"a:\n\tb: 1\n", (2, 1), "a tab cannot be used for indentation. Use spaces."),
        (b"a: @x\n", (1, 4), "a plain text cannot begin with '@'. Quote it."),
        (b"a: b: c\n", (1, 5), "a value cannot contain ': '. Put it in quotes"),
        (b"a: [1, 2\n", (1, 4), "this [ is not closed"),
        (b"a: 'x\n", (1, 4), "the quote that begins here is not closed"),
        (b"a: \xff\n", (1, 4), "not UTF-8"),
        (b"x: 1\na: \x00\n", (2, 4), "U+0000"),
        (b"a: \x1b[0m\n", (1, 4), "U+001B"),
        (b'a: "x\\0y"\n', (1, 4), "control character"),
        (b"\xff\xfea\x00\x00\xd8", (1, 2), "not UTF-16"),
        (b"a: " + b"[" * 900, (1, 67), "more than 64 levels deep"),
        (
            b"a:\n" + b"".join(b" " * n + b"b:\n" for n in range(1, 200)),
            (65, 65),
            "more than 64 levels deep",
        ),
    ],
)
def test_refused_with_place_and_words(data: bytes, place: tuple[int, int], words: str) -> None:
    with pytest.raises(FileError) as caught:
        parse(data)
    (problem,) = caught.value.problems
    text = problem.text("lab.yaml").replace(", while scanning for the next token", "")
    assert words in text
    assert problem.where == place
    assert "\n" not in text


def test_what_is_too_deep_for_the_parser_too_has_the_same_error() -> None:
    with pytest.raises(FileError, match="more than 64 levels deep"):
        parse(b"a: " + b"[" * 10_000)


def test_a_chain_of_aliases_cannot_nest_deeper_either() -> None:
    chain = b"a0: &a0 [1]\n" + b"".join(
        b"a%d: &a%d [*a%d]\n" % (n, n, n - 1) for n in range(1, 10_000)
    )
    assert "more than 64 levels deep" in refused(chain)[0]


def timed_refusal(data: bytes) -> str:
    """Return the only error of a file, which must come soon."""
    with ends():
        (line,) = refused(data)
    return line


def test_alias_bombs_are_refused_at_once() -> None:
    lists = b"a0: &a0 [x, x]\n" + b"".join(
        b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 10)
    )
    assert "more than 1,000,000 values" in timed_refusal(lists)
    merges = b"a: &a {%s}\n" % b",".join(
        b"k%d: 1" % n for n in range(2000)
    ) + b"b: {<<: [%s]}\n" % b",".join([b"*a"] * 100_000)
    assert "more than 1,000,000 values" in timed_refusal(merges)
    texts = b"a: &a %s\nb: [%s]\n" % (b"x" * 100_000, b",".join([b"*a"] * 1000))
    assert "more than 10 MB" in timed_refusal(texts)


def test_a_large_file_is_refused_unread() -> None:
    assert "At most 10 MB are allowed" in timed_refusal(b"a" * (MAX_BYTES + 1))


def test_without_libyaml_the_meaning_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = parse(LAB)
    monkeypatch.setattr("netorch.language.yaml_tree._Loader", yaml.Loader)
    slow = parse(LAB)
    assert slow == fast
    assert locate(slow, ("links", 0, 1)) == (8, 15)
    for data in (
        b'a: "\\U00110000"',
        b"a: @x",
        b"a: \tb: c",
        b"%YAML 9.9\n---\na: 1",
        b"a: !!python/object:os.system x",
    ):
        assert len(refused(data)) == 1


def test_a_thousand_nodes_read_fast() -> None:
    node = "  r{0}:\n    forwarding: true\n"
    node += "    networks: {{lan: {{address: 10.0.0.{0}/16}}}}\n"
    node += "    routes:\n      - {{to: default, via: 10.0.0.1}}\n"
    data = ("nodes:\n" + "".join(node.format(n) for n in range(1000))).encode()
    with ends():
        tree = parse(data)
    assert isinstance(tree["nodes"]["r7"], Map) and isinstance(tree["nodes"]["r7"]["routes"], Seq)


def only_refusals(data: bytes) -> None:
    """Assert that a file is either parsed, or refused with errors of one line each."""
    with ends():
        try:
            tree = parse(data)
        except FileError as error:
            assert error.problems
            assert all("\n" not in line for line in error.lines())
        else:
            assert tree.keys() == tree.where.keys()


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    only_refusals(data)


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.sampled_from(
            [
                *"ab1:-,[]{}&*!|>'\"%@`#?~<. \n\t",
                "\n  ",
                ": ",
                "<<: ",
                "&a ",
                "*a",
                "!!str ",
                "---\n",
            ]
        ),
        max_size=60,
    )
)
def test_anything_that_looks_like_yaml(parts: list[str]) -> None:
    only_refusals("".join(parts).encode())


def test_tags_of_another_format_are_kept() -> None:
    tree = parse(b"{a: !reset 1, b: !override {c: !reset [d]}}", tags=("!reset", "!override"))
    assert isinstance(tree["a"], TaggedText)
    assert (tree["a"], tree["a"].tag) == ("1", "!reset")
    assert (tree["b"].tag, tree["b"]["c"].tag, tree.tag) == ("!override", "!reset", "")
    with pytest.raises(FileError, match="The tag '!reset' is not part of the language"):
        parse(b"{a: !reset 1}")
