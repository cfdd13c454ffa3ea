"""Turn a topology into the desired state, without reading the kernel.

Resolving replaces names by labels and short forms by resources, fills in every default, and checks
everything that can be checked without the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netorch.kinds.base.link import link_key
from netorch.kinds.name import name_key
from netorch.kinds.netns import netns_key
from netorch.resolve import interfaces, networks, overlay, stacked
from netorch.resolve.cautions import check_cautions
from netorch.resolve.checks import resolve_checks
from netorch.resolve.desired import Desired, Path
from netorch.resolve.draft import Draft, Site, all_interfaces, host_name
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
from netorch.resolve.segment import Segment
from netorch.resolve.segment_checks import check_segments
from netorch.resolve.sharing import declare_sharing, put_second_names
from netorch.state.key import HOST, Key, attached_label
from netorch.topology import TopologyFile
from netorch.values.marks import Mark
from netorch.values.requests import Attachment


def resolve(
    topology: TopologyFile, name: str, prefix: str = "", folder: str = "", here: str = ""
) -> Desired:
    """Return the desired state of `topology` under `name`, with all errors in `complaints`.

    If the file has `hosts`, the state is that of all machines. Then the host and the fabric of the
    machine `here` have the labels that they have on that machine.
    """
    draft = Draft(topology, Mark(name), prefix)
    if topology.hosts:
        # here, because few files have `hosts`
        from netorch.resolve.machines import Spread

        draft.spread = Spread(draft, here)
    elif topology.tunnels is not None:
        draft.complain(
            "unknown-machine",
            ("tunnels",),
            "`tunnels` lead to other machines, but the file has no `hosts`.",
            "Declare the machines under `hosts`, or remove `tunnels`.",
        )
    _sites(draft)
    interfaces.declare(draft)
    interfaces.wire_links(draft)
    segments = networks.build(draft)
    if any(
        member.model.group is not None
        for segment in segments.values()
        for member in segment.members
    ):
        from netorch.resolve import groups

        groups.separate(draft, segments.values())
    interfaces.set_parents(draft)
    attach_ports(draft)
    networks.check_overlaps(draft, segments)
    interfaces.check_unmade(draft)
    interfaces.check_names(draft)
    for segment in segments.values():
        assign_addresses(draft, segment)
    for segment in segments.values():
        if segment.ends:
            if draft.spread is None or segment.model.endpoints:
                overlay.complete_endpoints(draft, segment)
            else:
                draft.spread.complete_parts(segment)
    if draft.spread is not None:
        draft.spread.settle_links()
        draft.spread.encrypt()
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
    if draft.spread is not None:
        draft.spread.put_addresses()
    check_gateways(draft)
    check_cautions(draft, segments)
    for filter_, rules in rulesets:
        put_filter(draft, filter_.site, rules)
        loosen_path_filters(draft, filter_.published)
    own_bridges = put_accepts(draft, segments)
    put_second_names(draft)
    put_names(draft, segments)
    return Desired(
        topology=name,
        state=draft.state,
        origins=draft.origins,
        prefix=prefix,
        labels={
            name if name in draft.sharing else site.name: site.label
            for name, site in draft.declared.items()
        },
        second_names={name: sharing.label for name, sharing in draft.sharing.items()},
        attached={
            site.label: Attachment(attach.how, attach.what)
            for site in draft.sites.values()
            if (attach := site.model.attach) is not None and not site.created
        },
        complaints=tuple(draft.complaints),
        warnings=tuple(dict.fromkeys(draft.warnings)),
        captions=dict(_captions(draft, segments)),
        own_bridges=own_bridges,
        egress=tuple(
            (segment.owner.label, segment.name, address)
            for segment in segments.values()
            for address in (() if segment.owner.created else segment.model.egress)
        ),
        folder=folder,
        checks=checks,
        machines=None if draft.spread is None else draft.spread.result(),
    )


def _captions(draft: Draft, segments: Mapping[str, Segment]) -> Iterator[tuple[Key, str]]:
    """Yield the key of a namespace or bridge and its `label`, for each node and network with one.

    A network without a bridge has no object of its own.
    """
    for site in draft.sites.values():
        if site.model.label is not None:
            yield netns_key(site.label), site.model.label
    for sharing in draft.sharing.values():
        if sharing.model.label is not None:
            yield name_key(sharing.label), sharing.model.label
    for segment in segments.values():
        for part in segment.ends.values() or (segment,):
            if segment.model.label is not None and part.bridges:
                yield link_key(part.owner.label, part.root.dev), segment.model.label


def _sites(draft: Draft) -> None:
    reserved = {HOST, draft.mark.fabric}
    if draft.spread is not None:
        reserved |= draft.spread.reserved
    for name, node in draft.topology.nodes.items():
        path: Path = ("nodes", name)
        machine = "" if draft.spread is None else draft.spread.machine_of(name, node)
        if node.on is not None and draft.spread is None:
            draft.complain(
                "unknown-machine",
                (*path, "on"),
                f"node {name} is on {node.on}, but the file has no `hosts`.",
                "Declare the machines under `hosts`, or remove `on`.",
            )
        is_host = name in {HOST, host_name(machine)}
        if is_host:
            label = draft.host_label(machine)
            if node.attach is not None:
                draft.complain(
                    "bad-attach",
                    (*path, "attach"),
                    "`host` is the namespace in which netorch runs, so it cannot have `attach`",
                )
        else:
            exists = node.attach is not None and node.attach.how != "node"
            label = attached_label(name) if exists else draft.prefix + name
        if not is_host and label in reserved:
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
        site = Site(
            host_name(machine) if is_host else name,
            label,
            not is_host and (node.attach is None or node.attach.how == "node"),
            node,
            path,
            is_host=is_host,
            machine=machine,
        )
        if draft.sites.setdefault(site.name, site) is not site:
            draft.complain(
                "name-twice", path, f"`{HOST}` and {site.name} are the same: write one of them"
            )
        draft.declared[name] = site
    declare_sharing(draft)


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
