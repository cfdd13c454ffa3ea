"""Imported labs are applied, and the nodes reach each other as the labs say."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tests.kernel.host import Host, diff_snapshots

CONTAINERLAB = {
    "a router": """
        name: routed
        topology:
          defaults: {kind: linux}
          nodes:
            a:
              exec: [ip addr add 10.0.1.2/24 dev eth1, ip route replace default via 10.0.1.1]
            r:
              exec:
                - sh -c "ip addr add 10.0.1.1/24 dev eth1; ip -6 addr add fd00:2::1/64 dev eth2"
                - ip addr add 10.0.2.1/24 dev eth2
            b:
              exec:
                - ip addr add 10.0.2.2/24 dev eth1
                - ip addr add fd00:2::2/64 dev eth1
                - ip route add 10.0.1.0/24 via 10.0.2.1
                - ping -c 1 10.0.1.2
                - ping6 -c 1 fd00:2::1
          links:
            - endpoints: ["a:eth1", "r:eth1"]
            - {endpoints: ["r:eth2", "b:eth1"], mtu: 1400}
    """,
    "a bridge in a node, and an address of a link": """
        name: switched
        topology:
          nodes:
            sw:
              kind: linux
              exec:
                - ip link add br0 type bridge
                - ip link set eth1 master br0
                - ip link set eth2 master br0
                - ip link set br0 up
            a: {kind: linux, exec: [ping 10.0.0.2]}
            b: {kind: linux}
          links:
            - {endpoints: ["a:eth1", "sw:eth1"], ipv4: [10.0.0.1/24]}
            - {endpoints: ["b:eth1", "sw:eth2"], ipv4: [10.0.0.2/24]}
    """,
    "the management network": """
        name: managed
        mgmt: {ipv4-subnet: 172.30.30.0/24}
        topology:
          defaults: {kind: linux}
          nodes:
            a: {mgmt-ipv4: 172.30.30.9, ports: ["8080:80"]}
            b: {exec: [ping -c 1 172.30.30.9]}
    """,
}
KATHARA = {
    "static routes": {
        "lab.conf": "pc1[0]=A\nr1[0]=A\nr1[1]=B\nr2[0]=B\nr2[1]=C\npc2[0]=C\n",
        "pc1.startup": "ifconfig eth0 195.11.14.5/24 up\nroute add default gw 195.11.14.1\n"
        "ping -c 1 200.1.1.7\n",
        "r1.startup": "ip a a 195.11.14.1/24 dev eth0\nip a a 100.0.0.9/30 dev eth1\n"
        "ip r a 200.1.1.0/24 via 100.0.0.10 dev eth1\n",
        "r2.startup": "ip a a 100.0.0.10/30 dev eth0\nip a a 200.1.1.1/24 dev eth1\n"
        "route add -net 195.11.14.0 netmask 255.255.255.0 gw 100.0.0.9\n",
        "pc2.startup": "ip a a 200.1.1.7/24 dev eth0\nip r a default via 200.1.1.1\n",
    },
    "translation, and a second rank of addresses": {
        "lab.conf": "in[0]=L\ngw[0]=L\ngw[1]=W\nout[0]=W\n",
        "in.startup": "ip a a 192.168.1.2/24 dev eth0\nip r a default via 192.168.1.1\n"
        "ping -c1 203.0.113.9\n",
        "gw.startup": "ip a a 192.168.1.1/24 dev eth0; ip a a 203.0.113.1/24 dev eth1\n"
        "iptables -t nat -A POSTROUTING -o eth1 -j MASQUERADE\n",
        "out.startup": "/etc/init.d/networking restart\n",
        "out/etc/network/interfaces": "auto eth0\niface eth0 inet static\n address 203.0.113.9\n"
        " netmask 255.255.255.0\n",
    },
    "rules and a second table": {
        "lab.conf": "a[0]=X\nb[0]=X\nc[0]=Y\nb[1]=Y\n",
        "a.startup": "ip a a 10.1.0.1/24 dev eth0\nip rule add to 10.2.0.0/24 table 9\n"
        "ip route add default via 10.1.0.2 table 9\nping -c 1 10.2.0.3\n",
        "b.startup": "ip a a 10.1.0.2/24 dev eth0\nip a a 10.2.0.2/24 dev eth1\n",
        "c.startup": "ip a a 10.2.0.3/24 dev eth0\nip r a 10.1.0.0/24 via 10.2.0.2\n",
    },
}


def check_lab(host: Host, source: Path, tmp_path: Path) -> None:
    """Import a lab, apply it, try its pings, and remove it again."""
    before = host.snapshot()
    topology = tmp_path / "new.yaml"
    host.netorch("import", str(source), "-o", str(topology))
    host.netorch("apply", str(topology))
    host.netorch("diff", str(topology))
    output = host.netorch("check", str(topology)).stdout
    assert "check" in output and "ok" in output
    host.netorch("destroy", "--all", "--yes")
    assert diff_snapshots(before, host.snapshot()) == []


@pytest.mark.parametrize("title", CONTAINERLAB)
def test_a_lab_of_containerlab(host: Host, tmp_path: Path, title: str) -> None:
    source = tmp_path / "lab.clab.yml"
    source.write_text(dedent(CONTAINERLAB[title]))
    check_lab(host, source, tmp_path)


@pytest.mark.parametrize("title", KATHARA)
def test_a_lab_of_kathara(host: Host, tmp_path: Path, title: str) -> None:
    folder = tmp_path / "lab"
    for name, text in KATHARA[title].items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    check_lab(host, folder, tmp_path)
