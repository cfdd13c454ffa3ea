"""The sysctls of namespaces that differ from those of a new namespace."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from netorch.importers.draft import Draft
from netorch.importers.live.other_topologies import set_by
from netorch.importers.live.ownership import Machine
from netorch.kernel.linux import LinuxKernel
from netorch.kinds.netns import IPV4_FORWARDING, IPV6_FORWARDING
from netorch.render.topology_file import LowLevelFile, dotted
from netorch.state.key import HOST, is_attached
from netorch.values.snapshot import LinkRecord
from netorch.values.sysctl_paths import IPV6_ONLY

_OF_LINK = re.compile(r"net/(ipv4|ipv6|mpls)/(conf|neigh)/([^/]+)/([^/]+)")
_BY_ITSELF = re.compile(
    r".*/(mc_forwarding|stable_secret|nf_conntrack_(count|buckets|generation)"
    r"|neigh/[^/]+/((base_reachable|retrans)_time|unres_qlen))"
)
"""Settings that the kernel sets, that are secret, or that another one says in a smaller unit."""

IPV4 = (
    *("rp_filter", "accept_local", "arp_ignore", "arp_filter", "arp_announce", "proxy_arp"),
    *("proxy_arp_pvlan", "route_localnet", "ignore_routes_with_linkdown"),
)
IPV6 = ("disable_ipv6", "proxy_ndp", "ignore_routes_with_linkdown")
"""The names of settings that decide about packets, apart from forwarding. All are off by default.
"""
_OFF = "0"
_ALL_IPV4 = "net/ipv4/conf/all/forwarding"
_OF_ALL = re.compile(
    r"net/(ipv4(?=/conf/all/forwarding)|ipv6)/conf/all"
    r"/(forwarding|disable_ipv6|disable_policy|addr_gen_mode|ignore_routes_with_linkdown)"
)
"""The settings that Linux copies to all interfaces when they are written."""
_FORWARDING = frozenset((IPV4_FORWARDING, IPV6_FORWARDING, "net/ipv4/conf/all/forwarding"))
_DAD_OF_NEW = "net/ipv6/conf/default/accept_dad"
_DAD = frozenset(("-1", "0", "1"))
"""The usual values of `accept_dad`: of links without ARP, of netorch, and of Linux."""
_SECRET = "net/ipv6/conf/{}/stable_secret"
_STABLE = 2
"""The value of `addr_gen_mode` for addresses that come from the secret."""
_PARTLY = "of the sysctls of this namespace, only those are here that decide where packets go"
_REDIRECTS = "net/ipv4/conf/all/send_redirects"
_OF_WIREGUARD = frozenset(("send_redirects", "addr_gen_mode"))
"""Settings that Linux itself changes on a WireGuard interface."""


def add(
    draft: Draft, low: LowLevelFile, machine: Machine, labels: list[str], kernel: LinuxKernel
) -> None:
    """Add the settings of namespaces to a draft."""
    values, new = kernel.all_settings(labels)
    for label in labels:
        node = low.node(label)
        there = _as_without_others(draft, low, machine, label, values.get(label, {}))
        has_wireguard = any(link.kind == "wireguard" for link in machine.links_of(label))
        words = draft.nodes.setdefault(node, {})
        sysctls: dict[str, Any] = dict(words.get("sysctls") or {})
        is_whole = label != HOST and not is_attached(label)
        if is_whole:
            links = machine.snapshot.namespaces[label].links
            lo = next((link for link in links if link.name == "lo"), None)
            for path, value in of_namespace(there, new, lo):
                if path == _REDIRECTS and has_wireguard:
                    continue  # because Linux turns it off with the first such interface
                sysctls[dotted(path)] = _number(value)
        elif words or any(True for _ in machine.links_of(label)):
            forwards, decisive = of_owner(there)
            words = draft.nodes[node] = forwards | words
            sysctls |= {dotted(path): _number(value) for path, value in decisive.items()}
        for link in machine.links_of(label):
            own, single = of_link(there, new, link.name, str(link.mtu))
            if link.kind == "wireguard":
                own = {name: own[name] for name in own if name not in _OF_WIREGUARD}
            if _SECRET.format(link.name) in there and own.get("addr_gen_mode") == _STABLE:
                del own["addr_gen_mode"]  # because Linux refuses it without the secret
            if own:
                interfaces = words.setdefault("interfaces", {})
                interfaces.setdefault(low.name(label, link.name), {})["sysctls"] = own
            sysctls |= single
        if sysctls:
            words["sysctls"] = sysctls
        names = [link.name for link in machine.links_of(label)]
        for name in (*names, *(("lo", "default") if is_whole else ())):
            if (path := _SECRET.format(name)) in there:
                why = "it is a secret, on which the addresses of the interface depend"
                draft.lose(("nodes", node, "sysctls"), dotted(path), why, matters=True)
        if not is_whole and words:
            draft.note(("nodes", node), _PARTLY)
        if not words and label != HOST:
            draft.nodes[node] = {}


def _as_without_others(
    draft: Draft, low: LowLevelFile, machine: Machine, label: str, there: Mapping[str, str]
) -> Mapping[str, str]:
    """Return the settings of a namespace as they were before other topologies changed them.

    Record those that differ as left to these topologies. A node has to say whether it forwards,
    because `apply` would turn that off.
    """
    before = dict(there)
    is_whole = label != HOST and not is_attached(label)
    for path, value, topology in machine.others.originals(machine.snapshot.namespaces[label]):
        if path not in there or value == there[path] or (is_whole and path in _FORWARDING):
            continue
        for one in (path, *_followers(path, there)):
            if value:
                before[one] = value
            else:
                del before[one]
        text = f"{dotted(path)} = {there[path]}"
        draft.lose(("nodes", low.node(label), "sysctls"), text, set_by(topology))
    return before


def _followers(path: str, there: Mapping[str, str]) -> Iterator[str]:
    """Yield the settings that Linux changes together with one of all interfaces."""
    path = _ALL_IPV4 if path == IPV4_FORWARDING else path
    if (match := _OF_ALL.fullmatch(path)) is None:
        return
    for other, value in there.items():
        one = _OF_LINK.fullmatch(other)
        is_copy = one is not None and (one[1], one[2], one[4]) == (match[1], "conf", match[2])
        is_alias = (path, other) == (_ALL_IPV4, IPV4_FORWARDING)
        if value == there.get(path) and (is_copy or is_alias):
            yield other


def of_owner(there: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return `forwarding`, and the settings that decide about packets and are not the defaults.

    They are those of a namespace that a topology does not make, such as the host. A new namespace
    has its own from there, so the defaults are those of the kernel itself.
    """
    decisive = {
        path: there[path]
        for version, names in (("ipv4", IPV4), ("ipv6", IPV6))
        for where in ("all", "default")
        for name in names
        if there.get(path := f"net/{version}/conf/{where}/{name}", _OFF) != _OFF
    }
    forwarding = {path for path in (IPV4_FORWARDING, IPV6_FORWARDING) if there.get(path) == "1"}
    if len(forwarding) == 2:
        return {"forwarding": True}, decisive
    return {}, {**dict.fromkeys(forwarding, "1"), **decisive}


def of_namespace(
    there: Mapping[str, str], new: Mapping[str, str], lo: LinkRecord | None = None
) -> Iterator[tuple[str, str]]:
    """Yield the settings of a namespace that differ from those of a new one."""
    forwards = there.get(IPV4_FORWARDING) == "1"
    mtu_of_lo = str(lo.mtu) if lo is not None else None
    for path, value in there.items():
        if path not in new or value == new[path] or _BY_ITSELF.fullmatch(path):
            continue
        if path in _FORWARDING or (path == _DAD_OF_NEW and value in _DAD):
            continue
        match = _OF_LINK.fullmatch(path)
        if match is not None and match[3] not in {"all", "default"}:
            every = f"net/{match[1]}/{match[2]}/all/{match[4]}"
            if match[3] != "lo" or value in (there.get(every), mtu_of_lo):
                continue
        elif path.endswith("/default/forwarding") and value == there.get(
            path.replace("/default/", "/all/")
        ):
            continue
        if forwards and path.startswith("net/ipv4/conf/") and path.endswith("/accept_redirects"):
            continue  # because the kernel turns it off together with forwarding on
        yield path, value


def of_link(
    there: Mapping[str, str], new: Mapping[str, str], link: str, mtu: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings of a link for its entry, and those that only the node's `sysctls` say.

    A new link has the values of `conf/default`, which may have changed since. Those of `neigh` are
    the ones of the machine, as those of lo in a new namespace.
    """
    changed: dict[str, dict[str, str]] = {}
    single: dict[str, Any] = {}
    for path, value in there.items():
        match = _OF_LINK.fullmatch(path)
        if match is None or match[3] != link or _BY_ITSELF.fullmatch(path):
            continue
        version, folder, _, name = match.groups()
        if folder == "neigh":
            if value != new.get(f"net/{version}/neigh/lo/{name}"):
                single[dotted(path)] = _number(value)
            continue
        if version == "mpls":
            if value != _OFF:
                single[dotted(path)] = _number(value)
            continue
        default = f"net/{version}/conf/default/{name}"
        of_all = f"net/{version}/conf/all/{name}"
        usual = {there.get(default, new.get(default))}
        if name == "accept_dad":
            usual |= _DAD
        elif name == "disable_ipv6":
            usual.add(there.get(of_all))  # because `all` sets it for each link
        elif name == "forwarding":
            usual = {there.get(of_all)}
        elif name == "mtu" and (not mtu or int(value) >= int(mtu)):
            continue  # because Linux does not adapt it if it lowers that of a tunnel
        elif name == "mtu":
            usual = set()
        elif name == "use_tempaddr":
            usual.add("-1")  # because the kernel sets it for links without a MAC address
        if value not in usual:
            changed.setdefault(name, {})[version] = value
    own: dict[str, Any] = {}
    for name, by_version in changed.items():
        values = {
            version: there.get(f"net/{version}/conf/{link}/{name}") for version in ("ipv4", "ipv6")
        }
        known = {value for value in values.values() if value is not None}
        if len(known) == 1 and (None not in values.values() or name in IPV6_ONLY or values["ipv4"]):
            own[name] = _number(known.pop())
        else:
            for version, value in by_version.items():
                single[dotted(f"net/{version}/conf/{link}/{name}")] = _number(value)
    return own, single


def _number(value: str) -> Any:
    return int(value) if value.isdecimal() and str(int(value)) == value else value
