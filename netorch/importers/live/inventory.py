"""Record what netorch reads of a machine but has no object for, so that nothing is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from netorch.importers.draft import Draft
from netorch.importers.live.link_options import other_options
from netorch.importers.live.other_topologies import made_by
from netorch.importers.live.ownership import Machine
from netorch.importers.live.unwritable import Unwritable
from netorch.kinds.address import address_key, ifaddr_of
from netorch.kinds.base.default_rules import is_default_rule
from netorch.kinds.base.ip_tunnel import MADE_BY_LINUX
from netorch.kinds.base.link import is_external, link_key
from netorch.kinds.file import file_key
from netorch.kinds.route import route_key
from netorch.kinds.rule import rule_key
from netorch.kinds.up import FLAGS, flags_of
from netorch.netlink.constants import (
    AF_BRIDGE,
    IFA_F_MANAGETEMPADDR,
    IFF_UP,
    RTPROT_BOOT,
    RTPROT_DHCP,
    RTPROT_KERNEL,
    RTPROT_RA,
    RTPROT_STATIC,
)
from netorch.render.topology_file import LowLevelFile
from netorch.state.key import HOST, Key, is_attached
from netorch.values.extras import Extra
from netorch.values.marks import read_alias
from netorch.values.snapshot import LinkRecord, NetnsSnapshot

_DAEMONS = {
    RTPROT_BOOT: "somebody (`boot`)",
    RTPROT_STATIC: "somebody (`static`)",
    RTPROT_RA: "router advertisements",
    RTPROT_DHCP: "a DHCP client",
    11: "zebra",
    12: "bird",
    42: "babel",
    186: "BGP",
    187: "IS-IS",
    188: "OSPF",
    189: "RIP",
    192: "EIGRP",
}
"""Protocol number of a route → who made it (linux/rtnetlink.h)."""
_OF_LINKS = frozenset(("link", "up", "address", "port", "impair", "fdb", "peer", "neighbour"))
"""Kinds of objects whose first part of the name is an interface."""
_NO_WORDS = "a topology file has no words for it"
_NO_OPTION = "netorch has no such option of an interface"


def add(
    draft: Draft,
    low: LowLevelFile,
    machine: Machine,
    unwritable: Iterable[Unwritable],
    extras: Mapping[str, Iterable[Extra]],
) -> None:
    """Add a remark for each object of the imported namespaces that the file does not have.

    `unwritable` are the objects that no file can say. `extras` maps labels to what netorch has no
    resource for.
    """
    for one in unwritable:
        draft.lose(_path(low, one.key), one.text, one.why, matters=True)
    for label, others in extras.items():
        _extras(draft, low, machine, label, others)
    for label in machine.labels:
        netns = machine.snapshot.namespaces[label]
        node = low.node(label)
        whole = label != HOST and not is_attached(label)
        if whole:
            _links(draft, machine, netns, node)
        elif label == HOST:
            _unknown_links(draft, machine, machine.links_of(label), node, HOST)
        _parts_of_links(draft, low, machine, netns)
        _addresses(draft, low, machine, netns)
        _tunnel_ends(draft, low, machine, netns)
        if label in machine.asked or whole:
            _routes(draft, machine, netns, node)
            _rules(draft, machine, netns, node)
        for name in netns.files:
            if file_key(label, name) not in machine.state:
                why = "netorch writes such files only itself, with `names` and `dns`"
                draft.lose(("nodes", node), f"/etc/netns/{label}/{name}", why)
        for sentence in netns.passage.unseen if netns.passage is not None and whole else ():
            draft.lose(("nodes", node), sentence, "netorch does not read it")


def add_left_to_others(draft: Draft, low: LowLevelFile, machine: Machine) -> None:
    """Add a remark for each object of an imported namespace that another topology has.

    It does not matter for who reaches whom, because the object stays.
    """
    for label in machine.labels:
        netns = machine.snapshot.namespaces[label]
        for link in netns.links if label != HOST else ():
            if link.name != "lo" and (whose := machine.others.owner_of_link(link, netns)):
                path = ("nodes", low.node(label), "interfaces", link.name)
                draft.lose(path, f"{link.kind} {link.name}", made_by(whose))
    for one, topology in machine.left_to_others:
        if one.key.kind != "link":
            draft.lose(_path(low, one.key), one.title(), made_by(topology))


def _path(low: LowLevelFile, key: Key) -> tuple[str, ...]:
    """Return the path of the entry that an object belongs to."""
    node: tuple[str, ...] = ("nodes", low.node(key.netns))
    if key.kind in _OF_LINKS:
        return (*node, "interfaces", low.name(key.netns, key.parts[0]))
    return (*node, f"{key.kind}s") if key.kind in {"route", "rule"} else node


def _extras(
    draft: Draft, low: LowLevelFile, machine: Machine, label: str, extras: Iterable[Extra]
) -> None:
    """Record what netorch has no resource for, if it belongs to what is imported."""
    node: tuple[str, ...] = ("nodes", low.node(label))
    whole = label != HOST and not is_attached(label)
    names = {link.name for link in machine.links_of(label)} | ({"lo"} if whole else set())
    for one in extras:
        if one.link in names:
            path = (*node, "interfaces", low.name(label, one.link))
            draft.lose(path, one.text, "an interface has no such key", matters=one.matters)
        elif not one.link and (whole or label in machine.asked):
            place = (*node, one.key) if one.key else node
            draft.lose(place, one.text, _NO_WORDS, matters=one.matters)


def _links(draft: Draft, machine: Machine, netns: NetnsSnapshot, node: str) -> None:
    used = {record.index for record in netns.addresses if not record.is_link_local}
    for link in netns.links:
        if link.name in MADE_BY_LINUX and (link.index in used or link.flags & IFF_UP):
            path = ("nodes", node, "interfaces", link.name)
            why = "Linux makes it itself in each namespace, and a topology has only other tunnels"
            draft.lose(path, f"{link.kind} {link.name}", why, matters=True)
    others = (
        link
        for link in netns.links
        if link.name not in MADE_BY_LINUX and not machine.others.owner_of_link(link, netns)
    )
    _unknown_links(draft, machine, others, node, netns.label)


def _unknown_links(
    draft: Draft, machine: Machine, links: Iterable[LinkRecord], node: str, label: str
) -> None:
    """Record the links for which netorch has no kind."""
    for link in links:
        if link.name == "lo" or link_key(label, link.name) in machine.state:
            continue
        path = ("nodes", node, "interfaces", link.name)
        if not link.kind:
            why = "it is a NIC: bring it back to the host, and write `kind: physical`"
            draft.lose(path, f"interface {link.name}", why, matters=True)
        else:
            why = "netorch has no such kind of interface"
            draft.lose(path, f"{link.kind} {link.name}", why, matters=True)


def _parts_of_links(
    draft: Draft, low: LowLevelFile, machine: Machine, netns: NetnsSnapshot
) -> None:
    masters = {link.index: link for link in netns.links}
    for link in machine.links_of(netns.label):
        path = ("nodes", low.node(netns.label), "interfaces", low.name(netns.label, link.name))
        master = masters.get(link.master)
        resource = machine.state.get(link_key(netns.label, link.name))
        kind = master.kind if master is not None else ""
        for text, matters in other_options(link, resource, kind):
            draft.lose(path, text, _NO_OPTION, matters=matters)
        for name, on in flags_of(link)._asdict().items() if not link.flags & IFF_UP else ():
            if on != FLAGS[name]:
                text = f"{name} {'on' if on else 'off'}"
                why = "an interface that is down has the usual flags"
                draft.lose(path, text, why, matters=True)
        end = machine.cables.get((netns.label, link.name))
        if link.kind == "veth" and (end is None or not _is_imported(machine, end)):
            where = "a namespace that is not imported" if end is None else f"{end[0]}:{end[1]}"
            draft.lose(path, f"veth {link.name}", f"its other end is {where}", matters=True)
        alias = link.alias
        if alias and not read_alias(alias).topology and not alias.isprintable():
            draft.lose(path, "alias", "a `description` is one line of printable text")


def _is_imported(machine: Machine, end: tuple[str, str]) -> bool:
    return any(link.name == end[1] for link in machine.links_of(end[0]))


def _addresses(draft: Draft, low: LowLevelFile, machine: Machine, netns: NetnsSnapshot) -> None:
    names = {link.index: link.name for link in machine.links_of(netns.label)}
    for record in netns.addresses:
        name = names.get(record.index)
        if name is None:
            continue
        address = ifaddr_of(record)
        key = address_key(netns.label, name, address)
        if key in machine.state or machine.owner(key):
            continue
        if record.is_link_local:
            continue  # because the kernel makes a link-local address for each interface
        path = ("nodes", low.node(netns.label), "interfaces", low.name(netns.label, name))
        if record.lifetimes is not None:
            why = "it has a lifetime, from DHCP or a router advertisement"
        elif record.flags & IFA_F_MANAGETEMPADDR:
            why = "the kernel makes temporary addresses for it (mngtmpaddr)"
        else:
            why = f"another program has added it (protocol {record.protocol})"
        draft.lose(path, f"address {address}", why, matters=True)


def _tunnel_ends(draft: Draft, low: LowLevelFile, machine: Machine, netns: NetnsSnapshot) -> None:
    """Record the entries of tunnels whose ends programs choose."""
    external = {
        link.index: link.name for link in machine.links_of(netns.label) if is_external(link)
    }
    for record in netns.neighbours:
        if record.family == AF_BRIDGE and record.index in external:
            name = low.name(netns.label, external[record.index])
            text = f"fdb {record.mac.hex(':')} dst {ip_address(record.address)}"
            why = "programs choose the ends of such a tunnel"
            draft.lose(
                ("nodes", low.node(netns.label), "interfaces", name), text, why, matters=True
            )


def _routes(draft: Draft, machine: Machine, netns: NetnsSnapshot, node: str) -> None:
    others: Counter[int] = Counter()
    for spec in netns.routes:
        key = route_key(netns.label, spec)
        if spec.protocol == RTPROT_KERNEL or key in machine.state or machine.owner(key):
            continue
        if netns.label == HOST and not all(
            link_key(HOST, hop.dev or "") in machine.state for hop in spec.hops
        ):
            continue  # because it leads over an interface of the host that is not imported
        if spec.protocol in (RTPROT_BOOT, RTPROT_STATIC) and netns.label != HOST:
            title = f"route {key.name}"
            why = "it leads over an interface that the file does not have"
            draft.lose(("nodes", node, "routes"), title, why, matters=True)
            continue
        others[spec.protocol] += 1
    for protocol, count in sorted(others.items()):
        whose = _DAEMONS.get(protocol, f"a program with protocol {protocol}")
        what = "1 route" if count == 1 else f"{count} routes"
        draft.note(("nodes", node), f"not in this file: {what} of {whose}")


def _rules(draft: Draft, machine: Machine, netns: NetnsSnapshot, node: str) -> None:
    for spec in netns.rules:
        key = rule_key(netns.label, spec)
        if not (is_default_rule(spec) or key in machine.state or machine.owner(key)):
            why = f"another program has added it (protocol {spec.protocol})"
            text = f"rule {key.name}"
            draft.lose(("nodes", node, "rules"), text, why, matters=True)
