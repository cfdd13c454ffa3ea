"""Labs of Kathara."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from netorch.errors import NetorchError
from netorch.importers import formats
from netorch.importers.finish import Imported, finish
from netorch.kernel.files.source_files import SourceFiles
from netorch.kinds.netns import Netns, netns_key
from netorch.resolve.loader import load

Lab = Callable[..., Imported]


@pytest.fixture
def import_lab(tmp_path: Path) -> Lab:
    """Return a function that writes the files of a lab, `/` in names as `__`, and imports it."""

    def run(conf: str, folder: str = "lab", **files: str) -> Imported:
        root = tmp_path / folder
        for name, text in {"lab.conf": conf, **files}.items():
            file = root / name.replace("__", "/").replace("_startup", ".startup")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return finish(formats.read(SourceFiles([str(root)]), None))

    return run


def body(result: Imported) -> list[str]:
    """Return the lines of the nodes and networks without comments."""
    lines = [line for line in result.text.splitlines() if not line.lstrip().startswith("#")]
    return lines[lines.index("nodes:") :]


def test_collision_domains_are_networks(import_lab: Lab) -> None:
    result = import_lab(
        'LAB_NAME="Two PCs"\nLAB_AUTHOR=A. Person\n'
        "r[0]=A\nr[1]='B/02:00:00:00:00:0F'  # the other side\n"
        'pc1[0]="A"\npc2[0]=B\n',
        r_startup="ip a a 10.0.0.1/24 dev eth0\nip a a 10.1.0.1/24 dev eth1\n",
        pc1_startup="ifconfig eth0 10.0.0.2/24 up\nroute add default gw 10.0.0.1\n",
        pc2_startup="ip a a 10.1.0.2/24 dev eth0\nip r a default via 10.1.0.1\n",
    )
    assert result.problems == () and result.losses == ()
    assert "# by A. Person" in result.text.splitlines()
    assert "name: two-pcs" in result.text.splitlines()
    assert body(result) == [
        "nodes:",
        "  r: {networks: {A: 10.0.0.1/24, B: {mac: 02:00:00:00:00:0f, address: 10.1.0.1/24}}}",
        "  pc1: {networks: {A: 10.0.0.2/24}, routes: [{to: default, via: 10.0.0.1}]}",
        "  pc2: {networks: {B: 10.1.0.2/24}, routes: [{to: default, via: 10.1.0.1}]}",
        "networks:",
        "  A: {}",
        "  B: {}",
    ]
    desired = load(result.text.encode(), "t").desired
    namespace = desired.state[netns_key("r")]
    assert isinstance(namespace, Netns) and namespace.ipv4_forwarding


def test_interfaces_have_the_names_of_the_lab(import_lab: Lab) -> None:
    result = import_lab(
        "a[1]=X\na[0]=Y\nb[3]=X\nsw[0]=X\nsw[1]=Y\n",
        sw_startup="brctl addbr br0\nbrctl addif br0 eth0\nbrctl addif br0 eth1\n"
        "ip link set br0 up\ntc qdisc add dev eth1 root netem delay 5ms\n",
    )
    assert body(result)[1:6] == [
        '  a: {networks: ["Y", X]}',
        "  b: {networks: {X: {name: eth3}}}",
        "  sw:",
        '    networks: {X: {name: eth0}, "Y": {name: eth1}}',
        "    interfaces: {eth1: {impair: {delay: 5ms}}, br0: {kind: bridge, ports: [eth0, eth1]}}",
    ]
    assert result.problems == ()


def test_keys_of_devices(import_lab: Lab) -> None:
    result = import_lab(
        "a[0]=X\na[image]=alpine\na[mem]=64m\na[ipv6]=true\na[strange]=1\n"
        "a[sysctl]=net.ipv4.tcp_syncookies=0\na[port]=8080:80/udp\n"
        "a[exec]=ip a a 10.0.0.1/24 dev eth0\na[1]=X\n",
    )
    assert body(result)[1:] == [
        "  a:",
        "    networks: {X: [{address: 10.0.0.1/24}, {name: eth1}], bridged: {name: eth2}}",
        "    publish: 8080:80/udp",
        "    sysctls: {net.ipv4.tcp_syncookies: 0}",
        "networks:",
        "  X: {}",
        "  bridged: {mode: nat}",
    ]
    assert [(one.text, one.where, one.matters) for one in result.losses] == [
        ("image", ("lab.conf:2",), False),
        ("mem", ("lab.conf:3",), False),
        ("strange: 1", ("lab.conf:5",), False),
    ]


def test_files_of_the_lab(import_lab: Lab) -> None:
    result = import_lab(
        "a[0]=X\nnot a line\n",
        shared_startup="sysctl -w net.ipv4.conf.all.arp_ignore=1\n",
        a_startup="/etc/init.d/networking restart\nbash /root/more.sh\nsystemctl start frr\n",
        a__etc__network__interfaces="iface eth0 inet static\naddress 10.0.0.1/24\n",
        a__root__more="",
        **{"a__root__more.sh": "ip a a 10.0.1.1/24 dev eth0\n"},
        a__etc__frr__frr="router ospf",
        b_startup="ip a",
        **{"a.shutdown": "echo bye", "lab.dep": "a: b", "lab.ext": "X eth9\nZ eth8\n"},
    )
    assert result.problems == ()
    assert body(result)[1:] == [
        "  a:",
        "    networks: {X: {address: [10.0.0.1/24, 10.0.1.1/24]}}",
        "    sysctls: {net.ipv4.conf.all.arp_ignore: 1}",
        "networks:",
        "  X: {mode: bridged, uplink: eth9}",
    ]
    assert [(one.text, one.where, one.matters) for one in result.losses] == [
        ("not a line", ("lab.conf:2",), False),
        ("b.startup", (), False),
        ("lab.dep", (), False),
        ("systemctl start frr", ("a.startup:3",), True),
        ("a/etc/frr, a/etc/network, a/root/more, a/root/more.sh", (), False),
        ("a.shutdown", (), False),
        ("Z eth8", ("lab.ext:2",), False),
    ]


def test_an_ipv6_lab(import_lab: Lab) -> None:
    result = import_lab(
        "r[0]=A\npc[0]=A\n",
        r_startup="ip -6 addr add fd00::1/64 dev eth0\n",
        pc_startup="ip addr add fd00::2/64 dev eth0\nip -6 r add default via fd00::1\n",
    )
    assert result.problems == () and result.losses == ()
    assert '  pc: {networks: {A: "fd00::2/64"}, routes: [{to: default, via: "fd00::1"}]}' in body(
        result
    )


def test_a_lab_conf_alone(import_lab: Lab) -> None:
    files = SourceFiles(["-"], {"-": b"a[0]=X\nb[0]=X\n"})
    result = finish(formats.read(files, None))
    assert body(result)[1:] == [
        "  a: {networks: [X]}",
        "  b: {networks: [X]}",
        "networks:",
        "  X: {}",
    ]


def test_what_a_file_refuses_is_named_with_its_line(import_lab: Lab) -> None:
    startup = "ip link set eth0 mtu 70000\nip link add 'q[1-3]' type dummy\n"
    result = import_lab('a[0]="A/zz"\na[port]="99999:80"\nb[0]=A\n', **{"a.startup": startup})
    assert result.problems == ()
    assert {(one.text, one.where) for one in result.losses} == {
        ("mac: zz", ("lab.conf:1",)),
        ('publish: "99999:80"', ("lab.conf:2",)),
        ("ip link set eth0 mtu 70000", ("a.startup:1",)),
        ("ip link add 'q[1-3]' type dummy", ("a.startup:2",)),
    }
    assert load(result.text.encode(), "t").desired.labels


def test_a_lab_without_devices_is_an_error(import_lab: Lab) -> None:
    with pytest.raises(NetorchError, match=r"lab\.conf has no devices"):
        import_lab("LAB_NAME=x\n")


def test_a_placeholder_in_place_of_a_nic_is_a_loss(import_lab: Lab) -> None:
    result = import_lab("a[0]=A\nb[0]=A\n", **{"lab.ext": "A <physical_interface>\n"})
    assert not result.problems and not result.is_faithful
    assert "A <physical_interface> (lab.ext:1): <physical_interface> cannot be" in result.text


def test_names_of_routing_tables(import_lab: Lab) -> None:
    result = import_lab(
        "a[0]=X\nb[0]=X\n",
        a_startup="ip a a 10.0.0.1/24 dev eth0\nip route add 10.1.0.0/16 via 10.0.0.2 table isp\n",
        a__etc__iproute2__rt_tables="255\tlocal\n200\tisp  # the other way out\n",
    )
    assert "routes: [{to: 10.1.0.0/16, via: 10.0.0.2, table: 200}]" in body(result)[1]
    assert result.losses == ()


def test_every_condition_of_a_rule_is_read(import_lab: Lab) -> None:
    result = import_lab(
        "r[0]=A\n",
        r_startup="ip a a 10.0.0.1/24 dev eth0\n"
        "ip rule add from 10.0.0.2 lookup 100 prio 50\n"
        "ip rule add not to 10.1.0.0/16 ipproto tcp dport 80-90 sport 53 table 7 pref 60\n"
        "ip rule add tos 0x10 uidrange 0-99 suppress_prefixlength 0 lookup main order 70\n",
    )
    assert result.problems == () and result.losses == ()
    rules = yaml.safe_load(result.text)["nodes"]["r"]["rules"]
    assert rules == [
        {"from": "10.0.0.2", "table": 100, "priority": 50},
        {
            "not": True,
            "to": "10.1.0.0/16",
            "ipproto": "tcp",
            "sport": 53,
            "dport": "80-90",
            "table": 7,
            "priority": 60,
        },
        {
            "tos": "0x10",
            "uidrange": "0-99",
            "suppress_prefixlength": 0,
            "table": 254,
            "priority": 70,
        },
    ]


def test_a_setting_of_the_machine_is_a_loss(import_lab: Lab) -> None:
    result = import_lab("e[0]=A\ne[sysctl]=kernel.shmmax=5\n")
    (lost,) = result.losses
    assert lost.text == "sysctl: kernel.shmmax=5"
    assert body(result)[:2] == ["nodes:", "  e: {networks: [A]}"]


def test_all_that_lab_conf_says_is_there_or_named(tmp_path: Path) -> None:
    (tmp_path / "lab.conf").write_text(
        dedent("""
            LAB_PRIORITY="7"
            r[0]=A
            r[0]=B
            r[1]="A/zz"
            r[bridged]=maybe
            r[ipv6]=false
            r[port]=99999:80
            s[0]="C"
            s[ipv6]=true
            t[ipv6]=perhaps
            host[0]=C
        """)
    )
    result = finish(formats.read(SourceFiles([str(tmp_path)]), None))
    assert result.problems == ()
    assert sorted((one.text, *one.where) for one in result.losses) == [
        ("bridged: maybe", "lab.conf:6"),
        ("ipv6: perhaps", "lab.conf:11"),
        ("mac: zz", "lab.conf:5"),
        ('publish: "99999:80"', "lab.conf:8"),
        ("r[0]=A", "lab.conf:3"),
    ]
    assert "LAB_PRIORITY: 7" in result.text and "host in lab.conf" in result.text
    assert "net.ipv6.conf.all.disable_ipv6: 1" in result.text


def test_collision_domains_whose_names_a_bridge_cannot_have(import_lab: Lab) -> None:
    result = import_lab("a[0]=bridged\na[1]=default\na[bridged]=true\na[sysctl]=net.x\n")
    assert result.problems == ()
    assert [one.text for one in result.losses] == ["sysctl: net.x"]
    assert yaml.safe_load(result.text)["networks"] == {
        "bridged": {},
        "default-2": {},
        "bridged-2": {"mode": "nat"},
    }
