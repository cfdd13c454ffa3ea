"""The keys of each mapping for an error about an unknown one: the likely ones first, in groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

MOST = 12
"""The number of keys that an error lists."""

GROUPS: Mapping[str, tuple[str, str]] = {
    "TopologyFile": (
        "nodes networks links checks; name vars profiles defaults",
        "docs/language.md#top-level",
    ),
    "NodeModel": (
        "networks interfaces routes forwarding; publish nat filter sysctls; attach profile",
        "docs/language.md#nodes",
    ),
    "NetworkModel": (
        "mode subnet gateway mtu; driver parent vlan uplink; node isolated allow ip_range",
        "docs/language.md#networks",
    ),
    "Membership": (
        "address name default_route; mtu mac impair addresses",
        "docs/language.md#membership",
    ),
    "InterfaceModel": (
        "kind addresses mtu mac state; master port; impair sysctls neighbours",
        "docs/language.md#interfaces",
    ),
    "LinkModel": ("endpoints subnet mtu impair", "docs/language.md#links"),
    "EndpointModel": ("node interface; addresses mtu mac impair", "docs/language.md#endpoints"),
    "NetworkRouteModel": ("to via metric", "docs/language.md#addresses-and-routes-of-members"),
    "RouteModel": ("to via dev; metric table vrf src type encap", "docs/language.md#routes"),
    "EncapModel": ("", "docs/language.md#encapsulation"),
    "Seg6Model": ("", "docs/language.md#encapsulation"),
    "Seg6LocalModel": ("", "docs/language.md#encapsulation"),
    "RuleModel": ("from to table priority; iif oif fwmark action", "docs/language.md#rules"),
    "CheckModel": ("from to; tcp reachable all mtu", "docs/language.md#checks"),
    "ImpairModel": ("delay loss rate; jitter duplicate corrupt", "docs/language.md#impairments"),
    "NatModel": ("", "docs/language.md#nat-in-a-node"),
    "FilterModel": ("policy forward input output", "docs/language.md#filter-in-a-node"),
    "FilterPolicyModel": ("forward input output", "docs/language.md#filter-in-a-node"),
    "FilterRuleModel": (
        "action from to proto port; in out state; type sport comment",
        "docs/language.md#filter-in-a-node",
    ),
    "PublishModel": ("", "docs/language.md#published-ports"),
    "DnsModel": ("servers search options", "docs/language.md#names-inside-the-nodes"),
    "PeerModel": ("public_key endpoint allowed_ips", "docs/language.md#wireguard"),
}
"""Name of a model → groups of its likely keys, separated by semicolons, and the page of the docs.

A group may name keys that only some of the classes derived from the model have.
"""


_OF_EVERY_KIND = (
    *("txqueuelen", "description", "sysctls", "neighbours", "impair", "master", "port"),
    *("arp", "multicast", "promisc", "allmulti"),
)
"""Keys that do not belong to one kind of interface."""


def keys_of(models: Sequence[str], known: Iterable[str], kind: str = "") -> str:
    """Return a sentence with the keys of a mapping, and its page.

    `models` are the names of the model's class and its bases, the class itself first. `kind` is
    that of an interface, whose own keys come first.
    """
    every = list(dict.fromkeys(known))
    if not every:
        return ""
    named = "InterfaceModel" if kind else next(filter(GROUPS.__contains__, models), "")
    likely, page = GROUPS.get(named, ("", ""))
    groups = [[key for key in group.split() if key in every] for group in likely.split(";")]
    grouped = {key for group in groups for key in group}
    rest = [key for key in every if key not in grouped]
    if kind:
        page = f"docs/kinds.md#{kind}"
        groups.insert(0, [key for key in rest if key not in _OF_EVERY_KIND])
    else:
        room = MOST - len(grouped)
        groups.append(rest if len(rest) <= room + 1 else rest[: max(0, room)])
    count = sum(map(len, groups))
    text = "; ".join(", ".join(group) for group in groups if group)
    more = f" and {len(every) - count} more" if count < len(every) else ""
    where = f" ({page})" if page else ""
    return f"Its keys are {text}{more}{where}."
