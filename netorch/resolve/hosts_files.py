"""Name resolution in nodes: the hosts file that all nodes share, and each node's resolv.conf."""

from __future__ import annotations

from collections.abc import Mapping

from netorch.kinds.file import EXTRA_HOSTS, NodeFile, first_line
from netorch.language.addresses import Address
from netorch.language.names import HOST_GATEWAY
from netorch.resolve.desired import Path
from netorch.resolve.draft import Draft, SharingNode, Site
from netorch.resolve.segment import Segment

_LOCAL = ("127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback")

_SELF = "localhost"


def put_names(draft: Draft, segments: Mapping[str, Segment]) -> None:
    """Put a hosts file for every node that netorch makes, and a resolv.conf if it has `dns`."""
    if not draft.topology.names:
        _refuse(draft)
        return
    _check(draft)
    hosts = "\n".join((first_line(draft.mark.topology), *_LOCAL, *_lines(draft))) + "\n"
    contents: dict[str, str] = {}
    for site in _nodes(draft):
        if site.created:
            extra = _extra_lines(draft, site, segments)
            # one text for all nodes with the same lines, because it grows with their number
            content = contents.setdefault(extra, hosts + extra)
            draft.put(NodeFile(site.label, "hosts", content), site.path)
            for sharing in site.sharing:
                draft.put(NodeFile(sharing.label, "hosts", content, second=True), sharing.path)
        elif site.model.extra_hosts:
            draft.complain(
                "no-hosts-file",
                (*site.path, "extra_hosts"),
                f"`extra_hosts` cannot be set for {site.name}, because netorch does not make this"
                " namespace.",
                "Remove it.",
            )
        if site.model.dns is not None:
            if site.created:
                content, path = _resolv(draft, site), (*site.path, "dns")
                draft.put(NodeFile(site.label, "resolv.conf", content), path)
                for sharing in site.sharing:
                    draft.put(NodeFile(sharing.label, "resolv.conf", content, second=True), path)
            else:
                draft.complain(
                    "no-resolv-conf",
                    (*site.path, "dns"),
                    f"`dns` cannot be set for {site.name}, because netorch does not make this"
                    " namespace",
                )


def _refuse(draft: Draft) -> None:
    """Complain of what needs files that the file turns off."""
    if draft.topology.extra_hosts:
        _complain_of_extra_hosts(draft, ("extra_hosts",))
    for site in _nodes(draft):
        if site.model.extra_hosts:
            _complain_of_extra_hosts(draft, (*site.path, "extra_hosts"))
        if site.model.dns is not None:
            draft.complain(
                "no-resolv-conf",
                (*site.path, "dns"),
                "`dns` needs resolv.conf, which `names: false` turns off: remove one of them",
            )


def _complain_of_extra_hosts(draft: Draft, path: Path) -> None:
    draft.complain(
        "no-hosts-file",
        path,
        "`extra_hosts` needs hosts files, which `names: false` turns off: remove one of them",
    )


def _extra_lines(draft: Draft, site: Site, segments: Mapping[str, Segment]) -> str:
    """Return the lines of `extra_hosts` of the file and of a node, below a comment."""
    lines: list[str] = []
    for entries, path in (
        (draft.topology.extra_hosts, ("extra_hosts",)),
        (site.model.extra_hosts, (*site.path, "extra_hosts")),
    ):
        for name, addresses in entries.items():
            if entries is not site.model.extra_hosts and name in site.model.extra_hosts:
                continue
            for address in addresses:
                values = [address] if address != HOST_GATEWAY else _of_host(site, segments)
                if not values and path[0] == "nodes":
                    draft.complain(
                        "no-host-gateway",
                        (*path, name),
                        f"{site.name} is in no network in which the host has an address, so"
                        f" `{HOST_GATEWAY}` has none.",
                        "Write an address, or make the node a member of a network of mode nat,"
                        " routed or host-only.",
                    )
                lines += [f"{one} {name}" for one in values]
    return "\n".join((EXTRA_HOSTS, *dict.fromkeys(lines), "")) if lines else ""


def _of_host(site: Site, segments: Mapping[str, Segment]) -> list[Address | str]:
    """Return the addresses of the host in the first network of a node in which it has one."""
    for name in site.model.networks:
        segment = segments.get(name)
        if segment is None:
            continue
        ifaces = segment.bridges[:1] if segment.owner.is_host else []
        ifaces += [
            member.iface.uplink_bridge or member.iface
            for member in segment.members
            if member.iface.site.is_host
        ]
        here = [entry.ip for iface in ifaces for entry in iface.addresses]
        if addresses := [address for address in here if not address.is_link_local]:
            return [*addresses]
    return []


def _nodes(draft: Draft) -> list[Site]:
    return [site for site in draft.sites.values() if site.path]


def _lines(draft: Draft) -> list[str]:
    """Return a line for each address.

    A node's addresses on lo come first, because they are reachable whichever link is up.
    """
    lines: list[str] = []
    for site in _nodes(draft):
        names = " ".join(
            (
                *(site.name, *site.model.aliases),
                *(
                    name
                    for sharing in site.sharing
                    for name in (sharing.name, *sharing.model.aliases)
                ),
            )
        )
        ifaces = sorted(site.ifaces.values(), key=lambda iface: iface.name != "lo")
        for iface in ifaces:
            for entry in iface.addresses:
                if not entry.ip.is_loopback and not entry.ip.is_link_local:
                    lines.append(f"{entry.ip} {names}")
    return lines


def _check(draft: Draft) -> None:
    owners: dict[str, str] = {name: name for name in draft.topology.nodes} | {_SELF: _SELF}
    named: list[Site | SharingNode] = [*_nodes(draft), *draft.sharing.values()]
    for node in named:
        for index, alias in enumerate(node.model.aliases):
            owner = owners.setdefault(alias, node.name)
            if owner != node.name:
                draft.complain(
                    "name-twice",
                    (*node.path, "aliases", index),
                    f"the alias {_taken(alias, owner)}",
                )
    extra: list[tuple[Path, str]] = [
        *((("extra_hosts", name), name) for name in draft.topology.extra_hosts),
        *(
            ((*site.path, "extra_hosts", name), name)
            for site in _nodes(draft)
            for name in site.model.extra_hosts
        ),
    ]
    for path, name in extra:
        if name in owners:
            draft.complain(
                "name-twice",
                path,
                _taken(name, owners[name]),
            )


def _taken(name: str, owner: str) -> str:
    if owner == _SELF:
        return f"{name!r} is already a name of each node for itself (127.0.0.1 and ::1): remove it"
    return f"{name!r} is already a name of {owner}: use another one"


def _resolv(draft: Draft, site: Site) -> str:
    dns = site.model.dns
    assert dns is not None
    lines = [first_line(draft.mark.topology), *(f"nameserver {server}" for server in dns.servers)]
    if dns.search:
        lines.append("search " + " ".join(dns.search))
    if dns.options:
        lines.append("options " + " ".join(dns.options))
    return "\n".join(lines) + "\n"
