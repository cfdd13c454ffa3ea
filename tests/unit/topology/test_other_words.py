"""The tables of other tools' keys and commands."""

from __future__ import annotations

import re

import pytest

from netorch.cli.commands import NAMES
from netorch.cli.other_words import WORDS
from netorch.cli.parser import WrongUsage, parse
from netorch.language.impair_model import ImpairModel
from netorch.language.yaml_traps import without_space
from netorch.topology.checks import CheckModel
from netorch.topology.file import TopologyFile
from netorch.topology.interfaces.common import InterfaceModel
from netorch.topology.links import LinkModel
from netorch.topology.memberships import Membership
from netorch.topology.networks import NetworkModel
from netorch.topology.nodes import NodeModel
from netorch.topology.other_words import KEYS, sentence, similar
from netorch.topology.routes import RouteModel

MODELS = {
    model.__name__: model
    for model in (
        TopologyFile,
        NodeModel,
        NetworkModel,
        InterfaceModel,
        Membership,
        LinkModel,
        RouteModel,
        CheckModel,
        ImpairModel,
    )
}


@pytest.mark.parametrize("name", KEYS)
def test_no_word_is_a_key_of_its_model(name: str) -> None:
    keys = {field.alias or key for key, field in MODELS[name].model_fields.items()}
    assert keys.isdisjoint(KEYS[name])


@pytest.mark.parametrize("name", KEYS)
def test_the_sentences_name_keys_that_exist(name: str) -> None:
    keys = {
        field.alias or key for model in MODELS.values() for key, field in model.model_fields.items()
    }
    keys |= {"vars", "profiles", "profile", "id", "kind", "servers", "search", "masquerade", "host"}
    for text in KEYS[name].values():
        assert text.endswith(".")
        for code in re.findall("`([a-z_]+)[:`]", text):
            assert code in keys | {"netorch", "eth0", "pid", "path", "attach", "ipvlan"}, text


def test_the_value_of_the_key_is_in_the_sentence() -> None:
    assert sentence(("InterfaceModel",), "ip", "10.0.0.7/24") == "Write `addresses: [10.0.0.7/24]`."
    assert sentence(("InterfaceModel",), "ip", ["x"]) == "Write `addresses: [10.0.0.1/24]`."
    assert sentence(("NodeModel",), "sysctl", 1) == ""
    assert similar(("NodeModel",), "adresses", 1).startswith("An address belongs to an interface")


def test_commands() -> None:
    assert not set(NAMES) & set(WORDS)
    for text in WORDS.values():
        for command in re.findall("`netorch ([a-z]+)", text):
            assert command in NAMES, text


def test_a_command_of_another_tool(capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("plan", "up", "down", "version", "status", "inspect", "ls", "rm"):
        with pytest.raises(WrongUsage) as caught:
            parse([word])
        assert WORDS[word] in caught.value.what
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["fd00::1", "10.0.0.1:80", "a b", "a:eth0 -- b:eth0", "x", "-", ""]
)
def test_a_colon_that_is_no_mistake(text: str) -> None:
    assert without_space(text) == ""
