"""A topology of five nodes with an object of every kind that this kernel has.

There is also a changed version of it.
"""

from __future__ import annotations

from tests.kernel.host import Host
from tests.kernel.kindcase import has_kind

SOLO = {
    "dummy": "kind: dummy",
    "ifb": "kind: ifb",
    "vlan": "kind: vlan, parent: up, id: 10",
    "vxlan": "kind: vxlan, vni: 7, local: 10.0.0.1, remote: 10.0.0.2",
    "geneve": "kind: geneve, mtu: 1400, vni: 8, remote: 10.0.0.2",
    "gretap": "kind: gretap, mtu: 1400, local: 10.0.0.1, remote: 10.0.0.2",
    "ipip": "kind: ipip, mtu: 1400, parent: up, local: 10.0.0.1, remote: 10.0.0.2",
    "ip6gre": "kind: ip6gre, mtu: 1400, parent: up, local: fd00::1, remote: fd00::2",
    "macvlan": "kind: macvlan, parent: up",
    "ipvlan": "kind: ipvlan, parent: up2",
    "macvtap": "kind: macvtap, parent: up",
    "bond": "kind: bond",
    "vrf": "kind: vrf, table: 77",
    "tun": "kind: tun",
    "tap": "kind: tap",
}
"""Kind → an interface as YAML. Its node has `up` with 10.0.0.1/24 and fd00::1/64, and `up2`."""
MORE = {
    "gre": "kind: gre, mtu: 1400, local: 10.0.0.1, remote: 10.0.0.3",
    "erspan": "kind: erspan, mtu: 1400, local: 10.0.0.1, remote: 10.0.0.6, key: 5, erspan: 7",
    "sit": "kind: sit, mtu: 1400, local: 10.0.0.1, remote: 10.0.0.4",
    "ip6tnl": "kind: ip6tnl, mtu: 1400, local: fd00::1, remote: fd00::4",
    "ip6gretap": "kind: ip6gretap, mtu: 1400, local: fd00::1, remote: fd00::5",
}
NIC = "ip link add eth8 type veth peer name wire8; ip link set eth8 up; ip addr add 192.0.2.8/24 dev eth8"
"""Gives the host a NIC, which the topology moves into a node."""

TOPOLOGY = """\
name: lab
nodes:
  a:
    networks: {{lan: {{address: 10.1.0.9}}, far: {{}}}}
    interfaces:
      up: {{addresses: [10.0.0.1/24, "fd00::1/64"], mtu: 1500, impair: {{rate: 10mbit}}, sysctls: {{rp_filter: 2}}}}
      up2: {{txqueuelen: 77, description: second}}
      br0: {{kind: bridge, ports: [in1], hello_time: 300, forward_delay: 400}}
      in1: {{port: {{hairpin: true, fdb: ["02:00:00:00:00:0a"]}}}}
      vxe: {{kind: vxlan, external: true, port: 4791}}
      nic: {{kind: physical, from: eth8, addresses: [192.0.2.9/24]}}
{made}    routes: [{{to: 10.9.0.0/16, via: 10.0.0.2, mtu: 1300}}, {{to: "fd00:9::/64", type: blackhole}}]
    rules: [{{from: 10.9.0.0/24, table: 100, priority: 1000}}]
    sysctls: {{net.ipv4.conf.all.rp_filter: 2}}
    publish: ["8080:80", "127.0.0.1:5353:53/udp"]
  b:
    aliases: [bee]
    networks: {{lan: {{neighbours: [{{address: 10.1.0.77, mac: "02:00:00:00:00:77"}}]}}, only: {{}}}}
  r: {{forwarding: true, networks: [lan, only]}}
  c: {{networks: [far], dns: {{servers: [9.9.9.9]}}}}
  host:
    interfaces: {{br-lab: {{kind: bridge, ports: [p0], addresses: [10.6.0.1/24, 10.6.0.2/24]}}}}
    sysctls: {{net.ipv4.conf.default.rp_filter: 2}}
    rules: [{{from: 10.8.0.0/24, table: 100, priority: 1000}}]
    routes: [{{to: 10.77.0.0/16, via: 10.6.0.9}}]
networks:
  lan: {{mode: nat, subnet: [10.1.0.0/24, "fd00:1::/64"]}}
  only: {{mode: host-only, subnet: 10.2.0.0/24, node: r}}
  far: {{subnet: 10.3.0.0/24}}
links:
  - [a:up, b:up]
  - [a:up2, b:up2]
  - [a:in1, c:out1]
  - {{endpoints: [c:eth7, r:eth7], subnet: 10.0.7.0/30}}
  - [host:p0, r:p0]
"""


def every_kind(host: Host) -> tuple[str, str]:
    """Return the topology's file and a changed version of it.

    The changed version differs in values that Linux changes in place, in values whose change
    makes a link flap, and in values for which netorch has to make the object again.
    """
    made = "".join(
        f"      {kind}x: {{{words}}}\n"
        for kind, words in {**SOLO, **MORE}.items()
        if has_kind(host, kind)
    )
    file = TOPOLOGY.format(made=made)
    changed = (
        file.replace("rate: 10mbit", "rate: 20mbit")
        .replace("txqueuelen: 77", "txqueuelen: 78")
        .replace("forward_delay: 400", "ageing_time: 0")
        .replace("hairpin: true, ", "")
        .replace("00:0a", "00:0b")
        .replace("vni: 7", "vni: 70")
        .replace("1400, parent: up,", "1400, parent: up2,")
        .replace("parent: up, id: 10", "parent: up, id: 11")
        .replace("remote: fd00::2", "remote: fd00::7")
        .replace("kind: bond", "kind: bond, mode: active-backup")
        .replace("table: 77", "table: 78")
        .replace("via: 10.0.0.2", "via: 10.0.0.4")
        .replace("8080:80", "8081:80")
        .replace("00:77", "00:78")
        .replace("priority: 1000", "priority: 1001")
        .replace("10.0.7.0/30", "10.0.8.0/30")
        .replace("10.6.0.1/24, 10.6.0.2/24", "10.6.0.2/24")
        .replace("  - [host:p0, r:p0]", "  - [host:p0, r:p1]")
    )
    return file, changed
