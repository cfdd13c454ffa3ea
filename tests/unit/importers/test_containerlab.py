"""Files of containerlab."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from netorch.errors import NetorchError
from netorch.importers import formats
from netorch.importers.finish import Imported, finish
from netorch.kernel.files.source_files import SourceFiles
from tests.unit.importers.conftest import Import


def body(result: Imported) -> list[str]:
    """Return the lines after the defaults without comments."""
    lines = [line for line in result.text.splitlines() if not line.lstrip().startswith("#")]
    return lines[lines.index("nodes:") :]


def losses(result: Imported) -> list[tuple[str, str, bool]]:
    return [(one.text, "".join(one.where), one.matters) for one in result.losses]


def test_nodes_links_and_commands(import_text: Import) -> None:
    result = import_text(
        dedent("""
            name: demo
            topology:
              nodes:
                r1:
                  kind: linux
                  exec:
                    - ip addr add 10.0.0.1/30 dev eth1
                    - ip route add default via 10.0.0.2
                r2:
                  kind: linux
                  exec: [sh -c "ip addr add 10.0.0.2/30 dev eth1; ping -c1 10.0.0.1"]
              links:
                - endpoints: ["r1:eth1", "r2:eth1"]
        """),
        "demo.clab.yml",
    )
    assert result.problems == () and result.losses == ()
    assert "defaults:\n" in result.text and "link: {mtu: 9500}" in result.text
    assert body(result) == [
        "nodes:",
        "  r1: {routes: [{to: default, via: 10.0.0.2}]}",
        "  r2: {}",
        "links:",
        "  - {endpoints: [r1:eth1, r2:eth1], subnet: 10.0.0.0/30}",
        "checks:",
        "  - {from: r2, to: 10.0.0.1}",
    ]
    assert "management network" in result.text.replace("\n#  ", "")


def test_what_a_node_inherits(import_text: Import) -> None:
    result = import_text(
        dedent("""
            name: ${LAB:=inherit}
            topology:
              defaults: {kind: linux, image: alpine, exec: [ip a a 10.9.0.1/32 dev lo]}
              kinds:
                linux: {sysctls: {net.ipv4.tcp_syncookies: 0}}
              groups:
                routers: {kind: linux, exec: [ip a a 10.9.0.2/32 dev lo], image: router}
              nodes:
                a: {group: routers, exec: [ip a a 10.9.0.3/32 dev lo]}
                b: {image: other, sysctls: {net.ipv4.conf.all.rp_filter: 2}}
        """),
        "x.clab.yml",
    )
    assert body(result) == [
        "nodes:",
        "  a:",
        "    sysctls: {net.ipv4.tcp_syncookies: 0}",
        "    interfaces: {lo: {addresses: [10.9.0.1/32, 10.9.0.2/32, 10.9.0.3/32]}}",
        "  b:",
        "    sysctls: {net.ipv4.tcp_syncookies: 0, net.ipv4.conf.all.rp_filter: 2}",
        "    interfaces: {lo: {addresses: 10.9.0.1/32}}",
    ]
    assert losses(result) == [
        ("image", "x.clab.yml:8", False),
        ("image", "x.clab.yml:11", False),
    ]
    assert "name: inherit" in result.text.splitlines()


def test_all_forms_of_links(import_text: Import) -> None:
    result = import_text(
        dedent("""
            name: links
            topology:
              defaults: {kind: linux}
              nodes: {a: {}, b: {}, sw: {kind: bridge}, me: {kind: host}}
              links:
                - type: veth
                  endpoints:
                    - {node: a, interface: eth1, mac: "02:00:00:00:00:01", ipv4: 10.0.0.1/24}
                    - {node: b, interface: eth1, ipv4: 10.0.0.2/24, ipv6: "fd00::2/64"}
                  mtu: 1400
                - {endpoints: ["a:eth2", "b:eth2"], ipv4: [10.1.0.1/31, 10.1.0.0/31]}
                - {endpoints: ["a:eth3", "sw:a"]}
                - {endpoints: ["sw:b", "b:eth3"]}
                - {endpoints: ["a:eth4", "me:out"]}
                - {endpoints: ["a:eth5", "host:out2"]}
                - {type: host, endpoint: {node: a, interface: eth6}, host-interface: out3}
                - {type: macvlan, endpoint: {node: a, interface: eth7}, host-interface: nic}
                - {endpoints: ["macvlan:nic", "b:eth7"]}
                - {type: dummy, endpoint: {node: a, interface: eth8}}
                - type: vxlan
                  endpoint: {node: a, interface: eth9}
                  remote: 192.0.2.1
                  vni: 5
                  dst-port: 14789
                  parent-interface: nic
                - {type: vxlan-stitch, endpoint: {node: b, interface: eth9}, remote: 192.0.2.1}
                - {endpoints: ["a:eth10", "nobody:eth1"]}
                - {endpoints: ["a:eth11"]}
        """),
        "links.clab.yml",
    )
    assert result.problems == ()
    assert body(result) == [
        "nodes:",
        "  a:",
        "    networks: {sw: {name: eth3}}",
        "    interfaces:",
        "      eth7: {kind: macvlan, parent: host:nic, mode: bridge}",
        "      eth8: {kind: dummy, mtu: 9500}",
        "      eth9: {kind: vxlan, vni: 5, remote: 192.0.2.1, port: 14789, parent: host:nic}",
        "  b:",
        "    networks: {sw: {name: eth3}}",
        "    interfaces: {eth7: {kind: macvlan, parent: host:nic, mode: bridge}}",
        "networks:",
        "  sw: {bridge: sw, existing: true, mtu: 9500}",
        "links:",
        "  - endpoints:",
        '      - {node: a, interface: eth1, addresses: 10.0.0.1/24, mac: "02:00:00:00:00:01"}',
        '      - {node: b, interface: eth1, addresses: [10.0.0.2/24, "fd00::2/64"]}',
        "    mtu: 1400",
        "  - endpoints:",
        "      - {node: a, interface: eth2, addresses: 10.1.0.1/31}",
        "      - {node: b, interface: eth2, addresses: 10.1.0.0/31}",
        "  - [a:eth4, host:out]",
        "  - [a:eth5, host:out2]",
        "  - [a:eth6, host:out3]",
    ]
    assert [text for text, _, matters in losses(result) if matters] == [
        "link of type vxlan-stitch: b:eth9",
        "link a:eth10, nobody:eth1",
        "link in line 29",
    ]


@pytest.mark.parametrize(("name", "kind"), [("sw", "ovs-bridge"), ("sw|x", "bridge")])
def test_bridges_that_are_not_on_the_host(import_text: Import, name: str, kind: str) -> None:
    result = import_text(f'topology: {{nodes: {{"{name}": {{kind: {kind}}}}}}}', "x.clab.yml")
    assert result.problems == ()
    assert losses(result) == [(f"kind: {kind}", "x.clab.yml:1", True)]


@pytest.mark.parametrize(
    ("kind", "name", "linux"),
    [
        ("nokia_srlinux", "ethernet-1/1", "e1-1"),
        ("nokia_srlinux", "ethernet-1/1/3", "e1-1-3"),
        ("nokia_srsim", "1/1/c2/1", "e1-1-c2-1"),
        ("arista_ceos", "Ethernet1/2", "eth1_2"),
        ("juniper_vmx", "ge-0/0/2", "eth3"),
        ("cisco_x", "HundredGigabitEthernet0/1", "HundredGigabitE"),
        ("linux", "eth1", "eth1"),
    ],
)
def test_names_of_interfaces(import_text: Import, kind: str, name: str, linux: str) -> None:
    nodes = f"nodes: {{a: {{kind: {kind}}}, b: {{kind: linux}}}}"
    text = f"topology: {{{nodes}, links: [endpoints: ['a:{name}', 'b:eth1']]}}"
    result = import_text(text, "x.clab.yml")
    assert result.problems == ()
    assert f"  - [a:{linux}, b:eth1]" in result.text.splitlines()
    assert (f"{linux} is {name} in containerlab" in result.text) == (linux != name)
    assert result.is_faithful == (kind == "linux")


def test_the_management_network_if_the_file_mentions_it(import_text: Import) -> None:
    result = import_text(
        dedent("""
            name: mgmt
            mgmt: {network: net, ipv4-subnet: 10.9.0.0/24, ipv4-gw: 10.9.0.254, mtu: 1400, bridge: br9}
            topology:
              defaults: {kind: linux}
              nodes:
                a: {mgmt-ipv4: 10.9.0.7, ports: ["8080:80", "99"]}
                b: {exec: [ip route del default]}
                c: {network-mode: none}
        """),
        "mgmt.clab.yml",
    )
    assert result.problems == ()
    assert body(result) == [
        "nodes:",
        '  a: {networks: {mgmt: 10.9.0.7}, publish: "8080:80"}',
        "  b: {networks: {mgmt: {default_route: false}}}",
        "  c: {}",
        "networks:",
        "  mgmt: {mode: nat, mtu: 1400, bridge: br9, subnet: 10.9.0.0/24, gateway: 10.9.0.254}",
    ]
    assert losses(result) == [
        ("mgmt.network: net", "mgmt.clab.yml:3", False),
        ("ports: 99", "mgmt.clab.yml:7", False),
    ]


@pytest.mark.parametrize(
    ("node", "subnet"),
    [
        ("{mgmt-ipv4: 172.20.20.9}", "172.20.20.0/24"),
        ("{mgmt-ipv4: 10.5.6.7}", "10.5.6.0/24"),
        ("{exec: [ip r a 10.0.0.0/8 via 172.20.20.1 dev eth0]}", "172.20.20.0/24"),
        ("{mgmt-ipv6: '3fff:172:20:20::5'}", '"3fff:172:20:20::/64"'),
    ],
)
def test_the_subnet_of_the_management_network(import_text: Import, node: str, subnet: str) -> None:
    result = import_text(f"topology: {{nodes: {{a: {node}}}}}", "x.clab.yml")
    assert result.problems == ()
    assert f"  mgmt: {{mode: nat, subnet: {subnet}}}" in result.text.splitlines()


def test_nodes_that_are_something_else(import_text: Import) -> None:
    result = import_text(
        dedent("""
            topology:
              nodes:
                out: {kind: ext-container, exec: [ip a a 10.0.0.1/24 dev eth1]}
                srl: {kind: nokia_srlinux, startup-config: x.cfg}
                cluster: {kind: k8s-kind}
                pod: {kind: linux, image: "alpine:3", cmd: sleep}
                side: {kind: linux, network-mode: "container:pod", exec: [ip l set eth1 mtu 1300]}
                frr: {kind: linux, image: "frrouting/frr:v8", binds: ["r.conf:/etc/frr/frr.conf"]}
                me: {kind: host, exec: [ip link set x up]}
                stage: {kind: linux, stages: {create: {exec: [{command: ip a a 10.8.0.1/32 dev lo}]}}}
              links:
                - endpoints: [out:eth1, pod:eth1]
        """),
        "kinds.clab.yml",
    )
    assert result.problems == ()
    lines = body(result)
    assert "  out: {attach: docker:out}" in lines
    assert "  stage: {interfaces: {lo: {addresses: 10.8.0.1/32}}}" in lines
    assert "      - {node: pod, interface: eth1, mtu: 1300}" in lines
    assert "  side: {attach: node:pod}" in lines
    matters = [text for text, _, weight in losses(result) if weight]
    assert matters == [
        "kind: nokia_srlinux",
        "cluster: kind: k8s-kind",
        "ip link set x up",
        "image: frrouting/frr:v8",
        "binds: r.conf:/etc/frr/frr.conf",
    ]


def test_scripts_of_binds_are_read(tmp_path: Path) -> None:
    (tmp_path / "setup.sh").write_text("ip addr add 10.0.0.1/32 dev lo\n")
    (tmp_path / "x.clab.yml").write_text(
        "topology: {nodes: {a: {kind: linux, binds: ['setup.sh:/s.sh:ro'], exec: [sh /s.sh]}}}"
    )
    result = finish(formats.read(SourceFiles([str(tmp_path / "x.clab.yml")]), None))
    assert "  a: {interfaces: {lo: {addresses: 10.0.0.1/32}}}" in result.text.splitlines()
    assert result.is_faithful


def test_a_further_document_is_a_loss(import_text: Import) -> None:
    text = "---\ntopology: {nodes: {a: {kind: linux}}}\n---\ntopology: {nodes: {b: {}}}\n"
    result = import_text(text, "x.clab.yml", "containerlab")
    assert losses(result)[0] == ("a further document", "x.clab.yml:3", False)
    assert "  a: {}" in result.text and "  b: {}" not in result.text


def test_a_stitched_vxlan_is_one_of_the_node(import_text: Import) -> None:
    link = "{type: vxlan-stitch, endpoint: {node: a, interface: eth1}, remote: 10.0.0.9, vni: 7"
    text = f"topology: {{nodes: {{a: {{kind: linux}}}}, links: [{link}, parent-interface: eth0}}]}}"
    result = import_text(text, "x.clab.yml", "containerlab")
    assert result.is_faithful
    assert "here the node has it itself" in result.text
    assert '{kind: vxlan, vni: 7, remote: 10.0.0.9, parent: "host:eth0"}' in result.text.replace(
        "parent: host:eth0", 'parent: "host:eth0"'
    )
    alone = import_text(text.replace(", parent-interface: eth0", ""), "x.clab.yml", "containerlab")
    assert not alone.is_faithful and not alone.problems


def test_a_long_name_on_the_host_is_shortened(import_text: Import) -> None:
    text = "topology: {nodes: {a: {kind: linux}}, links: [{endpoints: ['a:eth1', 'host:a_very_long_name_eth1']}]}"
    result = import_text(text, "x.clab.yml", "containerlab")
    assert not result.problems
    assert "# a_very_long_nam is a_very_long_name_eth1 in containerlab" in result.text
    assert "host:a_very_long_nam]" in result.text


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("topology:\n  nodes:\n{{ range seq 3 }}\n", "Go template"),
        ("topology: 5", "the file has no `topology`"),
        ("topology: [", "the file cannot be read: line 2"),
        ("name: x\ntopology:\n  a: {}\n  a: {}\n", "the file cannot be read: line 4"),
    ],
)
def test_what_cannot_be_read_is_one_error(import_text: Import, text: str, what: str) -> None:
    with pytest.raises(NetorchError) as caught:
        import_text(text, "x.clab.yml", "containerlab")
    (problem,) = caught.value.problems
    assert problem.code == "bad-import"
    assert problem.what.startswith("x.clab.yml: ") and what in problem.what


def test_values_of_the_wrong_shape_are_named(import_text: Import) -> None:
    result = import_text(
        dedent("""
            name: demo
            topology:
              nodes:
                h1: {kind: linux, ports: 5, exec: 5, sysctls: [a], dns: 5, stages: 3, aliases: z}
                h2: {kind: linux, exec: ip addr add 10.0.0.1/24 dev eth1}
              links:
                - endpoints: ["h1:eth1", "h2:eth1"]
        """),
        "demo.clab.yml",
    )
    named = " ".join(one.text for one in result.losses)
    for words in ("sysctls: ['a']", "dns: 5", "stages: 3", "ports: 5"):
        assert words in named
    assert "aliases: [z]" in result.text
    assert "addresses: 10.0.0.1/24" in result.text


BOND = (
    "[ip link add bond0 type bond mode 802.3ad, ip link set eth1 down, "
    "ip link set eth1 master bond0, ip link set bond0 up{}]"
)


@pytest.mark.parametrize(
    ("a", "b", "mtu", "bonds", "link"),
    [
        ("", "", "", (1500, 1500), "{endpoints: [a:eth1, b:eth1], mtu: 1500}"),
        ("", "", ", mtu: 1500", (1500, 1500), "{endpoints: [a:eth1, b:eth1], mtu: 1500}"),
        ("", "", ", mtu: 9000", (1500, 1500), "{endpoints: [a:eth1, b:eth1], mtu: 1500}"),
        (
            ", ip link set bond0 mtu 9000",
            "",
            ", mtu: 1400",
            (9000, 1500),
            "endpoints: [{node: a, interface: eth1, mtu: 9000}, {node: b, interface: eth1, mtu: 1500}]",
        ),
        (
            "",
            None,
            ", mtu: 1400",
            (1500, None),
            "endpoints: [{node: a, interface: eth1, mtu: 1500}, {node: b, interface: eth1, mtu: 1400}]",
        ),
    ],
)
def test_a_port_of_a_bond_takes_its_mtu(
    import_text: Import,
    a: str,
    b: str | None,
    mtu: str,
    bonds: tuple[int | None, int | None],
    link: str,
) -> None:
    nodes = ", ".join(
        f"{name}: {{kind: linux}}" if more is None else f"{name}: {{exec: {BOND.format(more)}}}"
        for name, more in (("a", a), ("b", b))
    )
    links = f"[{{endpoints: ['a:eth1', 'b:eth1']{mtu}}}]"
    result = import_text(f"topology: {{nodes: {{{nodes}}}, links: {links}}}", "x.clab.yml")
    assert not result.problems and result.losses == ()
    tree = yaml.safe_load(result.text)
    own = [tree["nodes"][one].get("interfaces", {}).get("bond0", {}).get("mtu") for one in "ab"]
    assert tuple(own) == bonds
    assert yaml.safe_load(f"{{{link.strip('{}') if link[0] == '{' else link}}}") == tree["links"][0]


def test_links_to_the_management_network_have_no_address(import_text: Import) -> None:
    result = import_text(
        dedent("""
            topology:
              defaults: {kind: linux}
              nodes: {a: {}, b: {network-mode: none}}
              links:
                - endpoints: ["a:eth1", "mgmt-net:tap1"]
                - {type: mgmt-net, endpoint: {node: b, interface: eth1}, host-interface: tap2, mtu: 1400}
        """),
        "x.clab.yml",
    )
    assert body(result) == [
        "nodes:",
        "  a: {networks: {mgmt: [{}, {name: eth1, addresses: false, default_route: false}]}}",
        "  b: {networks: {mgmt: {name: eth1, addresses: false, default_route: false, mtu: 1400}}}",
        "networks:",
        "  mgmt: {mode: nat}",
    ]
    assert "eth0 of each member has an address and the default route" in result.text
    assert [one.text for one in result.losses] == ["host-interface: tap1", "host-interface: tap2"]


def test_what_a_link_says_is_there_or_named(import_text: Import) -> None:
    result = import_text(
        dedent("""
            topology:
              defaults: {kind: linux}
              nodes: {a: {}, b: {}, sw: {kind: bridge}}
              links:
                - {endpoints: ["a:eth1", "b:eth1"], mtu: 99999}
                - {endpoints: ["a:eth2", "b:eth2"], mtu: big, color: red}
                - {type: VETH, endpoints: [{node: a, interface: eth3, mac: zz, color: red}, {node: b, interface: eth3}]}
                - {type: host, endpoint: {node: a, interface: eth4}}
                - {type: macvlan, endpoint: {node: a, interface: eth5}}
                - {type: vxlan, endpoint: {node: a, interface: eth6}, vni: 5, dst-port: x, remote: 10.0.0.1, parent-interface: n}
                - {endpoints: ["a:eth7", "sw:x"]}
                - {endpoints: ["b:eth7", "sw:y"], mtu: 1400}
                - {endpoints: ["a:eth8", "b:eth8"], ipv4: 10.0.0.1/24}
                - {type: brief, endpoints: ["a:eth9", "b:eth9"]}
        """),
        "x.clab.yml",
    )
    assert result.problems == ()
    assert sorted((text, where) for text, where, _ in losses(result)) == [
        ("color: red", "x.clab.yml:7"),
        ("color: red", "x.clab.yml:8"),
        ("ipv4: 10.0.0.1/24", "x.clab.yml:14"),
        ("link of type host: a:eth4", "x.clab.yml:9"),
        ("link of type macvlan: a:eth5", "x.clab.yml:10"),
        ("mac: zz", "x.clab.yml:8"),
        ("mtu: 1400", "x.clab.yml:13"),
        ("mtu: 99999", "x.clab.yml:6"),
        ("mtu: big", "x.clab.yml:7"),
        ("port: x", "x.clab.yml:11"),
    ]
    assert len(yaml.safe_load(result.text)["links"]) == 5


def test_values_of_nodes_and_of_the_management_network_are_named(import_text: Import) -> None:
    result = import_text(
        dedent("""
            mgmt: {ipv4-subnet: 10.0.0.5/24, mtu: 99999, bridge: a/b, color: red}
            topology:
              nodes:
                a: {mgmt-ipv4: zz, ports: ["99999:80", "80:80"], network-mode: odd, dns: {servers: 9.9.9.9}}
                b: {mgmt-ipv4: 10.0.0.7, dns: {color: red}, stages: {create: {exec: [{target: host, command: ls}]}}}
        """),
        "x.clab.yml",
    )
    assert result.problems == ()
    assert sorted(text for text, _, _ in losses(result)) == [
        "bridge: a/b",
        "dns color: red",
        "ls",
        "mgmt-ipv4: zz",
        "mgmt.color: red",
        "mgmt.ipv4-subnet: 10.0.0.5/24",
        "mtu: 99999",
        "network-mode: odd",
        'publish: "99999:80"',
    ]
    assert all(where.startswith("x.clab.yml:") for _, where, _ in losses(result))
    assert yaml.safe_load(result.text)["nodes"]["a"]["dns"] == {"servers": ["9.9.9.9"]}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("topology: {nodes: [a]}", "`nodes` is not a mapping"),
        ("topology: {nodes: {a: linux}}", "`a` is not a mapping"),
        ("topology: {defaults: [a]}", "`defaults` is not a mapping"),
        ("topology: {nodes: {a: }, links: {a: b}}", "`links` is not a list"),
        ("topology: {nodes: {a: }, links: [a]}", "An entry of `links` is not a mapping"),
        ("{mgmt: [a], topology: {nodes: {a: }}}", "`mgmt` is not a mapping"),
    ],
)
def test_parts_of_the_wrong_shape_are_errors(import_text: Import, text: str, what: str) -> None:
    with pytest.raises(NetorchError) as caught:
        import_text(text, "x.clab.yml", "containerlab")
    (problem,) = caught.value.problems
    assert problem.what.startswith(what) and problem.where is not None


def test_names_that_linux_or_netorch_has_already(import_text: Import) -> None:
    result = import_text(
        dedent("""
            prefix: lab
            topology:
              odd: 1
              nodes:
                mgmt: {kind: bridge}
                all: {kind: ovs-bridge}
                host: {mgmt-ipv4: 172.20.20.5, sysctls: {kernel.x: 1}}
                b: {mgmt-ipv4: 10.0.0.1, mgmt-ipv6: 10.0.0.2}
              links:
                - endpoints: ["host:eth1", "mgmt:x"]
                - endpoints: ["host:eth2", "all:x"]
        """),
        "x.clab.yml",
    )
    assert result.problems == ()
    topology = yaml.safe_load(result.text)
    assert topology["nodes"] == {
        "host-2": {"networks": {"mgmt": "172.20.20.5", "mgmt-2": {}, "all-2": {}}},
        "b": {"networks": ["mgmt"]},
    }
    assert topology["networks"] == {
        "mgmt-2": {"bridge": "mgmt", "existing": True, "mtu": 9500},
        "all-2": {"mtu": 9500},
        "mgmt": {"mode": "nat", "bridge": "br-mgmt", "subnet": "172.20.20.0/24"},
    }
    assert sorted(text for text, _, _ in losses(result)) == [
        "address: 10.0.0.1",
        "kind: ovs-bridge",
        "mgmt-ipv6: 10.0.0.2",
        "odd: 1",
        "prefix: lab",
        "sysctl kernel.x: 1",
    ]
