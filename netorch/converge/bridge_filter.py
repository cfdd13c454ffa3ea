"""Published ports that br_netfilter breaks, because it hands frames of a bridge to the packet filter. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import ip_network

from netorch.converge.hazards import publishes
from netorch.immutable import Value
from netorch.kinds.address import Address
from netorch.kinds.base.link import link_key
from netorch.kinds.filter import PacketFilter
from netorch.kinds.netns import netns_key
from netorch.kinds.port import Port, port_key
from netorch.kinds.sysctl import Sysctl
from netorch.kinds.veth import Veth
from netorch.state.key import label_text
from netorch.state.resource import State
from netorch.values.filter_rules import DestinationTo, Hook
from netorch.values.snapshot import Snapshot

_SETTINGS = {4: "net/bridge/bridge-nf-call-iptables", 6: "net/bridge/bridge-nf-call-ip6tables"}


class Broken(Value):
    """Published ports of a namespace that do not answer somebody while frames of this IP version are filtered."""

    netns: str
    version: int
    whom: str


def settings_without_filter(
    wanted: State, pristine: Callable[[Iterable[str]], Mapping[str, str]]
) -> list[Sysctl]:
    """br_netfilter off in the namespaces of ours in which it would break a published port."""
    places = dict.fromkeys(
        (broken.netns, (_SETTINGS[broken.version],))
        for broken in _broken(wanted)
        if netns_key(broken.netns) in wanted
    )
    known = pristine([path for _, paths in places for path in paths]) if places else {}
    settings = [Sysctl(label, paths, ("0",)) for label, paths in places if paths[0] in known]
    return [setting for setting in settings if setting.key not in wanted]


def warn_of_filter(wanted: State, snapshot: Snapshot) -> list[str]:
    """A warning for each published port that it breaks where the setting is others' too, or the file turns it on."""
    return [
        f"published ports of {label_text(broken.netns)} do not answer {broken.whom}, "
        f"since br_netfilter hands bridged IPv{broken.version} to the packet filter there: "
        f"sysctl {_SETTINGS[broken.version].replace('/', '.')}=0 would help, "
        "and would take a firewall's eyes off all bridges"
        for broken in _broken(wanted)
        if _is_on(wanted, snapshot, broken)
    ]


def _is_on(wanted: State, snapshot: Snapshot, broken: Broken) -> bool:
    asked = wanted.get(Sysctl(broken.netns, (_SETTINGS[broken.version],), ()).key)
    if isinstance(asked, Sysctl):
        return asked.value != "0"
    there = snapshot.namespaces.get(broken.netns)
    return (
        netns_key(broken.netns) not in wanted
        and there is not None
        and broken.version in there.forward.bridged
    )


def _broken(wanted: State) -> Iterator[Broken]:
    filters = [one for one in wanted.values() if isinstance(one, PacketFilter)]
    isolated = _isolated_addresses(wanted) if any(map(_publishing, filters)) else {}
    for one in filters:
        if _at_loopback(one):
            # the filter would see the answers too early, and lose them
            yield Broken(one.netns, 6, "on ::1")
        bridges: dict[tuple[str, int], None] = {}
        for rule in filter(publishes, one.rules):
            assert isinstance(rule.act, DestinationTo)
            bridge = isolated.get((one.netns, str(rule.act.address)))
            if bridge is not None:
                bridges[bridge, rule.family] = None
        for bridge, version in bridges:
            # it translates the address while the frame is in the bridge, which then has to pass it from port to port
            yield Broken(
                one.netns, version, f"members on bridge {bridge}, whose ports are isolated"
            )


def _publishing(one: PacketFilter) -> bool:
    return any(map(publishes, one.rules))


def _isolated_addresses(wanted: State) -> dict[tuple[str, str], str]:
    """Owner of a bridge and address behind an isolated port of it → the bridge."""
    if not any(isinstance(one, Port) and one.isolated for one in wanted.values()):
        return {}
    found: dict[tuple[str, str], str] = {}
    for one in wanted.values():
        link = wanted.get(link_key(one.netns, one.link)) if isinstance(one, Address) else None
        if isinstance(one, Address) and isinstance(link, Veth):
            port = wanted.get(port_key(*link.peer))
            if isinstance(port, Port) and port.isolated:
                found[port.netns, one.address.local] = port.master
    return found


def _at_loopback(one: PacketFilter) -> bool:
    """Whether it publishes for ::1: in OUTPUT, for any address or that one."""
    return any(
        rule.match.destination in (None, ip_network("::1"))
        for rule in one.rules
        if publishes(rule) and (rule.family, rule.hook) == (6, Hook.OUTPUT)
    )
