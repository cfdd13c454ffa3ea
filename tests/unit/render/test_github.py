"""A difference as workflow commands and Markdown of GitHub, with any text in the names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from netorch.errors import FileError, Position, Problem
from netorch.kinds.base.link import link_key
from netorch.render import github, markdown
from netorch.render.changes import Change, changes
from netorch.resolve.loader import load
from netorch.state.planner import plan
from netorch.state.resource import Disruption

HOSTILE = (
    "a|b `c` <img src=x onerror=alert(1)> @octocat [x](http://y) \\| ``` **d** &amp; #1\n"
    "| e | f |\u202e"
)
MD = MarkdownIt("commonmark").enable("table")


def change(
    title: str = "veth r1/eth0", disruption: Disruption = Disruption.UPDATE, **more: object
) -> Change:
    result = Change(disruption, link_key("r1", title), title, {"mtu": ("1500", "9000")})
    for name, value in more.items():
        setattr(result, name, value)
    return result


def parsed(command: str) -> tuple[str, dict[str, str], str]:
    """Parse a command as the runner of GitHub Actions does (actions/toolkit, @actions/core)."""
    assert "\n" not in command and "\r" not in command
    match = re.fullmatch(r"::(\w+) (.*?)::(.*)", command)
    assert match is not None, command

    def plain(text: str, *codes: tuple[str, str]) -> str:
        for code, letter in (*codes, ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            text = text.replace(code, letter)
        return text

    words = (pair.partition("=") for pair in match[2].split(","))
    return (
        match[1],
        {name: plain(value, ("%3A", ":"), ("%2C", ",")) for name, _, value in words},
        plain(match[3]),
    )


# workflow commands


def test_a_change_is_an_annotation_of_its_line() -> None:
    (line,) = github.annotate("lab", [change()], "net/topo.yaml", lambda _: Position(5, 7))
    assert line == (
        "::warning file=net/topo.yaml,line=5,title=lab differs::"
        "~ veth r1/eth0  mtu 1500 → 9000  [update]"
    )


def test_changes_of_one_line_are_one_annotation_and_what_stops_traffic_is_an_error() -> None:
    entries = [change("one"), change("two", Disruption.FLAP), change("three"), change("four")]
    places = {"one": Position(5, 1), "two": Position(5, 9), "three": Position(5, 3), "four": None}
    lines = [
        parsed(line)
        for line in github.annotate("lab", entries, "t.yaml", lambda change: places[change.title])
    ]
    assert [(level, words.get("line"), len(text.splitlines())) for level, words, text in lines] == [
        ("error", "5", 1),
        ("warning", "5", 2),
        ("warning", None, 1),
    ]


def test_no_more_annotations_than_github_shows() -> None:
    entries = [change(f"n{number}") for number in range(200)]
    lines = [
        *github.annotate(
            "lab", entries, "t.yaml", lambda change: Position(int(change.title[1:]) + 1, 1)
        )
    ]
    assert len(lines) == github.MAX_ANNOTATIONS
    assert parsed(lines[-1])[1]["title"] == "lab differs: 191 further changes"


@given(st.text(), st.text(min_size=1))
def test_no_text_gets_out_of_its_place(message: str, file: str) -> None:
    level, words, text = parsed(github.command("error", message, file, Position(3, 2), "t: a, b"))
    assert (level, text) == ("error", message)
    assert words == {"file": file, "line": "3", "title": "t: a, b", "col": "2"}


@pytest.mark.parametrize(
    ("file", "folder", "workspace", "path"),
    [
        ("topo.yaml", "/w/repo", "/w/repo", "topo.yaml"),
        ("topo.yaml", "/w/repo/net", "/w/repo", "net/topo.yaml"),
        ("../topo.yaml", "/w/repo/net", "/w/repo", "topo.yaml"),
        ("/w/repo/./net/topo.yaml", "/", "/w/repo/", "net/topo.yaml"),
        ("/else/topo.yaml", "/w/repo", "/w/repo", "/else/topo.yaml"),
        ("topo.yaml", "/else", "/w/repo", "topo.yaml"),
        ("../../../../x", "/a", "/w", "/x"),
        ("-", "/w", "/w", ""),
    ],
)
def test_paths_count_from_the_checkout(file: str, folder: str, workspace: str, path: str) -> None:
    assert github.relative(file, folder, workspace) == path


def test_errors_of_a_file() -> None:
    error = FileError(
        [
            Problem("unknown-key", "unknown key 'x'.", Position(2, 3), "Did you mean 'y'?"),
            Problem("bad-value", "more"),
        ],
        "t.yaml",
    )
    lines = [*github.failure(error, lambda file: f"net/{file}")]
    assert (
        lines[0]
        == "::error file=net/t.yaml,line=2,title=netorch,col=3::unknown key 'x'. Did you mean 'y'?"
    )
    assert parsed(lines[1])[1] == {"file": "net/t.yaml", "title": "netorch"}


# Markdown


def rows(report: str) -> list[list[str]]:
    """Return the cells of the table's body, read by markdown-it."""
    table: list[list[str]] = []
    tokens = MD.parse(report)
    for number, token in enumerate(tokens):
        if token.type == "tr_open":
            table.append([])
        elif token.type == "inline" and tokens[number - 1].type == "td_open":
            table[-1].append(
                "".join(
                    child.content
                    for child in token.children or ()
                    if child.type in ("text", "code_inline")
                )
            )
    return [row for row in table if row]


def test_a_report() -> None:
    report = markdown.report(
        "lab",
        [change(), change("route r1 default", Disruption.REPLACE, because="veth r1/eth0")],
        ["look out"],
    )
    assert report.startswith("### netorch: `lab` differs: 1 to update, 1 to replace\n")
    assert rows(report) == [
        ["update", "veth r1/eth0", "mtu 1500 → 9000", "none, changed in place"],
        [
            "replace",
            "route r1 default",
            "mtu 1500 → 9000",
            "deleted and made again, goes with veth r1/eth0",
        ],
    ]
    assert "> **Warning:** `look out`" in report
    assert "<details>" not in report
    assert markdown.report("lab", []) == "### netorch: `lab` is in sync\n"


def test_a_long_report_is_folded_and_fits() -> None:
    entries = [change(f"veth n{number}/eth0") for number in range(30)]
    report = markdown.report("lab", entries)
    assert "<summary>30 changes</summary>" in report
    assert len(rows(report)) == 30
    entries = [change(f"veth n{number}/eth0") for number in range(5000)]
    report = markdown.report("lab", entries, ["w" * 100] * 1000)
    assert len(report.encode()) <= markdown.COMMENT
    assert len(report.encode()) > markdown.COMMENT * 0.9
    assert f"and {5000 - len(rows(report))} changes more that did not fit here" in report
    assert report.count("<details>") == report.count("</details>") == 1


def test_lines_of_rules_are_folded_below() -> None:
    report = markdown.report("lab", [change("filter host", added=("a ``` b",), removed=("c",))])
    assert "<summary>2 lines of <code>filter host</code></summary>" in report
    assert "````diff\n- c\n+ a ``` b\n````" in report
    fences = [token.content for token in MD.parse(report) if token.type == "fence"]
    assert fences == ["- c\n+ a ``` b\n"]


@given(
    st.text(alphabet=st.one_of(st.characters(), st.sampled_from("|`\\<>@&*_[]()#!~\n")), min_size=1)
)
def test_no_text_is_markup(text: str) -> None:
    """A text is in one cell, as one code span, whose content is the text."""
    (row,) = rows(
        markdown.report("lab", [change(text, values={"mtu": (None, text)}, because=text)])
    )
    assert len(row) == 4
    (tokens,) = [
        token.children
        for token in MD.parse(f"| a |\n| --- |\n| {markdown.code(text)} |\n")
        if token.type == "inline"
    ][1:]
    assert tokens is not None
    assert [token.type for token in tokens] == ["code_inline"]
    assert tokens[0].content.split() == markdown.printable(" ".join(text.split())).split()


def test_hostile_names_are_not_markup() -> None:
    report = markdown.report("lab", [change(HOSTILE, added=(HOSTILE,))], [HOSTILE])
    html = MD.render(report)
    assert "<img" not in html
    assert "<a " not in html
    assert "<strong>d" not in html
    for token in MD.parse(report):
        for child in token.children or ():
            assert child.type == "code_inline" or "@" not in child.content


def test_rules_between_two_files_are_in_nft_words() -> None:
    text = (
        "name: lab\nnodes: {a: {networks: [lan], publish: ['8080:80']}}\n"
        "networks: {lan: {mode: nat, subnet: 10.0.0.0/24}}\n"
    )
    old, new = (
        load(file.encode(), "t.yaml").desired.state for file in (text, text.replace("8080", "8081"))
    )
    report = markdown.report("lab", changes(plan(old, new)))
    rule = 'map published_tcp4 8081 comment "publish a 8081:80/tcp" : 10.0.0.2 . 80'
    assert f"\n+ {rule}\n" in report
    assert "Rule(" not in report


def test_a_failure() -> None:
    error = FileError([Problem("unknown-key", "unknown key 'x'.", Position(2, 3))] * 5000, "t.yaml")
    report = markdown.failure(error)
    assert report.startswith("### netorch: failed\n\n- `t.yaml:2:3: unknown key 'x'.`\n")
    assert len(report.encode()) <= markdown.COMMENT
    assert "more lines" in report


def test_objects_to_adopt_are_one_notice() -> None:
    assert list(github.adoptions("lab", ["netns a", "veth a/e0"])) == [
        "::notice title=lab%3A to adopt::netns a%0Aveth a/e0"
    ]
    assert list(github.adoptions("lab", [])) == []
