"""Turn the resources of a link into the fields of a `WorldInterface`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_interface

from netorch.immutable import Value, field, replace
from netorch.kinds.base.link import link_key
from netorch.kinds.fdb import ALL, Fdb
from netorch.kinds.impair import Impair
from netorch.kinds.peer import Peer
from netorch.kinds.port import Port
from netorch.kinds.veth import UNKNOWN, Veth
from netorch.kinds.vlans import PortVlans
from netorch.kinds.wireguard import Wireguard
from netorch.language.impairment import CERTAIN
from netorch.state.key import Key
from netorch.state.resource import Resource
from netorch.walk.world import FORWARDING, Address, Tunnel, WireguardPeer, WorldInterface

_TUNNELS = frozenset(
    ("vxlan", "geneve", "gre", "gretap", "erspan", "ipip", "sit", "ip6gre", "ip6gretap", "ip6tnl")
)
_IDENT = ("vni", "port", "key")


class Parts(Value):
    """The attributes of a link that are separate resources: its port, VLANs, impairment, peers."""

    master: str = ""
    isolated: bool = False
    hairpin: bool = False
    pvid: int = 0
    vlans: Mapping[int, bool] = field(default_factory=dict)
    impair: str = ""
    """The impairments in words, or "" if there are none."""
    lost: bool = False
    """Whether every packet is lost."""
    ends: tuple[Address, ...] = ()
    """The addresses to which a tunnel sends frames for unknown MACs."""
    macs: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    """MAC → the addresses to which a tunnel sends the frames for it."""
    peers: tuple[WireguardPeer, ...] = ()


NO_PARTS = Parts()


def iface(
    link: Resource | None,
    parts: Parts,
    *,
    name: str,
    kind: str,
    up: bool,
    mtu: int,
    mac: str,
    carrier: bool | None = None,
    state: int = FORWARDING,
) -> WorldInterface:
    """Return the interface of a link; `link` is None if no kind of netorch describes it."""
    peer = link.peer if isinstance(link, Veth) and link.peer != UNKNOWN else None
    parent = None if isinstance(link, Veth) else getattr(link, "parent", None)
    return WorldInterface(
        name,
        kind,
        up,
        carrier,
        mtu,
        mac,
        parts.master,
        peer,
        parent if parent != UNKNOWN else None,
        vlan=getattr(link, "id", None) or 0,
        mode=getattr(link, "mode", None) or "",
        table=getattr(link, "table", None) or 0,
        filtering=getattr(link, "vlan_filtering", None) or False,
        pvid=parts.pvid,
        vlans=parts.vlans,
        isolated=parts.isolated,
        hairpin=parts.hairpin,
        state=state,
        tunnel=_tunnel(link, parts),
        impair=parts.impair,
        lost=parts.lost,
    )


def _tunnel(link: Resource | None, parts: Parts) -> Tunnel | None:
    if isinstance(link, Wireguard):
        return Tunnel((), None, parts.ends, parts.peers, link.listen_port)
    if link is None or link.KIND not in _TUNNELS:
        return None
    ends = [getattr(link, name, None) for name in ("remote", "multicast")]
    # An end that has no entry in the forwarding database gets nothing.
    known = [ip_address(end) for end in ends if end is not None and getattr(link, "flooded", True)]
    attributes = link.attributes()
    ident = tuple(f"{name} {attributes[name]}" for name in _IDENT if name in attributes)
    local = getattr(link, "local", None)
    return Tunnel(
        ident,
        ip_address(local) if local else None,
        (*known, *parts.ends),
        parts.peers,
        getattr(link, "port", 0),
        getattr(link, "vni", 0),
        parts.macs,
        getattr(link, "underlay", ""),
        getattr(link, "external", False),
        tuple(known),
    )


def parts_of(resources: Iterable[Resource]) -> dict[Key, Parts]:
    """Return link → its parts."""
    by_link: dict[Key, Parts] = {}
    for resource in resources:
        key = link_key(resource.key.netns, getattr(resource, "link", ""))
        parts = by_link.get(key, NO_PARTS)
        match resource:
            case Port():
                parts = replace(
                    parts,
                    master=resource.master,
                    isolated=resource.isolated,
                    hairpin=resource.hairpin,
                )
            case PortVlans():
                parts = replace(parts, pvid=resource.pvid, vlans=dict(resource.vlans))
            case Impair():
                impairments = ", ".join(
                    f"{name} {value}" for name, value in resource.attributes().items()
                )
                parts = replace(parts, impair=impairments, lost=resource.impairment.loss == CERTAIN)
            case Fdb() if resource.mac == ALL:
                parts = replace(parts, ends=(*parts.ends, ip_address(resource.dst)))
            case Fdb():
                ends = (*parts.macs.get(resource.mac, ()), ip_address(resource.dst))
                parts = replace(parts, macs={**parts.macs, resource.mac: ends})
            case Peer():
                parts = replace(parts, peers=(*parts.peers, _peer(resource)))
            case _:
                continue
        by_link[key] = parts
    return by_link


def _peer(peer: Peer) -> WireguardPeer:
    allowed = tuple(ip_interface(network) for network in peer.allowed_ips)
    if peer.endpoint is None:
        return WireguardPeer(None, allowed)
    return WireguardPeer((ip_address(peer.endpoint.address), peer.endpoint.port), allowed)
