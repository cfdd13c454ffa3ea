"""Writes the ports of bridges as commands of bridge(8), and moves addresses to and from uplinks."""

from __future__ import annotations

from ipaddress import ip_address
from shlex import quote

from netorch.netlink.constants import (
    BRIDGE_VLAN_INFO_PVID,
    BRIDGE_VLAN_INFO_UNTAGGED,
    NDA_PORT,
    NDA_VNI,
)
from netorch.render.script.context import Commands, Context, words
from netorch.values.requests import (
    NeighbourAdd,
    NeighbourDel,
    StaticMacAdd,
    StaticMacDel,
    UplinkJoin,
    UplinkLeave,
    VlanAdd,
    VlanDel,
)

_NUMBERS = {NDA_PORT: ("port", "big"), NDA_VNI: ("vni", "little")}


def vlan_add(request: VlanAdd, context: Context) -> Commands:
    return [
        words(
            _vlan(request, "add", first, last, context),
            "pvid" if flags & BRIDGE_VLAN_INFO_PVID else "",
            "untagged" if flags & BRIDGE_VLAN_INFO_UNTAGGED else "",
            "self" if request.own else "",
        )
        for first, last, flags in request.vlans
    ]


def vlan_del(request: VlanDel, context: Context) -> Commands:
    return [
        words(_vlan(request, "delete", first, last, context), "self" if request.own else "")
        for first, last, _ in request.vlans
    ]


def static_mac_add(request: StaticMacAdd, context: Context) -> Commands:
    return [words(_fdb(request, "replace", context), "master static", _of_vlan(request))]


def static_mac_del(request: StaticMacDel, context: Context) -> Commands:
    return [words(_fdb(request, "delete", context), "master", _of_vlan(request))]


def tunnel_end_add(request: NeighbourAdd, context: Context) -> Commands:
    return [
        words(
            _fdb(request, "append" if request.append else "replace", context),
            _end(request),
            "self permanent",
        )
    ]


def tunnel_end_del(request: NeighbourDel, context: Context) -> Commands:
    return [words(_fdb(request, "delete", context), _end(request), "self")]


def uplink_join(request: UplinkJoin, context: Context) -> Commands:
    ip, nic, bridge = context.tool("ip", request.netns), quote(request.nic), quote(request.bridge)
    mac = f"$({ip} -o link show dev {nic} | sed 's,.* link/ether \\([^ ]*\\).*,\\1,')"
    joined = f"{ip} link set dev {nic} master {bridge}"
    return [
        f'{ip} link set dev {bridge} address "{mac}"',
        *_move_addresses(ip, nic, bridge, joined),
    ]


def uplink_leave(request: UplinkLeave, context: Context) -> Commands:
    ip, nic, bridge = context.tool("ip", request.netns), quote(request.nic), quote(request.bridge)
    return _move_addresses(ip, bridge, nic, f"{ip} link set dev {nic} nomaster")


def _move_addresses(ip: str, source: str, target: str, between: str) -> Commands:
    """Return commands that move addresses and routes from one link to another.

    They leave out the addresses that the kernel makes by itself, and the routes that the kernel
    makes with an address. `between` is a command that runs after the links were read, before they
    change.
    """
    addresses = (
        """awk '$4 !~ /^fe80/ && !/ temporary / { printf "%s", $4; for (i = 5; i <= NF; i++)"""
        """ if ($i ~ /^(peer|brd|scope|.*_lft)$/)"""
        """ { sub(/sec$/, "", $(i + 1)); printf " %s %s", $i, $(i + 1) }"""
        """ else if ($i ~ /^(nodad|noprefixroute|mngtmpaddr)$/) printf " %s", $i; print "" }'"""
    )
    routes = (
        "sed '/proto kernel/d; s/ linkdown//; s/ dead//; s/ expires \\([0-9]*\\)sec/ expires \\1/'"
    )
    each = 'while read -r line; do [ -z "$line" ] ||'
    return [
        f"addresses=$({ip} -o address show dev {source} | {addresses})",
        f"routes=$({ip} route show dev {source} | {routes})",
        f"routes6=$({ip} -6 route show dev {source} | {routes})",
        between,
        f"{ip} -4 address flush dev {source}",
        f"{ip} -6 address flush dev {source} scope global",
        # because the kernel leaves the subnet's route of an address with a lifetime on the link
        f"{ip} -6 route show dev {source} | sed '/^fe80/d; s/ .*//' | "
        f"{each} {ip} -6 route delete $line dev {source}; done",
        f'echo "$addresses" | {each} {ip} address replace $line dev {target}; done',
        f'echo "$routes" | {each} {ip} route replace $line dev {target}; done',
        f'echo "$routes6" | {each} {ip} -6 route replace $line dev {target}; done',
    ]


def _vlan(request: VlanAdd | VlanDel, act: str, first: int, last: int, context: Context) -> str:
    vid = str(first) if first == last else f"{first}-{last}"
    return f"{context.tool('bridge', request.netns)} vlan {act} dev {quote(request.link)} vid {vid}"


def _fdb(
    request: StaticMacAdd | StaticMacDel | NeighbourAdd | NeighbourDel, act: str, context: Context
) -> str:
    bridge, mac = context.tool("bridge", request.netns), request.mac.hex(":")
    return f"{bridge} fdb {act} {mac} dev {quote(request.link)}"


def _of_vlan(request: StaticMacAdd | StaticMacDel) -> str:
    return f"vlan {request.vlan}" if request.vlan else ""


def _end(request: NeighbourAdd | NeighbourDel) -> str:
    more = ((*_NUMBERS[number], payload) for number, payload in request.extra if number in _NUMBERS)
    return words(
        f"dst {ip_address(request.address)}",
        *(
            f"{word} {int.from_bytes(payload, 'big' if order == 'big' else 'little')}"
            for word, order, payload in more
        ),
    )
