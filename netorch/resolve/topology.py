"""Turn a topology into the desired state, without reading the kernel.

Resolving replaces names by labels and short forms by resources, fills in every default, and checks
everything that can be checked without the kernel.
"""

from __future__ import annotations

from netorch.resolve import interfaces, networks, overlay, stacked
from netorch.resolve.cautions import check_cautions
from netorch.resolve.checks import resolve_checks
from netorch.resolve.desired import Desired, Path
from netorch.resolve.draft import Draft, Site, all_interfaces
from netorch.resolve.gateway_checks import check_gateways
from netorch.resolve.host_nics import check_nics
from netorch.resolve.hosts_files import put_names
from netorch.resolve.impairments import put_impairments
from netorch.resolve.masters import attach_ports
from netorch.resolve.network_addresses import assign_addresses
from netorch.resolve.packet_filters import filters, put_accepts, put_filter
from netorch.resolve.port_vlans import put_vlans
from netorch.resolve.published_ports import loosen_path_filters
from netorch.resolve.resources import put_bridge, put_existing, put_site, put_standalone, put_veth
from netorch.resolve.roles import BridgeRole, StandaloneRole, VethRole
from netorch.resolve.routes import openings, put_routes, put_rules
from netorch.resolve.segment_checks import check_segments
from netorch.state.key import HOST, attached_label
from netorch.topology import TopologyFile
from netorch.values.marks import Mark
from netorch.values.requests import Attachment


def resolve(topology: TopologyFile, name: str, prefix: str = "", folder: str = "") -> Desired:
    """Return the desired state of `topology` under `name`, with all errors in `complaints`."""
    draft = Draft(topology, Mark(name), prefix)
    _sites(draft)
    interfaces.declare(draft)
    interfaces.wire_links(draft)
    segments = networks.build(draft)
    interfaces.set_parents(draft)
    attach_ports(draft)
    networks.check_overlaps(draft, segments)
    interfaces.check_unmade(draft)
    interfaces.check_names(draft)
    for segment in segments.values():
        assign_addresses(draft, segment)
    for segment in segments.values():
        if segment.ends:
            overlay.complete_endpoints(draft, segment)
    networks.uplinks(draft, segments)
    check_nics(draft)
    stacked.check(draft, segments)
    check_segments(draft)
    checks = resolve_checks(draft, segments)
    interfaces.settle_mtus(draft)
    rulesets = list(filters(draft, segments))
    for site in draft.sites.values():
        put_site(draft, site)
    for iface in all_interfaces(draft.sites):
        if isinstance(iface.role, BridgeRole):
            put_bridge(draft, iface, iface.role)
        elif isinstance(iface.role, StandaloneRole):
            put_standalone(draft, iface, iface.role)
    _put_cables(draft)
    put_impairments(draft)
    put_vlans(draft)
    open_networks = openings(segments)
    for site in draft.sites.values():
        put_routes(draft, site, segments, open_networks)
        put_rules(draft, site)
    check_gateways(draft)
    check_cautions(draft, segments)
    for filter_, rules in rulesets:
        put_filter(draft, filter_.site, rules)
        loosen_path_filters(draft, filter_.published)
    own_bridges = put_accepts(draft, segments)
    put_names(draft)
    return Desired(
        topology=name,
        state=draft.state,
        origins=draft.origins,
        prefix=prefix,
        labels={
            site.name: site.label for site in draft.sites.values() if site.name in topology.nodes
        },
        attached={
            site.label: Attachment(attach.how, attach.what)
            for site in draft.sites.values()
            if (attach := site.model.attach) is not None
        },
        complaints=tuple(draft.complaints),
        warnings=tuple(dict.fromkeys(draft.warnings)),
        own_bridges=own_bridges,
        egress=tuple(
            (segment.owner.label, segment.name, address)
            for segment in segments.values()
            for address in (() if segment.owner.created else segment.model.egress)
        ),
        folder=folder,
        checks=checks,
    )


def _sites(draft: Draft) -> None:
    labels: dict[str, str] = {}
    for name, node in draft.topology.nodes.items():
        path: Path = ("nodes", name)
        if name == HOST:
            label = HOST
            if node.attach is not None:
                draft.complain(
                    "bad-attach",
                    (*path, "attach"),
                    "`host` is the namespace in which netorch runs, so it cannot have `attach`",
                )
        else:
            label = attached_label(name) if node.attach is not None else draft.prefix + name
        if name != HOST and label in {HOST, draft.mark.fabric}:
            draft.complain(
                "reserved-name",
                path,
                f"node {name}: the namespace name {label!r} is reserved: take another name",
            )
        if len(label.encode()) > 200:
            draft.complain(
                "name-too-long",
                path,
                f"node {name}: the name is longer than 200 bytes with the prefix: shorten it",
            )
        labels[label] = name
        draft.sites[name] = Site(name, label, label != HOST and node.attach is None, node, path)


def _put_cables(draft: Draft) -> None:
    """Put the veth pairs, in the order of their first end; of each pair the near end first."""
    done: set[int] = set()
    for iface in all_interfaces(draft.sites):
        if iface.is_existing:
            put_existing(draft, iface)
        if not isinstance(iface.role, VethRole) or id(iface) in done:
            continue
        other = iface.role.peer
        for end in (other, iface) if iface.role.far else (iface, other):
            if isinstance(end.role, VethRole):
                done.add(id(end))
                put_veth(draft, end, end.role)
