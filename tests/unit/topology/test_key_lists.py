"""The keys that an error about an unknown key lists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netorch.errors import FileError
from netorch.language.impair_model import ImpairModel
from netorch.resolve.loader import load
from netorch.topology.checks import CheckModel
from netorch.topology.file import TopologyFile
from netorch.topology.interfaces import KINDS
from netorch.topology.interfaces.common import InterfaceModel
from netorch.topology.key_lists import GROUPS, keys_of
from netorch.topology.links import EndpointModel, LinkModel
from netorch.topology.memberships import Membership
from netorch.topology.networks import NetworkModel
from netorch.topology.nodes import NodeModel
from netorch.topology.routes import RouteModel
from netorch.topology.rules import RuleModel

DOCS = Path(__file__).parents[3]
MODELS = (NodeModel, NetworkModel, Membership, InterfaceModel, LinkModel, EndpointModel)
MODELS += (RouteModel, RuleModel, CheckModel, ImpairModel, TopologyFile)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_groups_name_keys_of_the_model(model: type) -> None:
    keys = {field.alias or name for name, field in model.model_fields.items()}
    if model is TopologyFile:
        keys |= {"vars", "profiles"}
    if model is NodeModel:
        keys.add("profile")
    assert set(GROUPS[model.__name__][0].replace(";", "").split()) <= keys


def test_the_pages_exist() -> None:
    pages = {page for _, page in GROUPS.values()} | {f"docs/kinds.md#{kind}" for kind in KINDS}
    for page in pages:
        file, _, heading = page.partition("#")
        headings = re.findall(r"^#+ (.*)$", (DOCS / file).read_text(), re.MULTILINE)
        names = [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in headings]
        assert heading in names, page


def test_the_likely_keys_first_and_not_too_many() -> None:
    known = ["prefix", *"abcdefghijklmnopqrst", "mode", "subnet"]
    text = keys_of(("NetworkModel",), known)
    assert text.startswith("Its keys are mode, subnet; prefix, a, b, ")
    assert text.endswith(" and 11 more (docs/language.md#networks).")
    assert keys_of(("Unknown",), ["a", "b"]) == "Its keys are a, b."
    assert keys_of(("Unknown",), []) == ""


def test_the_keys_of_a_kind() -> None:
    with pytest.raises(FileError) as caught:
        load(
            b"nodes: {a: {interfaces: {y: {kind: dummy}, x: {kind: vlan, parent: y, id: 1, foo: 1}}}}",
            "lab.yaml",
        )
    assert "Its keys are parent, id, " in caught.value.problems[0].remedy
    assert "(docs/kinds.md#vlan)" in caught.value.problems[0].remedy
