"""Random topologies for property tests: drawn as independent parts that form a topology file.

Parts have keys (`links` → `3` → …), and every key has its own names and subnets. So any mixture of
the parts of two topologies is a topology again, and that is how a changed version is made. The
builder leaves out parts that do not fit together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml
from hypothesis import strategies as st

Parts = dict[str, dict[str, Any]]
"""Section → key → what was drawn."""

NODES = ("r1", "r2", "a", "b", "web.lan", "a-node-of-a-long-name", "host")
NETWORKS = ("lan", "dmz", "a-network-of-a-long-name")
SHARING = ("side", "a-second-name")
LINKS = tuple("01234567")
SLOTS = tuple("0123")

_mtu = st.sampled_from([None, None, 1280, 1400, 9000])
_flag = st.booleans()
_SYSCTLS = {
    "net.ipv4.conf.all.rp_filter": st.integers(0, 2),
    "net.ipv4.icmp_echo_ignore_all": _flag,
    "net/ipv6/conf/all/hop_limit": st.sampled_from([32, 64]),
    "net.ipv4.ip_local_port_range": st.just("10000 20000"),
}
_interface_sysctls = st.dictionaries(
    st.sampled_from(["rp_filter", "proxy_arp", "arp_ignore"]), st.integers(0, 1), max_size=2
)


def _words(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return mappings in which each key may be missing."""
    return st.fixed_dictionaries({}, optional=keys)


_common = _words(
    mtu=st.sampled_from([1280, 1400, 9000]),
    state=st.sampled_from(["up", "down"]),
    txqueuelen=st.sampled_from([0, 500, 1000]),
    description=st.sampled_from(["uplink", "to the printer"]),
    sysctls=_interface_sysctls,
    mac=st.integers(1, 3),
    # only `rate`, because a kernel without netem can do that, too
    impair=st.sampled_from([{"rate": "1mbit"}, {"rate": "2gbit"}]),
    neighbours=st.sampled_from(
        [[], *([{"address": "10.99.0.9", "mac": f"02:00:00:00:99:0{number}"}] for number in (1, 2))]
    ),
)
_tunnel = st.fixed_dictionaries(
    {
        "vni": st.integers(0, 1),
        "remote": st.sampled_from([None, "192.0.2.1", "192.0.2.2"]),
        "flood": st.integers(0, 2),
    },
    optional={
        "port": st.sampled_from([4789, 4790]),
        "ttl": st.sampled_from([0, 9, "inherit"]),
        "learning": _flag,
        "ageing": st.sampled_from([60, 300]),
        "mtu": st.sampled_from([1400, 1500]),
    },
)
_bridge = _words(
    stp=_flag,
    priority=st.sampled_from([0, 4096, 32768]),
    forward_delay=st.sampled_from([200, "4s", 1500]),
    hello_time=st.sampled_from([100, 200]),
    max_age=st.sampled_from([600, 2000]),
    ageing_time=st.sampled_from([0, 10000, 30000]),
    mcast_snooping=_flag,
    mcast_querier=_flag,
)
_node = st.fixed_dictionaries(
    {"loopback": st.integers(0, 3), "alias": _flag},
    optional={
        "forwarding": _flag,
        "sysctls": _words(**_SYSCTLS),
        "dns": st.just({"servers": ["9.9.9.9", "fd00::9"], "search": "lab.test"}),
    },
)
_network = st.fixed_dictionaries(
    {
        "mode": st.sampled_from([None, "segment", "host-only"]),
        "families": st.sampled_from([(4,), (6,), (4, 6), (6, 4), ()]),
        "owner": st.sampled_from([None, None, "host", "r1"]),
        "gateway": st.sampled_from([None, "node", "address"]),
        "ip_range": _flag,
        "bridge": st.sampled_from([None, None, "sw"]),
        "words": _bridge,
        "mtu": _mtu,
    }
)
_member = st.fixed_dictionaries(
    {
        "explicit": st.integers(0, 3),
        "none": st.sampled_from([False, False, False, True]),
        "named": _flag,
        "bare": _flag,
    },
    optional={"words": _common, "default_route": _flag},
)
_link = st.fixed_dictionaries(
    {
        "ends": st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)),
        "form": st.sampled_from(["short", "long", "veth", "interfaces"]),
        "subnet": st.sampled_from([(), (30,), (31,), (24, 64), (64, 30), (127,)]),
        "extra": st.tuples(st.integers(0, 3), st.integers(0, 3)),
        "peer": _flag,
        "words": st.tuples(_common, _common),
        "mtu": _mtu,
    }
)
_route = st.fixed_dictionaries(
    {
        "form": st.sampled_from(
            ["via", "dev", "onlink", "nexthops", "default", "blackhole", "unreachable", "prohibit"]
        ),
        "towards": st.integers(0, 7),
        "version": st.sampled_from([4, 4, 6]),
    },
    optional={
        "metric": st.sampled_from([0, 5, 50]),
        "table": st.sampled_from([100, 254]),
        "mtu": st.just(1300),
        "src": _flag,
        # each test kernel has these
        "encap": st.sampled_from(
            [{"ip": {"id": 7, "dst": "192.0.2.9"}}, {"ip6": {"id": 7, "hoplimit": 9}}]
        ),
    },
)
_upper = st.fixed_dictionaries(
    {
        "node": st.sampled_from(NODES),
        "kind": st.sampled_from(["macvlan", "macvtap"]),
        "address": _flag,
    },
    optional={
        "mode": st.sampled_from(["bridge", "private", "vepa", "passthru"]),
        "state": st.sampled_from(["up", "down"]),
    },
)
_master = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["bond", "vrf", "vrf"]),
        "table": st.integers(0, 1),
        "addresses": st.integers(0, 2),
    },
    optional={
        "mode": st.sampled_from(["active-backup", "balance-xor", "802.3ad", "balance-alb"]),
        "xmit_hash_policy": st.sampled_from(["layer2", "layer3+4"]),
        "primary": _flag,
        "mtu": st.sampled_from([1400, 1500]),
        "words": _common,
    },
)
_rule = st.fixed_dictionaries(
    {
        "select": st.sampled_from(["from", "to", "iif", "oif", "fwmark", "all"]),
        "version": st.sampled_from([4, 6]),
    },
    optional={
        "priority": st.integers(1, 3),
        "action": st.sampled_from(["blackhole", "unreachable", "prohibit"]),
    },
)

_filter_rule = st.fixed_dictionaries(
    {"action": st.sampled_from(["accept", "drop", "reject"])},
    optional={
        "from": st.sampled_from(["10.0.0.0/8", "!10.1.0.0/16", "::/0", ["10.0.0.1", "fd00::1"]]),
        "proto": st.sampled_from([["tcp", "udp"], "sctp"]),
        "port": st.sampled_from([80, [22, "8000-8010"]]),
        "state": st.sampled_from(["new", ["established", "related"]]),
        "comment": st.just("by hand"),
    },
)
_filter = _words(
    policy=_words(forward=st.just("drop"), output=st.just("reject")),
    forward=st.lists(_filter_rule, max_size=3),
    input=st.lists(_filter_rule, max_size=2),
    output=st.lists(_filter_rule, max_size=1),
)


def _keys(*parts: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.tuples(*map(st.sampled_from, parts)).map("/".join)


def _parts(nodes: int, masters: bool) -> st.SearchStrategy[Parts]:
    return st.fixed_dictionaries(
        {
            "top": _words(prefix=st.just("p-"), names=_flag),
            "nodes": st.dictionaries(st.sampled_from(NODES), _node, min_size=1, max_size=nodes),
            "networks": st.dictionaries(st.sampled_from(NETWORKS), _network, max_size=2),
            "sharing": st.dictionaries(
                st.sampled_from(SHARING), st.sampled_from(NODES[:-1]), max_size=1
            ),
            "members": st.dictionaries(_keys(NETWORKS, NODES[:-1]), _member, max_size=2 * nodes),
            "links": st.dictionaries(st.sampled_from(LINKS), _link, max_size=nodes + 1),
            "upper_links": st.dictionaries(st.sampled_from(LINKS), _upper, max_size=2),
            "bridges": st.dictionaries(
                st.sampled_from(NODES), st.tuples(st.integers(0, 2), _bridge, _common), max_size=2
            ),
            "routes": st.dictionaries(_keys(NODES, SLOTS), _route, max_size=2 * nodes),
            "rules": st.dictionaries(_keys(NODES, SLOTS), _rule, max_size=3),
            "filters": st.dictionaries(st.sampled_from(NODES[:-1]), _filter, max_size=2),
            "tunnels": st.dictionaries(_keys(NODES, SLOTS), _tunnel, max_size=3),
            "masters": st.dictionaries(st.sampled_from(NODES), _master, max_size=2)
            if masters
            else st.just({}),
        }
    )


@dataclass(frozen=True)
class Sketch:
    """A topology as its parts, and the file that they form."""

    parts: Parts

    @property
    def file(self) -> dict[str, Any]:
        return _Builder(self.parts).file()

    @property
    def text(self) -> str:
        return yaml.safe_dump(self.file, sort_keys=False, width=130)

    def __repr__(self) -> str:
        return f"\n---\n{self.text}---"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Show a failing example as a topology file."""
        printer.text(repr(self))


@st.composite
def topologies(draw: st.DrawFn, nodes: int = 6, masters: bool = True) -> Sketch:
    """Draw topologies of up to `nodes` nodes. All have the name `random`.

    `masters`: with bonds and VRFs, which not every kernel has.
    """
    return Sketch(draw(_parts(nodes, masters)))


@st.composite
def changed(draw: st.DrawFn, before: Sketch, nodes: int = 6, masters: bool = True) -> Sketch:
    """Draw a changed version: most parts stay, others are removed, added or changed."""
    fresh = draw(_parts(nodes, masters))
    result: Parts = {}
    for section, there in before.parts.items():
        result[section] = {}
        for key in [*there, *(key for key in fresh[section] if key not in there)]:
            source = fresh[section] if draw(st.sampled_from([False, False, True])) else there
            if key in source:
                result[section][key] = source[key]
    return Sketch(result)


@st.composite
def pairs(draw: st.DrawFn, nodes: int = 6, masters: bool = True) -> tuple[Sketch, Sketch]:
    """Draw a topology and a changed version of it."""
    before = draw(topologies(nodes, masters))
    return before, draw(changed(before, nodes, masters))


class Reach(NamedTuple):
    """A gateway that a node can have a route to."""

    version: int
    gateway: str
    dev: str | None
    """The interface that leads there; None if the file does not give its name."""
    sources: tuple[str, ...] = ()
    """Addresses of the node in the gateway's subnet."""


class _Builder:
    """Builds the file from the parts. It collects `reaches` on the way, and adds routes last."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.nodes: dict[str, dict[str, Any]] = {name: {} for name in parts["nodes"]}
        self.reaches: dict[str, list[Reach]] = {name: [] for name in self.nodes}
        self.links: list[Any] = []
        self.networks: dict[str, Any] = {}

    def file(self) -> dict[str, Any]:
        for name, part in self.parts["nodes"].items():
            self.node(name, part)
        for name, part in self.parts["networks"].items():
            self.network(name, part)
        ports = self.ports()
        bonded, routed = self.masters(ports)
        ports |= bonded
        for number, part in self.parts["links"].items():
            if self.exists(part):
                self.link(number, part, ports, bonded, routed)
        for number, part in self.parts["upper_links"].items():
            self.upper(number, part, ports)
        for key, part in self.parts["routes"].items():
            node, slot = key.split("/")
            if node in self.nodes and (route := self.route(node, slot, part)):
                self.nodes[node].setdefault("routes", []).append(route)
        for key, part in self.parts["rules"].items():
            node, slot = key.split("/")
            if node in self.nodes:
                self.nodes[node].setdefault("rules", []).append(self.rule(slot, part))
        for node, part in self.parts["filters"].items():
            if node in self.nodes:
                self.nodes[node]["filter"] = self.filter(part)
        for key, part in self.parts["tunnels"].items():
            node, slot = key.split("/")
            if node in self.nodes:
                self.tunnel(node, slot, part)
        for name, target in self.parts["sharing"].items():
            if target in self.nodes:
                self.nodes[name] = {"attach": f"node:{target}"}
        top = dict(self.parts["top"])
        if top.get("names") is False:
            for words in self.nodes.values():
                words.pop("dns", None)
        return {
            "name": "random",
            **top,
            "nodes": self.nodes,
            "networks": self.networks,
            "links": self.links,
        }

    def exists(self, link: dict[str, Any]) -> bool:
        one, other = link["ends"]
        return one in self.nodes and other in self.nodes

    def interface(self, node: str, name: str) -> dict[str, Any]:
        return self.nodes[node].setdefault("interfaces", {}).setdefault(name, {})  # type: ignore[no-any-return]

    def node(self, name: str, part: dict[str, Any]) -> None:
        words = self.nodes[name]
        words |= {key: part[key] for key in ("forwarding", "sysctls", "dns") if key in part}
        if name == "host":
            words.pop("dns", None)
        if part["alias"]:
            words["aliases"] = [f"{name}-alias"]
        number = NODES.index(name)
        # one address, or several of one subnet, of which the first is the primary one
        four = [f"10.255.{number}.{host}/24" for host in range(1, part["loopback"])] or [
            f"10.255.{number}.1/32"
        ]
        if part["loopback"]:
            self.interface(name, "lo")["addresses"] = [*four, f"fd00:ff::{number}/128"]

    def filter(self, part: dict[str, Any]) -> dict[str, Any]:
        """Return a packet filter. A rule without a protocol has no ports."""
        return {
            way: [
                {key: word for key, word in rule.items() if key != "port" or "proto" in rule}
                for rule in words
            ]
            if way != "policy"
            else words
            for way, words in part.items()
        }

    def tunnel(self, node: str, slot: str, part: dict[str, Any]) -> None:
        words = {
            key: value
            for key, value in part.items()
            if key not in {"vni", "flood"} and value is not None
        }
        flood = [
            {"mac": "00:00:00:00:00:00", "dst": f"192.0.2.{3 + number}"}
            for number in range(part["flood"])
        ]
        one = (
            [{"mac": "02:00:00:00:99:99", "dst": f"192.0.2.{3 + part['vni']}"}]
            if part["flood"]
            else []
        )
        # two tunnels of a node must have different numbers
        self.interface(node, f"vx{slot}").update(
            words | {"kind": "vxlan", "vni": 10 * int(slot) + part["vni"], "fdb": flood + one}
        )

    def network(self, name: str, part: dict[str, Any]) -> None:
        index = NETWORKS.index(name)
        mode, families = part["mode"], part["families"]
        owner = part["owner"] if part["owner"] in (None, "host", *self.nodes) else None
        members = {
            key.partition("/")[2]: member
            for key, member in self.parts["members"].items()
            if key.startswith(f"{name}/") and key.partition("/")[2] in self.nodes
        }
        if mode == "host-only":
            families = families or (4,)
            members.pop(owner, None)
        subnets = [
            f"10.{index}.0.0/24" if family == 4 else f"fd00:{index}::/64" for family in families
        ]
        words: dict[str, Any] = {
            key: value
            for key, value in (("mode", mode), ("node", owner), ("mtu", part["mtu"]))
            if value
        }
        words |= part["words"]
        if subnets:
            words["subnet"] = subnets if len(subnets) > 1 else subnets[0]
        if part["bridge"]:
            words["bridge"] = f"{part['bridge']}{index}"
        if part["ip_range"] and 4 in families:
            words["ip_range"] = f"10.{index}.0.128/25"
        if part["gateway"] == "address" and mode == "host-only":
            words["gateway"] = [
                f"10.{index}.0.254" if family == 4 else f"fd00:{index}::fe" for family in families
            ]
        if part["gateway"] and mode != "host-only" and members:
            words["gateway"] = next(iter(members))
        self.networks[name] = words
        for node, member in members.items():
            self.member(name, index, families, node, member)

    def member(
        self, network: str, index: int, families: tuple[int, ...], node: str, part: dict[str, Any]
    ) -> None:
        number = NODES.index(node)
        words: dict[str, Any] = self.common(part.get("words", {}), number, 16 + index)
        if part["named"]:
            words["name"] = f"net{index}"
        if "default_route" in part:
            words["default_route"] = part["default_route"] and not any(
                other.get("default_route")
                for other in self.nodes[node].get("networks", {}).values()
            )
        if part["none"]:
            words["addresses"] = False
        else:
            hosts = [50 + number, 150 + number, 100 + number][: part["explicit"]]
            addresses = [f"10.{index}.0.{host}" for host in hosts if 4 in families]
            addresses += [f"fd00:{index}::{host:x}" for host in hosts if 6 in families]
            if addresses:
                full = [f"{address}/{64 if ':' in address else 24}" for address in addresses]
                words["address"] = (
                    (addresses if part["bare"] else full) if len(addresses) > 1 else addresses[0]
                )
            for family in families:
                gateway = f"10.{index}.0.250" if family == 4 else f"fd00:{index}::250"
                sources = tuple(
                    address for address in addresses if (":" in address) == (family == 6)
                )
                self.reaches[node].append(Reach(family, gateway, words.get("name"), sources))
        self.nodes[node].setdefault("networks", {})[network] = words

    def common(self, drawn: dict[str, Any], one: int, other: int) -> dict[str, Any]:
        words = dict(drawn)
        if "impair" in words and words.get("txqueuelen") == 0:
            words.pop("txqueuelen")
        if "mac" in words:
            words["mac"] = f"02:aa:00:{one:02x}:{other:02x}:{words['mac']:02x}"
        return words

    def ports(self) -> set[tuple[str, str]]:
        """Add bridges to nodes, and return the link ends that are their ports.

        The bridges never form a loop, because that would cause a broadcast storm.
        """
        joined: dict[str, str] = {}

        def root(node: str) -> str:
            while node in joined:
                node = joined[node]
            return node

        ports: set[tuple[str, str]] = set()
        bridges = {node: part for node, part in self.parts["bridges"].items() if node in self.nodes}
        for number, part in self.parts["links"].items():
            one, other = part["ends"]
            if not self.exists(part):
                continue
            if one in bridges and other in bridges:
                if root(one) == root(other):
                    continue
                joined[root(one)] = root(other)
            ports |= {(node, number) for node in (one, other) if node in bridges}
        for node, (addresses, words, common) in bridges.items():
            number = NODES.index(node)
            ends = {
                self.end(link, part["ends"].index(node))
                for link, part in self.parts["links"].items()
                if (node, link) in ports
            }
            bridge = self.interface(node, "br0")
            bridge |= {
                "kind": "bridge",
                **words,
                **self.common(common, number, 15),
                "ports": sorted(ends),
            }
            if addresses:
                bridge["addresses"] = [
                    f"10.102.{number}.{host}/24" for host in range(1, 1 + addresses)
                ] + [f"fd00:102:{number}::1/64"]
                self.reaches[node].append(
                    Reach(4, f"10.102.{number}.250", "br0", (f"10.102.{number}.1",))
                )
                self.reaches[node].append(
                    Reach(6, f"fd00:102:{number}::250", "br0", (f"fd00:102:{number}::1",))
                )
        return ports

    def masters(
        self, bridged: set[tuple[str, str]]
    ) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
        """Add bonds and VRFs to nodes.

        Returns the link ends that are ports of bonds, and those that are ports of VRFs.
        """
        ports: dict[str, set[tuple[str, str]]] = {"bond": set(), "vrf": set()}
        for node, part in self.parts["masters"].items():
            if node not in self.nodes:
                continue
            number, kind = NODES.index(node), part["kind"]
            free = [
                link
                for link, words in self.parts["links"].items()
                if self.exists(words) and node in words["ends"]
            ]
            taken = [
                link
                for link in free
                if (node, link) not in bridged and len(set(self.parts["links"][link]["ends"])) == 2
            ]
            ports[kind] |= {(node, link) for link in taken}
            ends = sorted(
                self.end(link, self.parts["links"][link]["ends"].index(node)) for link in taken
            )
            words = {"kind": kind, "ports": ends, **self.common(part.get("words", {}), number, 14)}
            if kind == "vrf":
                words |= {"table": 500 + part["table"]}
            else:
                words |= {
                    key: part[key] for key in ("mode", "xmit_hash_policy", "mtu") if key in part
                }
                if (
                    part.get("primary")
                    and ends
                    and part.get("mode") in ("active-backup", "balance-alb")
                ):
                    words["primary"] = ends[0]
            if addresses := [
                f"10.105.{number}.{host}/24" for host in range(1, 1 + part["addresses"])
            ]:
                words["addresses"] = [*addresses, f"fd00:105:{number}::1/64"]
                if kind == "bond":
                    self.reaches[node].append(
                        Reach(4, f"10.105.{number}.250", "bond0", (f"10.105.{number}.1",))
                    )
            self.interface(node, f"{kind}0").update(words)
        return ports["bond"], ports["vrf"]

    @staticmethod
    def end(number: str, index: int) -> str:
        return f"l{number}{'ab'[index]}"

    def link(
        self,
        number: str,
        part: dict[str, Any],
        ports: set[tuple[str, str]],
        bonded: set[tuple[str, str]],
        routed: set[tuple[str, str]],
    ) -> None:
        is_port = [(node, number) in ports for node in part["ends"]]
        subnets = [] if any(is_port) else [self.subnet(number, length) for length in part["subnet"]]
        ends: list[dict[str, Any]] = []
        for index, node in enumerate(part["ends"]):
            name = self.end(number, index)
            words = self.common(part["words"][index], int(number), index)
            if (node, number) in bonded:
                words = {
                    key: value
                    for key, value in words.items()
                    if key not in ("mac", "mtu", "neighbours")
                }
            if not is_port[index]:
                reached = len(self.reaches[node])
                if part["ends"][0] != part["ends"][1]:
                    self.reaches[node] += [
                        Reach(version, both[1 - index], name, (both[index],))
                        for _, version, both in subnets
                    ]
                addresses: list[Any] = [
                    f"10.101.{number}.{1 + 10 * index + host}/24"
                    for host in range(part["extra"][index])
                ]
                if addresses:
                    self.reaches[node].append(
                        Reach(4, f"10.101.{number}.250", name, (addresses[0].partition("/")[0],))
                    )
                if part["peer"]:
                    addresses.append(
                        {
                            "address": f"10.103.{number}.{1 + index}/32",
                            "peer": f"10.103.{number}.{2 - index}",
                        }
                    )
                if addresses:
                    words["addresses"] = addresses
                if (node, number) in routed:  # its gateways are in the VRF's own table
                    del self.reaches[node][reached:]
            ends.append({"node": node, "interface": name, **words})
        if any((node, number) in bonded for node in part["ends"]):
            part = part | {"mtu": None}
        self.cable(part, ends, [text for text, _, _ in subnets])

    def upper(self, number: str, part: dict[str, Any], ports: set[tuple[str, str]]) -> None:
        """Add a macvlan on the first end of a link, in any node."""
        link = self.parts["links"].get(number)
        if (
            link is None
            or not self.exists(link)
            or part["node"] not in self.nodes
            or (link["ends"][0], number) in ports
        ):
            return
        words = {key: part[key] for key in ("kind", "mode", "state") if key in part}
        words["parent"] = f"{link['ends'][0]}:{self.end(number, 0)}"
        if part["address"]:
            words["addresses"] = [f"10.104.{number}.1/24", f"fd00:104:{number}::1/64"]
        self.interface(part["node"], f"mv{number}").update(words)

    @staticmethod
    def subnet(number: str, length: int) -> tuple[str, int, tuple[str, str]]:
        """Return a subnet, its IP version, and the addresses of the two ends."""
        four, first = length < 64, 0 if length in (31, 127) else 1
        base = f"10.100.{number}." if four else f"fd00:100:{number}::"
        return (
            f"{base}{'0' if four else ''}/{length}",
            4 if four else 6,
            (f"{base}{first}", f"{base}{first + 1}"),
        )

    def cable(self, part: dict[str, Any], ends: list[dict[str, Any]], subnets: list[str]) -> None:
        """Add a link in one of its forms, which all mean the same."""
        form, short = part["form"], [f"{end['node']}:{end['interface']}" for end in ends]
        if form == "long":
            endpoints: list[Any] = ends
        else:
            for end in ends:
                self.interface(end["node"], end["interface"]).update(
                    {k: v for k, v in end.items() if k not in ("node", "interface")}
                )
            endpoints = list(short)
        if form == "veth" and not subnets:
            self.interface(ends[0]["node"], ends[0]["interface"]).update(kind="veth", peer=short[1])
        elif form == "short" and not subnets and not part["mtu"]:
            self.links.append(endpoints)
        else:
            words = {"endpoints": endpoints, "subnet": subnets, "mtu": part["mtu"]}
            self.links.append({key: value for key, value in words.items() if value})

    def route(self, node: str, slot: str, part: dict[str, Any]) -> dict[str, Any] | None:
        form, version = part["form"], part["version"]
        route = {"to": f"10.50.{slot}.0/24" if version == 4 else f"fd00:50:{slot}::/64"}
        route |= {key: part[key] for key in ("metric", "table", "mtu") if key in part}
        if form in ("blackhole", "unreachable", "prohibit"):
            route.pop("mtu", None)
            return {**route, "type": form}
        reaches = [reach for reach in self.reaches[node] if reach.version == version]
        if form in ("dev", "onlink"):
            reaches = [reach for reach in reaches if reach.dev]
        if not reaches:
            return None
        reach = reaches[part["towards"] % len(reaches)]
        if part.get("src") and reach.sources and form != "nexthops":
            route["src"] = reach.sources[0]
        if form != "nexthops" and "encap" in part:
            route["encap"] = part["encap"]
        if form == "dev":
            return {**route, "dev": reach.dev}
        if form == "onlink":
            return {
                **route,
                "via": "192.0.2.1" if version == 4 else "fd00:99::1",
                "dev": reach.dev,
                "onlink": True,
            }
        if form == "nexthops":
            other = reaches[(part["towards"] + 1) % len(reaches)]
            hops = [{"via": reach.gateway, "weight": 2}] + (
                [{"via": other.gateway, **({"encap": part["encap"]} if "encap" in part else {})}]
                if other.gateway != reach.gateway
                else []
            )
            return {**route, "nexthops": hops}
        if form == "default":
            # each table has only one default route
            route |= (
                {"to": "default", "table": 1000 + int(slot)}
                if slot != "0"
                else {"to": "default", "metric": version}
            )
        return {
            **route,
            "via": reach.gateway,
            **({"dev": reach.dev} if reach.dev and part["towards"] % 2 else {}),
        }

    @staticmethod
    def rule(slot: str, part: dict[str, Any]) -> dict[str, Any]:
        subnet = f"10.9.{slot}.0/24" if part["version"] == 4 else f"fd00:9:{slot}::/48"
        selector: dict[str, Any] = {
            "from": {"from": subnet},
            "to": {"to": subnet},
            "iif": {"iif": "lo", "family": f"ipv{part['version']}"},
            "oif": {"oif": f"any{slot}", "family": f"ipv{part['version']}"},
            "fwmark": {"fwmark": f"0x{slot}1/0xff", "family": f"ipv{part['version']}"},
            "all": {"family": f"ipv{part['version']}"},
        }[part["select"]]
        # The priority contains the slot, so that two rules of a node always differ. A rule that
        # forbids everything comes after the table `main` (32766); otherwise the kernel could not
        # resolve the gateways of later routes.
        forbids = "action" in part and part["select"] in ("iif", "oif", "all")
        does = {"action": part["action"]} if "action" in part else {"table": 100 + int(slot)}
        return {
            **selector,
            **does,
            "priority": (33 if forbids else 1) * 1000 * part.get("priority", 4) + int(slot),
        }


def star(nodes: int) -> str:
    """Return the file of a topology with one network that has so many members."""
    return f"name: star\nnodes: {{'h[1-{nodes}]': {{networks: [lan]}}}}\nnetworks: {{lan: {{subnet: 10.0.0.0/16}}}}\n"


__all__ = ["Sketch", "changed", "pairs", "star", "topologies"]
