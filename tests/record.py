"""Record the running kernel's answers to all questions of netorch, for the tests of the decoder.

    # this machine's kernel
    python -m tests.record
    # the second test kernel
    tests/uml -t 600 -- python -m tests.record - | python -m tests.record keep
    # the third test kernel
    tests/qemu -t 900 -- python -m tests.record - | python -m tests.record keep

Needs root. The program works in a private host. There it applies a topology with an object of every
kind that the kernel has, and makes objects that netorch never makes but meets in a separate
namespace. It writes the raw messages to tests/recorded/, or prints them (with `-`), because a
kernel that runs within this one cannot write files here.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from netorch.kernel.system.rtnetlink import Rtnl
from netorch.netlink import constants as c
from netorch.netlink import genl, wireguard
from netorch.netlink.codec import Message, attr, i32, message, u32
from netorch.netlink.decode import links
from tests.kernel.everykind import NIC, every_kind
from tests.kernel.host import Host
from tests.kernel.kindcase import has_kind
from tests.recordings import FOLDER, SUFFIX, packed, unpacked

QUESTIONS: dict[str, tuple[int, bytes]] = {
    "links": (c.RTM_GETLINK, bytes(16) + attr(c.IFLA_EXT_MASK, u32(c.RTEXT_FILTER_SKIP_STATS))),
    "vlans": (
        c.RTM_GETLINK,
        struct.pack("=B15x", c.AF_BRIDGE)
        + attr(c.IFLA_EXT_MASK, u32(c.RTEXT_FILTER_BRVLAN_COMPRESSED)),
    ),
    "addresses": (c.RTM_GETADDR, bytes(8)),
    "routes": (c.RTM_GETROUTE, bytes(12)),
    "rules": (c.RTM_GETRULE, bytes(12)),
    "neighbours": (c.RTM_GETNEIGH, bytes(12)),
    "forwarding": (c.RTM_GETNEIGH, struct.pack("=B11x", c.AF_BRIDGE)),
    "qdiscs": (c.RTM_GETQDISC, bytes(20)),
}
"""The dumps of each namespace, requested as netorch requests them."""

OTHERS = """\
name: others
nodes:
  plain: {{}}
{made}"""
SWITCH = """\
  sw: {networks: {trunk: {port: {pvid: 7, vlans: [10, 20-24]}}}}
  s2: {networks: {trunk: {port: {vlans: [10]}}}}
networks:
  trunk: {vlan_filtering: true}
"""
TUNNEL = """\
  wg:
    interfaces:
      wg0:
        kind: wireguard
        private_key_file: own.key
        listen_port: 51820
        fwmark: 7
        peers:
          - {public_key: "PEER1", preshared_key_file: own.psk, endpoint: "192.0.2.1:51820", keepalive: 25, allowed_ips: [ALLOWED]}
          - {public_key: "PEER2", endpoint: "[2001:db8::2]:4000", allowed_ips: ["fd00:99::/64", 10.99.0.0/24]}
          - {public_key: "PEER3"}
"""

# Objects that other programs make. A command that the kernel does not support may fail; its object
# is not in the recording then.
ODDS = """
ip link set lo up
ip link add w0 type veth peer name w1
ip link set w0 up; ip link set w1 up
ip link property add dev w0 altname second-name altname a-really-long-alternative-name
ip link set w0 alias 'words with ümlauts' group 77
ip address add 10.0.0.1/24 dev w0 label w0:one
ip address add 10.0.0.2/24 dev w0
ip address add 10.5.0.1 peer 10.5.0.2/32 dev w0
ip address add 10.6.0.1/24 brd + dev w0 noprefixroute valid_lft 5000 preferred_lft 4000 proto 99
ip address add 10.7.0.1/24 dev w0 scope link metric 50
ip address add fd00::1/64 dev w0 nodad
ip address add fd00::3 peer fd00::4/128 dev w0 nodad home
ip address add fd00:6::1/64 dev w0 mngtmpaddr nodad valid_lft 5000 preferred_lft 0
ip address add fd00:7::1/64 dev w0
ip route add 10.10.0.0/16 via 10.0.0.9 src 10.0.0.2 mtu 1300 metric 9
ip route add 10.11.0.0/16 nexthop via 10.0.0.9 weight 3 nexthop via 10.0.0.8 dev w0 onlink nexthop dev w0 weight 256
ip route add 10.12.0.0/16 via inet6 fd00::9 dev w0
ip route add 10.13.0.0/16 nexthop via inet6 fd00::9 dev w0 nexthop via 10.0.0.8
ip route add 10.14.0.0/16 dev w0 scope link table 1000 proto 99 advmss 1200 window 7 rtt 3ms
ip route add 10.15.0.0/16 via 203.0.113.1 dev w0 onlink tos 0x10
ip route add default via 10.0.0.9 metric 4000000000 realm 3
ip route add local 10.16.0.0/16 dev lo table 77
ip route add broadcast 10.0.0.77 dev w0
ip route add multicast 239.0.0.0/8 dev w0
for type in blackhole unreachable prohibit throw; do
    ip route add $type 10.20.0.0/24 table 20$(echo $type | tr -dc a | wc -c) metric $(echo $type | wc -c)
    ip route add $type fd00:20::/64 metric $(echo $type | wc -c)
done
ip route add fd00:10::/48 via fd00::9 src fd00::1 metric 9 mtu 1280 pref high
ip route add fd00:11::/48 nexthop via fd00::9 weight 3 nexthop via fd00::8 dev w0 onlink
ip route add fd00:12::/48 dev w0 table 1000 expires 4000
ip route add fd00:13::/48 from fd00:14::/64 via fd00::9
ip route add default via fe80::1 dev w0
ip nexthop add id 7 via 10.0.0.9 dev w0; ip nexthop add id 8 via 10.0.0.8 dev w0; ip nexthop add id 9 group 7/8,3
ip route add 10.30.0.0/16 nhid 7
ip route add 10.31.0.0/16 nhid 9
ip route add 10.40.0.0/16 encap mpls 100/200 via 10.0.0.9
ip route add fd00:40::/48 encap seg6 mode encap segs fd00::9 dev w0
ip route add fd00:41::/48 encap ioam6 trace prealloc type 0x800000 ns 1 size 12 dev w0
ip route add 10.42.0.0/16 encap ip id 9 dst 10.0.0.9 dev w0
ip rule add from 10.1.0.0/16 to 10.2.0.0/24 table 100 priority 900
ip rule add fwmark 7 table 101; ip rule add fwmark 0x10/0xf0 table 4000000000 priority 10 protocol 99
ip rule add iif w0 oif gone0 blackhole; ip rule add not from 10.3.0.0/24 unreachable; ip rule add tos 0x10 prohibit
ip rule add from 10.4.0.0/24 goto 32766; ip rule add nop priority 31000
ip rule add ipproto tcp sport 80 dport 1000-2000 table 102; ip rule add uidrange 1000-2000 table 103
ip rule add suppress_prefixlength 0 table main; ip rule add suppress_ifgroup 7 table main
ip rule add from 10.8.0.0/24 realms 3/4 table 104; ip rule add tun_id 9 table 105
ip -6 rule add from fd00:1::/64 to fd00:2::7 table 100; ip -6 rule add fwmark 7 table 101; ip -6 rule add flowlabel 7 table 106
ip -6 rule add l3mdev table 0
ip neighbour add 10.0.0.20 lladdr 02:00:00:00:00:20 dev w0 nud permanent protocol 99
ip neighbour add 10.0.0.21 lladdr 02:00:00:00:00:21 dev w0 nud reachable
ip neighbour add 10.0.0.22 lladdr 02:00:00:00:00:22 dev w0 nud permanent extern_learn
ip neighbour add 10.0.0.23 dev w0 nud failed
ip neighbour add fd00::20 lladdr 02:00:00:00:00:24 dev w0 nud permanent router
ip neighbour add fd00::23 dev w0 nud failed
ip link add br type bridge vlan_filtering 1 vlan_default_pvid 0
ip link add p0 type veth peer name q0; ip link add p1 type veth peer name q1
ip link set p0 master br; ip link set p1 master br; ip link set br up; ip link set p0 up; ip link set p1 up
bridge vlan add vid 10 pvid untagged dev p0; bridge vlan add vid 20-29 dev p0; bridge vlan add vid 30-31 untagged dev p0
bridge vlan add vid 4094 dev p0; bridge vlan add vid 10 self dev br; bridge vlan add vid 20-4000 self dev br
bridge link set dev p1 hairpin on isolated on cost 77 priority 7 learning off flood off mcast_flood off neigh_suppress on
bridge fdb add 02:00:00:00:00:01 dev p0 master static vlan 10; bridge fdb add 02:00:00:00:00:02 dev p0 master static vlan 20
bridge fdb add 02:00:00:00:00:03 dev p1 master static; bridge fdb add 02:00:00:00:00:04 dev p1 master permanent
bridge fdb add 02:00:00:00:00:05 dev p1 master dynamic; bridge fdb add 02:00:00:00:00:06 dev p1 master static extern_learn
bridge fdb add 02:00:00:00:00:07 dev p1 self
ip link add vx type vxlan id 7 dstport 4789 local 10.0.0.1 dev w0 ttl 9 nolearning
bridge fdb append 00:00:00:00:00:00 dev vx dst 10.0.0.50; bridge fdb append 00:00:00:00:00:00 dev vx dst 10.0.0.51 port 4790 vni 8 via w0
bridge fdb add 02:00:00:00:00:50 dev vx dst 10.0.0.52; bridge fdb add 02:00:00:00:00:51 dev vx dst 10.0.0.53 dynamic
ip link add vx6 type vxlan id 8 dstport 4790 local fd00::1 remote fd00::5 ttl inherit udp6zerocsumrx
ip link add vxe type vxlan external dstport 4791
ip link add ge type geneve id 9 remote fd00::5 dstport 6082 ttl 9
ip link add grk type gre local 10.0.0.1 remote 10.0.0.60 key 77 ttl 9 csum
ip link add gr6 type ip6gre local fd00::1 remote fd00::61 ikey 7 okey 8
ip link add erspan0 type erspan local 10.0.0.1 remote 10.0.0.62 key 9 erspan_ver 1 erspan 7
ip link add vl type vlan id 5 link w0; ip link add vq link w0 type vlan id 6 protocol 802.1ad egress-qos-map 1:2 ingress-qos-map 3:4
ip link add vl5 link w0 type vlan id 5 gvrp on
ip link add mvb link w0 type macvlan mode bridge; ip link add mvp link w1 type macvlan mode private
ip link add mvs link q0 type macvlan mode source; ip link set mvs type macvlan macaddr add 02:00:00:00:00:99
ip link add ipl link q1 type ipvlan mode l2 private
ip link add bo type bond mode 802.3ad miimon 100 lacp_rate fast xmit_hash_policy layer3+4; ip link add d1 type dummy
ip link set d1 master bo
ip link add te type team; ip link add nl type nlmon; ip link add xf type xfrm dev w0 if_id 7; ip link add vt type vti local 10.0.0.1 remote 10.0.0.70 key 7
ip link add vf type vrf table 77; ip link add d2 type dummy; ip link set d2 master vf; ip link set vf up
ip link add nk0 type netkit peer name nk1; ip link add vc0 type vcan; ip link add hs type hsr slave1 w0 slave2 w1
ip link add ms link w1 type macsec sci 1; ip link add ba type batadv; ip link add gt type gtp role sgsn
ip tuntap add tu0 mode tun user 0 group 0 multi_queue; ip tuntap add ta0 mode tap vnet_hdr
ip link add far type veth peer name near netns other
ip link add link w0 name lent netns other type vlan id 99
ip link add fars type ipip local 10.0.0.1 remote 10.0.0.80; ip link set fars netns other
tc qdisc add dev w0 root netem delay 10ms 1ms 25% loss 0.1% duplicate 1% corrupt 0.3% reorder 5% gap 5 rate 100mbit
tc qdisc add dev w1 root tbf rate 10mbit burst 5000 latency 50ms peakrate 20mbit mtu 9000
tc qdisc add dev p0 root netem loss gemodel 1% 10% 70% 0.1% limit 50 ecn; tc qdisc add dev p1 root netem slot 800us 1ms rate 40gbit
tc qdisc add dev q0 root tbf rate 40gbit burst 1mb limit 2mb overhead 4 mpu 64 linklayer atm
tc qdisc add dev q1 root handle 5: prio; tc qdisc add dev q1 parent 5:1 netem delay 1ms
tc qdisc add dev br root fq_codel; tc qdisc add dev vx clsact
"""


def main(*words: str) -> None:
    if words == ("look",):
        print(json.dumps(look()))
    elif words == ("keep",):
        # only the first line: the console of an emulated machine prints more after it
        keep(sys.stdin.readline().strip().encode("ascii"))
    else:
        with tempfile.TemporaryDirectory() as folder:
            host = Host(Path(folder))
            try:
                data = packed(record(host))
            finally:
                host.close()
        if words == ("-",):
            print(data.decode("ascii"))
        else:
            keep(data)


def keep(data: bytes) -> None:
    path = FOLDER / f"linux-{unpacked(data)['kernel']}{SUFFIX}"
    path.write_bytes(data + b"\n")
    print(f"{path}: {len(data)} bytes")


def record(host: Host) -> dict[str, object]:
    """Return `kernel`: its version, and `spaces`: namespace → its answers in hexadecimal."""
    host.run("sh", "-c", NIC)
    host.write("every.yaml", every_kind(host)[0])
    host.netorch("apply", "every.yaml")
    host.write("others.yaml", others(host))
    host.netorch("apply", "others.yaml")
    host.run("ip", "netns", "add", "odds")
    host.run("ip", "netns", "add", "other")
    host.run("ip", "netns", "exec", "odds", "sh", "-c", ODDS, check=False)
    names = [*(host.root / "run/netns").iterdir()]
    spaces = {"": host.run(sys.executable, "-m", "tests.record", "look").stdout}
    for name in sorted(path.name for path in names):
        spaces[name] = host.run(
            "ip", "netns", "exec", name, sys.executable, "-m", "tests.record", "look"
        ).stdout
    release = re.match(r"[\d.]+\d", host.run("uname", "-r").stdout)
    assert release is not None
    return {
        "kernel": release[0],
        "spaces": {name: json.loads(text) for name, text in spaces.items()},
    }


def others(host: Host) -> str:
    made = ""
    if has_kind(host, "wireguard"):
        for name in ("own.key", "own.psk"):
            host.write(name, f"{KEYS[name]}\n").chmod(0o600)
        allowed = ", ".join(f"10.{number // 256}.{number % 256}.0/24" for number in range(600))
        made = TUNNEL.replace("ALLOWED", allowed)
        for number in (1, 2, 3):
            made = made.replace(f"PEER{number}", KEYS[f"peer{number}"])
    if has_kind(host, "bridge-vlans"):
        made += SWITCH
    return OTHERS.format(made=made)


KEYS = {
    # made up for the recording: consecutive bytes
    "own.key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHl8=",
    "own.psk": "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8=",
    "peer1": "YGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn8=",
    "peer2": "gIGCg4SFhoeIiYqLjI2Oj5CRkpOUlZaXmJmam5ydnp8=",
    "peer3": "oKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr8=",
}


def look() -> dict[str, list[str]]:
    """Return the answers in the namespace of this process: question → messages with headers."""
    rtnl = Rtnl()
    answers: dict[str, list[str]] = {}
    for what, (kind, payload) in QUESTIONS.items():
        try:
            answers[what] = whole(rtnl.dump(kind, payload))
        except OSError:
            answers[what] = []
    every = attr(c.NETCONFA_IFINDEX, i32(c.NETCONFA_IFINDEX_ALL))
    netconf = [struct.pack("=B3x", family) + every for family in (c.AF_INET, c.AF_INET6)]
    answers["netconf"] = [
        text for answer in rtnl.get(c.RTM_GETNETCONF, netconf) for text in whole(answer)
    ]
    answers["nsid"] = []
    for path in sorted(Path("/run/netns").iterdir()):
        with path.open("rb") as namespace:
            question = bytes(4) + attr(c.NETNSA_FD, u32(namespace.fileno()))
            answers["nsid"] += [
                text for answer in rtnl.get(c.RTM_GETNSID, (question,)) for text in whole(answer)
            ]
    devices = [
        link.index for link in links(rtnl.dump(*QUESTIONS["links"])) if link.kind == "wireguard"
    ]
    rtnl.close()
    generic = Rtnl(genl.NETLINK_GENERIC)
    answer = generic.get(genl.GENL_ID_CTRL, (genl.family_question(wireguard.FAMILY),))[0]
    answers["family"] = whole(answer)
    number = genl.family_number(answer)
    answers["wireguard"] = []
    if number is not None:
        for index in devices:
            answers["wireguard"] += whole(generic.dump(number, wireguard.get_device(index)))
    generic.close()
    answers["errors"] = errors()
    return answers


def whole(messages: Iterable[Message]) -> list[str]:
    return [buffer[start - 16 : end].hex() for _, buffer, start, end in messages]


def errors() -> list[str]:
    """Return NLMSG_ERROR messages with and without the request and the kernel's error text.

    None of the requests changes anything.
    """
    loopback = struct.pack("=BxHiII", 0, 0, 1, 0, 0)
    requests = (
        (c.RTM_NEWLINK, loopback + attr(c.IFLA_MTU, u32(2**31 - 1))),
        (c.RTM_NEWLINK, loopback + attr(c.IFLA_MASTER, u32(999))),
        (
            c.RTM_NEWROUTE,
            struct.pack("=BBBBBBBBI", c.AF_INET, 24, 0, 0, 254, 4, 0, 1, 0)
            + attr(c.RTA_DST, b"\x0a\0\0\1"),
        ),
        (
            c.RTM_DELADDR,
            struct.pack("=BBBBI", c.AF_INET, 24, 0, 0, 1) + attr(c.IFA_LOCAL, b"\x0a\0\0\1"),
        ),
        (c.RTM_NEWLINK, loopback),
        (c.RTM_NEWLINK, b"\0"),
    )
    messages = []
    for options in (
        (),
        (c.NETLINK_EXT_ACK,),
        (c.NETLINK_CAP_ACK,),
        (c.NETLINK_EXT_ACK, c.NETLINK_CAP_ACK),
    ):
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, c.NETLINK_ROUTE) as opened:
            for option in options:
                opened.setsockopt(c.SOL_NETLINK, option, 1)
            for kind, payload in requests:
                opened.send(message(kind, c.NLM_F_REQUEST | c.NLM_F_ACK, 1, payload))
                messages.append(opened.recv(1 << 16).hex())
    return messages


if __name__ == "__main__":
    main(*sys.argv[1:])
