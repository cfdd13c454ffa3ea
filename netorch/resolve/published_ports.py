"""Published ports: their targets, conflicts between them, and settings that they need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netorch.immutable import Value
from netorch.kinds.filter import publish_key
from netorch.kinds.route import IPV6_METRIC, Route
from netorch.kinds.sysctl import Sysctl
from netorch.language.addresses import Address
from netorch.language.publish import PublishModel, comment, ports_text
from netorch.netlink.constants import AF_INET, AF_INET6, RTN_LOCAL
from netorch.resolve.desired import Path
from netorch.resolve.draft import Draft, Iface, SharingNode, Site
from netorch.resolve.segment import LEADING_OUT, Segment
from netorch.values.digest import blake2b
from netorch.values.requests import Hop, RouteSpec

_LOOPBACK = b"\0" * 15 + b"\1"
_LOCAL_TABLE = 255
_METRICS = 1 << 20
_LOOSE = "2"
"""The value of `rp_filter` that accepts a packet on any interface if its source is reachable."""


class Published(Value):
    """A published port of one IP version."""

    model: PublishModel
    """The entry in the file."""
    node: str
    """The node that publishes the port."""
    site: Site
    """The node whose namespace that node has, which is itself or another one."""
    segment: Segment
    """The network whose owner has the port."""
    version: int
    """The IP version, 4 or 6."""
    address: Address | None
    """The address of the owner that has the port, or None for all its addresses."""
    target: Address
    """The node's address, to which the port leads."""
    path: Path
    """The place in the file."""

    @property
    def text(self) -> str:
        """The comment of its rules."""
        return comment(self.node, self.model)


def published(draft: Draft, site: Site, segments: dict[str, Segment]) -> Iterator[Published]:
    """Yield the ports that a node publishes, one entry for each IP version."""
    nodes: list[Site | SharingNode] = [site, *site.sharing]
    entries = [
        (node.name, model, (*node.path, "publish", index))
        for node in nodes
        for index, model in enumerate(node.model.publish)
    ]
    if not entries:
        return
    mine = {name: segments[name] for name in site.model.networks if name in segments}
    translated = [entry for entry in mine.values() if "nat" in entry.model.modes]
    for node, model, path in entries:
        if model.network is not None and model.network not in mine:
            draft.unknown(
                "unknown-network",
                (*path, "network"),
                "network",
                model.network,
                mine,
                group=f"one of the networks of {node}",
            )
            continue
        chosen = [mine[model.network]] if model.network else translated
        if not chosen:
            draft.complain(
                "cannot-publish",
                path,
                f"{node} publishes a port, but is in no network of mode nat.",
                "Add the node to one, or name another network as `network`.",
            )
            continue
        segment = chosen[0]
        if not segment.model.modes & LEADING_OUT:
            draft.complain(
                "cannot-publish",
                path,
                f"network {segment.name} is of mode {segment.model.mode_of(4)}, so a published port"
                " is not reachable from outside",
            )
            continue
        versions = {model.address.version} if model.address is not None else {4, 6}
        targets = [
            (version, target)
            for version in sorted(versions)
            if (target := _member_address(segment, site, version))
        ]
        if not targets:
            only = f"IPv{model.address.version}" if model.address is not None else ""
            version_text, of_version = only and f"{only} ", only and f" of {only}"
            draft.complain(
                "cannot-publish",
                path,
                f"{node} has no {version_text}address in network {segment.name} to which a"
                " port could lead.",
                f"Add a `subnet`{of_version} to the network.",
            )
        address = (
            model.address
            if model.address is not None and not model.address.is_unspecified
            else None
        )
        for version, target in targets:
            yield Published(
                model=model,
                node=node,
                site=site,
                segment=segment,
                version=version,
                address=address,
                target=target,
                path=path,
            )


def _member_address(segment: Segment, site: Site, version: int) -> Address | None:
    members = segment.members_of(site.name)
    ifaces = [member.iface.uplink_bridge or member.iface for member in members]
    return next(
        (
            entry.ip
            for iface in ifaces
            for entry in iface.addresses
            if entry.interface.version == version and not entry.ip.is_link_local
        ),
        None,
    )


def check_published(draft: Draft, owner: Site, entries: Sequence[Published]) -> None:
    """Complain of ports with two targets.

    An entry for one address of the owner may have the same port as an entry for all addresses.
    """
    taken: dict[tuple[str, int, Address | None], list[Published]] = {}
    positions: dict[int, int] = {}
    for position, entry in enumerate(entries):
        positions[id(entry)] = position
        taken.setdefault((entry.model.proto, entry.version, entry.address), []).append(entry)
        draft.origins[publish_key(owner.label, entry.text)] = entry.path
    _check_tunnel_port(draft, owner, entries)
    reported: set[Path] = set()
    for group in taken.values():
        ordered = sorted(group, key=lambda entry: entry.model.owner_port)
        widest = ordered[0]
        for entry in ordered[1:]:
            if entry.model.owner_port[0] <= widest.model.owner_port[1]:
                earlier, later = sorted((widest, entry), key=lambda each: positions[id(each)])
                if later.path not in reported:
                    reported.add(later.path)
                    draft.complain(
                        "port-published-twice",
                        later.path,
                        f"{later.node} publishes {later.model.proto} port"
                        f" {ports_text(later.model.owner_port)} on {owner.name}, where"
                        f" {earlier.node} publishes {ports_text(earlier.model.owner_port)}"
                        " already.",
                        "Take another port, or another address of the owner, such as"
                        " `127.0.0.1:8080:80`.",
                    )
            widest = max(widest, entry, key=lambda entry: entry.model.owner_port[1])


def _check_tunnel_port(draft: Draft, owner: Site, entries: Sequence[Published]) -> None:
    """Complain of a port at which the tunnels from other machines arrive."""
    if draft.spread is None or not owner.is_host:
        return
    machine, port = draft.spread.tunnel_port(owner.machine)
    for entry in entries:
        first, last = entry.model.owner_port
        if (
            entry.model.proto == "udp"
            and first <= port <= last
            and entry.version == machine.address.version
            and entry.address in {None, machine.address}
        ):
            draft.complain(
                "port-of-tunnels",
                entry.path,
                f"{entry.node} publishes UDP port {port} of {machine.name}, at which the tunnels"
                " from the other machines arrive.",
                "Publish another port, or choose another one for the tunnels.",
            )


def prepare(draft: Draft, owner: Site, entries: Sequence[Published]) -> None:
    """Put what published ports need in addition to rules.

    Bridge ports get hairpin mode, so that a node reaches its own published port. Loopback addresses
    of the owner become routable on the bridge, so that its programs reach a port at 127.0.0.1 or
    ::1.
    """
    metrics: dict[int, str] = {}
    for entry in entries:
        for member in entry.segment.members_of(entry.site.name):
            if member.iface.peer is not None:
                member.iface.peer.port.hairpin = True
        bridge = entry.segment.root.dev
        if entry.version == 4:
            draft.put(
                Sysctl(owner.label, (f"net/ipv4/conf/{bridge}/route_localnet",), ("1",)), entry.path
            )
        else:
            draft.put(_loopback_route(draft, owner, bridge, metrics), entry.path)


def loosen_path_filters(draft: Draft, entries: Sequence[Published]) -> None:
    """Loosen reverse path filters if the answers from a published port take another interface.

    Answers to the outside take the routes of the publishing node, whose default route leads into
    only one of its networks. A strict filter would drop the requests in the node and the answers in
    the owner. The draft has the routes already.
    """
    several = [entry for entry in entries if entry.version == 4 and len(entry.site.ifaces) > 1]
    leaving = _leaving(draft) if several else {}
    done: set[tuple[str, str]] = set()
    for entry in several:
        site = entry.site
        if (place := (site.name, entry.segment.name)) in done:
            continue
        done.add(place)
        members = entry.segment.members_of(entry.site.name)
        ifaces = [member.iface.uplink_bridge or member.iface for member in members]
        asked = next(
            iface for iface in ifaces if any(held.ip == entry.target for held in iface.addresses)
        )
        for iface in site.ifaces.values():
            if iface is not asked and iface.dev in leaving.get(site.label, ()):
                _loosen(draft, asked, entry.path)
                end = _other_end(iface)
                if end is not None and end.site is entry.segment.owner:
                    _loosen(draft, end, entry.path)


def _leaving(draft: Draft) -> dict[str, set[str | None]]:
    """Return for each label the devices of its IPv4 routes with a gateway and default routes."""
    devices: dict[str, set[str | None]] = {}
    for resource in draft.state.values():
        if isinstance(resource, Route) and resource.spec.family == AF_INET:
            devices.setdefault(resource.netns, set()).update(
                hop.dev
                for hop in resource.spec.hops
                if hop.via is not None or resource.spec.dst is None
            )
    return devices


def _other_end(iface: Iface) -> Iface | None:
    """Return the interface that receives what an interface sends through its cable.

    It is the master of the other end if that is a port.
    """
    return (iface.peer.master or iface.peer) if iface.peer is not None else None


def _loosen(draft: Draft, iface: Iface, path: Path) -> None:
    setting = Sysctl(iface.site.label, (f"net/ipv4/conf/{iface.dev}/rp_filter",), (_LOOSE,))
    # A setting in the file has precedence.
    if setting.key not in draft.state:
        draft.put(setting, path)


def _loopback_route(draft: Draft, owner: Site, bridge: str, metrics: dict[int, str]) -> Route:
    """Return the route by which the kernel accepts answers to ::1 from a bridge.

    Each bridge needs such a route with its own metric, also if the other bridge belongs to another
    topology. If bridges pass IPv6 to the packet filter, the answers are lost before they get here.
    """
    metric = (
        IPV6_METRIC
        + 1
        + int.from_bytes(blake2b(bridge.encode(), digest_size=4).digest(), "big") % _METRICS
    )
    while metrics.setdefault(metric, bridge) != bridge:
        metric += 1
    hops = (Hop(None, bridge),)
    return Route(
        owner.label,
        RouteSpec(
            family=AF_INET6,
            dst=_LOOPBACK,
            prefixlen=128,
            table=_LOCAL_TABLE,
            metric=metric,
            type=RTN_LOCAL,
            scope=0,
            protocol=draft.mark.protocol,
            hops=hops,
        ),
    )
