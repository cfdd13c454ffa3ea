"""The text of a file means the tree that it was made from, and is as short as a person's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netorch.language.yaml_tree import parse
from netorch.render.applied_file import plain
from netorch.render.yaml_text import document, scalar

TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12) | st.sampled_from(
    [
        "",
        " ",
        "a b",
        "yes",
        "12",
        "1:30",
        "fd00::1",
        "::",
        "a: b",
        "a #b",
        "h[1-3]",
        "{",
        "-",
        "?",
        "#",
    ]
)
SCALARS = TEXTS | st.integers(-(10**9), 10**9) | st.booleans() | st.none()
KEYS = TEXTS.filter(bool)
TREES = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=12,
    ),
    min_size=1,
    max_size=4,
)


@given(TREES)
def test_the_text_is_read_as_the_tree(tree: dict[str, object]) -> None:
    assert plain(parse(document(tree).encode())) == tree


@given(TREES, st.data())
def test_comments_change_nothing_and_none_is_lost(
    tree: dict[str, object], data: st.DataObject
) -> None:
    paths = list(_paths(tree, ()))
    chosen = data.draw(st.lists(st.sampled_from([*paths, ("nowhere",), (paths[0][0], "nowhere")])))
    comments = {path: [f"remark{number}"] for number, path in enumerate(dict.fromkeys(chosen))}
    text = document(tree, comments)
    assert plain(parse(text.encode())) == tree
    lines = [line.strip() for line in text.splitlines()]
    assert [lines.count(f"# {one}") for (one,) in comments.values()] == [1] * len(comments)


def _paths(tree: object, path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
    items = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    below = [one for key, value in items for one in _paths(value, (*path, key))]
    return [path, *below] if path else below


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("web", "web"),
        ("8080:80", '"8080:80"'),
        ("10.0.0.1/24", "10.0.0.1/24"),
        ("r1:eth1", "r1:eth1"),
        ("fd00::1/64", '"fd00::1/64"'),
        ("yes", '"yes"'),
        ("012", '"012"'),
        ("two words", "two words"),
        ('say "no"', "'say \"no\"'"),
        (True, "true"),
        (1500, "1500"),
    ],
)
def test_a_scalar_has_quotes_only_where_some_reader_needs_them(value: object, text: str) -> None:
    assert scalar(value) == text


def test_short_entries_stand_on_one_line() -> None:
    tree = {
        "nodes": {"r1": {"forwarding": True}, "h[1-3]": {"networks": ["lan"]}},
        "links": [["r1:e0", "h1:e9"], {"endpoints": ["r1:e1", "h2:e9"], "subnet": "10.0.0.0/30"}],
    }
    assert document(tree, {("nodes", "r1"): ["the router"], ("links",): ["cables"]}) == (
        "nodes:\n"
        "  # the router\n"
        "  r1: {forwarding: true}\n"
        "  h[1-3]: {networks: [lan]}\n"
        "# cables\n"
        "links:\n"
        "  - [r1:e0, h1:e9]\n"
        "  - {endpoints: [r1:e1, h2:e9], subnet: 10.0.0.0/30}"
    )


def test_an_entry_with_a_comment_inside_has_lines_of_its_own() -> None:
    tree = {"nodes": {"r1": {"forwarding": True, "networks": ["lan"]}}}
    assert document(
        tree, {("nodes", "r1", "networks"): ["one"], ("nodes", "r1", "image"): ["two"]}
    ) == ("nodes:\n  r1:\n    forwarding: true\n    # one\n    networks: [lan]\n    # two")
