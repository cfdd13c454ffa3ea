"""Networks of the drivers macvlan and ipvlan, and checks of all links that share a parent.

Such a network has no bridge. Each member has its own link on the parent.
"""

from __future__ import annotations

from collections.abc import Mapping

from netorch.immutable import replace
from netorch.kinds.base.link import LinkFields
from netorch.kinds.base.stacked import MASTERS, StackedLink
from netorch.kinds.macvlan import ALONE
from netorch.resolve.desired import Path
from netorch.resolve.draft import Draft, Iface, Site, all_interfaces
from netorch.resolve.interfaces import mtu_of
from netorch.resolve.models import is_stacked, is_vlan
from netorch.resolve.roles import EXISTING, REFUSED, BridgeRole, StandaloneRole
from netorch.resolve.segment import Segment
from netorch.state.key import HOST
from netorch.topology import NetworkModel, model_of
from netorch.topology.interfaces.common import CommonModel
from netorch.topology.interfaces.standalone import StandaloneModel, parse_place

DRIVERS: Mapping[str, str] = {"macvlan": "bridge", "ipvlan": "l2"}
"""Driver, which is the kind of its members' links → their default mode.

The default modes are Docker's, not the kernel's.
"""

ROUTING = {"l3", "l3s"}
"""The modes of ipvlan in which the parent's node routes for the members."""


def owner_of(draft: Draft, model: NetworkModel, path: Path, machine: str) -> Site | None:
    """Return the site of the parent, or the fabric for a closed network, which has no parent.

    `machine` is the machine of the network.
    """
    if model.parent is None:
        return draft.fabric_of(machine)
    node, _ = parse_place(model.parent)
    name, key = (node, "parent") if node is not None else (model.node or HOST, "node")
    site = draft.site_of(name, machine)
    if site is None:
        draft.unknown("unknown-node", (*path, key), "node", name, draft.topology.nodes)
    return site


def add_member(segment: Segment, iface: Iface) -> None:
    """Give a member its link. `make_links` sets the parent later."""
    kind = segment.model.driver
    iface.mtu_hint = segment.model.mtu
    mode = segment.model.driver_mode or DRIVERS[kind]
    iface.role = StandaloneRole(_link(kind, parent="lo", mode=mode))


def _link(kind: str, **keys: object) -> StandaloneModel:
    """Return the keys of a standalone link."""
    model = model_of(kind).model_validate({"kind": kind, **keys})
    assert isinstance(model, StandaloneModel)
    return model


def make_links(draft: Draft, segments: Mapping[str, Segment]) -> None:
    """Set the parents of the members' links, after every interface of the file is declared.

    netorch makes a missing parent only for a network that has members.
    """
    for segment in segments.values():
        if segment.model.driver not in DRIVERS:
            continue
        parent = (
            _closed(draft, segment) if segment.model.parent is None else _parent(draft, segment)
        )
        if parent is not None and segment.model.vlan is not None and segment.members:
            parent = _vlan(draft, segment, parent, segment.model.vlan)
        for member in segment.members:
            role = member.iface.role
            assert isinstance(role, StandaloneRole)
            member.iface.role = REFUSED if parent is None else replace(role, parent=parent)


def _closed(draft: Draft, segment: Segment) -> Iface | None:
    if not segment.members:
        return None
    iface = _made(draft, segment, segment.name, StandaloneRole(_link("dummy")))
    iface.mtu_hint = segment.model.mtu
    return iface


def _parent(draft: Draft, segment: Segment) -> Iface | None:
    assert segment.model.parent is not None
    site, name = segment.owner, parse_place(segment.model.parent)[1]
    if name not in site.ifaces:
        if site.created:
            what = f"node {site.name}: interface"
            draft.unknown(
                "unknown-interface",
                (*segment.path, "parent"),
                what,
                name,
                site.ifaces,
                "A parent must be an interface that this file declares.",
            )
            return None
        site.ifaces[name] = Iface(site, name, (*segment.path, "parent"), name, role=EXISTING)
    return site.ifaces[name]


def _vlan(draft: Draft, segment: Segment, parent: Iface, number: int) -> Iface | None:
    """Return the VLAN device of the parent, from the file or another network, or else make it."""
    site, name = segment.owner, f"{parent.name}.{number}"
    iface = site.ifaces.get(name)
    if iface is None:
        model = _link("vlan", parent=parent.name, id=number)
        iface = _made(draft, segment, name, StandaloneRole(model, parent))
        if not parent.is_up:
            # The module 8021q does not bring up a VLAN device whose parent is down.
            iface.layers.append(CommonModel(state="down"))
    elif (
        not is_vlan(iface.standalone)
        or iface.standalone.id != number
        or iface.standalone.parent_name not in {parent.name, parent.display}
    ):
        draft.complain(
            "vlan-twice",
            (*segment.path, "vlan"),
            f"network {segment.name} needs {iface.display} for VLAN {number} of {parent.display},"
            " but the file has another interface of that name",
        )
        return None
    return iface


def _made(draft: Draft, segment: Segment, name: str, role: StandaloneRole) -> Iface:
    site = segment.owner
    if name in site.ifaces:
        draft.complain(
            "name-twice",
            segment.path,
            f"the parent that network {segment.name} makes and the interface {site.name}:{name}"
            " have the same name",
        )
    dev, altname = site.short(draft.prefix + name if site.is_host else name)
    iface = Iface(site, name, segment.path, dev, altname, role=role, internal=True)
    site.ifaces[name] = iface
    return iface


def routes_below(model: NetworkModel) -> bool:
    """Whether the parent's node routes for the members.

    Their default route then has no gateway and leads into the link.
    """
    return model.driver == "ipvlan" and model.driver_mode in ROUTING and model.parent is not None


def check(draft: Draft, segments: Mapping[str, Segment]) -> None:
    """Check upper links against their parents and against one another."""
    for segment in segments.values():
        _check_mtu(draft, segment)
    uppers: dict[int, list[Iface]] = {}
    for iface in all_interfaces(draft.sites):
        if not isinstance(iface.role, StandaloneRole) or (parent := iface.role.parent) is None:
            continue
        model = iface.role.model
        if is_stacked(model):
            uppers.setdefault(id(parent), []).append(iface)
            _check_parent(draft, iface, model, parent, first=len(uppers[id(parent)]) == 1)
            if getattr(model, "mode", "") == ALONE and iface.explicit_value("mac") is not None:
                what = (
                    f"{iface.display} has the MAC of its parent because of its mode {ALONE}, so it"
                    " cannot have a `mac`."
                )
                draft.complain(
                    "no-mac", (*iface.path, "mac"), what, f"Set the `mac` on {parent.display}."
                )
    for together in uppers.values():
        _check_together(draft, together)


def _check_mtu(draft: Draft, segment: Segment) -> None:
    """Complain of an MTU that is too large for the parent, once for the network."""
    mtu = segment.model.mtu
    parent = (
        segment.members[0].iface.parent
        if segment.model.driver in DRIVERS and segment.members
        else None
    )
    most = mtu_of(parent) if parent is not None else 0
    if parent is None or mtu is None or not 0 < most < mtu:
        return
    draft.complain(
        "mtu-too-large",
        (*segment.path, "mtu"),
        f"network {segment.name} cannot have MTU {mtu}: its parent {parent.display} has {most}",
    )
    for member in segment.members:
        member.iface.mtu_hint = None


def _check_parent(
    draft: Draft, iface: Iface, model: StandaloneModel, parent: Iface, *, first: bool
) -> None:
    kind, path = model.kind, (*iface.path, "parent")
    if parent.name == "lo":
        draft.complain(
            "loopback", path, f"{parent.display} is the loopback interface, which carries no {kind}"
        )
    elif is_stacked(parent.standalone) and _one_driver(model, parent.standalone):
        remedy = f"Write `parent: {parent.parent.display}`." if parent.parent is not None else ""
        draft.complain(
            "bad-parent",
            path,
            f"{iface.display} cannot be on {parent.display}, which is of kind"
            f" {parent.standalone.kind} itself.",
            remedy,
        )
    elif parent.standalone is not None and not parent.standalone.MAKES.HAS_MAC:
        draft.complain(
            "bad-parent",
            path,
            f"{parent.display} is of kind {parent.standalone.kind}, which has no Ethernet of its"
            f" own, so it carries no {kind}",
        )
    elif (
        first
        and (master := parent.uplink_bridge or parent.master) is not None
        and _takes_frames(master)
    ):
        what = (
            f"{parent.display} is a port of {master.display}, which gets all its frames, so it"
            f" cannot be the parent of {iface.display}."
        )
        draft.complain("bad-parent", path, what, f"Write `parent: {master.display}`.")


def _one_driver(model: StandaloneModel, below: StandaloneModel) -> bool:
    mine, theirs = model.MAKES, below.MAKES
    return (
        issubclass(mine, StackedLink)
        and issubclass(theirs, StackedLink)
        and mine.RX_HANDLER == theirs.RX_HANDLER
    )


def _takes_frames(master: Iface) -> bool:
    return isinstance(master.role, BridgeRole) or (
        master.standalone is not None and master.standalone.MAKES.KIND in MASTERS
    )


def _check_together(draft: Draft, uppers: list[Iface]) -> None:
    """Complain of the first two links on one parent that exclude each other."""
    # The first link of each kind and mode stands for all that are like it.
    firsts: dict[StackedLink, Iface] = {}
    for iface in uppers:
        assert iface.standalone is not None
        assert iface.parent is not None
        link = iface.standalone.link(_NO_FIELDS, None)
        assert isinstance(link, StackedLink)
        for other, earlier in firsts.items():
            if why := link.incompatibility(other):
                draft.complain(
                    "parent-conflict",
                    iface.path,
                    f"{iface.display} and {earlier.display} cannot both be on"
                    f" {iface.parent.display}: {why}",
                )
                return
        firsts.setdefault(link, iface)


_NO_FIELDS: LinkFields = {"netns": "", "name": "", "mtu": 0, "mac": "", "group": 0, "alias": ""}
