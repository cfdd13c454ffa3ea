"""What a resource of a link says to a packet, in the fields of an `Iface`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_interface
from typing import Any

from netorch.kinds.base.link import link_key
from netorch.kinds.fdb import ALL, Fdb
from netorch.kinds.impair import Impair
from netorch.kinds.peer import Peer
from netorch.kinds.port import Port
from netorch.kinds.veth import UNKNOWN, Veth
from netorch.kinds.vlans import PortVlans
from netorch.kinds.wireguard import Wireguard
from netorch.language.impairment import CERTAIN
from netorch.state.core import Key, Resource
from netorch.walk.world import Address, Tunnel, WireguardPeer

_TUNNELS = frozenset(
    ("vxlan", "geneve", "gre", "gretap", "ipip", "sit", "ip6gre", "ip6gretap", "ip6tnl")
)
_IDENT = ("vni", "port", "key")


def of_link(resource: Resource) -> dict[str, Any]:
    """Of the link itself: what it is connected with."""
    found: dict[str, Any] = {"kind": resource.KIND}
    if isinstance(resource, Veth):
        return found | {"peer": resource.peer if resource.peer != UNKNOWN else None}
    parent = getattr(resource, "parent", None)
    if parent is not None and parent != UNKNOWN:
        found["parent"] = parent
    for field, name in (
        ("vlan", "id"),
        ("mode", "mode"),
        ("table", "table"),
        ("filtering", "vlan_filtering"),
    ):
        if (value := getattr(resource, name, None)) is not None:
            found[field] = value
    if resource.KIND in _TUNNELS:
        found["tunnel"] = _tunnel(resource)
    elif isinstance(resource, Wireguard):
        found["tunnel"] = Tunnel((), None, (), (), resource.listen_port)
    return found


def _tunnel(resource: Resource) -> Tunnel:
    ends = [getattr(resource, name, None) for name in ("remote", "multicast")]
    # an end whose entry in the forwarding database is gone gets nothing
    known = [end for end in ends if end is not None and getattr(resource, "flooded", True)]
    said = resource.attributes()
    ident = tuple(f"{name} {said[name]}" for name in _IDENT if name in said)
    return Tunnel(
        ident,
        _address(getattr(resource, "local", None)),
        tuple(map(ip_address, known)),
        (),
        getattr(resource, "port", 0),
    )


def _address(text: str | None) -> Address | None:
    return ip_address(text) if text else None


def of_parts(resources: Iterable[Resource]) -> dict[Key, dict[str, Any]]:
    """Of what a person calls a link's attributes and the kernel has apart: link → its fields."""
    found: dict[Key, dict[str, Any]] = {}
    peers: dict[Key, list[WireguardPeer]] = {}
    ends: dict[Key, list[Address]] = {}
    for resource in resources:
        key = link_key(resource.key.netns, getattr(resource, "link", ""))
        fields = found.setdefault(key, {})
        match resource:
            case Port():
                fields |= {
                    "master": resource.master,
                    "isolated": resource.isolated,
                    "hairpin": resource.hairpin,
                }
            case PortVlans():
                fields |= {"pvid": resource.pvid, "vlans": dict(resource.vlans)}
            case Impair():
                words = resource.attributes()
                said = ", ".join(f"{name} {value}" for name, value in words.items())
                fields |= {"impair": said, "lost": resource.said.loss == CERTAIN}
            case Fdb() if resource.mac == ALL:
                ends.setdefault(key, []).append(ip_address(resource.dst))
            case Peer():
                peers.setdefault(key, []).append(_peer(resource))
    for key, there in peers.items():
        found[key]["peers"] = tuple(there)
    for key, addresses in ends.items():
        found[key]["ends"] = tuple(addresses)
    return found


def _peer(peer: Peer) -> WireguardPeer:
    allowed = tuple(ip_interface(network) for network in peer.allowed_ips)
    if peer.endpoint is None:
        return WireguardPeer(None, allowed)
    return WireguardPeer((ip_address(peer.endpoint.address), peer.endpoint.port), allowed)


def merged(fields: dict[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """Both, with the ends and peers that were said apart put into the tunnel."""
    peers, ends = parts.get("peers", ()), parts.get("ends", ())
    rest = {name: value for name, value in parts.items() if name not in {"peers", "ends"}}
    tunnel = fields.get("tunnel")
    if isinstance(tunnel, Tunnel) and (peers or ends):
        rest["tunnel"] = Tunnel(
            tunnel.ident, tunnel.local, tunnel.ends + ends, tunnel.peers + peers, tunnel.port
        )
    return fields | rest
