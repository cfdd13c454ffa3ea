"""Published ports: who has the port on the owner, who the target is, and what it takes beside rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

from netorch.immutable import Value
from netorch.kinds.filter import publish_key
from netorch.kinds.route import IPV6_METRIC, Route
from netorch.kinds.sysctl import Sysctl
from netorch.language.publish import PublishModel, comment, ports_text
from netorch.language.scalars import Address
from netorch.netlink.constants import AF_INET, AF_INET6, RTN_LOCAL
from netorch.resolve.draft import Draft, Iface, Path, Site
from netorch.resolve.segment import LEADING_OUT, Segment
from netorch.values.requests import Hop, RouteSpec

_LOOPBACK = b"\0" * 15 + b"\1"
_LOCAL_TABLE = 255
_METRICS = 1 << 20
_LOOSE = "2"
"""Of `rp_filter`: a packet may come in where its source would not be reached, if it would be reached at all."""


class Published(Value):
    """A published port with both its ends known. `address` None is every address of the owner."""

    model: PublishModel
    node: str
    segment: Segment
    version: int
    address: Address | None
    target: Address
    path: Path

    @property
    def text(self) -> str:
        """What the rule says of itself."""
        return comment(self.node, self.model)


def published(draft: Draft, site: Site, segments: dict[str, Segment]) -> Iterator[Published]:
    """A node's ports, one entry for each IP version."""
    for index, model in enumerate(site.model.publish):
        path: Path = (*site.path, "publish", index)
        mine = {name: segments[name] for name in site.model.networks if name in segments}
        if model.network is not None and model.network not in mine:
            draft.unknown(
                "unknown-network",
                (*path, "network"),
                f"among the networks of {site.name},",
                model.network,
                mine,
            )
            continue
        chosen = (
            [mine[model.network]]
            if model.network
            else [entry for entry in mine.values() if "nat" in entry.model.modes]
        )
        if not chosen:
            draft.complain(
                "cannot-publish",
                path,
                f"{site.name} publishes a port, but is in no network of mode nat.",
                "Join one, or name the `network`.",
            )
            continue
        segment = chosen[0]
        if not segment.model.modes & LEADING_OUT:
            draft.complain(
                "cannot-publish",
                path,
                f"network {segment.name} is {segment.model.mode_of(4)}: nobody outside reaches what it would publish",
            )
            continue
        versions = {model.address.version} if model.address is not None else {4, 6}
        targets = [
            (version, target)
            for version in sorted(versions)
            if (target := _member_address(segment, site, version))
        ]
        if not targets:
            draft.complain(
                "cannot-publish",
                path,
                f"{site.name} has no address in network {segment.name} that could be published",
            )
        address = (
            model.address
            if model.address is not None and not model.address.is_unspecified
            else None
        )
        for version, target in targets:
            yield Published(
                model=model,
                node=site.name,
                segment=segment,
                version=version,
                address=address,
                target=target,
                path=path,
            )


def _member_address(segment: Segment, site: Site, version: int) -> Address | None:
    for member in segment.members:
        if member.iface.site is site:
            for entry in (member.iface.front or member.iface).addresses:
                if entry.interface.version == version and not entry.ip.is_link_local:
                    return entry.ip
    return None


def check_published(draft: Draft, owner: Site, entries: Sequence[Published]) -> None:
    """One port has one target; an entry for a certain address may stand beside one for all of them."""
    taken: dict[tuple[str, int, Address | None], list[Published]] = {}
    for entry in entries:
        taken.setdefault((entry.model.proto, entry.version, entry.address), []).append(entry)
        draft.origins[publish_key(owner.label, entry.text)] = entry.path
    told: set[Path] = set()
    for group in taken.values():
        ordered = sorted(group, key=lambda entry: entry.model.port)
        widest = ordered[0]
        for entry in ordered[1:]:
            if entry.model.port[0] <= widest.model.port[1]:
                earlier, later = sorted((widest, entry), key=entries.index)
                if later.path not in told:
                    told.add(later.path)
                    draft.complain(
                        "port-published-twice",
                        later.path,
                        f"{later.node} publishes {later.model.proto} port {ports_text(later.model.port)} on {owner.name}, "
                        f"where {earlier.node} publishes {ports_text(earlier.model.port)} already",
                    )
            widest = max(widest, entry, key=lambda entry: entry.model.port[1])


def prepare(draft: Draft, owner: Site, entries: Sequence[Published]) -> None:
    """What published ports need beside rules: way back to the port that asked, and 127.0.0.1 routed to the bridge."""
    metrics: dict[int, str] = {}
    for entry in entries:
        for member in entry.segment.members:
            if member.iface.site.name == entry.node and member.iface.peer is not None:
                member.iface.peer.port.hairpin = True
        bridge = entry.segment.root.dev
        if entry.version == 4:
            draft.put(
                Sysctl(owner.label, (f"net/ipv4/conf/{bridge}/route_localnet",), ("1",)), entry.path
            )
        else:
            draft.put(_loopback_route(draft, owner, bridge, metrics), entry.path)


def put_ways_back(draft: Draft, entries: Sequence[Published]) -> None:
    """Loose reverse path filters where answers of a published port take another way than what asked for them.

    Answers to outsiders take the routes of the publishing node, and of several networks only one gives it the default route. A
    strict filter would drop what asks in the node, and the answer in the owner. The routes are there already.
    """
    several = [
        entry for entry in entries if entry.version == 4 and len(draft.sites[entry.node].ifaces) > 1
    ]
    leaving = _leaving(draft) if several else {}
    for entry in several:
        site = draft.sites[entry.node]
        member = entry.segment.member(entry.node)
        if member is None:
            continue
        asked = member.iface.front or member.iface
        for iface in site.ifaces.values():
            if iface is not asked and iface.dev in leaving.get(site.label, ()):
                _loosen(draft, asked, entry.path)
                end = _other_end(iface)
                if end is not None and end.site is entry.segment.owner:
                    _loosen(draft, end, entry.path)


def _leaving(draft: Draft) -> dict[str, set[str | None]]:
    """Label → the devices by which IPv4 goes to whom the node does not reach directly."""
    found: dict[str, set[str | None]] = {}
    for resource in draft.state.values():
        if isinstance(resource, Route) and resource.spec.family == AF_INET:
            found.setdefault(resource.netns, set()).update(
                hop.dev
                for hop in resource.spec.hops
                if hop.via is not None or resource.spec.dst is None
            )
    return found


def _other_end(iface: Iface) -> Iface | None:
    """Where the kernel at the other end of a cable takes in what comes: at the bridge, if it is a port."""
    return (iface.peer.master or iface.peer) if iface.peer is not None else None


def _loosen(draft: Draft, iface: Iface, path: Path) -> None:
    setting = Sysctl(iface.site.label, (f"net/ipv4/conf/{iface.dev}/rp_filter",), (_LOOSE,))
    # what the file says itself holds
    if setting.key not in draft.state:
        draft.put(setting, path)


def _loopback_route(draft: Draft, owner: Site, bridge: str, metrics: dict[int, str]) -> Route:
    """Answers to ::1 come in by the bridge, where the kernel takes it for local only if a route says so: one a bridge, each with
    a metric of its own, also beside another topology's bridges. A bridge that hands IPv6 to the packet filter would lose them before.
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
