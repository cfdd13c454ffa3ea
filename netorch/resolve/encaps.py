"""Encapsulations of routes: what they need of their node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from netorch.kinds.base.link import link_key
from netorch.kinds.sysctl import sysctl_key
from netorch.netlink import encap
from netorch.resolve.desired import Path
from netorch.resolve.draft import Draft, Iface, Site
from netorch.state.key import Key
from netorch.values.requests import Encap

if TYPE_CHECKING:
    from netorch.topology.encaps import EncapModel

STRICT = "net/vrf/strict_mode"
"""The sysctl without which Linux has no routes that deliver packets to a VRF by its table."""


def encap_of(
    draft: Draft, site: Site, model: EncapModel, tables: Mapping[int, Iface], path: Path
) -> Encap:
    """Return the encapsulation of a route of a node, and complain about what the node lacks.

    `tables` has the VRFs of the node by their routing tables.
    """
    local = model.seg6local
    result = encap.from_words(model.words())
    if local is None:
        return result
    place = (*path, "seg6local")
    if local.vrftable is not None and site.created:
        _check_vrf(draft, site, local.action, local.vrftable, tables, place)
    if local.oif is None:
        return result
    iface = site.ifaces.get(local.oif)
    if iface is not None:
        return encap.seg6local(local.action, oif=(iface.uplink_bridge or iface).dev)
    if site.created:
        what = f"node {site.name}: interface"
        draft.unknown("unknown-interface", (*place, "oif"), what, local.oif, site.ifaces)
    return result


def _check_vrf(
    draft: Draft, site: Site, action: str, table: int, tables: Mapping[int, Iface], place: Path
) -> None:
    if table not in tables:
        draft.complain(
            "encap-incomplete",
            (*place, "vrftable"),
            f"node {site.name} has no VRF with the table {table}, which {action} needs.",
            f"Declare it: `interfaces: {{vrf0: {{kind: vrf, table: {table}}}}}`.",
        )
    elif site.model.sysctls.get(STRICT) != "1":
        draft.complain(
            "encap-incomplete",
            (*place, "vrftable"),
            f"Linux refuses {action} with `vrftable` unless each VRF has a table of its own.",
            "Add `sysctls: {net.vrf.strict_mode: 1}` to the node.",
        )


def needs_of(label: str, one: Encap, tables: Mapping[int, Iface]) -> Iterator[Key]:
    """Yield the keys of what must exist before a route with an encapsulation."""
    if one.dev:
        yield link_key(label, one.dev)
    vrf = tables.get(encap.vrf_table(one))
    if vrf is not None:
        yield link_key(label, vrf.dev)
        yield sysctl_key(label, STRICT)
