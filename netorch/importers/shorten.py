"""Makes a draft as short as a person would write it, without a change of what it means."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_interface
from typing import Any

from netorch.immutable import replace
from netorch.importers.draft import Draft, Path, Remark

_NUMBERED = re.compile(r"(.*?)(0|[1-9][0-9]*)")
"""A name with a number at its end."""

FEW = 3
"""The number of equal nodes from which a range names them."""


def only_or_all(values: Sequence[Any]) -> Any:
    """Return the values as a person would write them: the only one by itself, else all of them."""
    return values[0] if len(values) == 1 else values


def shorten(draft: Draft) -> None:
    """Shorten the entries of a draft in place."""
    for node in draft.tree.get("nodes", {}).values():
        _shorten_node(node)
    for path, link in enumerate(draft.tree.get("links", [])):
        draft.tree["links"][path] = _short_link(link)
    if "nodes" in draft.tree:
        _use_ranges(draft)


def _shorten_node(node: Any) -> None:
    if not isinstance(node, dict):
        return
    networks = node.get("networks")
    if isinstance(networks, dict):
        if not any(networks.values()):
            node["networks"] = list(networks)
        else:
            for name, membership in networks.items():
                networks[name] = _short_membership(membership)
    for key in ("networks", "interfaces", "routes", "rules", "sysctls"):
        if key in node and not node[key]:
            del node[key]
    for interface in (node.get("interfaces") or {}).values():
        _one_for_many(interface, "addresses")
    _one_for_many(node, "publish")


def _short_membership(membership: Any) -> Any:
    """Return a membership with nothing but one address as this address."""
    if membership is None:
        return {}
    if isinstance(membership, dict) and membership.keys() == {"address"}:
        address = membership["address"]
        return address if isinstance(address, str) else membership
    return membership


def _one_for_many(entry: Any, key: str) -> None:
    """Write a list of one text as the text."""
    if isinstance(entry, dict) and isinstance(entry.get(key), list) and len(entry[key]) == 1:
        (only,) = entry[key]
        if isinstance(only, str):
            entry[key] = only


def _short_link(link: Any) -> Any:
    """Return a link in its shortest form."""
    if not isinstance(link, dict) or len(link.get("endpoints", ())) != 2:
        return link
    link = dict(link)
    ends = [dict(end) if isinstance(end, dict) else end for end in link["endpoints"]]
    subnets = _common_subnets(ends)
    if subnets and "subnet" not in link:
        link["subnet"] = only_or_all(subnets)
        for end in ends:
            del end["addresses"]
    for end in ends:
        _one_for_many(end, "addresses")
    short = [
        f"{end['node']}:{end['interface']}"
        if isinstance(end, dict) and end.keys() == {"node", "interface"}
        else end
        for end in ends
    ]
    link["endpoints"] = short
    if link.keys() == {"endpoints"} and all(isinstance(end, str) for end in short):
        return short
    return link


def _common_subnets(ends: list[Any]) -> list[str]:
    """Return the subnets whose first two addresses are the only ones of the two ends.

    Empty if there are none, or if an end has another address too.
    """
    if not all(isinstance(end, dict) and end.get("addresses") for end in ends):
        return []
    lists = [one if isinstance(one, list) else [one] for one in (end["addresses"] for end in ends)]
    if len(lists[0]) != len(lists[1]):
        return []
    subnets: list[str] = []
    for first, second in zip(*lists, strict=True):
        if not (isinstance(first, str) and isinstance(second, str)):
            return []
        try:
            one, other = ip_interface(first), ip_interface(second)
        except ValueError:
            return []
        network = one.network
        step = 0 if network.prefixlen >= network.max_prefixlen - 1 else 1
        if other.network != network or network.prefixlen == network.max_prefixlen:
            return []
        if (int(one) - int(network[0]), int(other) - int(network[0])) != (step, step + 1):
            return []
        subnets.append(str(network))
    return subnets


def _use_ranges(draft: Draft) -> None:
    """Write runs of equal nodes, such as h1, h2, h3, as one entry `h[1-3]`."""
    nodes: dict[str, Any] = draft.tree["nodes"]
    short: dict[str, Any] = {}
    names = list(nodes)
    while names:
        run = _run(names, nodes, draft)
        if len(run) < FEW:
            run = run[:1]
        name = run[0] if len(run) == 1 else _range(run)
        short[name] = nodes[run[0]]
        if len(run) > 1:
            _join_remarks(draft, run, name)
        del names[: len(run)]
    draft.tree["nodes"] = short


def _run(names: list[str], nodes: Mapping[str, Any], draft: Draft) -> list[str]:
    """Return the first names of the list that a range can stand for: at least the first one."""
    first = _NUMBERED.fullmatch(names[0])
    if first is None:
        return names[:1]
    prefix, start = first[1], int(first[2])
    run = names[:1]
    for number, name in enumerate(names[1:], start + 1):
        if name != f"{prefix}{number}" or nodes[name] != nodes[names[0]]:
            break
        if _words(draft, name) != _words(draft, names[0]):
            break
        run.append(name)
    return run


def _words(draft: Draft, node: str) -> list[tuple[Path, list[tuple[str, str]]]]:
    """Return the remarks of a node, without their places."""
    return [
        (path[2:], [(one.text, one.why) for one in remarks])
        for path, remarks in draft.remarks.items()
        if path[:2] == ("nodes", node)
    ]


def _range(run: list[str]) -> str:
    first, last = (_NUMBERED.fullmatch(name) for name in (run[0], run[-1]))
    assert first is not None and last is not None
    return f"{first[1]}[{first[2]}-{last[2]}]"


def _join_remarks(draft: Draft, run: list[str], name: str) -> None:
    """Move the remarks of the nodes of a run to their range, with the places of all."""
    joined: dict[Path, dict[tuple[str, str, bool], Remark]] = {}
    for path in [path for path in draft.remarks if path[0:1] == ("nodes",) and path[1:2] != ()]:
        if path[1] not in run:
            continue
        words = joined.setdefault(("nodes", name, *path[2:]), {})
        for one in draft.remarks.pop(path):
            key = (one.text, one.why, one.matters)
            known = words.get(key)
            words[key] = replace(one, where=(*known.where, *one.where)) if known else one
    for path, remarks in joined.items():
        draft.remarks[path] = list(remarks.values())
