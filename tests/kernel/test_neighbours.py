"""Test permanent neighbours on interfaces that netorch makes and on interfaces of the host."""

from __future__ import annotations

from collections.abc import Sequence

from tests.kernel.host import Host
from tests.kernel.kindcase import Damage, Edit, KindCase, assert_in_sync, check_kind
from tests.kernel.wire import sniff

WORDS = (
    "{neighbours: [{address: 10.0.0.9, mac: '02:00:00:00:00:09'}, {address: 'fd00::9', "
    "mac: '02:00:00:00:00:09'}]}"
)

NEIGHBOURS = KindCase(
    """
name: lab
nodes: {a: {interfaces: {eth0: $WORDS}}, b: {}}
links: [{endpoints: ["a:eth0", "b:eth0"], subnet: [10.0.0.0/24, "fd00::/64"]}]
""",
    WORDS,
    ("veth",),
    sees=(
        (
            "ip -n a neigh show nud permanent",
            "10.0.0.9 dev eth0 lladdr 02:00:00:00:00:09 PERMANENT",
        ),
        ("ip -n a neigh show nud permanent", "fd00::9 dev eth0 lladdr 02:00:00:00:00:09 PERMANENT"),
    ),
    edits=(
        Edit(
            WORDS.replace("00:09'}, ", "00:08'}, "),
            "~ neighbour a/eth0 10.0.0.9  mac 02:00:00:00:00:09 → 02:00:00:00:00:08  [update]",
        ),
        Edit("{}", "- neighbour a/eth0 10.0.0.9", ("- neighbour a/eth0 fd00::9",)),
        Edit(
            WORDS.replace("{n", "{mtu: 1400, mac: '02:00:00:00:00:77', n"),
            "+ neighbour a/eth0 10.0.0.9",
        ),
        Edit(WORDS, "! veth a/eth0"),
    ),
    damages=(
        Damage("ip -n a neigh del 10.0.0.9 dev eth0", "+ neighbour a/eth0 10.0.0.9"),
        Damage(
            "ip -n a neigh replace 10.0.0.9 lladdr 02:00:00:00:00:01 dev eth0 nud permanent",
            "~ neighbour a/eth0 10.0.0.9",
        ),
        Damage(
            "ip -n a neigh add 10.0.0.8 lladdr 02:00:00:00:00:01 dev eth0 nud permanent",
            "- neighbour a/eth0 10.0.0.8",
        ),
        Damage(
            "ip -n a link set eth0 down",
            "~ link a/eth0  state down → up",
            ("+ neighbour a/eth0 10.0.0.9",),
        ),
        Damage(
            "ip -n a link set eth0 down; ip -n a link set eth0 up", "+ neighbour a/eth0 fd00::9"
        ),
        Damage("ip -n a link del eth0", "+ veth a/eth0", ("+ neighbour a/eth0 10.0.0.9",)),
    ),
)


def test_permanent_neighbours(host: Host) -> None:
    check_kind(host, NEIGHBOURS)


def test_a_neighbour_of_somebody_elses_interface(host: Host) -> None:
    host.run(
        "sh",
        "-ec",
        "ip link add name nic type veth peer name far; ip link set nic up; "
        "ip addr add 10.0.0.1/24 dev nic",
    )
    host.run(
        "ip",
        "neigh",
        "add",
        "10.0.0.8",
        "lladdr",
        "02:00:00:00:00:08",
        "dev",
        "nic",
        "nud",
        "permanent",
    )
    file = host.write(
        "lab.yaml",
        "nodes: {host: {interfaces: {nic: {neighbours: [{address: 10.0.0.9, "
        "mac: '02:00:00:00:00:09'}]}}}}",
    )
    host.netorch("apply", file)
    assert_in_sync(host)
    neighbours = host.run("ip", "neigh", "show", "nud", "permanent").stdout
    assert "10.0.0.8 dev nic" in neighbours and "10.0.0.9 dev nic" in neighbours
    file.write_text(file.read_text().replace("0.9", "0.8"))
    refused = host.netorch("apply", file, check=False)
    assert refused.returncode == 1
    assert "host/nic has the neighbour 10.0.0.8 and netorch did not make it" in refused.stderr
    host.netorch("destroy", "lab")
    neighbours = host.run("ip", "neigh", "show", "nud", "permanent").stdout
    assert "10.0.0.8 dev nic" in neighbours and "10.0.0.9 dev nic" not in neighbours


def test_a_neighbour_needs_no_question(host: Host) -> None:
    """Nothing answers for the address, and yet frames for it go to the MAC that the file gives."""
    host.netorch("apply", host.write("lab.yaml", NEIGHBOURS.file.replace("$WORDS", WORDS)))
    written = host.write("again.yaml", host.netorch("show", "-o", "yaml").stdout)
    assert "neighbours" in written.read_text()
    assert host.netorch("diff", written, check=False).stdout == "lab: in sync\n"
    ping = ("ip", "netns", "exec", "a", "ping", "-c", "1", "-W", "1", "10.0.0.9")
    request = "10.0.0.1 > 10.0.0.9: ICMP echo request"
    assert request in sniff(
        host, "b", "eth0", "icmp and ether dst 02:00:00:00:00:09", request, *ping
    )


PLAIN = """
name: lab
nodes: {a: {networks: [lan]}, b: {}}
networks: {lan: {mode: host-only, subnet: [10.1.0.0/24, "fd01::/64"]}}
links: [{endpoints: ["a:e0", "b:e0"], subnet: [10.0.0.0/24, "fd00::/64"]}]
"""


def test_a_neighbour_by_hand_is_drift_where_the_file_has_none(host: Host) -> None:
    host.write("lab.yaml", PLAIN)
    host.netorch("apply", "lab.yaml")
    host.run("ip", "link", "add", "eth9", "type", "veth", "peer", "name", "eth8")
    host.run("ip", "link", "set", "eth9", "up")
    foreign = ("ip", "neigh", "add", "10.9.0.2", "lladdr", "02:00:00:00:00:01", "dev", "eth9")
    host.run(*foreign, "nud", "permanent")
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout
    wrong = (("a", "e0", "10.0.0.2"), ("a", "e0", "fd00::2"), ("", "lan", "10.1.0.2"))
    for node, link, address in wrong:
        where = ("-n", node) if node else ()
        words = ("replace", address, "lladdr", "02:00:00:00:00:01", "dev", link, "nud", "permanent")
        host.run("ip", *where, "neigh", *words)
    assert not host.ping("a", "10.0.0.2")
    done = host.netorch("diff", "lab.yaml", check=False)
    assert done.returncode == 2
    for node, link, address in wrong:
        assert f"- neighbour {node or 'host'}/{link} {address}" in done.stdout
    host.netorch("apply", "lab.yaml")
    assert all(host.ping(node or None, address) for node, _, address in wrong)
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout
    host.netorch("destroy", "lab")
    assert "10.9.0.2" in host.run("ip", "neigh", "show", "nud", "permanent").stdout


def test_a_neighbour_that_is_not_asked_for_is_drift(host: Host) -> None:
    """An entry with `nud noarp` is drift, because it does not age.

    The kernel itself makes such entries for multicast groups and on links with ARP off.
    netorch does not report those.
    """
    host.write("lab.yaml", PLAIN)
    host.netorch("apply", "lab.yaml")
    host.run("ip", "-n", "b", "link", "set", "e0", "arp", "off")
    for _ in range(5):
        assert not host.ping("b", "10.0.0.9")
        entries = host.run("ip", "-n", "b", "neigh", "show", "nud", "noarp").stdout
        if "10.0.0.9 dev e0" in entries and "ff02::" in entries:
            break
    else:
        raise AssertionError(f"Linux keeps no entry without ARP: {entries}")
    diff = host.netorch("diff", "lab.yaml", check=False).stdout
    assert diff.splitlines() == ["~ link b/e0  arp off → on  [update]", "lab: 1 to update"]
    host.netorch("apply", "lab.yaml")
    wrong = (("a", "e0", "10.0.0.2"), ("a", "e0", "fd00::2"), ("", "lan", "fd01::2"))
    assert _diff_with_wrong_macs(host, wrong) == sorted(
        f"- neighbour {node or 'host'}/{link} {address}" for node, link, address in wrong
    )
    host.netorch("apply", "lab.yaml")
    assert all(host.ping(node or None, address) for node, _, address in wrong)
    assert_in_sync(host)


def _diff_with_wrong_macs(host: Host, wrong: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return the lines of a `diff` during which all these entries existed.

    The entries are tried again, because Linux removes those with `nud noarp` when its table is
    full, and all namespaces of the machine share that table, also those of tests beside this one.
    """
    for _ in range(20):
        for node, link, address in wrong:
            where = ("-n", node) if node else ()
            words = ("replace", address, "lladdr", "02:00:00:00:00:01", "dev", link, "nud", "noarp")
            host.run("ip", *where, "neigh", *words)
        lines = host.netorch("diff", "lab.yaml", check=False).stdout.splitlines()
        entries = "".join(
            host.run("ip", *(("-n", node) if node else ()), "neigh", "show", "nud", "noarp").stdout
            for node in {node for node, _, _ in wrong}
        )
        if all(f"{address} dev {link} " in entries for _, link, address in wrong):
            return sorted(lines[:-1])
    raise AssertionError("Linux removed an entry during each of 20 comparisons")


def test_a_static_entry_by_hand_in_a_tunnels_database_is_drift(host: Host) -> None:
    words = "{kind: vxlan, vni: 7, local: 192.0.2.1, port: 4789}"
    host.write("lab.yaml", f"name: lab\nnodes: {{a: {{interfaces: {{vx0: {words}}}}}}}\n")
    host.netorch("apply", "lab.yaml")
    for mac in ("02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff"):
        words = f"bridge -n a fdb append {mac} dev vx0 dst 192.0.2.9 static"
        host.run(*words.split())
    diff = host.netorch("diff", "lab.yaml", check=False).stdout
    assert diff.count("\n- ") + diff.startswith("- ") == 2 and "02:00:00:00:00:01" in diff
    host.netorch("apply", "lab.yaml")
    assert_in_sync(host)
    assert "192.0.2.9" not in host.run("bridge", "-n", "a", "fdb", "show", "dev", "vx0").stdout


def test_a_static_mac_of_a_port_by_hand_is_drift_where_the_file_has_none(host: Host) -> None:
    """The bridge sends a member's frames to another member's port and never relearns the MAC."""
    host.write("lab.yaml", PLAIN.replace("b: {}", "b: {networks: [lan]}"))
    host.netorch("apply", "lab.yaml")
    mac = host.run("ip", "netns", "exec", "b", "cat", "/sys/class/net/eth0/address").stdout.strip()
    words = f"bridge fdb replace {mac} dev a-eth0 master static sticky"
    host.run(*words.split())
    assert not host.ping("a", "10.1.0.3")
    diff = host.netorch("diff", "lab.yaml", check=False).stdout
    assert diff.splitlines() == [f"- fdb host/a-eth0 {mac}", "lab: 1 to delete"]
    host.netorch("apply", "lab.yaml")
    assert host.ping("a", "10.1.0.3")
    assert_in_sync(host)


def test_neighbours_of_a_topology_with_the_same_number_are_left_alone(host: Host) -> None:
    """The topologies `p0` and `p12` have the same protocol number."""
    words = (
        "interfaces: {br-$NAME: {kind: bridge, neighbours: [{address: 10.0.0.9, "
        "mac: '02:00:00:00:00:09'}]}}"
    )
    for name in ("p0", "p12"):
        text = f"name: {name}\nnodes: {{host: {{{words.replace('$NAME', name)}}}}}\n"
        host.write(f"{name}.yaml", text)
        host.netorch("apply", f"{name}.yaml")
    for name in ("p0", "p12"):
        assert "in sync" in host.netorch("diff", f"{name}.yaml").stdout
    host.netorch("destroy", "p12")
    assert "in sync" in host.netorch("diff", "p0.yaml").stdout


def test_neighbours_of_a_large_topology_are_compared(host: Host) -> None:
    """The topology has 101 namespaces."""
    host.write(
        "lab.yaml", "name: lab\nnodes:\n  a: {interfaces: {d0: {kind: bridge}}}\n  n[1-100]: {}\n"
    )
    host.netorch("apply", "lab.yaml")
    entry = ("replace", "10.0.0.2", "lladdr", "02:00:00:00:00:01", "dev", "d0")
    host.run("ip", "-n", "a", "neigh", *entry, "nud", "permanent")
    assert "- neighbour a/d0 10.0.0.2" in host.netorch("diff", "lab.yaml", check=False).stdout
    host.netorch("apply", "lab.yaml")
    assert "in sync\n" in host.netorch("diff", "lab.yaml").stdout
    host.netorch("destroy", "lab")
