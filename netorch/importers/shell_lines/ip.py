"""Commands of ip(8)."""

from __future__ import annotations

from collections.abc import Callable

from netorch.importers.shell_lines import ip_address, ip_link, ip_nexthop, ip_route, ip_rule
from netorch.importers.shell_lines.arguments import Arguments, NotCarriedError, full_word, names
from netorch.importers.shell_lines.node import Node

Handler = Callable[[Node, Arguments, int], None]
"""Takes the IP version that an option has chosen, 0 without one."""

_OBJECTS = names(
    """
    address addrlabel maddress route rule neighbor neighbour ntable ntbl link l2tp fou ila macsec
    tunnel tunl tuntap tap token tcpmetrics tcp_metrics monitor xfrm mroute mrule netns netconf
    vrf sr nexthop mptcp ioam stats help
    """
)
"""The objects in the order in which ip(8) looks for an abbreviation."""

_HANDLERS: dict[str, Handler] = {
    "address": ip_address.address,
    "link": ip_link.link,
    "route": ip_route.route,
    "rule": ip_rule.rule,
    "nexthop": ip_nexthop.nexthop,
    "neighbor": ip_rule.neighbour,
    "neighbour": ip_rule.neighbour,
    "tunnel": ip_link.tunnel,
    "tunl": ip_link.tunnel,
    "tuntap": ip_link.tuntap,
    "tap": ip_link.tuntap,
}
_QUERIES = frozenset(("monitor", "maddress", "netconf", "ntable", "tcpmetrics", "stats", "help"))
_WITHOUT_ACTS = frozenset(("monitor", "help"))
_CHANGES = ("add", "change", "replace", "delete", "del", "flush", "set")
_ACTS = ("show", "list", "lst", "get", *_CHANGES)
_WITH_VALUE = frozenset(("-f", "-family", "-l", "-loops", "-rc", "-rcvbuf"))
_OTHER_NAMESPACES = "netorch reads the lines of one node, not those for other namespaces"
_MPLS = "netorch has no routes of MPLS, only routes with `encap: {mpls: …}`"
_UNKNOWN = "a topology has no word for `ip {}`"


def ip(node: Node, words: Arguments) -> None:
    version = 0
    while words.peek().startswith("-"):
        option = words.take()
        if option in ("-4", "-6"):
            version = int(option[1])
        elif option in ("-n", "-netns", "-b", "-batch"):
            raise NotCarriedError(_OTHER_NAMESPACES)
        elif option == "-M":
            raise NotCarriedError(_MPLS)
        elif option in _WITH_VALUE:
            value = words.take()
            if value == "mpls":
                raise NotCarriedError(_MPLS)
            version = {"inet": 4, "inet6": 6}.get(value, version)
    if not words:
        return
    word = words.take()
    name = full_word(word, _OBJECTS)
    if handler := _HANDLERS.get(name):
        handler(node, words, version)
    elif name == "netns":
        if words and full_word(words.peek(), ("list", "add", "exec", "show")) not in ("list", ""):
            raise NotCarriedError(_OTHER_NAMESPACES)
    elif name in _QUERIES:
        act = words.take() if words else "show"
        if name not in _WITHOUT_ACTS and full_word(act, _ACTS) in _CHANGES:
            raise NotCarriedError(_UNKNOWN.format(f"{word} {act}"), matters=False)
    else:
        raise NotCarriedError(_UNKNOWN.format(word))
