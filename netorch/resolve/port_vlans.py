"""VLANs and MACs of the ports of bridges that filter VLANs, including the bridges' own ports."""

from __future__ import annotations

from netorch.kinds.base.link import Link, link_key
from netorch.kinds.mac import PortMac
from netorch.kinds.vlans import PortVlans
from netorch.resolve.desired import Path
from netorch.resolve.draft import Draft, Iface, all_interfaces
from netorch.resolve.models import is_vlan
from netorch.resolve.roles import BridgeRole, StandaloneRole
from netorch.topology.interfaces.port import PortModel

Memberships = tuple[int, dict[int, bool]]
"""The PVID, or 0 for none, and a mapping of VLAN → whether its frames leave without a tag."""


def put_vlans(draft: Draft) -> None:
    """Put the VLANs of each port.

    A cable between two bridges of one network carries the VLANs of all ports of the network.
    """
    bridges = [
        (iface, iface.role)
        for iface in all_interfaces(draft.sites)
        if isinstance(iface.role, BridgeRole) and iface.role.settings.vlan_filtering
    ]
    upper_vlans = _upper_vlans(draft)
    everywhere: dict[int, set[int]] = {}
    for bridge, role in bridges:
        carried = everywhere.setdefault(id(role.settings), set())
        for port in (bridge, *bridge.ports):
            carried.update(_memberships(bridge, role, port, upper_vlans)[1])
    bridge_vlans: dict[int, dict[int, bool]] = {}
    for bridge, role in bridges:
        default = role.settings.vlan_default_pvid
        if role.uplink:
            what = (
                f"the uplink {role.uplink} would carry only the VLAN of untagged frames, because"
                " this release has no keys for its other VLANs"
            )
            draft.complain(
                "uplink-vlans", (*bridge.path, "vlan_filtering"), f"network {bridge.name}: {what}"
            )
        for port in (bridge, *bridge.ports):
            pvid, vlans = _memberships(bridge, role, port, upper_vlans)
            if port.port.trunk:
                vlans |= {
                    vlan: False for vlan in everywhere[id(role.settings)] if vlan not in vlans
                }
            path = port.port.path if port.port.model is not None else port.path
            bridge_vlans[id(port)] = vlans
            draft.put(
                PortVlans(
                    netns=bridge.site.label,
                    link=port.dev,
                    bridge=bridge.dev,
                    pvid=pvid,
                    vlans=tuple(sorted(vlans.items())),
                    default=default,
                ),
                path,
            )
            _put_member(draft, port, path)

    _put_macs(draft, bridge_vlans)


def _put_member(draft: Draft, port: Iface, path: Path) -> None:
    """Put the MAC of a member of a group in the VLAN in which others send to it.

    The bridge learns it only in the VLAN of the group, and would send what is for it to all.
    """
    member = port.peer
    if not port.port.shared_vlan or member is None:
        return
    link = draft.state.get(link_key(member.site.label, member.dev))
    if isinstance(link, Link):
        draft.put(PortMac(port.site.label, port.dev, link.mac, port.port.shared_vlan), path)


def _put_macs(draft: Draft, vlans: dict[int, dict[int, bool]]) -> None:
    """Put the MACs behind ports, for each VLAN if the bridge filters VLANs.

    `vlans` maps the identity of a port to its VLANs. It lacks ports of bridges without a filter.
    """
    behind: dict[tuple[int, str, int], Iface] = {}
    for port in all_interfaces(draft.sites):
        options = port.port.model
        if options is None or port.master is None or not isinstance(port.master.role, BridgeRole):
            continue
        known = vlans.get(id(port))
        for index, words in enumerate(options.fdb):
            path = (*port.port.path, "fdb", index)
            if words.vlan is not None and words.vlan not in (known or {}):
                what = (
                    f"{port.display} is not in VLAN {words.vlan}"
                    if known is not None
                    else f"the bridge {port.master.name} knows no VLANs"
                )
                draft.complain(
                    "needs-vlan-filtering",
                    (*path, "vlan"),
                    f"{what}, so {words.mac} cannot be behind it there",
                )
                continue
            for vlan in (
                (words.vlan,) if words.vlan is not None else known if known is not None else (0,)
            ):
                first = behind.setdefault((id(port.master), words.mac, vlan), port)
                if first is not port:
                    draft.complain(
                        "mac-twice",
                        path,
                        f"{words.mac} is behind {first.display} already, so it cannot be behind"
                        f" {port.display} too",
                    )
                draft.put(PortMac(port.site.label, port.dev, words.mac, vlan), path)


def _memberships(
    bridge: Iface, role: BridgeRole, port: Iface, upper_vlans: dict[int, list[int]]
) -> Memberships:
    """Return the VLANs of a port as the file sets them.

    The bridge's own port is also in the VLANs of the VLAN devices on the bridge, with tags, because
    these devices need tagged frames.
    """
    options = port.port.model or PortModel()
    pvid, vlans = options.memberships(role.settings.vlan_default_pvid)
    if port is bridge:
        explicit = {vlan for entry in options.vlans for vlan in range(entry.id[0], entry.id[1] + 1)}
        vlans |= {vlan: False for vlan in upper_vlans.get(id(bridge), ()) if vlan not in explicit}
    return pvid, vlans


def _upper_vlans(draft: Draft) -> dict[int, list[int]]:
    """Return the VLANs of the VLAN devices on top of each bridge."""
    by_bridge: dict[int, list[int]] = {}
    for iface in all_interfaces(draft.sites):
        words = iface.standalone
        if not isinstance(iface.role, StandaloneRole) or not is_vlan(words):
            continue
        if iface.role.parent is not None and words.protocol == "802.1q" and words.id:
            by_bridge.setdefault(id(iface.role.parent), []).append(words.id)
    return by_bridge
