"""The groups of members of a network, which are VLANs of its bridges.

A group is the community of a private VLAN: the ports of its members send into a VLAN of the group,
which only they, the owner and members without a group are in. Members without a group and the owner
send into the default VLAN, which all are in. No frame has a tag outside of the bridges.
"""

from __future__ import annotations

from collections.abc import Iterable

from netorch.immutable import replace
from netorch.resolve.draft import Draft
from netorch.resolve.roles import BridgeRole
from netorch.resolve.segment import Member, Segment
from netorch.topology.interfaces.port import LAST_VLAN, PortModel, PortVlanModel


def separate(draft: Draft, segments: Iterable[Segment]) -> None:
    """Set the VLANs of the ports of networks that have groups."""
    for segment in segments:
        if any(member.model.group is not None for member in segment.members):
            _separate(draft, segment)


def _separate(draft: Draft, segment: Segment) -> None:
    names = {member.model.group: None for member in segment.members}
    names.pop(None, None)
    first = next(member for member in segment.members if member.model.group is not None)
    default = segment.model.vlan_default_pvid
    why = _obstacle(segment) or (
        f"VLANs are numbers up to {LAST_VLAN}, and it has {len(names)} groups"
        if len(names) >= LAST_VLAN
        else ""
    )
    if why:
        what = f"network {segment.name} cannot have groups: {why}"
        draft.complain("no-groups", (*first.path, "group"), what)
        return
    free = (vlan for vlan in range(1, LAST_VLAN + 1) if vlan != default)
    vlans = dict(zip(names, free, strict=False))
    others = [PortVlanModel(id=(vlan, vlan), untagged=True) for vlan in vlans.values()]
    settings = segment.model.model_copy(update={"vlan_filtering": True})
    for bridge in segment.bridges:
        if isinstance(bridge.role, BridgeRole):
            bridge.role = replace(bridge.role, settings=settings)
    own = PortModel().model_copy(update={"vlans": others})
    segment.root.port.model, segment.root.port.path = own, segment.path
    for member in segment.members:
        _join(draft, member, default, vlans, others)


def _obstacle(segment: Segment) -> str:
    """Return why a network cannot have groups, or ""."""
    model = segment.model
    if model.driver != "bridge" or segment.ends:
        where = "several machines" if model.driver == "bridge" else f"driver {model.driver}"
        return f"they are VLANs of one bridge, and it has {where}"
    if model.existing or model.is_bridged:
        return "they are VLANs of its bridge, which others use too"
    if model.vlan_filtering:
        return "they are VLANs of its bridge, and `vlan_filtering` says that the file sets these"
    if model.port_isolation:
        return "with `port_isolation` no member reaches another one"
    if not model.vlan_default_pvid:
        return "members without a group are in `vlan_default_pvid`, which is 0"
    if model.mcast_querier:
        return (
            "with `mcast_querier` the bridge sends multicasts only where it has heard of listeners,"
            " and it has not heard of those in other VLANs"
        )
    return ""


def _join(
    draft: Draft,
    member: Member,
    default: int,
    vlans: dict[str | None, int],
    others: list[PortVlanModel],
) -> None:
    port = member.iface.peer
    if port is None:
        return
    if port.port.model is None:
        port.port.path = member.path
    elif twice := sorted(port.port.model.model_fields_set & {"pvid", "vlans"}):
        draft.complain(
            "no-groups",
            (*port.port.path, twice[0]),
            f"{member.iface.display}: netorch sets the VLANs of the ports of a network with groups",
            f"Remove `{twice[0]}`, or the `group` of its members.",
        )
        return
    group = member.model.group
    words = port.port.model or PortModel()
    if group is None:
        words = words.model_copy(update={"vlans": others})
    else:
        shared = PortVlanModel(id=(default, default), untagged=True)
        words = words.model_copy(update={"pvid": vlans[group], "vlans": [shared]})
        port.port.shared_vlan = default
    port.port.model = words
