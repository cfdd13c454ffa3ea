"""Test external VXLANs, whose VNI and other end routes or programs choose for each packet."""

from __future__ import annotations

from tests.kernel.host import Host
from tests.kernel.kindcase import Damage, Edit, KindCase, check_kind

WORDS = "{kind: vxlan, external: true, local: 192.0.2.1, learning: false}"
CASE = KindCase(
    """
name: lab
nodes: {a: {interfaces: {vx: $WORDS, br0: {kind: bridge, ports: [vx]}}}, b: {}}
links: [{endpoints: ["a:eth0", "b:eth0"], subnet: 192.0.2.0/24}]
""",
    WORDS,
    ("vxlan",),
    sees=(
        ("ip -n a -d link show vx", "vxlan external"),
        ("ip -n a -d link show vx", "local 192.0.2.1"),
        ("ip -n a link show vx", "mtu 1450"),
    ),
    edits=(
        Edit(
            WORDS.replace("false}", "true, ageing: 60, ttl: 9}"),
            "~ vxlan a/vx  ageing 300 → 60  ttl 0 → 9  learning false → true  [update]",
        ),
        Edit(WORDS.replace("external: true", "vni: 7"), "± vxlan a/vx … [replace]"),
        Edit(WORDS.replace("true,", "true, port: 4790,"), "± vxlan a/vx … [replace]"),
    ),
    damages=(
        Damage("ip -n a link set vx type vxlan learning", "~ vxlan a/vx  learning"),
        Damage(
            "ip -n a link del vx", "+ vxlan a/vx  local 192.0.2.1  learning false  external true"
        ),
    ),
)
LAB = """
name: lab
nodes:
  a:
    interfaces: {vx: {kind: vxlan, external: true, addresses: [10.7.0.1/24]}}
  b:
    interfaces: {vx: {kind: vxlan, vni: 7, remote: 192.0.2.1, addresses: [10.7.0.2/24]}}
links: [{endpoints: ["a:eth0", "b:eth0"], subnet: 192.0.2.0/24}]
"""
ENCAP = "ip -n a route replace 10.7.0.2/32 encap ip id 7 dst 192.0.2.2 dev vx"


def test_an_external_vxlan(host: Host) -> None:
    check_kind(host, CASE)


def test_explain_does_not_guess_where_its_packets_go(host: Host) -> None:
    host.netorch("apply", host.write("lab.yaml", LAB))
    for asked in (("a", "10.7.0.2"), ("b", "10.7.0.1")):
        explained = host.netorch("explain", *asked, check=False).stdout
        assert "a:vx is an external vxlan: routes or programs choose" in explained
        assert "arrives" not in explained
    assert not host.ping("b", "10.7.0.1")
    host.run(
        "sh",
        "-ec",
        f"{ENCAP}; ip -n a neigh replace 10.7.0.2 lladdr $(ip -n b -o link "
        "show vx | sed 's/.*ether //; s/ .*//') dev vx",
    )
    text = host.netorch("explain", "a", "10.7.0.2", check=False).stdout
    assert "arrives" not in text


def test_it_is_read_back_and_written(host: Host) -> None:
    host.netorch("apply", host.write("lab.yaml", LAB))
    file = host.netorch("show", "-o", "yaml").stdout
    assert "external: true" in file
    live = host.netorch("import", "--live", "a", "b").stdout
    assert "external: true" in live and live.count("vni") == 1
    script = host.netorch("explain", host.write("lab.yaml", LAB)).stdout
    assert " type vxlan dstport 4789 external learning\n" in script


def test_what_programs_choose_is_left_alone(host: Host) -> None:
    """Entries of the forwarding database and routes that choose an end are not drift."""
    host.netorch("apply", host.write("lab.yaml", LAB))
    host.run(
        "sh", "-c", "bridge -n a fdb append 00:00:00:00:00:00 dev vx dst 192.0.2.2 src_vni 5 vni 6"
    )
    host.run(*ENCAP.split())
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout
    host.netorch("apply", host.write("lab.yaml", LAB.replace("10.7.0.2/24", "10.7.0.3/24")))
    assert "encap ip id 7" in host.run("ip", "-n", "a", "route").stdout
    assert "src_vni 5" in host.run("bridge", "-n", "a", "fdb", "show", "dev", "vx").stdout
    host.run("sh", "-c", "ip -n a route replace 10.8.0.0/16 via 192.0.2.2")
    assert "- route a 10.8.0.0/16" in host.netorch("diff", "lab.yaml", check=False).stdout
    live = host.write("live.yaml", host.netorch("import", "--live", "a", "b", check=False).stdout)
    host.netorch("validate", live)
