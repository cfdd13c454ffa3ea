"""VLANs of the ports of bridges that know VLANs, their own ports among them."""

from __future__ import annotations

from netorch.kinds.base.port_models import PortModel
from netorch.kinds.mac import PortMac
from netorch.kinds.vlan import VlanModel
from netorch.kinds.vlans import PortVlans
from netorch.resolve.draft import Draft, Iface, all_interfaces
from netorch.resolve.roles import BridgeRole, StandaloneRole

Memberships = tuple[int, dict[int, bool]]
"""The PVID (0: none), and each VLAN → whether its frames leave without a tag."""


def put_vlans(draft: Draft) -> None:
    """Each port's VLANs; a cable between two bridges of one network has those of all their ports."""
    bridges = [
        (iface, iface.role)
        for iface in all_interfaces(draft.sites)
        if isinstance(iface.role, BridgeRole) and iface.role.settings.vlan_filtering
    ]
    riders = _riders(draft)
    everywhere: dict[int, set[int]] = {}
    for bridge, role in bridges:
        carried = everywhere.setdefault(id(role.settings), set())
        for port in (bridge, *bridge.ports):
            carried.update(_memberships(bridge, role, port, riders)[1])
    bridge_vlans: dict[int, dict[int, bool]] = {}
    for bridge, role in bridges:
        default = role.settings.vlan_default_pvid
        if role.uplink:
            what = f"the uplink {role.uplink} would carry the VLAN of its own frames only: this release has no words for its others"
            draft.complain(
                "uplink-vlans", (*bridge.path, "vlan_filtering"), f"network {bridge.name}: {what}"
            )
        for port in (bridge, *bridge.ports):
            pvid, vlans = _memberships(bridge, role, port, riders)
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

    _put_macs(draft, bridge_vlans)


def _put_macs(draft: Draft, vlans: dict[int, dict[int, bool]]) -> None:
    """MACs behind ports; where the bridge knows VLANs in each that is meant. `vlans`: port → its VLANs, of bridges that know some."""
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
                    f"{what}: {words.mac} cannot be behind it there",
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
                        f"{words.mac} is behind {first.display} already, and cannot be behind {port.display} too",
                    )
                draft.put(PortMac(port.site.label, port.dev, words.mac, vlan), path)


def _memberships(
    bridge: Iface, role: BridgeRole, port: Iface, riders: dict[int, list[int]]
) -> Memberships:
    """As the port's words say; the bridge itself is in the VLANs of the VLAN devices on it, which want them with their tags."""
    options = port.port.model or PortModel()
    pvid, vlans = options.memberships(role.settings.vlan_default_pvid)
    if port is bridge:
        said = {vlan for entry in options.vlans for vlan in range(entry.id[0], entry.id[1] + 1)}
        vlans |= {vlan: False for vlan in riders.get(id(bridge), ()) if vlan not in said}
    return pvid, vlans


def _riders(draft: Draft) -> dict[int, list[int]]:
    """Bridge → the VLANs of the VLAN devices on top of it."""
    found: dict[int, list[int]] = {}
    for iface in all_interfaces(draft.sites):
        if not isinstance(iface.role, StandaloneRole) or not isinstance(
            words := iface.role.model, VlanModel
        ):
            continue
        if iface.role.parent is not None and words.protocol == "802.1q" and words.id:
            found.setdefault(id(iface.role.parent), []).append(words.id)
    return found
