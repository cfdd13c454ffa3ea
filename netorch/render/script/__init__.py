"""Writes requests as shell commands: ip, bridge, tc, sysctl, nft or iptables, wg."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from netorch.render.script import addressing, filters, links, nodes, ports, traffic
from netorch.render.script.context import Commands, Context
from netorch.values import requests as r

TRANSLATIONS: Mapping[type, Callable[[Any, Context], Commands]] = {
    r.NetnsAdd: nodes.netns_add,
    r.NetnsDel: nodes.netns_del,
    r.NameAdd: nodes.name_add,
    r.NameDel: nodes.name_del,
    r.LinkAdd: links.link_add,
    r.LinkSet: links.link_set,
    r.LinkDel: links.link_del,
    r.AltnameAdd: links.altname_add,
    r.AltnameDel: links.altname_del,
    r.VlanAdd: ports.vlan_add,
    r.VlanDel: ports.vlan_del,
    r.StaticMacAdd: ports.static_mac_add,
    r.StaticMacDel: ports.static_mac_del,
    r.AddressAdd: addressing.address_add,
    r.AddressDel: addressing.address_del,
    r.NeighbourAdd: addressing.neighbour_add,
    r.NeighbourDel: addressing.neighbour_del,
    r.RouteAdd: addressing.route_add,
    r.RouteDel: addressing.route_del,
    r.RuleAdd: addressing.rule_add,
    r.RuleDel: addressing.rule_del,
    r.QdiscSet: traffic.qdisc_set,
    r.QdiscDel: traffic.qdisc_del,
    r.SysctlSet: nodes.sysctl_set,
    r.FileWrite: nodes.file_write,
    r.FileDel: nodes.file_del,
    r.FilterSet: filters.filter_set,
    r.FilterDel: filters.filter_del,
    r.ForwardAcceptAdd: filters.forward_accept_add,
    r.ForwardAcceptDel: filters.forward_accept_del,
    r.UplinkJoin: ports.uplink_join,
    r.UplinkLeave: ports.uplink_leave,
    r.TunAdd: links.tun_add,
    r.TunSet: links.tun_set,
    r.WireguardSet: nodes.wireguard_set,
    r.WireguardPeerSet: nodes.wireguard_peer_set,
    r.WireguardPeerDel: nodes.wireguard_peer_del,
    r.NicTake: links.nic_take,
    r.NicGive: links.nic_give,
}
"""Request → function that returns its commands, or no command if the request changes nothing."""


def commands(request: r.Request, context: Context) -> Commands:
    return TRANSLATIONS[type(request)](request, context)
