"""Name resolution in nodes: the hosts file that all nodes share, and each node's resolv.conf."""

from __future__ import annotations

from netorch.kinds.file import NodeFile, first_line
from netorch.resolve.draft import Draft, Site

_LOCAL = ("127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback")


def put_names(draft: Draft) -> None:
    """Put a hosts file for every node that netorch makes, and a resolv.conf if it has `dns`."""
    if not draft.topology.names:
        for site in _nodes(draft):
            if site.model.dns is not None:
                draft.complain(
                    "no-resolv-conf",
                    (*site.path, "dns"),
                    "`dns` needs resolv.conf, which `names: false` turns off: remove one of them",
                )
        return
    _check(draft)
    content = "\n".join((first_line(draft.mark.topology), *_LOCAL, *_lines(draft))) + "\n"
    for site in _nodes(draft):
        if site.created:
            draft.put(NodeFile(site.label, "hosts", content), site.path)
        if site.model.dns is not None:
            if site.created:
                draft.put(
                    NodeFile(site.label, "resolv.conf", _resolv(draft, site)), (*site.path, "dns")
                )
            else:
                draft.complain(
                    "no-resolv-conf",
                    (*site.path, "dns"),
                    f"`dns` cannot be set for {site.name}, because netorch does not make this"
                    " namespace",
                )


def _nodes(draft: Draft) -> list[Site]:
    return [site for site in draft.sites.values() if site.path]


def _lines(draft: Draft) -> list[str]:
    """Return a line for each address.

    A node's addresses on lo come first, because they are reachable whichever link is up.
    """
    lines: list[str] = []
    for site in _nodes(draft):
        names = " ".join((site.name, *site.model.aliases))
        ifaces = sorted(site.ifaces.values(), key=lambda iface: iface.name != "lo")
        for iface in ifaces:
            for entry in iface.addresses:
                if not entry.ip.is_loopback and not entry.ip.is_link_local:
                    lines.append(f"{entry.ip} {names}")
    return lines


def _check(draft: Draft) -> None:
    owners: dict[str, str] = {name: name for name in draft.topology.nodes} | {
        "localhost": "localhost"
    }
    for site in _nodes(draft):
        for index, alias in enumerate(site.model.aliases):
            owner = owners.setdefault(alias, site.name)
            if owner != site.name:
                draft.complain(
                    "name-twice",
                    (*site.path, "aliases", index),
                    f"the alias {alias!r} is already a name of {owner}: use another one",
                )


def _resolv(draft: Draft, site: Site) -> str:
    dns = site.model.dns
    assert dns is not None
    lines = [first_line(draft.mark.topology), *(f"nameserver {server}" for server in dns.servers)]
    if dns.search:
        lines.append("search " + " ".join(dns.search))
    if dns.options:
        lines.append("options " + " ".join(dns.options))
    return "\n".join(lines) + "\n"
