"""Compose files, each with the topology file that `netorch import` makes of it.

`python -m tests.unit.importers.test_compose_files` writes the current output into the corpus. Read
the difference before you commit it.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import pytest

from netorch.errors import NetorchError
from netorch.importers import formats
from netorch.importers.finish import finish
from netorch.kernel.files.source_files import SourceFiles
from netorch.resolve.loader import load

CORPUS = Path(__file__).with_name("compose-files.txt")
"""For each case a line `=== TITLE`, its files, each after a line `--- NAME`, a line `>>> STATUS`,
and the output. The sources are the files whose names begin with `compose`."""


def cases() -> dict[str, tuple[dict[str, str], str]]:
    """Return title → name of file → text, and the output with the status."""
    result = {}
    for block in re.split(r"^=== ", CORPUS.read_text(), flags=re.MULTILINE)[1:]:
        title, _, rest = block.partition("\n")
        source, _, output = rest.partition("\n>>> ")
        parts = re.split(r"^--- (.+)\n", source + "\n", flags=re.MULTILINE)[1:]
        files = dict(zip(parts[::2], parts[1::2], strict=True))
        result[title] = files, output.strip("\n")
    return result


def output_of(files: dict[str, str]) -> str:
    """Return the status and what `netorch import` prints, run in a folder `shop` with the files."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top, "shop")
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        os.chdir(folder)
        try:
            sources = sorted(name for name in files if name.startswith("compose"))
            result = finish(formats.read(SourceFiles(sources), None))
        except NetorchError as error:
            return "1\n" + str(error)
        finally:
            os.chdir(here)
    problems = "".join(f"PROBLEM {one.text()}\n" for one in result.problems)
    return f"{0 if result.is_faithful else 2}\n{problems}{result.text}"


@pytest.mark.parametrize("title", cases())
def test_output(title: str) -> None:
    files, expected = cases()[title]
    assert output_of(files) == expected


def test_the_corpus_has_what_people_have() -> None:
    status = [output.partition("\n")[0] for _, output in cases().values()]
    assert len(status) >= 25
    assert {"0", "1", "2"} == set(status)
    for title, (_, output) in cases().items():
        if not output.startswith("1"):
            assert load(output.partition("\n")[2].encode(), title).desired.labels, title


if __name__ == "__main__":
    blocks = []
    for case, (sources, _) in cases().items():
        text = "".join(f"--- {name}\n{content}" for name, content in sources.items())
        blocks.append(f"=== {case}\n{text.rstrip()}\n>>> {output_of(sources)}\n")
    CORPUS.write_text("\n".join(blocks))
