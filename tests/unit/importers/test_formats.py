"""The formats of the sources."""

from importlib import import_module
from pathlib import Path

import pytest

from netorch.errors import NetorchError
from netorch.importers.formats import FORMATS, recognise
from netorch.kernel.files.source_files import SourceFiles


def test_the_command_line_names_all_formats() -> None:
    """They are listed twice, because the help must not import the importers."""
    assert tuple(FORMATS) == import_module("netorch.cli.commands.import").FORMATS


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("lab.yaml", "nodes: {a: {}}\nlinks: []\n", "is a topology of netorch already."),
        ("lab.yaml", "name: lab\nnodes:\n  a: {}\nnetworks:\n", "is a topology of netorch"),
        ("50.yaml", "network:\n  version: 2\n", "is a file of netplan"),
        ("lab.gns3", '{"project_id": "x"}', "is a project of GNS3"),
        ("lab.sh", "ip netns add a\n", "is a shell script"),
        ("lab.txt", "what is this\n", "does not recognise the format."),
    ],
)
def test_a_source_that_is_not_read(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(NetorchError) as caught:
        recognise(SourceFiles([str(tmp_path / name)]))
    assert words in str(caught.value)
