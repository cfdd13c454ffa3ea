"""Test that each setting of a bridge goes all the way: file, resource, kernel, `diff`, script."""

from __future__ import annotations

import pytest

from netorch.kinds.base.link import link_key
from netorch.kinds.bridge import SETTINGS, Bridge
from netorch.render.script.kinds import data_words
from netorch.resolve.loader import load
from netorch.topology.interfaces.bridge_settings import BridgeSettings
from netorch.values.requests import LinkSet

OTHER = {
    "stp": True,
    "priority": 4096,
    "forward_delay": 400,
    "hello_time": 100,
    "max_age": 1000,
    "ageing_time": 10000,
    "mcast_snooping": False,
    "mcast_querier": True,
    "vlan_filtering": True,
    "vlan_default_pvid": 7,
}
"""A value of each setting that is not its default."""


def bridge(settings: str) -> Bridge:
    text = f"{{name: t, nodes: {{a: {{interfaces: {{br: {{kind: bridge{settings}}}}}}}}}}}"
    resource = load(text.encode(), "t.yaml").desired.state[link_key("a", "br")]
    assert isinstance(resource, Bridge)
    return resource


def test_each_setting_has_a_value_here() -> None:
    assert tuple(OTHER) == tuple(BridgeSettings.model_fields) == SETTINGS


@pytest.mark.parametrize("name", BridgeSettings.model_fields)
def test_a_setting_goes_all_the_way(name: str) -> None:
    text = str(OTHER[name]).lower()
    before, after = bridge(""), bridge(f", {name}: {text}")
    assert getattr(after, name) == OTHER[name], "netorch/resolve/resources.py passes it on"
    assert after.differs(before)
    requests = after.update(before)
    assert requests is not None
    (data,) = (request.data for request in requests if isinstance(request, LinkSet))
    assert data, "_data_against compares and sends it"
    assert data_words("bridge", data, new=False), "the script has a word for it"
    assert after.attributes()[name] == text
