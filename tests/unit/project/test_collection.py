"""The Ansible collection is complete: what it documents is what it takes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

import netorch

ROOT = Path(__file__).parents[3]
COLLECTION = ROOT / "ansible_collections/netorch/netorch"
PLAYBOOKS = sorted((COLLECTION / "playbooks").glob("*.yml"))


def test_its_version_is_that_of_the_package() -> None:
    galaxy = yaml.safe_load((COLLECTION / "galaxy.yml").read_text())
    assert galaxy["version"] == netorch.__version__


@pytest.mark.parametrize("module", ["topology", "confirm", "check"])
def test_a_module_documents_its_options(module: str) -> None:
    pytest.importorskip("ansible")
    from ansible_collections.netorch.netorch.plugins.doc_fragments.options import ModuleDocFragment
    from ansible_collections.netorch.netorch.plugins.module_utils import command

    source = (COLLECTION / f"plugins/modules/{module}.py").read_text()
    texts = {
        node.targets[0].id: node.value.value
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    page = yaml.safe_load(texts["DOCUMENTATION"])
    assert page["module"] == module
    assert yaml.safe_load(texts["EXAMPLES"]) and yaml.safe_load(texts["RETURN"])
    options = dict(page["options"]) | yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    spec = dict(command.OPTIONS)
    if "netorch.netorch.options.file" in page["extends_documentation_fragment"]:
        options |= yaml.safe_load(ModuleDocFragment.FILE)["options"]
        spec |= command.FILE_OPTIONS
    own = re.search(r"argument_spec=(\{.*?\n        \})", source, re.DOTALL)
    assert own is not None
    words = re.sub(r"\*\*\w+,", "", own[1])
    spec |= ast.literal_eval(words)
    assert options.keys() == spec.keys()
    for name, entry in spec.items():
        for key in ("type", "default", "choices", "required"):
            assert options[name].get(key) == (entry.get(key)), (name, key)


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.stem)
def test_a_playbook_says_how_it_is_run(playbook: Path) -> None:
    text = playbook.read_text()
    assert f"ansible-playbook netorch.netorch.{playbook.stem} -e netorch_file=topo.yaml" in text
    assert [play["hosts"] for play in yaml.safe_load(text)] == ["localhost:all", "netorch_machines"]
