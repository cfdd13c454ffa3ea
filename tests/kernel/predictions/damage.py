"""Random damage to a live network, done with `ip`, `bridge`, `nft` and `sysctl`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from ipaddress import ip_interface
from random import Random
from typing import Any

Act = Callable[["Scene"], str]
"""Returns a command for a scene, or "" if the scene has nothing to apply it to."""


def ask(*argv: str) -> list[dict[str, Any]]:
    """Run a tool of iproute2 and return its JSON output."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return json.loads(done.stdout or "[]")


class Scene:
    """One namespace of a live topology as `ip` lists it, with a randomly chosen link in it."""

    def __init__(self, rng: Random, label: str, others: list[str], macs: list[str]) -> None:
        self.rng = rng
        self.label = label
        """The namespace's name in /run/netns."""
        self.others = others
        """Addresses of all namespaces."""
        self.macs = macs
        """MAC addresses of all links."""
        self.undo = ""
        """The command that undoes the act, if `diff` does not see it."""
        self.links = [
            link for link in ask("ip", "-n", label, "-j", "-d", "address") if link["ifname"] != "lo"
        ]
        self.link: dict[str, Any] = rng.choice(self.links) if self.links else {"ifname": "lo"}
        self.dev: str = self.link["ifname"]
        self.version = rng.choice([4, 6])

    @property
    def ip(self) -> str:
        return f"ip -n {self.label} -{self.version}"

    @property
    def run(self) -> str:
        return f"ip netns exec {self.label}"

    @property
    def is_port(self) -> bool:
        return "master" in self.link

    @property
    def kind(self) -> str:
        return str(self.link.get("linkinfo", {}).get("info_kind", ""))

    def own(self) -> str:
        """Return an address of the link with its length, or "" if it has none."""
        family = "inet" if self.version == 4 else "inet6"
        addresses = [
            f"{entry['local']}/{entry['prefixlen']}"
            for entry in self.link.get("addr_info", [])
            if entry["family"] == family and entry.get("scope") == "global"
        ]
        return self.rng.choice(addresses) if addresses else ""

    def other(self) -> str:
        """Return an address of any namespace."""
        addresses = [entry for entry in self.others if (":" in entry) == (self.version == 6)]
        return self.rng.choice(addresses) if addresses else ""

    def target(self) -> str:
        """Return the prefix of one address, of its subnet, or of everything."""
        address = self.other()
        if not address:
            return ""
        host, subnet = (32, 24) if self.version == 4 else (128, 64)
        length = self.rng.choice([host, subnet, subnet, 0])
        if length == 0:
            return "default"
        return str(ip_interface(f"{address}/{length}").network)

    def near(self) -> str:
        """Return an address in the subnet of the link."""
        own = self.own()
        addresses = [
            entry
            for entry in self.others
            if own
            and (":" in entry) == (self.version == 6)
            and ip_interface(f"{entry}/{own.split('/')[1]}").network == ip_interface(own).network
        ]
        return self.rng.choice(addresses) if addresses else ""

    def route(self) -> str:
        """Return a route of the main table in the form that `ip route del` takes."""
        routes = [
            entry
            for entry in ask("ip", "-n", self.label, f"-{self.version}", "-j", "route")
            if not str(entry["dst"]).startswith(("fe80", "ff00"))
        ]
        if not routes:
            return ""
        entry = self.rng.choice(routes)
        dev = f" dev {entry['dev']}" if "dev" in entry else ""
        metric = f" metric {entry['metric']}" if "metric" in entry else ""
        return f"{entry['dst']}{dev}{metric}"


def _with(text: str, *words: str) -> str:
    """Return the command, or "" if one of the words is missing."""
    return text if all(words) else ""


def _route_add(scene: Scene) -> str:
    target, via = scene.target(), scene.near()
    kind = scene.rng.choice(["blackhole", "unreachable", "prohibit", "throw", "via", "dev", "mtu"])
    verb = scene.rng.choice(["add", "replace", "append" if scene.version == 6 else "prepend"])
    metric = scene.rng.choice(["", "", " metric 5", " metric 3000"])
    table = scene.rng.choice(["", "", "", " table 100"])
    if kind == "via":
        text = f"{scene.ip} route {verb} {target} via {via} dev {scene.dev}{metric}{table}"
        return _with(text, target, via)
    if kind == "dev":
        text = f"{scene.ip} route {verb} {target} dev {scene.dev}{metric}{table}"
        return _with(text, target)
    if kind == "mtu":
        text = f"{scene.ip} route {verb} {target} via {via} dev {scene.dev} mtu 1280{metric}"
        return _with(text, target, via)
    return _with(f"{scene.ip} route {verb} {kind} {target}{metric}{table}", target)


def _rule_add(scene: Scene) -> str:
    rng, target, source = scene.rng, scene.target(), scene.target()
    selectors = [
        *(["", ""] if not target else [f"to {target}", f"to {target}"]),
        *(["", ""] if not source else [f"from {source}", f"from {source}"]),
        f"iif {scene.dev}",
        f"oif {scene.dev}",
        "iif lo",
        "fwmark 0x1",
        "fwmark 0x0/0xff",
        f"ipproto {'icmp' if scene.version == 4 else 'ipv6-icmp'}",
        "ipproto tcp",
        "ipproto udp dport 53",
        "dport 80",
        "sport 1-65535",
        "uidrange 0-0",
        "uidrange 1000-2000",
        "tos 0x10",
        "",
    ]
    action = rng.choice(
        [
            *("lookup 100", "lookup 99", "lookup main", "prohibit", "blackhole", "unreachable"),
            *("lookup main suppress_prefixlength 0", "lookup main suppress_prefixlength 24"),
            *("goto 32766", "goto 32767", "nop"),
        ]
    )
    chosen = rng.choice(selectors)
    if rng.random() < 0.25:
        chosen += " " + rng.choice(selectors)
    invert = rng.choice(["", "", "not "])
    if not chosen.strip():
        invert = ""
    if action == "goto 32767" and scene.version == 6:
        action = "goto 32766"
    priority = rng.choice([5, 400, 5000, 32766])
    return f"{scene.ip} rule add {invert}{chosen} {action} priority {priority}"


def _neighbour(scene: Scene) -> str:
    near = scene.near()
    mac = scene.rng.choice([*scene.macs[:40], "02:00:00:00:00:99"])
    state = scene.rng.choice(["permanent", "permanent", "reachable", "stale", "noarp"])
    if state != "permanent":
        scene.undo = f"{scene.ip} neigh del {near} dev {scene.dev}"
    return _with(f"{scene.ip} neigh replace {near} lladdr {mac} dev {scene.dev} nud {state}", near)


def _neighbour_failed(scene: Scene) -> str:
    near = scene.near()
    scene.undo = f"{scene.ip} neigh del {near} dev {scene.dev}"
    return _with(f"{scene.ip} neigh replace {near} dev {scene.dev} nud failed", near)


COMPARED_SYSCTLS = frozenset(
    ("net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding", "net/ipv6/conf/all/forwarding")
)
"""Sysctls that a node's `forwarding` sets, and that `diff` compares."""


def _sysctl(scene: Scene) -> str:
    rng, dev = scene.rng, scene.rng.choice([scene.dev, "all", "default"])
    four, six = f"net/ipv4/conf/{dev}", f"net/ipv6/conf/{dev}"
    chosen = rng.choice(
        [
            "net/ipv4/ip_forward=0",
            "net/ipv4/ip_forward=1",
            "net/ipv6/conf/all/forwarding=0",
            f"{four}/forwarding=0",
            f"{six}/forwarding=0",
            f"{four}/rp_filter=1",
            f"{four}/rp_filter=2",
            f"{four}/accept_local=1",
            f"{four}/arp_ignore={rng.choice([1, 2, 3, 8])}",
            f"{four}/arp_filter=1",
            f"{four}/arp_announce={rng.choice([1, 2])}",
            f"{four}/proxy_arp=1",
            f"{four}/route_localnet=1",
            f"{four}/ignore_routes_with_linkdown=1",
            f"{six}/ignore_routes_with_linkdown=1",
            f"{six}/disable_ipv6=1",
            f"{six}/proxy_ndp=1",
            "net/ipv4/icmp_echo_ignore_all=1",
            "net/ipv6/icmp/echo_ignore_all=1",
            f"{six}/hop_limit=1",
            "net/ipv4/ip_default_ttl=1",
            "net/ipv4/fib_multipath_hash_policy=1",
            "net/bridge/bridge-nf-call-iptables=1",
            "net/bridge/bridge-nf-call-iptables=0",
            "net/bridge/bridge-nf-call-ip6tables=1",
        ]
    )
    name = chosen.partition("=")[0]
    if name not in COMPARED_SYSCTLS:
        old = subprocess.run(
            f"{scene.run} sysctl -n {name}", shell=True, capture_output=True, text=True, check=False
        )
        scene.undo = f"{scene.run} sysctl -qw {name}={old.stdout.strip()}"
    return f"{scene.run} sysctl -qw {chosen}"


def _filter(scene: Scene) -> str:
    rng, address = scene.rng, scene.other()
    word = "ip" if scene.version == 4 else "ip6"
    hook = rng.choice(["input", "output", "forward", "prerouting", "postrouting"])
    rules = [
        "drop",
        f"{word} saddr {address} drop" if address else "drop",
        f"{word} daddr {address} drop" if address else "drop",
        "meta l4proto { icmp, ipv6-icmp } drop",
        "icmp type echo-reply drop",
        "icmpv6 type echo-request drop",
        "ct state invalid drop",
        "ct state new drop",
        "tcp dport 80 drop",
        f'iifname "{scene.dev}" drop' if hook != "output" else "drop",
        f'oifname "{scene.dev}" drop' if hook in {"output", "forward", "postrouting"} else "drop",
        "meta mark set 1",
        "meta mark 1 drop",
        "limit rate 1/second drop",
        "meta nfproto ipv6 drop",
    ]
    chosen = "; ".join(rng.sample(rules, rng.choice([1, 1, 2])))
    policy = rng.choice(["accept", "accept", "accept", "drop"])
    if policy == "drop":
        chosen = chosen.replace("drop", "accept")
    text = (
        f"type filter hook {hook} priority {rng.choice([-150, 0, 10])}; policy {policy}; {chosen};"
    )
    scene.undo = f"{scene.run} nft delete table inet byhand"
    return f"{scene.run} nft 'add table inet byhand; delete table inet byhand; table inet byhand {{ chain c {{ {text} }}; }}'"


def _nat(scene: Scene) -> str:
    rng, address = scene.rng, scene.other()
    word = "ip" if scene.version == 4 else "ip6"
    if not address:
        return ""
    body = rng.choice(
        [
            "type nat hook postrouting priority 100; masquerade;",
            f"type nat hook postrouting priority 100; snat to {address};",
            f"type nat hook prerouting priority -100; {word} daddr {scene.other()} dnat to {address};",
        ]
    )
    scene.undo = f"{scene.run} nft delete table {word} bynat"
    return f"{scene.run} nft 'table {word} bynat {{ chain c {{ {body} }}; }}'"


def _xtables(scene: Scene) -> str:
    tool = "iptables-legacy" if scene.version == 4 else "ip6tables-legacy"
    proto = "icmp" if scene.version == 4 else "ipv6-icmp"
    rule = scene.rng.choice(
        [
            "-A FORWARD -j DROP",
            "-P FORWARD DROP",
            f"-A INPUT -p {proto} -j DROP",
            f"-A INPUT -i {scene.dev} -j DROP",
            f"-A OUTPUT -o {scene.dev} -j REJECT",
            "-A FORWARD -m conntrack --ctstate ESTABLISHED -j DROP",
            "-A FORWARD -p tcp -j DROP",
            f"-t raw -A PREROUTING -p {proto} -j DROP",
            "-t mangle -A PREROUTING -j MARK --set-mark 1",
        ]
    )
    back = rule.replace("-P FORWARD DROP", "-P FORWARD ACCEPT").replace("-A ", "-D ")
    scene.undo = f"{scene.run} {tool} -w {back}"
    return f"{scene.run} {tool} -w {rule}"


def _rule_of_netorch(scene: Scene) -> str:
    """Delete one rule of netorch's ruleset, or the whole table."""
    listed = ask(*f"ip netns exec {scene.label} nft -j list ruleset".split())
    objects = listed.get("nftables", []) if isinstance(listed, dict) else []
    rules = [entry["rule"] for entry in objects if "rule" in entry]
    rules = [rule for rule in rules if rule["table"].startswith("netorch_")]
    if not rules:
        return ""
    rule = scene.rng.choice(rules)
    if scene.rng.random() < 0.2:
        return f"{scene.run} nft delete table {rule['family']} {rule['table']}"
    where = f"{rule['family']} {rule['table']} {rule['chain']} handle {rule['handle']}"
    return f"{scene.run} nft delete rule {where}"


def _port(scene: Scene) -> str:
    rng = scene.rng
    ports = [link for link in scene.links if link.get("master") and link["ifname"]]
    if not ports:
        return ""
    port = rng.choice(ports)["ifname"]
    command = f"bridge -n {scene.label} link set dev {port}"
    word = rng.choice(
        [
            *("state 0", "state 4", "state 1", "isolated on", "isolated on", "learning off"),
            *("flood off", "mcast_flood off", "bcast_flood off", "neigh_suppress on", "locked on"),
            *("hairpin on", "guard on"),
        ]
    )
    if word in PORT_FLAGS:
        scene.undo = f"{command} {PORT_FLAGS[word]}"
    return f"{command} {word}"


PORT_FLAGS = {
    **dict.fromkeys(("state 0", "state 4", "state 1"), "state 3"),
    **{f"{flag} off": f"{flag} on" for flag in ("flood", "mcast_flood", "bcast_flood")},
    **{f"{flag} on": f"{flag} off" for flag in ("neigh_suppress", "locked", "guard")},
}
"""Port flags that `diff` does not compare → the value before."""


def _isolated_all(scene: Scene) -> str:
    ports = [link["ifname"] for link in scene.links if link.get("master")]
    return "; ".join(f"bridge -n {scene.label} link set dev {port} isolated on" for port in ports)


def _bridge(scene: Scene) -> str:
    bridges = [
        link["ifname"]
        for link in scene.links
        if link.get("linkinfo", {}).get("info_kind") == "bridge"
    ]
    if not bridges:
        return ""
    bridge = scene.rng.choice(bridges)
    word = scene.rng.choice(
        [
            "mcast_snooping 0",
            "stp_state 1",
            "ageing_time 0",
            "mcast_router 2",
            "nf_call_iptables 1",
        ]
    )
    command = f"ip -n {scene.label} link set {bridge} type bridge"
    usual = {"mcast_router 2": "mcast_router 1", "nf_call_iptables 1": "nf_call_iptables 0"}
    if word in usual:
        scene.undo = f"{command} {usual[word]}"
    return f"{command} {word}"


def _fdb(scene: Scene) -> str:
    ports = [link["ifname"] for link in scene.links if link.get("master")]
    if not ports:
        return ""
    port, mac = scene.rng.choice(ports), scene.rng.choice(scene.macs)
    word = scene.rng.choice(["master static", "master static", "master local", "master dynamic"])
    scene.undo = f"bridge -n {scene.label} fdb del {mac} dev {port} master"
    return f"bridge -n {scene.label} fdb replace {mac} dev {port} {word}"


def _address(scene: Scene) -> str:
    """Add another link's address, or replace an address by itself with a random prefix length."""
    other, own = scene.other(), scene.own()
    length = scene.rng.choice([24, 32] if scene.version == 4 else [64, 128])
    text = f"{other}/{length}" if other else ""
    if own and scene.rng.random() < 0.3:
        text = f"{own.split('/')[0]}/{length}"
        return (
            f"{scene.ip} addr del {own} dev {scene.dev}; {scene.ip} addr add {text} dev {scene.dev}"
        )
    flags = scene.rng.choice(["", " noprefixroute", " nodad"]) if scene.version == 6 else ""
    return _with(f"{scene.ip} addr add {text} dev {scene.dev}{flags}", text)


def _mode(scene: Scene) -> str:
    macvlans = [
        link["ifname"]
        for link in scene.links
        if link.get("linkinfo", {}).get("info_kind") == "macvlan"
    ]
    if not macvlans:
        return ""
    mode = scene.rng.choice(["private", "vepa", "bridge"])
    return f"ip -n {scene.label} link set {scene.rng.choice(macvlans)} type macvlan mode {mode}"


def _ingress(scene: Scene) -> str:
    command = f"tc -n {scene.label}"
    scene.undo = f"{command} qdisc del dev {scene.dev} clsact"
    return (
        f"{command} qdisc add dev {scene.dev} clsact; "
        f"{command} filter add dev {scene.dev} ingress matchall action drop"
    )


def _local_route(scene: Scene) -> str:
    other = scene.other()
    return _with(f"{scene.ip} route add local {other} dev lo", other)


ACTS: dict[str, Act] = {
    "link down": lambda s: f"ip -n {s.label} link set {s.dev} down",
    "link flap": lambda s: (
        f"ip -n {s.label} link set {s.dev} down; ip -n {s.label} link set {s.dev} up"
    ),
    "lo down": lambda s: f"ip -n {s.label} link set lo down",
    "link deleted": lambda s: f"ip -n {s.label} link del {s.dev}",
    "route deleted": lambda s: _with(f"{s.ip} route del {(one := s.route())}", one),
    "routes flushed": lambda s: f"{s.ip} route flush table {s.rng.choice(['main', 'all'])}",
    "route added": _route_add,
    "route added twice": _route_add,
    "local route": _local_route,
    "rule added": _rule_add,
    "rule added twice": _rule_add,
    "rules flushed": lambda s: f"{s.ip} rule flush",
    "rule deleted": lambda s: f"{s.ip} rule del priority {s.rng.choice([0, 500, 32766, 32766])}",
    "neighbour": _neighbour,
    "neighbour failed": _neighbour_failed,
    "neighbours flushed": lambda s: f"{s.ip} neigh flush all",
    "address deleted": lambda s: _with(f"{s.ip} addr del {(one := s.own())} dev {s.dev}", one),
    "address added": _address,
    "sysctl": _sysctl,
    "sysctl twice": _sysctl,
    "sysctl thrice": _sysctl,
    "arp off": lambda s: f"ip -n {s.label} link set {s.dev} arp off",
    "multicast off": lambda s: f"ip -n {s.label} link set {s.dev} multicast off",
    "mac": lambda s: (
        f"ip -n {s.label} link set {s.dev} address 02:00:00:00:77:0{s.rng.randint(1, 9)}"
    ),
    "mtu": lambda s: (
        f"ip -n {s.label} link set {s.dev} mtu {s.rng.choice([1400, 1280, 1279, 600, 68])}"
    ),
    "port let go": lambda s: f"ip -n {s.label} link set {s.dev} nomaster" if s.is_port else "",
    "port": _port,
    "port twice": _port,
    "isolated": _isolated_all,
    "bridge": _bridge,
    "fdb": _fdb,
    "filter": _filter,
    "filter twice": _filter,
    "nat": _nat,
    "xtables": _xtables,
    "rule of netorch": _rule_of_netorch,
    "macvlan mode": _mode,
    "qdisc": lambda s: (
        f"tc -n {s.label} qdisc replace dev {s.dev} root tbf rate 10mbit burst 10k latency 50ms"
    ),
    "ingress": _ingress,
}
