"""Lines of a shell, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from netorch.importers.draft import Draft, Remark
from netorch.importers.finish import finish
from netorch.importers.refused import load_without_errors
from netorch.importers.shell_lines.node import Interface, Node
from netorch.importers.shell_lines.reader import read_lines
from netorch.importers.shell_lines.write import write


def node_of(text: str, *names: str, forwards: bool = False) -> tuple[dict[str, Any], list[Remark]]:
    """Return the entry of a node with interfaces of the names, which a link makes, and the losses.

    The ends of the links are in the entry, under `links`.
    """
    draft = Draft("t", "t.sh", "a shell")
    node = Node("n", forwards=forwards)
    ends = {}
    for name in names:
        ends[name] = {"node": "n", "interface": name}
        node.interfaces[name] = Interface(name, entry=ends[name])
        draft.nodes[f"other-{name}"] = {}
        draft.links.append({"endpoints": [ends[name], f"other-{name}:x"]})
    read_lines(node, text, lambda line: f"t.sh:{line}")
    write(node, draft, forwards=forwards)
    load_without_errors(draft)
    entry = dict(draft.nodes["n"])
    for end in ends.values():
        keys = {key: value for key, value in end.items() if key not in ("node", "interface")}
        if keys:
            entry.setdefault("links", {})[end["interface"]] = keys
    losses = draft.losses
    result = finish(draft)
    assert result.problems == (), result.text
    return entry, losses


def entry_of(text: str, *names: str, forwards: bool = False) -> dict[str, Any]:
    """Return the entry of a node whose lines are all carried over."""
    entry, losses = node_of(text, *names, forwards=forwards)
    assert losses == []
    return entry


def loss_of(text: str, *names: str) -> tuple[str, str, bool]:
    """Return text, reason and weight of the only loss."""
    _, losses = node_of(text, *names)
    (loss,) = losses
    return loss.text, loss.why, loss.matters


@pytest.mark.parametrize(
    "text",
    [
        "ip addr add 10.0.0.1/24 dev eth0",
        "ip a a 10.0.0.1/24 dev eth0",
        "/sbin/ip -4 address replace dev eth0 10.0.0.1/24 brd +",
        "sudo ifconfig eth0 10.0.0.1 netmask 255.255.255.0 up",
        "ifconfig eth0 10.0.0.1/24",
        "bash -c 'ip link set eth0 up && ip addr add 10.0.0.1/24 dev eth0'",
        'IF=eth0\nip addr add ${ADDR:-10.0.0.1}/24 dev "$IF"  # the first one',
        "ip addr add 10.0.0.9/24 dev eth0; ip addr del 10.0.0.9/24 dev eth0; "
        "ip addr add 10.0.0.1/24 dev eth0",
        "ip addr add 10.0.0.9/24 dev eth0\nip addr flush dev eth0\nip addr add 10.0.0.1/24 \\\n"
        "  dev eth0",
        "{ ip addr add 10.0.0.1/24 dev eth0 2>/dev/null || true; }",
        "( ip addr add 10.0.0.1/24 dev eth0 ) &",
        "cat <<EOF\nip addr add 10.0.0.5/24 dev eth0\nEOF\nip addr add 10.0.0.1/24 dev eth0",
    ],
)
def test_forms_of_one_address(text: str) -> None:
    assert entry_of(text, "eth0")["links"] == {"eth0": {"addresses": ["10.0.0.1/24"]}}


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ifconfig eth0 192.168.1.1", "192.168.1.1/24"),
        ("ifconfig eth0 172.16.1.1", "172.16.1.1/16"),
        ("ifconfig eth0 10.0.0.1; ifconfig eth0 10.9.9.9", "10.9.9.9/8"),
        ("ip -6 addr add fd00::1/64 dev eth0 nodad", "fd00::1/64"),
        ("ifconfig eth0 inet6 add fd00::1/64", "fd00::1/64"),
        ("ip addr add 10.0.0.1 dev eth0", "10.0.0.1/32"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert entry_of(text, "eth0")["links"] == {"eth0": {"addresses": [address]}}


def test_a_label_of_ifconfig_is_a_further_address() -> None:
    entry = entry_of("ifconfig eth0 10.0.0.1/24\nifconfig eth0:1 10.0.1.1/24", "eth0")
    assert entry["links"]["eth0"]["addresses"] == ["10.0.0.1/24", "10.0.1.1/24"]


def test_a_peer_is_the_other_end() -> None:
    entry = entry_of("ip addr add 10.0.0.1 peer 10.0.0.2/32 dev eth0 scope link", "eth0")
    expected = {"address": "10.0.0.1/32", "peer": "10.0.0.2", "scope": "link"}
    assert entry["links"]["eth0"]["addresses"] == [expected]


SETUP = "ip a a 10.0.0.1/24 dev eth0; ip a a fd00::1/64 dev eth0;"


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("ip r add default via 10.0.0.2", {"to": "default", "via": "10.0.0.2"}),
        ("ip route add default via 10.0.0.2 dev eth0", {"to": "default", "via": "10.0.0.2"}),
        ("ip -6 r add default via fd00::2", {"to": "default", "via": "fd00::2"}),
        ("route add default gw 10.0.0.2", {"to": "default", "via": "10.0.0.2"}),
        ("route add -net 10.2.0.0/16 gw 10.0.0.2", {"to": "10.2.0.0/16", "via": "10.0.0.2"}),
        (
            "route add -net 10.2.0.0 netmask 255.255.0.0 gw 10.0.0.2 dev eth0",
            {"to": "10.2.0.0/16", "via": "10.0.0.2"},
        ),
        ("route add -host 10.2.0.1 gw 10.0.0.2", {"to": "10.2.0.1", "via": "10.0.0.2"}),
        ("route add 192.168.7.0 gw 10.0.0.2", {"to": "192.168.7.0/24", "via": "10.0.0.2"}),
        ("route -A inet6 add fd00:2::/64 gw fd00::2", {"to": "fd00:2::/64", "via": "fd00::2"}),
        ("ip route add 10.2.0.0/16 dev eth0", {"to": "10.2.0.0/16", "dev": "eth0"}),
        ("ip route add default dev eth0", {"to": "0.0.0.0/0", "dev": "eth0"}),
        ("ip route add unreachable 10.2.0.0/16", {"to": "10.2.0.0/16", "type": "unreachable"}),
        (
            "ip route add 10.2.0.0/16 via 10.9.0.1 dev eth0 onlink proto static",
            {"to": "10.2.0.0/16", "via": "10.9.0.1", "dev": "eth0", "onlink": True},
        ),
        (
            "echo '200 isp' >> /etc/iproute2/rt_tables; ip route add 10.2.0.0/16 via 10.0.0.2 "
            "table isp metric 5",
            {"to": "10.2.0.0/16", "via": "10.0.0.2", "table": 200, "metric": 5},
        ),
        (
            "ip route add 10.2.0.0/16 nexthop via 10.0.0.2 weight 3 nexthop via 10.0.0.3",
            {
                "to": "10.2.0.0/16",
                "nexthops": [{"via": "10.0.0.2", "weight": 3}, {"via": "10.0.0.3"}],
            },
        ),
        (
            "printf '1\\tone\\n# 2 two\\n0x11 three' >> /etc/iproute2/rt_tables.d/own.conf; "
            "ip route add 10.2.0.0/16 via 10.0.0.2 table three",
            {"to": "10.2.0.0/16", "via": "10.0.0.2", "table": 17},
        ),
        (
            "ip route add 10.2.0.0/16 encap mpls 100/200 ttl 5 via 10.0.0.2",
            {
                "to": "10.2.0.0/16",
                "encap": {"mpls": {"labels": [100, 200], "ttl": 5}},
                "via": "10.0.0.2",
            },
        ),
        (
            "ip route add 10.2.0.0/16 nexthop encap mpls 100 via 10.0.0.2 nexthop via 10.0.0.3",
            {
                "to": "10.2.0.0/16",
                "nexthops": [{"encap": {"mpls": [100]}, "via": "10.0.0.2"}, {"via": "10.0.0.3"}],
            },
        ),
        (
            "ip -6 r a fd02::/64 encap seg6 mode inline segs fd00::9,fd00::8 dev eth0",
            {
                "to": "fd02::/64",
                "encap": {"seg6": {"mode": "inline", "segments": ["fd00::9", "fd00::8"]}},
                "dev": "eth0",
            },
        ),
        (
            "ip route add fd02::6 encap seg6local action End.DT6 table main count dev eth0",
            {
                "to": "fd02::6",
                "encap": {"seg6local": {"action": "End.DT6", "table": 254}},
                "dev": "eth0",
            },
        ),
        (
            "ip route add fd02::6 encap seg6local action End.B6.Encaps srh segs fd00::9 dev eth0",
            {
                "to": "fd02::6",
                "encap": {"seg6local": {"action": "End.B6.Encaps", "segments": ["fd00::9"]}},
                "dev": "eth0",
            },
        ),
        (
            "ip route add 10.2.0.0/16 encap ip id 7 dst 10.0.0.9 ttl 3 key dev eth0",
            {
                "to": "10.2.0.0/16",
                "encap": {"ip": {"id": 7, "dst": "10.0.0.9", "ttl": 3, "key": True}},
                "dev": "eth0",
            },
        ),
        (
            "ip route add default via 10.0.0.9; ip route del default; ip route replace default "
            "via 10.0.0.2",
            {"to": "default", "via": "10.0.0.2"},
        ),
        (
            "ip route add 10.3.0.0/16 via 10.0.0.2; ip link set eth0 down; ip link set eth0 up; "
            "ip route add 10.2.0.0/16 via 10.0.0.2",
            {"to": "10.2.0.0/16", "via": "10.0.0.2"},
        ),
    ],
)
def test_routes(text: str, route: dict[str, Any]) -> None:
    assert entry_of(f"{SETUP} {text}", "eth0")["routes"] == [route]


def test_rules_are_in_the_order_in_which_linux_looks_at_them() -> None:
    entry = entry_of("ip rule add from 10.0.0.0/8 lookup 7; ip ru a fwmark 1 table 8")
    assert entry["rules"] == [{"fwmark": "1", "table": 8}, {"from": "10.0.0.0/8", "table": 7}]
    entry = entry_of("ip rule add from 10.0.0.0/8 lookup 7; ip rule add table 8 pref 50")
    assert [one["priority"] for one in entry["rules"]] == [50, 32765]


def test_links_that_the_lines_make() -> None:
    entry = entry_of(
        "ip link add link eth0 name eth0.10 type vlan id 10\n"
        "ip l set eth0.10 up\n"
        "vconfig add eth0 20; ifconfig eth0.20 up\n"
        "ip tunnel add t0 mode gre local 10.0.0.1 remote 10.0.0.2 ttl 64; ip link set t0 up\n"
        "ip tunnel add t1 mode sit remote 10.0.0.3 dev eth0\n"
        "ip link add t2 type ip6tnl local fd00::1 remote fd00::2 dev eth0\n"
        "ip link add vx type vxlan external dstport 4789; ip link set vx up\n"
        "ip link add v0 type veth peer name v1; ip link set v0 up\n"
        "ip link add gone type dummy; ip link del gone\n"
        "ip link add old type dummy; ip link set old name new",
        "eth0",
    )
    assert entry["interfaces"] == {
        "eth0.10": {"kind": "vlan", "id": 10, "parent": "eth0"},
        "eth0.20": {"kind": "vlan", "parent": "eth0", "id": 20},
        "t0": {"kind": "gre", "local": "10.0.0.1", "remote": "10.0.0.2", "ttl": 64},
        "t1": {"kind": "sit", "remote": "10.0.0.3", "parent": "eth0", "state": "down"},
        "t2": {
            "kind": "ip6tnl",
            "local": "fd00::1",
            "remote": "fd00::2",
            "parent": "eth0",
            "state": "down",
        },
        "vx": {"kind": "vxlan", "external": True, "learning": False},
        "v0": {"kind": "veth", "peer": "n:v1"},
        "v1": {"state": "down"},
        "new": {"kind": "dummy", "state": "down"},
    }


def test_a_bridge_by_brctl_and_by_ip() -> None:
    expected = {"kind": "bridge", "stp": True, "ports": ["eth0", "eth1"]}
    by_brctl = "brctl addbr br0; brctl addif br0 eth0 eth1; brctl stp br0 on; ifconfig br0 up"
    by_ip = (
        "ip link add br0 type bridge stp_state 1\n"
        "for_ports='eth0'\nip link set $for_ports master br0; ip link set dev eth1 master br0\n"
        "ip link set br0 up"
    )
    for text in (by_brctl, by_ip):
        assert entry_of(text, "eth0", "eth1")["interfaces"] == {"br0": expected}


def test_vlans_of_ports() -> None:
    text = """
        ip link add br0 type bridge vlan_filtering 1
        ip link set eth0 master br0
        ip link set eth1 master br0
        ip link set br0 up
        bridge vlan add dev eth0 vid 10 pvid untagged
        bridge vlan del dev eth0 vid 1
        bridge vlan add dev eth1 vid 10-12
        bridge vlan add dev br0 vid 10 self
        bridge link set dev eth1 isolated on neigh_suppress on
        bridge fdb add 02:00:00:00:00:09 dev eth1 master static vlan 10
    """
    ports = {
        name: interface.get("port")
        for name, interface in entry_of(text, "eth0", "eth1")["interfaces"].items()
    }
    fdb = [{"mac": "02:00:00:00:00:09", "vlan": 10}]
    assert ports == {
        "br0": {"vlans": [10]},
        "eth0": {"pvid": 10},
        "eth1": {"isolated": True, "neigh_suppress": True, "vlans": ["10-12"], "fdb": fdb},
    }


def test_a_bond_has_the_mac_of_its_first_port() -> None:
    text = """
        ip link add bond0 type bond mode 4 miimon 100 lacp_rate 1
        ip link set eth0 down address 02:00:00:00:00:01
        ip link set eth0 master bond0
        ip link set bond0 up; ip link set eth0 up
    """
    assert entry_of(text, "eth0")["interfaces"]["bond0"] == {
        "kind": "bond",
        "mode": "802.3ad",
        "miimon": 100,
        "lacp_rate": "fast",
        "ports": ["eth0"],
        "mac": "02:00:00:00:00:01",
    }


def test_settings() -> None:
    entry = entry_of(
        "sysctl -w net.ipv4.ip_forward=1\n"
        "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding\n"
        "sysctl -q -w net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.eth0.forwarding=0\n"
        "echo 2 | sudo tee /proc/sys/net/ipv4/conf/all/arp_ignore >/dev/null\n"
        "echo nameserver 10.0.0.53 > /etc/resolv.conf; echo 'search lab' >> /etc/resolv.conf",
        "eth0",
    )
    assert entry["forwarding"] is True
    assert entry["sysctls"] == {
        "net.ipv4.conf.eth0.forwarding": 0,
        "net.ipv4.conf.all.arp_ignore": 2,
    }
    assert entry["links"]["eth0"] == {"sysctls": {"rp_filter": 0}}
    assert entry["dns"] == {"servers": ["10.0.0.53"], "search": ["lab"]}


def test_forwarding_that_the_node_has_anyway() -> None:
    assert entry_of("sysctl -w net.ipv4.ip_forward=1", forwards=True) == {}
    both = "sysctl -w net.ipv4.ip_forward=0; sysctl -w net.ipv6.conf.all.forwarding=0"
    assert entry_of(both, forwards=True) == {"forwarding": False}


def test_impairments() -> None:
    netem = "tc qdisc add dev eth0 root handle 1: netem delay 100ms 10000 loss random 1% rate 1Mbit"
    assert entry_of(netem, "eth0")["links"]["eth0"]["impair"] == {
        "delay": "100ms",
        "jitter": "10000us",
        "loss": "1%",
        "rate": "1mbit",
    }
    tbf = "tc q add dev eth0 root tbf rate 1mbit burst 5kb latency 50ms"
    expected = {"rate": "1mbit", "burst": "5k", "latency": "50ms"}
    assert entry_of(tbf, "eth0")["links"]["eth0"]["impair"] == expected
    entry, (loss,) = node_of("tc q add dev eth0 root tbf rate 1mbit burst 5kb limit 9k", "eth0")
    assert entry["links"]["eth0"]["impair"] == {"rate": "1mbit"}
    assert loss.text == "`limit 9k burst 5k` of tc" and not loss.matters
    assert "links" not in entry_of(f"{netem}; tc qdisc del dev eth0 root", "eth0")


def test_translations() -> None:
    entry = entry_of(
        "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE\n"
        "iptables -t nat -C POSTROUTING -s 10.1.0.9/16 -j SNAT --to-source 192.0.2.1 || \\\n"
        "  iptables -t nat -A POSTROUTING -s 10.1.0.9/16 -j SNAT --to-source 192.0.2.1\n"
        "iptables --table nat --append PREROUTING --destination 192.0.2.1 -p tcp --dport 80:81 "
        "! -i eth0 --jump DNAT --to-destination 10.1.0.2:8080-8081\n"
        "iptables -t nat -A POSTROUTING -o eth1 -j MASQUERADE\n"
        "iptables -t nat -D POSTROUTING -o eth1 -j MASQUERADE",
        "eth0",
        "eth1",
    )
    assert entry["nat"] == [
        {
            "dnat": {
                "proto": "tcp",
                "port": "80-81",
                "address": "192.0.2.1",
                "in": "!eth0",
                "to": "10.1.0.2:8080-8081",
            }
        },
        {"masquerade": {"out": "eth0"}},
        {"snat": {"from": "10.1.0.0/16", "out": "!lo", "to": "192.0.2.1"}},
    ]


def test_ports_of_translated_sources() -> None:
    entry = entry_of(
        "iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -o eth0 -p tcp -j SNAT"
        " --to-source 192.0.2.1:1024-65535\n"
        "iptables -t nat -A POSTROUTING -p 17 -j MASQUERADE --to-ports 1024 --random-fully\n"
        "iptables -t nat -A POSTROUTING -p all -j MASQUERADE --random\n"
        "ip6tables -t nat -A POSTROUTING -p SCTP -j SNAT --to-source [fd00::1]:7-9 --persistent\n"
        "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE --random\n"
        "iptables -t nat -D POSTROUTING -o eth0 -j MASQUERADE --random",
        "eth0",
    )
    assert entry["nat"] == [
        {
            "snat": {
                "from": "10.0.0.0/24",
                "out": "eth0",
                "to": "192.0.2.1",
                "proto": "tcp",
                "ports": "1024-65535",
            }
        },
        {"masquerade": {"out": "!lo", "proto": "udp", "ports": 1024, "random": True}},
        {"masquerade": {"out": "!lo", "random": True}},
        {"snat": {"out": "!lo", "to": "fd00::1", "proto": "sctp", "ports": "7-9"}},
    ]


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ("-j SNAT --to-source 192.0.2.1-192.0.2.9", "translates to one address"),
        ("-p icmp -j MASQUERADE", "no word for the protocol icmp"),
        ("! -p tcp -j MASQUERADE", "no word for the protocol !tcp"),
        ("-j MASQUERADE --to-ports 7-9", "`ports` need a protocol"),
        ("-p tcp --dport 80 -j MASQUERADE --to-ports 7-9", "no word for --dport"),
    ],
)
def test_sources_that_are_not_translated(rest: str, why: str) -> None:
    text, reason, matters = loss_of(f"iptables -t nat -A POSTROUTING {rest}", "eth0")
    assert why in reason and matters, (text, reason)


TOO_MUCH = "which is not carried over, it would translate too much"


@pytest.mark.parametrize(
    "exemption",
    [
        "iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -d 10.9.0.0/16 -j ACCEPT",
        "iptables -t nat -A POSTROUTING -d 10.9.0.0/16 -j RETURN",
        "iptables -t nat -I POSTROUTING -m policy --dir out --pol ipsec -j ACCEPT",
        "iptables -t nat -N VPN; iptables -t nat -A VPN -j ACCEPT\n"
        "iptables -t nat -A POSTROUTING -d 10.9.0.0/16 -j VPN",
        "[ -f x ] && iptables -t nat -A POSTROUTING -d 10.9.0.0/16 -j ACCEPT",
        "iptables -t nat -A POSTROUTING -d $VPN -j RETURN",
        "iptables -t nat -A POSTROUTING -o eth0 -d 10.9.0.0/16 -j ACCEPT",
    ],
)
def test_an_exemption_takes_the_translations_with_it_that_it_restricts(exemption: str) -> None:
    entry, losses = node_of(
        f"{exemption}\n"
        "iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -o eth0 -j MASQUERADE\n"
        "iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.0.0.2",
        "eth0",
    )
    assert [*entry["nat"][0]] == ["dnat"] and len(entry["nat"]) == 1
    assert [one.text for one in losses if TOO_MUCH in one.why and one.matters] == [
        "iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -o eth0 -j MASQUERADE"
    ]
    assert all(one.matters for one in losses)
    named = exemption.splitlines()[-1].removeprefix("[ -f x ] && ")
    assert any(named in one.text for one in losses)


@pytest.mark.parametrize(
    "exemption",
    [
        "-s 10.7.0.0/16 -j ACCEPT",
        "-o wg0 -j RETURN",
        "! -o eth0 -j ACCEPT",
        "-p udp --dport 500 -j ACCEPT",
    ],
)
def test_an_exemption_of_other_packets_restricts_nothing(exemption: str) -> None:
    entry, (loss,) = node_of(
        f"iptables -t nat -A POSTROUTING {exemption}\n"
        "iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -o eth0 -p tcp -j MASQUERADE",
        "eth0",
    )
    assert len(entry["nat"]) == 1
    assert "no translation that is carried over comes after it" in loss.why and not loss.matters


def test_an_exemption_of_one_interface_is_a_word_of_the_translation() -> None:
    entry = entry_of(
        "iptables -t nat -A POSTROUTING -o eth1 -j ACCEPT\n"
        "iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -j MASQUERADE\n"
        "iptables -t nat -A PREROUTING -i eth1 -p tcp -j RETURN\n"
        "iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.0.0.2",
        "eth0",
        "eth1",
    )
    dnat = {"proto": "tcp", "port": 80, "to": "10.0.0.2", "in": "!eth1"}
    assert entry["nat"] == [{"dnat": dnat}, {"masquerade": {"from": "10.0.0.0/24", "out": "!eth1"}}]


def test_what_returns_from_a_chain_is_exempt_from_the_rest_of_that_chain_only() -> None:
    entry, losses = node_of(
        "iptables -t nat -N OWN; iptables -t nat -A POSTROUTING -j OWN\n"
        "iptables -t nat -A OWN -d 10.9.0.0/16 -j RETURN\n"
        "iptables -t nat -A OWN -o eth0 -j MASQUERADE\n"
        "iptables -t nat -A POSTROUTING -o eth0 -j SNAT --to-source 192.0.2.1",
        "eth0",
    )
    assert entry["nat"] == [{"snat": {"out": "eth0", "to": "192.0.2.1"}}]
    assert [one.text.partition(" -A ")[2] for one in losses] == [
        "OWN -o eth0 -j MASQUERADE",
        "OWN -d 10.9.0.0/16 -j RETURN",
    ]


@pytest.mark.parametrize(("policy", "action"), [("ACCEPT", "accept"), ("DROP", "drop")])
def test_a_return_of_a_built_in_chain_is_its_policy(policy: str, action: str) -> None:
    entry = entry_of(
        f"iptables -P INPUT {policy}; iptables -A INPUT -s 10.0.0.9 -j RETURN\n"
        "iptables -A INPUT -s 10.0.0.0/24 -j ACCEPT; iptables -A INPUT -j DROP",
    )
    assert entry["filter"]["input"][0] == {"from": "10.0.0.9", "action": action}


def test_filters_matter_if_they_drop() -> None:
    accept = "iptables -P FORWARD ACCEPT; iptables -A FORWARD -i eth0 -j ACCEPT"
    text, why, matters = loss_of(accept, "eth0")
    assert (text, matters) == ("iptables -A FORWARD -i eth0 -j ACCEPT", False)
    assert why == "no rule drops what it accepts"
    entry, losses = node_of(f"{accept}; iptables -P INPUT DROP", "eth0")
    assert [one.matters for one in losses] == [False]
    assert entry["filter"] == {"input": [{"action": "drop"}]}
    assert entry_of("iptables -A INPUT -j DROP; iptables -F") == {}


def test_filters() -> None:
    entry = entry_of(
        "iptables -P FORWARD DROP\n"
        "iptables -A FORWARD -i eth0 -p tcp --dport 80 -j ACCEPT\n"
        "iptables -A FORWARD -m state --state ESTABLISHED,RELATED -j ACCEPT\n"
        "iptables -I FORWARD -s 10.0.0.9,10.0.1.0/24 ! -o eth1 -j REJECT\n"
        "iptables -A INPUT -p icmp --icmp-type 8 -m comment --comment 'ping me' -j DROP\n"
        "iptables -N web; iptables -A OUTPUT -j web\n"
        "iptables -A web -p udp -m multiport --dports 53,100:200 -m conntrack --ctstate NEW -j DROP",
        "eth0",
        "eth1",
    )
    assert entry["filter"] == {
        "policy": {"forward": "drop"},
        "forward": [
            {"from": ["10.0.0.9", "10.0.1.0/24"], "out": "!eth1", "action": "reject"},
            {"in": "eth0", "proto": "tcp", "port": 80, "action": "accept"},
            {"state": ["established", "related"], "action": "accept"},
        ],
        "input": [
            {"proto": "icmp", "type": "echo-request", "action": "drop", "comment": "ping me"}
        ],
        "output": [{"proto": "udp", "port": [53, "100-200"], "state": "new", "action": "drop"}],
    }


def test_a_policy_that_would_let_more_pass_is_a_last_rule() -> None:
    both_ways = (
        "iptables -A FORWARD -s 10.0.0.1 -j ACCEPT; iptables -A FORWARD -d 10.0.0.1 -j ACCEPT"
    )
    entry = entry_of(f"{both_ways}; iptables -P FORWARD DROP; iptables -P INPUT DROP", "eth0")
    assert entry["filter"] == {
        "forward": [
            {"from": "10.0.0.1", "action": "accept"},
            {"to": "10.0.0.1", "action": "accept"},
            {"action": "drop"},
        ],
        "input": [{"action": "drop"}],
    }
    own = "iptables -P INPUT DROP; iptables -A INPUT -i lo -j ACCEPT"
    answers = "iptables -A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT"
    assert entry_of(f"{own}; {answers}")["filter"] == {
        "policy": {"input": "drop"},
        "input": [{"state": ["related", "established"], "action": "accept"}],
    }


def test_rules_of_one_ip_version_are_for_that_one_if_the_other_is_in_use() -> None:
    text = "ip addr add fd00::1/64 dev eth0; iptables -A INPUT -p tcp --dport 22 -j DROP"
    assert entry_of(text, "eth0")["filter"] == {
        "input": [{"from": "0.0.0.0/0", "proto": "tcp", "port": 22, "action": "drop"}]
    }
    assert entry_of(f"{text}; ip6tables -A INPUT -p tcp --dport 22 -j DROP", "eth0")["filter"] == {
        "input": [{"proto": "tcp", "port": 22, "action": "drop"}]
    }


@pytest.mark.parametrize(
    ("rule", "why", "matters"),
    [
        ("-m limit --limit 1/s -j DROP", "no word for -m limit --limit 1/s", True),
        ("-i eth+ -j DROP", "several interfaces", True),
        ("-p tcp --syn -j DROP", "no word for --syn", True),
        ("-p tcp ! --dport 80 -j DROP", "the negation of a port", True),
        ("-s 10.0.0.1 -j TARPIT", "the target TARPIT", True),
        ("-p tcp --dport http -j DROP", "the number of the port http", True),
        ("-p tcp -j REJECT --reject-with tcp-reset", "a port is unreachable", False),
    ],
)
def test_rules_without_words(rule: str, why: str, matters: bool) -> None:
    _, losses = node_of(f"iptables -A INPUT -p icmp -j DROP; iptables -A INPUT {rule}", "eth0")
    assert [(why in one.why, one.matters) for one in losses] == [(True, matters)], losses


@pytest.mark.parametrize(
    "lost",
    [
        "iptables -A FORWARD -m limit --limit 50/s -j ACCEPT",
        "iptables -A FORWARD -p tcp --dport http -j ACCEPT",
        "iptables -A FORWARD -s $UNKNOWN -j ACCEPT",
        "[ -f x ] && iptables -A FORWARD -i eth0 -j ACCEPT",
        "if [ -f x ]; then iptables -t filter -A FORWARD -i eth0 -j ACCEPT; fi",
        "for i in $(ls); do iptables -A $i -j ACCEPT; done",
        "iptables -N own; iptables -A own -s 10.0.0.9 -j ACCEPT; iptables -A FORWARD -i eth0 -j own",
    ],
)
def test_nothing_is_dropped_after_a_lost_rule_that_may_accept(lost: str) -> None:
    entry, losses = node_of(
        "iptables -A FORWARD -s 10.0.0.1 -j DROP\n"
        f"{lost}\n"
        "iptables -A FORWARD -s 10.0.0.2 -j REJECT\n"
        "iptables -A FORWARD -s 10.0.0.3 -j ACCEPT\n"
        "iptables -P FORWARD DROP; iptables -A OUTPUT -d 10.0.0.5 -j DROP",
        "eth0",
    )
    assert entry["filter"]["forward"] == [
        {"from": "10.0.0.1", "action": "drop"},
        {"from": "10.0.0.3", "action": "accept"},
    ]
    left_out = [one for one in losses if "it would drop too much" in one.why]
    assert [(one.text, one.matters) for one in left_out if "OUTPUT" not in one.text] == [
        ("iptables -A FORWARD -s 10.0.0.2 -j REJECT", True),
        ("iptables -P FORWARD DROP", True),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "[ -f x ] && iptables -A FORWARD -i eth0 -j DROP",
        "[ -f x ] && iptables -t nat -A POSTROUTING -j MASQUERADE",
        "iptables -A FORWARD -m limit --limit 1/s -j LOG",
        "iptables -N own; iptables -A own -s 10.0.0.9 -j DROP; iptables -A FORWARD -i eth0 -j own",
        "ip6tables -A FORWARD -m limit --limit 50/s -j ACCEPT",
    ],
)
def test_what_accepts_nothing_is_a_loss_and_no_more(line: str) -> None:
    entry, losses = node_of(f"{line}; iptables -P FORWARD DROP", "eth0")
    assert entry["filter"] == {"policy": {"forward": "drop"}}
    assert not [one for one in losses if "it would drop too much" in one.why]


def test_a_filter_that_drops_nothing_is_left_out() -> None:
    entry, losses = node_of(
        "iptables -A INPUT -m limit --limit 5/s -j ACCEPT; iptables -A INPUT -i eth0 -j ACCEPT\n"
        "iptables -A INPUT -j DROP",
        "eth0",
    )
    assert "filter" not in entry
    assert [one.matters for one in losses] == [True, True, False]


def test_a_rule_that_is_replaced() -> None:
    text = "iptables -A INPUT -s 10.0.0.1 -j DROP; iptables -R INPUT 1 -s 10.0.0.2 -j DROP"
    assert entry_of(text)["filter"] == {"input": [{"from": "10.0.0.2", "action": "drop"}]}


@pytest.mark.parametrize(
    ("text", "why", "matters"),
    [
        ("systemctl start frr", "netorch runs no routing daemons", True),
        ("/etc/init.d/frr start", "netorch runs no routing daemons", True),
        ("service bird start", "netorch runs no routing daemons", True),
        ("/etc/init.d/apache2 start", "netorch runs no programs", False),
        ("dhclient eth0", "so the addresses and routes that it gives are missing", True),
        ("nft add table x", "reads rules of nftables from a machine only", True),
        ("iptables -N own; iptables -E own other", "new names of chains", True),
        ("ip maddr add 01:00:5e:00:00:01 dev eth0", "no word for `ip maddr add`", False),
        ("ip nexthop add id 7 dev eth0", "no route uses the next hop object", False),
        ("ip route add 10.7.0.0/24 dev eth0 initcwnd 10 advmss lock 900", "no word for it", False),
        ("route add -net 10.7.0.0/24 dev eth0 mss 900", "no word for it", False),
        ("arp -s 10.0.0.9 02:00:00:00:00:09", "no subnet of the node has 10.0.0.9", True),
        ("arp -s 10.0.0.9 -i eth0 02:00:00:00:00:09 pub", "no word for `pub` of arp(8)", True),
        ("iptables -t nat -A POSTROUTING -o eth+ -j MASQUERADE", "several interfaces", True),
        ("ip link set eth0 address zz", "mac: zz: 'zz' is not a MAC address", False),
        ("ip link set eth0 mtu 70000 up", "70000 is not between 68 and 65535", False),
        ("ip neigh add 10.0.0.7 lladdr qq dev eth0", "'qq' is not a MAC address", True),
        ("ip route add 10.7.0.0/24 dev eth0 metric 99999999999", "is not between 0 and", True),
        ("tc qdisc add dev eth0 root netem loss 400%", "400% is more than 100%", True),
        ("ip link add 'a[0-1]' type dummy", "would read it as a range of names", True),
        ("ip link add 'a*' type dummy", "'a*' cannot be an interface name", True),
        ("ip link add 'a{}' type bridge", "'a{}' cannot be an interface name", True),
        ("ip link set eth0 alias 'port [1-2]'", "would read it as a range of names", False),
        ("ip link set eth0 alias 'port [12-2]'", "would read it as a range of names", False),
        ("sleep 5", "netorch runs no programs", False),
        ("for i in $(ls); do ip addr add 10.0.$i.1/24 dev eth0; done", "loops", True),
        ("if true; then echo yes; fi", "conditions", False),
        ("setup() { ip link set eth0 up; }", "functions", True),
        ('ip addr add "$(cat file)" dev eth0', 'does not know the value of `"$(cat file)"`', True),
        ("[ -f x ] && ip link set eth0 down", "it runs only if `[ -f x ]` succeeds", True),
        ("ip addr add 10.0.0.1/24 dev eth7", "the node has no interface eth7", False),
        ("ip addr add 10.0.0.300/24 dev eth0", "`10.0.0.300/24` is not an IP address", True),
        ("ip route add default via 10.7.0.1", "no subnet of the node has the gateway", True),
        ("ip route add 10.7.0.1/24 dev eth0", "10.7.0.1/24 is an address in a subnet", False),
        ("ip route add 10.7.0.0/24 dev eth0 encap seg6", "`seg6` needs at least one", True),
        ("ip route add 10.7.0.0/24 dev eth0 encap bpf in obj x", "no word for `encap bpf`", True),
        ("ip route add fd07::/64 dev eth0 encap seg6 mode encap segs fd00::1 hmac 1", "hmac", True),
        (
            "ip route add fd07::/64 dev eth0 encap seg6local action End.DT4 vrftable 7",
            "no VRF with this table",
            True,
        ),
        ("ip link set eth0 netns other", "not those of other namespaces", True),
        ("ip netns add other", "not those for other namespaces", True),
        ("ip xfrm policy add", "no word for `ip xfrm`", True),
        ("ip -f mpls route add 100 dev lo", "no routes of MPLS", True),
        ("ip route add 10.7.0.0/24 nhid 7", "there is no next hop object 7", False),
        ("ip nexthop add id 7 dev eth0 fdb", "no word for `fdb` of a next hop object", True),
        ("ip route add 10.7.0.0/24 dev eth0 table x", "the number of the table x", True),
        ("ip link add x0 type macsec", "no interfaces of kind macsec", True),
        ("ip link set eth0 trailers on", "a topology has no word for it", False),
        ("iptables -t nat -A PREROUTING -j DNAT --to-destination 10.0.0.2", "needs a port", True),
        ("iptables -t mangle -A PREROUTING -j MARK --set-mark 1", "the table mangle", True),
        ("tc filter add dev eth0 parent 1: u32", "a filter of tc", True),
        ("tc class add dev eth0 parent 1: htb", "a class of tc", False),
        ("sysctl -w kernel.x=1", "settings below `net.` only", False),
        ("bash /setup.sh", "the source does not have this script", True),
        ("echo '10.0.0.9 web' >> /etc/hosts", "the names of all nodes", False),
        ("ping -c 1 example.org", "no node has this name", False),
        ("ip link add", "not complete", True),
    ],
)
def test_what_is_not_carried_over_has_its_reason(text: str, why: str, matters: bool) -> None:
    _, reason, weight = loss_of(text, "eth0")
    assert why in reason
    assert weight is matters


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#!/bin/sh\nset -e\n# a comment\n",
        "ip a; ip r show; ip link; ip -br addr; ip neigh; bridge vlan show; tc qdisc show",
        "iptables -L -n -v; iptables -t nat -S; ifconfig -a; ifconfig eth0; route -n; brctl show",
        "echo ready; true; export A=1; cd /tmp; exit 0",
        "hostname n; ip route flush cache; ip link del bond7 2>/dev/null || true",
        "grep -q x /etc/passwd || echo no",
    ],
)
def test_what_declares_nothing_is_no_loss(text: str) -> None:
    assert entry_of(text, "eth0") == {}


def test_a_loss_has_its_line() -> None:
    _, losses = node_of("true\n\nif x\nthen y\nfi\nsleep 3; bird")
    assert [(one.text, one.where) for one in losses] == [
        ("if x …", ("t.sh:3",)),
        ("sleep 3", ("t.sh:6",)),
        ("bird", ("t.sh:6",)),
    ]


def test_scripts_and_files_of_ifupdown_are_read() -> None:
    files = {
        "/setup.sh": "ip addr add 10.0.0.1/24 dev eth0\nbad command",
        "/etc/network/interfaces": """
            auto lo eth1
            iface lo inet loopback
            iface eth1 inet static
                address 10.0.1.1
                netmask 255.255.255.0
                gateway 10.0.1.2
                up ip route add 10.9.0.0/16 via 10.0.1.3
        """,
    }
    node = Node("n")
    for name in ("eth0", "eth1"):
        node.interfaces[name] = Interface(name, entry={"node": "n", "interface": name})
    read_lines(
        node,
        ". /setup.sh\n/etc/init.d/networking restart",
        lambda line: f"t.sh:{line}",
        script=lambda path: (f"files{path}", files[path]),
    )
    assert [str(one.interface) for one in node.interfaces["eth0"].addresses] == ["10.0.0.1/24"]
    assert [str(one.interface) for one in node.interfaces["eth1"].addresses] == ["10.0.1.1/24"]
    assert [one["to"] for one in node.routes] == ["default", "10.9.0.0/16"]
    assert [one.where for one in node.losses] == [("files/setup.sh:2",)]


def test_pings_are_checks() -> None:
    draft = Draft("t", "t.sh", "a shell")
    node = Node("n")
    read_lines(node, "ping -c 3 -W 1 10.0.0.2\nping6 fd00::1 &", lambda line: "")
    write(node, draft)
    assert draft.tree["checks"] == [{"from": "n", "to": "10.0.0.2"}, {"from": "n", "to": "fd00::1"}]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("-p tcp --dport 99999", "99999 is not between 1 and 65535"),
        ("-p tcp --dport 80", "'10.0.0.2-10.0.0.8' is not an IP address"),
        ("-p icmp --dport 80", "'icmp' is not one of"),
        ("-p tcp --dport 80 -d 10.9.0.0/16", "is not an IP address"),
        ("-p tcp --dport 80 -i 'e*'", "cannot be an interface name"),
    ],
)
def test_a_translation_that_a_file_refuses_is_a_loss(rule: str, why: str) -> None:
    end = "10.0.0.2-10.0.0.8" if "10.0.0.2" in why else "10.0.0.2"
    entry, (loss,) = node_of(
        "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE\n"
        f"iptables -t nat -A PREROUTING {rule} -j DNAT --to-destination {end}",
        "eth0",
    )
    assert entry["nat"] == [{"masquerade": {"out": "eth0"}}]
    assert why in loss.why and loss.where == ("t.sh:2",) and loss.matters


def test_nothing_is_dropped_after_an_accept_that_a_file_refuses() -> None:
    entry, losses = node_of(
        "iptables -A INPUT -p tcp --dport 7 -j DROP\n"
        "iptables -A INPUT -p tcp --dport 99999 -j ACCEPT\n"
        "iptables -A INPUT -p tcp --dport 8 -j DROP",
        "eth0",
    )
    assert entry["filter"]["input"] == [{"proto": "tcp", "port": 7, "action": "drop"}]
    refused, dropped = losses
    assert refused.where == ("t.sh:2",) and "99999 is not between" in refused.why
    assert "it would drop too much" in dropped.why


def test_a_value_that_a_file_refuses_is_named_with_its_line() -> None:
    entry, losses = node_of(
        "ip link set eth1 mtu 1400; ip link set eth0 mtu 1400\n"
        "ip link add br0 type bridge; ip link add 'a[0-1]' type dummy\n"
        "ip link set eth0 mtu 70000; ip link set eth0 address zz\n"
        "ip link set 'a[0-1]' master br0; ip link set br0 up; ip addr add 10.0.0.1/24 dev eth0",
        "eth0",
        "eth1",
    )
    assert entry["links"]["eth1"] == {"mtu": 1400}
    assert entry["interfaces"] == {"br0": {"kind": "bridge"}}
    assert {(one.text, one.where) for one in losses} == {
        ("ip link set eth0 mtu 70000", ("t.sh:3",)),
        ("ip link set eth0 address zz", ("t.sh:3",)),
        ("ip link add 'a[0-1]' type dummy", ("t.sh:2",)),
        ("ip link set 'a[0-1]' master br0", ("t.sh:4",)),
    }


def test_flags_of_interfaces() -> None:
    text = "ip link set eth0 arp off multicast off promisc on mtu 1400; ifconfig eth0 allmulti"
    flags = {"arp": False, "multicast": False, "promisc": True, "allmulti": True}
    assert entry_of(text, "eth0")["links"]["eth0"] == {"mtu": 1400, **flags}
    assert entry_of(f"{text}\nip link set eth0 arp on promisc off", "eth0")["links"]["eth0"] == {
        "mtu": 1400,
        "multicast": False,
        "allmulti": True,
    }


def test_neighbours_of_arp() -> None:
    text = "ip a a 10.0.0.1/24 dev eth0; arp -s 10.0.0.5 02:00:00:00:00:AA; arp -an"
    entry = {"address": "10.0.0.5", "mac": "02:00:00:00:00:aa"}
    assert entry_of(text, "eth0")["links"]["eth0"]["neighbours"] == [entry]
    assert "neighbours" not in entry_of(f"{text}; arp -d 10.0.0.5", "eth0")["links"]["eth0"]


def test_next_hop_objects() -> None:
    """A route that uses one has its next hops, and a comment says so."""
    entry, losses = node_of(
        """
        ip addr add 10.0.0.1/24 dev eth0
        ip nexthop add id 1 via 10.0.0.2 dev eth0
        ip nexthop add id 2 encap mpls 100 via 10.0.0.3 dev eth0
        ip nexthop add id 3 group 1,2/2
        ip nexthop add id 4 blackhole
        ip nexthop add id 5 dev eth0
        ip route add 10.2.0.0/16 nhid 1 metric 7
        ip route add 10.3.0.0/16 nhid 3
        ip route add 10.4.0.0/16 nhid 4
        ip route add 10.5.0.0/16 nhid 5
        ip nexthop del id 5
        """,
        "eth0",
    )
    assert entry["routes"] == [
        {"to": "10.2.0.0/16", "metric": 7, "via": "10.0.0.2"},
        {
            "to": "10.3.0.0/16",
            "nexthops": [
                {"via": "10.0.0.2", "weight": 2},
                {"encap": {"mpls": [100]}, "via": "10.0.0.3"},
            ],
        },
        {"to": "10.4.0.0/16", "type": "blackhole"},
    ]
    assert {(one.why, one.matters) for one in losses} == {
        ("the route has the next hops of the object", False)
    }


def test_the_rules_of_chains_that_a_lab_makes_are_named() -> None:
    entry, losses = node_of(
        "iptables -N LOGDROP; iptables -A LOGDROP -j LOG; iptables -A LOGDROP -j DROP\n"
        "iptables -N OTHER; iptables -A OTHER -p tcp -j DROP\n"
        "iptables -N SSH; iptables -A SSH -p tcp --dport 22 -j DROP\n"
        "iptables -A INPUT -p tcp --dport 23 -j LOGDROP; iptables -A INPUT -j SSH\n"
        "iptables -t nat -N MINE; iptables -t nat -A MINE -o eth0 -j MASQUERADE\n"
        "iptables -t nat -A POSTROUTING -s 10.1.0.0/24 -j MINE\n",
        "eth0",
    )
    assert entry["filter"] == {"input": [{"proto": "tcp", "port": 22, "action": "drop"}]}
    assert [(one.text.partition(" -A ")[2], one.why, one.matters) for one in losses][-4:] == [
        ("INPUT -p tcp --dport 23 -j LOGDROP", LOST_JUMP, True),
        ("LOGDROP -j LOG", "`filter` has no chain LOGDROP", True),
        ("LOGDROP -j DROP", "`filter` has no chain LOGDROP", True),
        ("OTHER -p tcp -j DROP", "no rule jumps to OTHER", False),
    ]
    assert ("MINE -o eth0 -j MASQUERADE", True) in [
        (one.text.partition(" -A ")[2], one.matters) for one in losses
    ]


LOST_JUMP = "`filter` has no chains, to which a rule could jump"
