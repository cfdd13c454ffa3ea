"""The documentation: files, rooms and exit statuses that pages name, and the form of pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from netorch.cli.status import DIFFERENT, DONE, FAILED, INTERRUPTED, USAGE
from netorch.resolve.loader import load
from tests.pages import PAGES, ROOT, Command, File, PageError, rewritten, same, steps

NAMED = re.compile(r"(?<![\w/.-])(?:topologies|docs/examples)/[\w./-]*\w")


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]
)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [name for name in NAMED.findall(text) if not (ROOT / name).exists()] == []
    for step in steps(text):
        if isinstance(step, File) and step.name.startswith(("topologies/", "docs/")):
            assert step.text == (ROOT / step.name).read_text(encoding="utf-8"), (
                f"{page.name} shows another text of {step.name}"
            )


def test_every_example_is_on_a_page() -> None:
    examples_on_pages = {
        step.name
        for page in PAGES
        for step in steps(page.read_text(encoding="utf-8"))
        if isinstance(step, File)
    }
    assert {str(file.relative_to(ROOT)) for file in (ROOT / "docs/examples").iterdir()} <= (
        examples_on_pages
    )


def test_the_pictures_of_the_tutorial_show_the_nodes_of_their_files() -> None:
    for picture in (ROOT / "docs/tutorial").glob("*.svg"):
        file = next(
            file
            for file in (
                ROOT / f"{folder}/{picture.stem}.yaml" for folder in ("docs/examples", "topologies")
            )
            if file.exists()
        )
        texts = re.findall(r">\s*([^<>]+?)\s*<", picture.read_text(encoding="utf-8"))
        assert [
            node for node in load(file.read_bytes(), file.name).desired.labels if node not in texts
        ] == [], picture.name


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """Yield each line of a page outside of code blocks and HTML comments, with its number.

    The line that opens a code block is yielded too.
    """
    end = ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if end:
            if text.endswith(end):
                end = ""
            continue
        if text.startswith("<!--"):
            end = "" if text.endswith("-->") else "-->"
            continue
        if text.startswith("```"):
            end = "```"
        yield number, line


DIRECTIVE = re.compile(r"\s*(`{3,}\{|:{3,})|.*\{[a-z:]+\}`|\(\S+\)=$")
"""A directive, a role or a target, which only Sphinx understands."""

UNBREAKABLE = re.compile(r"\s*([-*] )?\S*(\[[^]]*\]\(\S+\)\S*|https?://\S+)")
"""A line that consists of one link."""


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]
)
def test_a_page_reads_well_on_a_forge(page: Path) -> None:
    """GitHub shows a directive as code, and a definition list as paragraphs."""
    lines = list(prose(page))
    assert [(number, line) for number, line in lines if DIRECTIVE.match(line)] == []
    assert [(number, line) for number, line in lines if re.match(r"\s*: ", line)] == []
    assert [
        (number, line)
        for number, line in lines
        if len(line) > 120 and not line.startswith("|") and not UNBREAKABLE.fullmatch(line)
    ] == []


@pytest.mark.parametrize("page", ["man.md", "cli.md"])
def test_every_exit_status_is_documented(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    statuses = (DONE, FAILED, DIFFERENT, USAGE, INTERRUPTED)
    assert [
        status
        for status in statuses
        if not re.search(rf"^(\| {status} \||- `{status}`: )", text, re.MULTILINE)
    ] == []


PAGE = """\
<!-- file: topo.yaml -->
```yaml
name: a
```

<!-- run: touch b -->
1. An item

   ```console
   # first \\
     goes on
   out
   ```

   ```console
   $ second
   # a comment
   ```

<!-- not run: needs a license -->
```console
# third
```
"""


def test_a_page_as_steps() -> None:
    file, script, first, second = steps(PAGE)
    assert file == File("topo.yaml", "name: a\n")
    assert "touch b" in str(script)
    assert (
        isinstance(first, Command)
        and first.text == "first \\\n  goes on"
        and first.output == ("out",)
    )
    assert isinstance(second, Command) and (second.text, second.output) == (
        "second",
        ("# a comment",),
    )
    assert rewritten(PAGE, {first.start: "new\nlines\n", second.start: ""}) == PAGE.replace(
        "   out\n", "   new\n   lines\n"
    ).replace("   # a comment\n", "")


@pytest.mark.parametrize(
    "page",
    ["```console\nid\n```\n", "<!-- not run: -->\n```console\n# id\n```\n", "<!-- file: a -->\n"],
    ids=["no command", "no reason", "no file"],
)
def test_a_page_that_cannot_be_run_says_so(page: str) -> None:
    with pytest.raises(PageError):
        steps(page)


@pytest.mark.parametrize(
    ("expected", "printed", "equal"),
    [
        (["done in 0.02 s"], "done in 11 s\n", True),
        (["done in 0.02 s"], "done in time\n", False),
        (["a", "…", "d"], "a\nb\nc\nd\n", True),
        (["a", "…", "d"], "a\nd\n", True),
        (["process … (x)"], "process 12 (x)\n", True),
        (["process … (x)"], "process 1\n2 (x)\n", False),
        (["a"], "a\nb\n", False),
        ([], "", True),
        ([], "a\n", False),
    ],
)
def test_what_counts_as_the_same(expected: list[str], printed: str, equal: bool) -> None:
    assert same(expected, printed) is equal


def test_the_architecture_lists_each_room() -> None:
    """The page has an entry for each package of netorch and of its kernel room."""
    text = (ROOT / "docs/architecture.md").read_text()
    packages = {
        entry.name for entry in (ROOT / "netorch").iterdir() if (entry / "__init__.py").exists()
    }
    kernel_packages = {
        entry.name
        for entry in (ROOT / "netorch/kernel").iterdir()
        if (entry / "__init__.py").exists()
    }
    rooms, kernel_rooms = text.split("The rooms of `kernel/`:")
    item = re.compile(r"^- `(\w+)`: ", re.MULTILINE)
    assert set(item.findall(rooms)) == packages
    assert set(item.findall(kernel_rooms.split("Three rules")[0])) == kernel_packages
