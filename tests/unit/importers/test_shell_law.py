"""The lines that `netorch explain` prints for a node are read back to the same state."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from netorch.converge.bridge_filter import settings_without_filter
from netorch.importers.draft import Draft
from netorch.importers.finish import Imported, finish
from netorch.importers.shell_lines.node import Node
from netorch.importers.shell_lines.reader import read_lines
from netorch.importers.shell_lines.write import write
from netorch.render import yaml_text
from netorch.render.script import whole_topology
from netorch.resolve.loader import load

PREFIXES = (
    ("ip netns exec r ", ""),
    ("ip -n r ", "ip "),
    ("bridge -n r ", "bridge "),
    ("tc -n r ", "tc "),
)
"""What leads into the namespace of the node, which lines of a node do not have."""


def short(line: str) -> str:
    """Return a line as one types it in the node."""
    for prefix, rest in PREFIXES:
        if line.startswith(prefix):
            return rest + line.removeprefix(prefix)
    return line


def lines_of(text: str) -> list[str]:
    """Return the lines that make the node of a topology, as one types them in the node."""
    desired = load(text.encode(), "t.yaml").desired
    lines = list(map(short, whole_topology.lines(desired, "t.yaml")))
    start = next(i for i, line in enumerate(lines) if line.startswith("ip netns add"))
    end = lines.index("# names")
    return lines[start + 1 : end]


def read_back(text: str) -> Imported:
    node = Node("r")
    read_lines(node, "\n".join(lines_of(text)), lambda line: f"t.sh:{line}")
    draft = Draft("t", "t.sh", "a shell")
    draft.tree["backend"] = {"nat": "iptables"}
    write(node, draft)
    return finish(draft)


def state_of(text: str) -> dict[str, Any]:
    state = load(text.encode(), "t.yaml").desired.state
    return {str(key): resource for key, resource in state.items()}


def check(text: str) -> None:
    result = read_back(text)
    assert result.problems == (), result.text
    before, after = state_of(text), state_of(result.text)
    # the script has these settings, which an apply would choose by what the machine has
    chosen = settings_without_filter(
        load(text.encode(), "t.yaml").desired.state, lambda paths: dict.fromkeys(paths, "1")
    )
    for setting in chosen:
        after.pop(str(setting.key))
    assert after == before, result.text
    assert not [one for one in result.losses if one.matters], result.losses


def topology(node: dict[str, Any]) -> str:
    tree = {"name": "t", "nodes": {"r": node}, "backend": {"nat": "iptables"}}
    return yaml_text.document(tree)


address4 = st.tuples(st.integers(0, 255), st.integers(1, 254)).map(lambda p: f"10.{p[0]}.7.{p[1]}")
mac = st.integers(1, 0xFFFF).map(lambda n: f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}")
impair = st.one_of(
    st.fixed_dictionaries({"rate": st.sampled_from(("10mbit", "1gbit", "640kbit"))}),
    st.fixed_dictionaries(
        {"delay": st.sampled_from(("10ms", "1500us", "1s"))},
        optional={
            "jitter": st.sampled_from(("1ms", "20us")),
            "loss": st.sampled_from(("1%", "0.1%")),
            "limit": st.integers(1, 5000),
            "rate": st.just("1mbit"),
        },
    ),
)
common = {
    "mac": mac,
    "txqueuelen": st.integers(1, 9999),
    "description": st.sampled_from(("uplink", "the red one", "it is 50% $$x")),
    "impair": impair,
    "sysctls": st.dictionaries(
        st.sampled_from(("rp_filter", "forwarding", "proxy_arp")), st.integers(0, 1), max_size=2
    ),
}
kinds = st.sampled_from(
    (
        {"kind": "dummy"},
        {"kind": "ifb"},
        {"kind": "bridge", "stp": True, "forward_delay": 400, "priority": 9},
        {"kind": "vlan", "parent": "up", "id": 10},
        {"kind": "vlan", "parent": "up", "id": 11, "protocol": "802.1ad"},
        {"kind": "vxlan", "vni": 7, "local": "10.0.0.1", "remote": "10.0.0.2", "port": 8472},
        {"kind": "vxlan", "vni": 8, "parent": "up", "group": "239.0.0.1", "ttl": 4, "ageing": 9},
        {"kind": "geneve", "mtu": 1400, "vni": 8, "remote": "10.0.0.2"},
        {"kind": "gretap", "mtu": 1400, "local": "10.0.0.1", "remote": "10.0.0.2", "ttl": 9},
        {"kind": "gre", "mtu": 1400, "local": "10.0.0.1", "remote": "10.0.0.3", "key": 5},
        {"kind": "ipip", "mtu": 1400, "local": "10.0.0.1", "remote": "10.0.0.2"},
        {"kind": "sit", "mtu": 1400, "local": "10.0.0.1", "remote": "10.0.0.4"},
        {"kind": "erspan", "mtu": 1400, "local": "10.0.0.1", "remote": "10.0.0.6", "key": 5},
        {"kind": "ip6gre", "mtu": 1400, "local": "fd00::1", "remote": "fd00::2"},
        {"kind": "ip6tnl", "mtu": 1400, "local": "fd00::1", "remote": "fd00::4"},
        {"kind": "macvlan", "parent": "up", "mode": "bridge"},
        {"kind": "ipvlan", "parent": "up2", "mode": "l2", "flags": "private"},
        {"kind": "macvtap", "parent": "up", "mode": "private"},
        {"kind": "bond", "mode": "802.3ad", "miimon": 50, "lacp_rate": "fast"},
        {"kind": "vrf", "table": 77},
        {"kind": "tun"},
        {"kind": "tap", "multi_queue": True},
    )
)

filter_rule = st.sampled_from(
    (
        {"from": ["10.0.0.0/24", "fd00::/64"], "proto": "tcp", "port": [22, "80-90"]},
        {"to": "!10.1.0.0/16", "state": ["established", "related"]},
        {"proto": ["icmp", "icmpv6"], "type": "echo-request", "comment": "ping"},
        {"proto": "ospf"},
        {"proto": ["udp", "sctp"], "sport": 53, "state": "new", "comment": "filter: mine"},
        {"from": "::/0", "proto": "icmpv6", "type": "nd-neighbor-solicit"},
        {"from": "0.0.0.0/0"},
    )
)
ways = ("forward", "input", "output")
filters = st.fixed_dictionaries(
    {
        way: st.lists(
            st.tuples(filter_rule, st.sampled_from(("accept", "drop", "reject"))), max_size=3
        ).map(lambda rules: [rule | {"action": action} for rule, action in rules])
        for way in ways
    },
    optional={
        "policy": st.dictionaries(st.sampled_from(ways), st.sampled_from(("drop", "reject")))
    },
)


@st.composite
def nodes(draw: st.DrawFn) -> dict[str, Any]:
    """Return a node with `up` (10.0.0.1/24 and fd00::1/64), `up2`, and more."""
    up: dict[str, Any] = {"kind": "dummy", "addresses": ["10.0.0.1/24", "fd00::1/64"]}
    up |= draw(st.fixed_dictionaries({}, optional=common))
    interfaces: dict[str, Any] = {"up": up, "up2": {"kind": "dummy"}}
    for index in range(draw(st.integers(0, 3))):
        interfaces[f"x{index}"] = dict(draw(kinds))
    if len({str(one) for one in interfaces.values()}) < len(interfaces):
        interfaces = {"up": up, "up2": {"kind": "dummy"}}
    for index, address in enumerate(draw(st.lists(address4, max_size=3, unique=True))):
        interfaces[f"d{index}"] = {"kind": "dummy", "addresses": [f"{address}/32"]}
    if draw(st.booleans()):
        interfaces["lo"] = {"addresses": ["10.255.0.1/32", "fd00:255::1/128"]}
    if draw(st.booleans()):
        up["neighbours"] = [{"address": "10.0.0.9", "mac": draw(mac)}]
    node: dict[str, Any] = {"interfaces": interfaces}
    if draw(st.booleans()):
        node["forwarding"] = True
    routes = draw(
        st.lists(
            st.sampled_from(
                (
                    {"to": "default", "via": "10.0.0.2"},
                    {"to": "::/0", "via": "fd00::2"},
                    {"to": "10.2.0.0/16", "via": "10.0.0.2", "metric": 7, "mtu": 1300},
                    {"to": "10.3.0.0/16", "type": "blackhole"},
                    {"to": "fd00:3::/64", "type": "unreachable", "metric": 5},
                    {"to": "10.4.0.0/16", "dev": "up2"},
                    {"to": "10.5.0.1", "via": "10.9.9.9", "dev": "up2", "onlink": True},
                    {"to": "10.6.0.0/16", "via": "10.0.0.3", "table": 100, "src": "10.0.0.1"},
                    {
                        "to": "10.7.0.0/16",
                        "nexthops": [{"via": "10.0.0.2", "weight": 2}, {"via": "10.0.0.3"}],
                    },
                    {"to": "10.8.0.0/16", "via": "fd00::9"},
                )
            ),
            max_size=5,
            unique_by=lambda route: route["to"],
        )
    )
    rules = draw(
        st.lists(
            st.sampled_from(
                (
                    {"from": "10.0.0.0/8", "table": 100, "priority": 5},
                    {"to": "fd00:1::/64", "action": "unreachable"},
                    {"iif": "up", "table": 101, "family": "ipv6"},
                    {"fwmark": "0x10/0xff", "oif": "up2", "table": 102},
                )
            ),
            max_size=3,
            unique_by=str,
        )
    )
    nat = draw(
        st.lists(
            st.sampled_from(
                (
                    {"masquerade": {"from": "10.0.0.0/24", "out": "up"}},
                    {"snat": {"from": "10.1.0.0/24", "out": "!up2", "to": "203.0.113.5"}},
                    {"snat": {"proto": ["tcp", "udp"], "ports": "1024-2000", "to": "203.0.113.5"}},
                    {"snat": {"proto": "sctp", "ports": 7, "random": True, "to": "fd00::1"}},
                    {"masquerade": {"from": "10.2.0.0/24", "proto": "tcp", "ports": "2-9"}},
                    {"masquerade": {"from": "fd00:2::/64", "random": True}},
                    {"dnat": {"port": 80, "in": "up", "to": "10.0.0.2:8080"}},
                    {"dnat": {"proto": "udp", "port": 53, "address": "10.0.0.1", "to": "10.0.0.3"}},
                )
            ),
            max_size=3,
            unique_by=str,
        )
    )
    # because a rule for each chain is read back in the order of the chains
    nat.sort(key=lambda one: "dnat" not in one)
    for key, values in (("routes", routes), ("rules", rules), ("nat", nat)):
        if values:
            node[key] = values
    if draw(st.booleans()):
        # the rules of a way that drops nothing have no effect, and are not read back
        words = draw(filters)
        node["filter"] = {
            way: rules
            for way, rules in words.items()
            if way == "policy" or any(rule["action"] != "accept" for rule in rules)
        }
    sysctls = draw(
        st.dictionaries(
            st.sampled_from(("net.ipv4.conf.all.rp_filter", "net.ipv4.ip_local_port_range")),
            st.just(1),
            max_size=1,
        )
    )
    if "net.ipv4.ip_local_port_range" in sysctls:
        sysctls = {"net.ipv4.ip_local_port_range": "2000 3000"}
    if sysctls:
        node["sysctls"] = sysctls
    return node


@settings(max_examples=60)
@given(nodes())
def test_the_script_of_a_node_is_read_back_to_the_same_state(node: dict[str, Any]) -> None:
    check(topology(node))


@st.composite
def switches(draw: st.DrawFn) -> dict[str, Any]:
    """Return a node with a bridge that filters VLANs, a bond and a VRF, with their ports."""
    vlans = st.sets(st.integers(2, 12), max_size=4)

    def port(mac: str) -> dict[str, Any]:
        settings: dict[str, Any] = draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "pvid": st.integers(0, 30),
                    "hairpin": st.booleans(),
                    "isolated": st.booleans(),
                    "cost": st.integers(1, 99),
                    "fdb": st.just([{"mac": mac, "vlan": 50}]),
                },
            )
        )
        settings["vlans"] = [*sorted(draw(vlans)), {"id": 50, "untagged": draw(st.booleans())}]
        return {"kind": "dummy", "port": settings}

    bridge: dict[str, Any] = {"kind": "bridge", "vlan_filtering": True, "ports": ["p0", "p1"]}
    if draw(st.booleans()):
        bridge["vlan_default_pvid"] = draw(st.sampled_from((0, 7)))
    if draw(st.booleans()):
        bridge["port"] = {"pvid": 0, "vlans": [20]}
    interfaces = {
        "br0": bridge,
        "p0": port("02:00:00:00:00:aa"),
        "p1": port("02:00:00:00:00:bb"),
        "br0.9": {"kind": "vlan", "parent": "br0", "id": 9, "addresses": ["10.9.0.1/24"]},
        "bond0": {"kind": "bond", "mode": "active-backup", "ports": ["q0", "q1"], "primary": "q0"},
        "q0": {"kind": "dummy"},
        "q1": {"kind": "dummy"},
        "red": {"kind": "vrf", "table": 10, "ports": ["v0"]},
        "v0": {"kind": "veth", "peer": "r:w0", "addresses": ["10.6.0.1/24"]},
        "w0": {"addresses": ["10.6.0.2/24"]},
        "vx": {
            "kind": "vxlan",
            "vni": 7,
            "local": "10.6.0.2",
            "learning": False,
            "fdb": [
                {"mac": "00:00:00:00:00:00", "dst": "192.0.2.2"},
                {"mac": "00:00:00:00:00:00", "dst": "192.0.2.3"},
            ],
        },
    }
    routes = [{"to": "10.7.0.0/16", "via": "10.6.0.9", "vrf": "red"}]
    return {"interfaces": interfaces, "routes": routes if draw(st.booleans()) else []}


@settings(max_examples=40)
@given(switches())
def test_ports_of_bridges_bonds_and_vrfs_are_read_back(node: dict[str, Any]) -> None:
    if not node["routes"]:
        del node["routes"]
    check(topology(node))
