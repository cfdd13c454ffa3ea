"""Determine what a change of a key does to a link.

netorch itself gives the answer: it plans the way between two files that differ in the key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from netorch.kinds.base.link import link_key
from netorch.resolve.loader import load
from netorch.state.planner import plan
from netorch.state.resource import Disruption, Resource, State
from netorch.topology.interfaces.common import InterfaceModel

SAMPLES: dict[str, tuple[Any, Any]] = {
    "parent": ("eth0", "eth1"),
    "ports": (["eth0"], ["eth0", "eth1"]),
    "peer": ("b:x", "b:y"),
    "id": (10, 11),
    "vni": (10, 11),
    "table": (10, 11),
    "local": ("192.0.2.1", "192.0.2.2"),
    "remote": ("192.0.2.3", "192.0.2.4"),
    "group": ("239.0.0.1", "239.0.0.2"),
    "key": (1, 2),
    "erspan": (1, 2),
    "ttl": (5, 6),
    "port": (4789, 4790),
    "master": (None, "br0"),
    "addresses": (None, ["10.9.0.1/24"]),
    "mtu": (None, 1400),
    "mac": (None, "02:00:00:00:00:07"),
    "state": (None, "down"),
    "arp": (None, False),
    "multicast": (None, False),
    "promisc": (None, True),
    "allmulti": (None, True),
    "txqueuelen": (None, 10),
    "sysctls": (None, {"rp_filter": 0}),
    "description": (None, "a text"),
    "impair": ({"rate": "10mbit"}, {"rate": "20mbit"}),
    "priority": (None, 4096),
    "forward_delay": (None, "5s"),
    "hello_time": (None, "1s"),
    "max_age": (None, "10s"),
    "ageing_time": (None, "60s"),
    "ageing": (None, 60),
    "vlan_default_pvid": (None, 7),
    ".port": (None, {"hairpin": True}),
    "miimon": (None, 50),
    "primary": ("eth0", "eth1"),
    "neighbours": (None, [{"address": "10.0.0.9", "mac": "02:00:00:00:00:09"}]),
    "fdb": (None, [{"mac": "02:00:00:00:00:09", "dst": "192.0.2.3"}]),
    **{f"{kind}.local": ("fd00::1", "fd00::2") for kind in ("ip6gre", "ip6gretap", "ip6tnl")},
    **{f"{kind}.remote": ("fd00::3", "fd00::4") for kind in ("ip6gre", "ip6gretap", "ip6tnl")},
    "private_key_file": ("a.key", "b.key"),
    "listen_port": (51820, 51821),
    "fwmark": (1, 2),
    "peers": ([{"public_key": f"{'A' * 42}E="}], [{"public_key": f"{'A' * 42}I="}]),
    "from": ("eno1", "eno2"),
    "owner": (1000, 1001),
    "tap.group": (1000, 1001),
    "tun.group": (1000, 1001),
}
"""Two values of each key whose type does not tell which values are valid.

None leaves the key out. `KIND.KEY` has the values for one kind alone.
"""

REQUIRED: dict[str, dict[str, Any]] = {
    "vxlan": {"vni": 10},
    "vxlan.group": {"parent": "eth0"},
    "None.port": {"master": "br0"},
    "bond.lacp_rate": {"mode": "802.3ad"},
    "bond.primary": {"mode": "active-backup", "ports": ["eth0", "eth1"]},
    **{kind: {"remote": "192.0.2.9"} for kind in ("gre", "gretap", "erspan", "ipip", "sit")},
    **{kind: {"remote": "fd00::9"} for kind in ("ip6gre", "ip6gretap", "ip6tnl")},
}
"""Further keys that an interface must have.

`KIND.KEY` has those that it needs together with this key, `KIND` those that it always needs.
"""
EXCLUDED = {"vxlan.external": "vni"}
"""A key that an interface cannot have together with the key."""


def state(interface: dict[str, Any]) -> State:
    """Resolve a file in which the interface `a:x` has these keys.

    The node `a` also has the interfaces `eth0` and `eth1` and the bridge `br0`.
    """
    file = {
        "name": "t",
        "nodes": {"a": {"interfaces": {"br0": {"kind": "bridge"}, "x": interface}}, "b": {}},
        "links": [
            ["a:eth0", "b:eth0"],
            ["a:eth1", "b:eth1"],
            *([["a:x", "b:x"]] if "kind" not in interface else []),
        ],
    }
    return load(json.dumps(file).encode(), "docs/live.py").desired.state


def effect(kind: str | None, model: type[InterfaceModel], name: str) -> str:
    """Return `update`, `flap` or `replace`.

    The result is `separate` if a change of the key changes other objects, such as addresses, and
    not the link.
    """
    field = model.model_fields[name]
    key = field.serialization_alias or name
    first, second = _values(kind or "", key, get_type_hints(model)[name], field.default)
    base = _base(kind, model) | REQUIRED.get(f"{kind}.{key}", {})
    without = {name: value for name, value in base.items() if name != EXCLUDED.get(f"{kind}.{key}")}
    before, after = (
        state(base if value is None else {**without, key: value}) for value in (first, second)
    )
    link = link_key("a", "x")
    disruptions = {
        step.disruption
        for step in plan(before, after).steps
        if link in {step.key, step.resource.part_of}
    }
    order = (Disruption.REPLACE, Disruption.FLAP, Disruption.UPDATE)
    return next(
        (disruption.value for disruption in order if disruption in disruptions),
        "flap" if _attributes_differ(before, after) else "separate",
    )


def sample(kind: str, model: type[InterfaceModel]) -> Resource:
    """Return a link of the kind."""
    return state(_base(kind, model))[link_key("a", "x")]


def _attributes_differ(before: State, after: State) -> bool:
    """Tell whether an attribute that is a resource of its own, such as `up`, is new or gone."""
    link = link_key("a", "x")
    attributes = [
        {key for key, resource in resources.items() if resource.part_of == link}
        for resources in (before, after)
    ]
    return attributes[0] != attributes[1]


def _base(kind: str | None, model: type[InterfaceModel]) -> dict[str, Any]:
    if kind is None:
        return {}
    fields = (
        (field.serialization_alias or name, field) for name, field in model.model_fields.items()
    )
    return {
        "kind": kind,
        **{key: _sample(kind, key)[0] for key, field in fields if field.is_required()},
        **REQUIRED.get(kind, {}),
    }


def _sample(kind: str, key: str) -> tuple[Any, Any]:
    return SAMPLES.get(f"{kind}.{key}") or SAMPLES[key]


def _values(kind: str, key: str, annotation: Any, default: Any) -> tuple[Any, Any]:
    if f"{kind}.{key}" in SAMPLES or key in SAMPLES:
        return _sample(kind, key)
    for option in _options(annotation):
        if get_origin(option) is Literal:
            return None, next(value for value in get_args(option) if value != default)
        if option is bool:
            return None, not default
    raise SystemExit(
        f"docs/live.py: SAMPLES needs two values of {kind}.{key}: its type does not name any"
    )


def _options(annotation: Any) -> Iterator[Any]:
    yield from (
        get_args(annotation) if get_origin(annotation) in {Union, UnionType} else [annotation]
    )
