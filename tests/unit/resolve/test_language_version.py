"""Files of version 1 of the language keep their meaning, and a newer version is one error.

`python -m tests.unit.resolve.test_language_version` adds the example files that the corpus does not
have yet. It changes no file that is there, because docs/compatibility.md promises what they mean.
Until the first release, an entry whose meaning has to change may be deleted and added again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path

import pytest

from netorch.errors import FileError
from netorch.language.scalars import language_version
from netorch.render.changes import changes
from netorch.resolve.loader import load
from netorch.state.planner import plan
from netorch.version import LANGUAGE
from tests.refusals import codes_of

ROOT = Path(__file__).resolve().parents[3]
CORPUS = Path(__file__).with_name("language-version-1.txt")
"""For each file a line `=== NAME`, its text, a line `>>>`, and its objects with their values."""

_NO_PROMISE = {("filter", "rules")}
"""Kinds and values that may change: the number of rules of a packet filter is not its meaning."""

Objects = Mapping[str, Mapping[str, str]]
"""Title of an object → its values in the words of the file."""


def cases() -> dict[str, tuple[str, Objects]]:
    """Return name → text of the file and its objects."""
    result = {}
    for block in CORPUS.read_text().split("\n=== ")[1:]:
        name, _, rest = block.partition("\n")
        text, _, listing = rest.partition("\n>>>\n")
        result[name] = (text + "\n", _parsed(listing))
    return result


def _parsed(listing: str) -> Objects:
    objects: dict[str, dict[str, str]] = {}
    values: dict[str, str] = {}
    for line in filter(None, listing.splitlines()):
        if line.startswith("  "):
            key, _, value = line.strip().partition(": ")
            values[key] = value
        else:
            values = objects.setdefault(line, {})
    return objects


def objects_of(text: str) -> Objects:
    """Return the objects that `apply` makes of a file."""
    desired = load(text.encode(), "lab.yaml").desired
    return {
        change.title: {
            key: str(new)
            for key, (_, new) in change.values.items()
            if (change.key.kind, key) not in _NO_PROMISE
        }
        for change in changes(plan({}, desired.state))
    }


def _values(objects: Objects) -> Iterator[tuple[str, str, str]]:
    for title, values in objects.items():
        for key, value in values.items():
            yield title, key, value


@pytest.mark.parametrize("name", cases())
def test_a_file_of_version_1_means_the_same(name: str) -> None:
    """It makes the same objects, and each value that was recorded is the same.

    An object may have more values than were recorded, because the language grows.
    """
    text, recorded = cases()[name]
    objects = objects_of(text)
    assert objects.keys() == recorded.keys()
    assert set(_values(recorded)) <= set(_values(objects))


@pytest.mark.parametrize("name", cases())
def test_the_key_changes_nothing(name: str) -> None:
    text, _ = cases()[name]
    assert "\nversion:" not in f"\n{text}"
    assert objects_of(f"version: 1\n{text}") == objects_of(text)


def test_the_corpus_has_the_example_files() -> None:
    missing = topologies().keys() - cases().keys()
    assert not missing, "`python -m tests.unit.resolve.test_language_version` adds them"


def test_ways_to_write_the_version() -> None:
    for written in ("1", '"1"', "$(v)", "~"):
        assert codes_of(f"vars: {{v: 1}}\nversion: {written}\nnodes: {{a: {{}}}}\n") == []
    for written in ("0", "true", "3.8", '"3.8"', "v1", "[1]", "1_0"):
        text = f"version: {written}\nnodes: {{a: {{}}}}\n"
        assert codes_of(text) == ["bad-version"], written
    assert language_version(LANGUAGE) == language_version(str(LANGUAGE)) == LANGUAGE


def test_a_newer_version_is_the_only_error() -> None:
    text = "name: lab\nversion: 2\nnew: {}\nnodes: {a: {x: $(y), x: *z}}\nlinks: 5\n"
    with pytest.raises(FileError) as refusal:
        load(text.replace(", x: *z", "").encode(), "lab.yaml")
    [problem] = refusal.value.problems
    assert (problem.code, problem.where, problem.end) == ("newer-language", (2, 10), (2, 11))
    assert "version 2" in problem.what
    assert "reads version 1" in problem.what
    assert problem.command in problem.remedy


def topologies() -> dict[str, str]:
    """Return the example files by names."""
    files = {path.name: path.read_text() for path in sorted((ROOT / "topologies").glob("*.yaml"))}
    del files["star-100.yaml"]  # because a hundred equal nodes show no more than three
    return files


def blocks() -> dict[str, str]:
    """Return the files in docs/language.md, named by their digests."""
    page = (ROOT / "docs/language.md").read_text()
    texts = re.findall(r"^```yaml\n(.*?)^```", page, re.S | re.M)
    return {
        f"language.md {blake2b(text.encode(), digest_size=4).hexdigest()}": text
        for text in texts
        if not codes_of(text)
    }


if __name__ == "__main__":
    known = cases()
    with CORPUS.open("a") as corpus:
        for name, text in (topologies() | blocks()).items():
            if name not in known:
                corpus.write(f"\n=== {name}\n{text}>>>\n")
                for title, values in objects_of(text).items():
                    corpus.write(f"{title}\n")
                    corpus.writelines(f"  {key}: {value}\n" for key, value in values.items())
