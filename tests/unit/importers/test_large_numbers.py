"""A file of somebody else may have any number, and a large one takes neither memory nor time."""

from pathlib import Path

import pytest

from netorch.errors import NetorchError
from netorch.importers import formats
from netorch.importers.finish import finish
from netorch.kernel.files.source_files import SourceFiles
from tests.unit.importers.conftest import Import


def test_replicas(import_text: Import) -> None:
    text = "services:\n  a: {image: x, deploy: {replicas: 900000000}}\n"
    with pytest.raises(NetorchError, match="at most 10000"):
        import_text(text, "compose.yaml")


@pytest.mark.parametrize("vlans", ["1-900000000", "900000000", "900000000-900000001"])
def test_vlans(tmp_path: Path, vlans: str) -> None:
    (tmp_path / "lab.conf").write_text('pc1[0]="A"\n')
    line = f"bridge vlan add dev eth0 vid {vlans}"
    (tmp_path / "pc1.startup").write_text(f"ip link add br0 type bridge\n{line}\n")
    result = finish(formats.read(SourceFiles([str(tmp_path)]), None))
    assert line in [one.text for one in result.losses]
