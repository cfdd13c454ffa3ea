"""The tables of other tools' keys and commands."""

from __future__ import annotations

import re

import pytest

from netorch.cli.commands import NAMES
from netorch.cli.other_words import WORDS
from netorch.cli.parser import WrongUsage, parse
from netorch.language.impair_model import ImpairModel
from netorch.language.publish import NatModel, PublishModel, SourceModel
from netorch.language.yaml_traps import without_space
from netorch.topology.checks import CheckModel
from netorch.topology.encaps import EncapModel, Seg6LocalModel, Seg6Model
from netorch.topology.file import TopologyFile
from netorch.topology.filters import FilterModel, FilterPolicyModel, FilterRuleModel
from netorch.topology.interfaces.bond import BondModel
from netorch.topology.interfaces.bridge import BridgeModel
from netorch.topology.interfaces.common import InterfaceModel
from netorch.topology.interfaces.peer import PeerModel
from netorch.topology.interfaces.stacked import StackedModel
from netorch.topology.interfaces.udp_tunnel import UdpTunnelModel
from netorch.topology.interfaces.vlan import VlanModel
from netorch.topology.interfaces.vrf import VrfModel
from netorch.topology.interfaces.wireguard import WireguardModel
from netorch.topology.links import EndpointModel, LinkModel
from netorch.topology.memberships import Membership
from netorch.topology.networks import NetworkModel
from netorch.topology.nodes import DnsModel, NodeModel
from netorch.topology.other_values import remedy
from netorch.topology.other_words import KEYS, sentence, similar
from netorch.topology.pools import PoolModel
from netorch.topology.routes import RouteModel
from netorch.topology.rules import RuleModel

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
        EncapModel,
        Seg6Model,
        Seg6LocalModel,
        CheckModel,
        ImpairModel,
        PublishModel,
        NatModel,
        SourceModel,
        PoolModel,
        RuleModel,
        EndpointModel,
        DnsModel,
        BridgeModel,
        BondModel,
        VrfModel,
        VlanModel,
        StackedModel,
        UdpTunnelModel,
        WireguardModel,
        PeerModel,
        FilterModel,
        FilterPolicyModel,
        FilterRuleModel,
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
    assert sentence(("InterfaceModel",), "ip", ["x", "y"]) == "Write `addresses: [x, y]`."
    assert sentence(("InterfaceModel",), "ip", {}) == "Write `addresses: [10.0.0.1/24]`."
    assert sentence(("BondModel",), "slaves", ["eth0", "eth1"]) == "Write `ports: [eth0, eth1]`."
    assert sentence(("BondModel",), "slaves", "eth0") == "Write `ports: [eth0]`."
    assert "`to: 80, port: 8080`" in sentence(("PublishModel",), "8080", 80)
    assert sentence(("NodeModel",), "sysctl", 1) == ""
    assert similar(("NodeModel",), "adresses", 1).startswith("An address belongs to an interface")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("rate",), "10Mbit/s", "Write 10mbit."),
        (("rate",), "1.5 Gb/s", "Write 1.5gbit."),
        (("rate",), "20MB/s", "Write 20mbps."),
        (("rate",), "fast", ""),
        (("networks", "lan", "mode", "v4"), "bridge", "Every network has a bridge."),
        (("networks", "lan", "mode"), "natt", ""),
        (("nodes", "a", "routes", 0), "10.1.0.0/16 via 10.0.0.1", "{to: 10.1.0.0/16, via: 10.0"),
        (("nodes", "a", "routes", 0), "default dev eth0", "Write {to: default, dev: eth0}."),
        (("nodes", "a", "routes", 0), "by the router", "Write {to: …, via: …}."),
        (("nodes", "a", "routes"), {}, "Write `routes: [{to: …, via: …}]`."),
        (("nodes", "a", "dns"), ["10.0.0.53", "10.0.0.54"], "[10.0.0.53, 10.0.0.54]"),
        (("nodes", "a", "label"), "one\ntwo", "Write it in one line"),
        (("nodes", "a", "routes", 0, "type"), "local", "give the address to lo"),
        (("nodes", "a", "routes", 0, "table"), "main", "Leave it out"),
        (("nodes", "a", "rules", 0, "table"), "blue", "write the number"),
        (("nodes", "a", "nat", 0, "snat", "to"), "1.2.3.4:1024-2000", "ports: 1024-2000"),
        (("nodes", "a", "nat", 0, "snat", "to"), "[fd00::1]:7", 'to: "fd00::1", proto: tcp, ports'),
        (("nodes", "a", "nat", 0, "snat", "to"), "1.2.3.4-1.2.3.9", "one address"),
        (("nodes", "a", "nat", 0, "snat", "to"), "office", ""),
        (("nodes", "a", "nat"), True, "Write `nat: [{masquerade: {}}]`."),
        (("nodes", "a", "nat", 0, "masquerade"), True, "Write `masquerade: {}`."),
        (("nodes", "a", "nat", 0, "masquerade"), "wan", "Write `masquerade: {out: wan}`."),
        (("nodes", "a", "attach"), "container:web", "docker:web"),
        (("nodes", "a", "attach"), "dokcer:web", ""),
        (("nodes", "h{1..3}"), "h{1..3}", "Write h[1-3]."),
        (("nodes", "h[1..3]x"), "h[1..3]x", "Write h[1-3]x."),
        (("nodes", "h[a]"), "h[a]", ""),
        (("networks", "lan"), "fd00::/64", "Write {subnet: fd00::/64}."),
        (("networks", "lan"), "yes", ""),
        (("networks", "lan", "uplink"), ["eth0"], "Write `uplink: eth0`."),
        (("networks", "lan", "uplink"), ["eth0", "eth1"], ""),
        (("hosts", "m1"), "192.0.2.1", "Write {address: 192.0.2.1}."),
        (("checks", 0), "a -> b", "Write {from: a, to: b}."),
        (("links", 0), "a:eth1 -- b", "Write [a:eth1, b:eth0]."),
        (("links", 0), "some link", ""),
        (("links", 0, "impair", "delay"), "10ms 5ms", "Write `delay: 10ms, jitter: 5ms`."),
        (("links", 0, "impair", "delay"), "long", ""),
        (("name",), "My Lab!", "Write `name: my-lab`."),
        (("name",), "!", ""),
        ((), {}, ""),
    ],
)
def test_wrong_values(path: tuple[str | int, ...], value: object, words: str) -> None:
    text = remedy(path, value)
    assert words in text
    assert bool(text) == bool(words)


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
