"""Check the rest of a file from which the wrong parts were left out.

A complaint about the rest is true only if none of the missing parts could be its cause. So netorch
drops a constraint if any key that it reads is missing, and a complaint if a key is missing whose
absence could cause it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from netorch.errors import did_you_mean
from netorch.immutable import Value
from netorch.language.model import Model, Refused
from netorch.language.readers import read
from netorch.resolve.desired import Complaint
from netorch.resolve.problems import TreePath
from netorch.state.key import HOST


class Hole(Value):
    """A part that was left out."""

    path: TreePath
    """The place of the part in the file."""
    keys: frozenset[str]
    """The keys whose values are unknown without it."""


def hole(path: TreePath, value: object, known: Iterable[str] = ()) -> Hole:
    """Return the hole that `value` leaves at `path`.

    If the last key of the path is misspelt, it may stand for one of the `known` keys.
    """
    words = [part for part in path if isinstance(part, str)]
    # The last key may be a name, as below `endpoints`. So the key before it is included.
    keys = {*words[-2:], *_keys_in(value)}
    if path[-2:-1] == ("routes",) and "dev" not in keys:
        # a route without `dev` makes no gateway reachable, whatever its `to` is
        keys -= {"to"}
    meant = did_you_mean(words[-1], known) if words else ""
    return Hole(path, frozenset(keys | {word for word in known if f"'{word}'" in meant}))


def _keys_in(value: object) -> Iterable[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _keys_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys_in(inner)


def broken_constraints(
    model: type[Model], value: Mapping[str, Any], unknown: frozenset[str]
) -> list[dict[str, Any]]:
    """Return the constraints that a mapping breaks, as errors in pydantic's form.

    `unknown` are keys that the mapping has with an unknown value. Constraints that read them are
    left out.
    """
    words = _partial(model, value, unknown)
    errors: list[dict[str, Any]] = []
    for one in model.after_checks.values():
        each = getattr(one, "constraints", None)
        checks: Sequence[Callable[[Any], object]] = (
            [one] if each is None else [constraint.check for constraint in each]
        )
        for check in checks:
            try:
                check(words)
            except AttributeError:
                continue  # the constraint reads an unknown key
            except Refused as refusal:
                errors.append(
                    {
                        "type": "wrong",
                        "loc": refusal.loc,
                        "ctx": {"text": refusal.text, "code": refusal.code},
                        "input": refusal.value,
                    }
                )
            except ValueError as error:
                errors.append({"type": "value_error", "loc": (), "ctx": {"error": error}})
    return errors


def has_constraints(model: type[Model]) -> bool:
    """Whether a model has validators that see the mapping as a whole."""
    return bool(model.after_checks)


def _partial(model: type[Model], value: Mapping[str, Any], unknown: frozenset[str]) -> Model:
    """Return a model that has only the fields that are right.

    Reading any other field raises AttributeError.
    """
    values: dict[str, Any] = {}
    lacking: list[str] = []
    explicit: set[str] = set()
    for name, field in model.model_fields.items():
        key = next(
            (key for key in (field.alias, field.serialization_alias, name) if key in value), None
        )
        if key is not None or {name, field.alias, field.serialization_alias} & unknown:
            explicit.add(name)
        if {name, field.alias, field.serialization_alias} & unknown:
            lacking.append(name)
            continue
        if key is None and field.is_required():
            lacking.append(name)
            continue
        given = field.get_default() if key is None else value[key]
        try:
            values[name] = read(field.annotation, given)
        except ValueError:
            lacking.append(name)
    words = model.model_construct(explicit, **values)
    for name in lacking:
        words.__dict__.pop(name, None)
    return words


ADDRESSES = frozenset(
    (
        *("address", "addresses", "subnet", "peer", "endpoints", "ip_range", "networks"),
        *("interfaces", "kind", "state", "driver", "mode", "gateway", "profile", "attach"),
    )
)
"""Keys that decide which addresses a node has."""
VRFS = frozenset(("kind", "ports", "members", "master", "vrf", "table"))
"""Keys that decide which VRF an interface or a route is in."""

CAUSES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        (
            *("address-on-port", "address-twice", "already-wired", "bad-attach", "bad-description"),
            *("bad-end", "bad-forward-delay", "bridge-full", "cannot-be-port"),
            *("mac-twice", "name-too-long", "name-twice", "neighbour-twice", "nic-twice"),
            *("not-a-host-address", "parent-circle", "parent-elsewhere", "port-of-two"),
            *("reserved-name", "subnets-overlap", "table-taken", "two-default-routes"),
            *("two-gateways", "needs-forwarding", "contradiction", "mixed-families"),
            *("no-resolv-conf", "no-hosts-file", "uplink-vlans", "shared-namespace"),
        ),
        frozenset[str](),
    ),
    "loopback": frozenset(("attach",)),
    "bad-parent": frozenset(("kind", "parent")),
    "bad-uplink": frozenset(("kind",)),
    "bad-impairment": frozenset(
        (
            *("impair", "delay", "jitter", "loss", "rate", "duplicate", "corrupt", "reorder"),
            *("limit", "burst", "correlation", "queue", "txqueuelen"),
        )
    ),
    "bond-port-differs": frozenset(("mac", "mtu")),
    "bridge-loop": frozenset(
        ("stp", "state", "vlan_filtering", "isolated", "port_isolation", "kind")
    ),
    "existing-interface": frozenset(("attach", "kind", "endpoints", "peer", "networks", "name")),
    "foreign-source": ADDRESSES,
    "gateway-is-bridge": frozenset(("mode",)),
    "gateway-is-self": VRFS,
    "gateway-needs-dev": frozenset(("dev",)) | ADDRESSES,
    "gateway-needs-scope": frozenset(("scope", "to", "dev", "table")) | ADDRESSES,
    "gateway-unreachable": frozenset(("to", "dev", "rules", "onlink")) | ADDRESSES | VRFS,
    "hop-needs-gateway": frozenset(("via",)),
    "hop-twice": frozenset(("via", "dev")),
    "ipv6-off": frozenset(("sysctls", "disable_ipv6")),
    "mtu-too-large": frozenset(("mtu", "parent", "local", "kind", "driver", "endpoints", "master")),
    "mtu-too-small": frozenset(("mtu", "parent", "kind", "master")),
    "needs-endpoint": frozenset(("at", "endpoints")),
    "needs-prefix-length": frozenset(("subnet",)),
    "needs-subnet": frozenset(("subnet", "mode")),
    "no-such-flag": frozenset(("kind",)),
    "no-free-port": frozenset(("publish", "port", "proto", "network", "node")),
    "needs-vlan-filtering": frozenset(("vlan_filtering", "kind", "vlans")),
    "no-mac": frozenset(("kind",)),
    "no-host-gateway": ADDRESSES | {"node"},
    "no-groups": frozenset(("group", "driver", "mode", "existing", "port")),
    "no-way-between": frozenset(("mode", "node")),
    "not-a-port": frozenset(("master", "ports", "members", "kind", "networks", "peer")),
    "not-an-overlay": frozenset(("driver", "endpoints")),
    "nothing-to-isolate": frozenset(("mode",)),
    "outside-subnet": frozenset(("subnet",)),
    "parent-conflict": frozenset(("mode", "driver_mode", "kind", "driver")),
    "port-published-twice": frozenset(("address", "proto", "port", "network", "publish")),
    "route-twice": frozenset(("to", "metric", "table", "vrf", "dev", "via")),
    "rule-twice": frozenset(
        ("from", "to", "iif", "oif", "fwmark", "priority", "family", "action", "table")
    ),
    "same-tunnel": frozenset(
        ("local", "remote", "vni", "id", "key", "port", "group", "parent", "kind")
    ),
    "subnet-full": frozenset(("subnet", "ip_range", "address")),
    "unknown-interface": frozenset(
        ("ports", "members", "master", "endpoints", "links", "networks", "name", "kind", "peer")
    ),
    "unknown-node": frozenset(("endpoints", "networks")),
    "unmade-interface": frozenset(
        ("kind", "links", "endpoints", "networks", "name", "peer", "attach")
    ),
    "vlan-twice": frozenset(("id", "parent", "kind")),
    "which-vrf": VRFS | {"dev"} | ADDRESSES,
}
"""Code → the keys whose absence could cause such a complaint.

A complaint with a code that is not here could be caused by the absence of any key.
"""

NAMING: Mapping[str, frozenset[str]] = {
    "unknown-interface": frozenset(
        (
            *("kind", "links", "endpoints", "networks", "name", "peer", "ports", "members"),
            *("master", "attach"),
        )
    ),
    "unknown-address": ADDRESSES,
}
"""Code of a complaint that a name does not exist → the keys whose absence could cause it."""

OWN = frozenset(
    (
        *("bad-impairment", "foreign-source", "gateway-is-self", "gateway-needs-dev"),
        *("gateway-needs-scope", "gateway-unreachable", "hop-needs-gateway", "hop-twice"),
        *("ipv6-off", "needs-vlan-filtering", "no-mac", "not-a-port", "route-twice", "rule-twice"),
        "which-vrf",
    )
)
"""Codes of complaints that the keys of other nodes cannot cause."""


def is_sure(complaint: Complaint) -> bool:
    """Whether a complaint is true whatever the rest of the file contains."""
    return not complaint.naming and CAUSES.get(complaint.code) == frozenset()


class Unknown(Value):
    """The keys and names that are uncertain, because parts of the file were left out."""

    keys: frozenset[str]
    """The keys that are unknown somewhere in the file."""
    of_nodes: Mapping[str, frozenset[str]]
    """Node → the keys that are unknown in it."""
    elsewhere: frozenset[str]
    """The keys that are unknown outside all nodes."""
    names: frozenset[str]
    """The names of nodes, networks and interfaces that lack something."""

    def stands(self, complaint: Complaint) -> bool:
        """Whether a complaint about the rest is true of the whole file, whatever is missing."""
        if complaint.naming:
            naming = NAMING.get(complaint.code, frozenset())
            return complaint.about not in self.names and naming.isdisjoint(self.keys)
        causes = CAUSES.get(complaint.code)
        return causes is not None and all(map(causes.isdisjoint, self._near(complaint)))

    def _near(self, complaint: Complaint) -> Iterable[frozenset[str]]:
        """Return the unknown keys that could cause a complaint, in one or two sets.

        If the complaint concerns a single node, keys of other nodes do not count.
        """
        path = complaint.path
        if complaint.code not in OWN or len(path) < 2 or path[0] != "nodes":
            return (self.keys,)
        return self.elsewhere, self.of_nodes.get(str(path[1]), frozenset())


def unknown(holes: Iterable[Hole]) -> Unknown:
    """Collect the unknown keys and names of all holes."""
    keys: set[str] = set()
    elsewhere: set[str] = set()
    of_nodes: dict[str, set[str]] = {}
    names: set[str] = set()
    for each in holes:
        path = each.path
        keys |= each.keys
        inside = path[0] == "nodes" and len(path) > 1 if path else False
        (of_nodes.setdefault(str(path[1]), set()) if inside else elsewhere).update(each.keys)
        if path[:1] in {("nodes",), ("networks",)} and len(path) > 1:
            names.add(str(path[1]))
        if path[:1] == ("hosts",) and len(path) > 1:
            names |= {str(path[1]), f"{HOST}.{path[1]}"}
        if len(path) > 3 and path[2] == "interfaces":
            names.add(str(path[3]))
    return Unknown(
        frozenset(keys),
        {node: frozenset(words) for node, words in of_nodes.items()},
        frozenset(elsewhere),
        frozenset(names),
    )
