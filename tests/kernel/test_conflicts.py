"""Conflicts: apply refuses, names the foreign object and its place, and changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.host import Host, diff_snapshots, sentences

# The tests below contain line numbers of this text, so a change here has to change them.
FILE = """\
name: mine
nodes:
  host:
    interfaces:
      br-mine: {kind: bridge, addresses: [10.1.0.1/24]}
    routes:
      - {to: 10.99.0.0/16, via: 10.1.0.9}
    rules:
      - {from: 10.9.0.0/24, table: 100, priority: 1000}
  a:
    interfaces:
      lo: {addresses: [10.255.0.1/32]}
  b: {}
links:
  - endpoints:
      - {node: host, interface: v-host, addresses: [10.0.0.1/24]}
      - {node: a, interface: eth0, addresses: [10.0.0.2/24]}
  - [a:eth1, b:eth1]
"""


LOCK = ["files: /run/netorch/mine.lock"]
"""The file that names the lock's last holder."""


def sh(host: Host, script: str) -> str:
    return host.run("sh", "-ec", script).stdout


def refused(
    host: Host, words: list[str], file: str = "topo.yaml", *, places: tuple[str, ...] = ()
) -> str:
    """Check that apply refuses the file, changes nothing, and reports all of `words`.

    `places` are lines and columns that must appear. Returns the error output.
    """
    before = host.snapshot()
    process = host.netorch("apply", file, check=False)
    after = host.snapshot()
    assert process.returncode == 1, process.stdout + process.stderr
    assert "Traceback" not in process.stderr
    assert "internal error" not in process.stderr
    assert process.stdout == ""
    for word in words:
        assert word in process.stderr, process.stderr
    for place in places:
        assert f"{file}:{place}: " in process.stderr, process.stderr
    assert diff_snapshots(before, after) == []
    assert not (host.root / "run/netorch/mine").exists()
    # diff refuses the file too
    assert host.netorch("diff", file, check=False).returncode == 1
    assert diff_snapshots(before, host.snapshot()) == []
    return process.stderr


def test_a_namespace_of_somebody_else(host: Host) -> None:
    sh(
        host,
        "ip netns add a; ip -n a link add eth0 type veth peer name eth1; ip -n a addr add 10.0.0.77/24 dev eth0",
    )
    host.write("topo.yaml", FILE)
    error = refused(host, ["netns a", "netorch did not make it"], places=("10:3",))
    assert len(sentences(error)) == 1, "what follows from the conflict is not reported"
    line = FILE.splitlines()[9]
    assert error.splitlines()[1:] == [f"  10 | {line}", "     |   ^"]
    report = json.loads(host.netorch("apply", "-o", "json", check=False).stdout)["problems"][0]
    assert (report["line"], report["column"], report["end_column"]) == (10, 3, 4)


@pytest.mark.uml
def test_an_interface_of_the_same_name_on_the_host(host: Host) -> None:
    host.write("topo.yaml", FILE)
    sh(
        host,
        "ip link add v-host type veth peer name other; ip link set v-host up alias 'the printer, do not touch'",
    )
    refused(
        host,
        ["host/v-host", "netorch did not make it", "the printer, do not touch"],
        places=("16:9",),
    )


def test_a_bridge_of_the_same_name_on_the_host(host: Host) -> None:
    host.write("topo.yaml", FILE)
    sh(
        host,
        "ip link add br-mine type bridge; ip link set br-mine up; ip addr add 10.1.0.1/24 dev br-mine",
    )
    sh(host, "ip link add p type veth peer name q; ip link set p master br-mine up")
    refused(host, ["bridge host/br-mine", "netorch did not make it"], places=("5:7",))


@pytest.mark.parametrize(
    "kind", ["veth peer name other", "bridge", "ifb", "vxlan id 9 dstport 4789"]
)
def test_whatever_kind_it_is(host: Host, kind: str) -> None:
    host.write("topo.yaml", FILE)
    sh(host, f"ip link add br-mine type {kind}")
    refused(
        host,
        [kind.split(maxsplit=1)[0], "host/br-mine", "netorch did not make it"],
        places=("5:7",),
    )


def test_several_conflicts_are_all_reported(host: Host) -> None:
    host.write("topo.yaml", FILE)
    sh(
        host,
        "ip netns add a; ip netns add b; ip link add br-mine type bridge; ip link add v-host type bridge",
    )
    error = refused(
        host, ["netns a", "netns b", "br-mine", "v-host"], places=("5:7", "10:3", "13:3")
    )
    assert len(error.splitlines()) >= 4


def test_a_name_that_is_another_links_alternative_name(host: Host) -> None:
    host.write("topo.yaml", FILE)
    sh(host, "ip link add other type bridge; ip link property add dev other altname v-host")
    refused(host, ["v-host", "other", "netorch did not make it"], places=("16:9",))


def test_an_alternative_name_that_is_another_links_name_or_alternative_name(host: Host) -> None:
    host.write(
        "topo.yaml", FILE.replace("name: mine\n", "name: mine\nprefix: a-very-long-prefix-\n")
    )
    sh(
        host,
        "ip link add other type bridge; ip link property add dev other altname a-very-long-prefix-v-host",
    )
    refused(
        host, ["a-very-long-prefix-v-host", "other", "netorch did not make it"], places=("17:9",)
    )


def test_an_address_of_somebody_else_on_an_interface_of_the_host(host: Host) -> None:
    host.write(
        "topo.yaml",
        "name: mine\nnodes:\n  host:\n    interfaces:\n      eth9: {addresses: [192.0.2.1/24]}\n",
    )
    sh(host, "ip link add eth9 type ifb; ip link set eth9 up; ip addr add 192.0.2.1/24 dev eth9")
    refused(host, ["host/eth9", "192.0.2.1/24", "netorch did not make it"], places=("5:26",))


def test_an_ipv6_address_of_somebody_else(host: Host) -> None:
    host.write(
        "topo.yaml",
        "name: mine\nnodes:\n  host:\n    interfaces:\n      eth9: {addresses: ['2001:DB8:0::1/64']}\n",
    )
    sh(
        host,
        "ip link add eth9 type ifb; ip link set eth9 up; ip addr add 2001:db8::1/64 dev eth9 nodad",
    )
    refused(host, ["host/eth9", "2001:db8::1/64", "netorch did not make it"])


@pytest.mark.parametrize("protocol", ["static", "boot", "bird", "dhcp", "77"])
def test_a_route_of_somebody_else(host: Host, protocol: str) -> None:
    host.write("topo.yaml", FILE)
    sh(
        host,
        f"ip link add eth9 type ifb; ip link set eth9 up; ip route add 10.99.0.0/16 dev eth9 proto {protocol}",
    )
    refused(host, ["10.99.0.0/16", "netorch did not make it"], places=("7:9",))


@pytest.mark.parametrize("kind", ["blackhole", "unreachable", "prohibit"])
def test_a_rejecting_route_of_somebody_else(host: Host, kind: str) -> None:
    host.write("topo.yaml", FILE)
    sh(host, f"ip route add {kind} 10.99.0.0/16")
    refused(host, ["10.99.0.0/16", "netorch did not make it"], places=("7:9",))


def test_a_default_route_of_somebody_else(host: Host) -> None:
    """The default route may be the only way to the machine, so it has to survive."""
    host.write(
        "topo.yaml",
        "name: mine\nnodes:\n  host: {routes: [{to: default, via: 10.0.0.2}]}\n  a: {}\n"
        "links:\n  - {endpoints: [host:v-host, a:eth0], subnet: 10.0.0.0/24}\n",
    )
    sh(
        host,
        "ip link add eth9 type ifb; ip link set eth9 up; ip addr add 192.0.2.2/24 dev eth9; ip route add default via 192.0.2.1",
    )
    refused(host, ["default", "netorch did not make it"], places=("3:19",))


@pytest.mark.parametrize("protocol", ["", "protocol static", "protocol bird"])
def test_a_rule_of_somebody_else(host: Host, protocol: str) -> None:
    host.write("topo.yaml", FILE)
    sh(host, f"ip rule add from 10.9.0.0/24 table 100 priority 1000 {protocol}")
    refused(host, ["rule", "priority 1000", "netorch did not make it"], places=("9:9",))


def test_a_rule_of_somebody_else_with_another_table(host: Host) -> None:
    """The kernel keeps both rules, and their order is undefined, so that is a conflict too."""
    host.write("topo.yaml", FILE)
    sh(host, "ip rule add from 10.9.0.0/24 table 200 priority 1000")
    refused(host, ["rule", "priority 1000", "netorch did not make it"], places=("9:9",))


# names in /run/netns

NAMES: dict[str, Callable[[Path], None]] = {
    "an empty plain file": lambda path: path.touch(),
    "a plain file with content": lambda path: path.write_text("precious\n") and None,
    "a directory": lambda path: path.mkdir(),
    "a directory with a file": lambda path: (path.mkdir(), (path / "x").write_text("precious"))[0],
    "a link to the host's namespace": lambda path: path.symlink_to("/proc/1/ns/net"),
    "a link to a system file": lambda path: path.symlink_to("/etc/passwd"),
    "a link to nothing": lambda path: path.symlink_to("/nowhere/at/all"),
    "a link to itself": lambda path: path.symlink_to("a"),
}


@pytest.mark.parametrize("what", NAMES)
def test_a_name_in_run_netns_that_is_no_namespace(host: Host, what: str) -> None:
    host.write("topo.yaml", FILE)
    passwd = Path("/etc/passwd").read_bytes()
    sh(host, "mkdir -p /run/netns")
    place = host.root / "run/netns/a"
    NAMES[what](place)
    # stat runs in the private host, because from outside a link leads into the machine
    look = "stat -c '%N %F %a %s %i %Y %Z' /run/netns/a /etc/passwd; ip -br addr; ip rule; ip route show table all; ls /etc/netns /run/netorch"
    status = sh(host, f"{look} || true")
    process = host.netorch("apply", check=False)
    error = process.stderr
    assert process.returncode == 1
    assert "topo.yaml:10:3: netns a: /run/netns/a" in error
    assert sh(host, f"{look} || true") == status
    assert Path("/etc/passwd").read_bytes() == passwd
    assert len(sentences(error)) == 1


def test_a_name_bound_to_the_host_itself(host: Host) -> None:
    """`ip netns attach a 1` names the host's own namespace, which netorch must not change."""
    host.write("topo.yaml", FILE)
    sh(host, "ip netns attach a 1")
    refused(host, ["netns a", "netorch did not make it"], places=("10:3",))


def test_the_fabrics_name_is_taken(host: Host) -> None:
    host.write(
        "topo.yaml",
        "name: mine\nnodes:\n  a: {networks: [lan]}\n  b: {networks: [lan]}\nnetworks:\n  lan: {}\n",
    )
    sh(host, "ip netns add netorch-mine")
    refused(host, ["netns netorch-mine", "netorch did not make it"])


# another topology

OTHER = """\
name: theirs
nodes:
  a: {}
  c: {}
  host: {interfaces: {br-mine: {kind: bridge, addresses: [10.1.0.1/24]}}, rules: [{from: 10.9.0.0/24, table: 100, priority: 1000}]}
links:
  - endpoints:
      - {node: host, interface: v-host, addresses: [10.0.0.1/24]}
      - {node: a, interface: eth0, addresses: [10.0.0.2/24]}
"""


def test_a_file_without_a_name_in_another_folder(host: Host) -> None:
    """Both are called `topo`, so the second one would delete the nodes of the first."""
    for folder in ("x", "y"):
        host.run("mkdir", folder)
    host.write("x/topo.yaml", "nodes: {a: {}, b: {}}")
    host.write("y/topo.yaml", "nodes: {k: {}}")
    host.netorch("apply", "x/topo.yaml")
    before = host.snapshot()
    failed = host.netorch("apply", "y/topo.yaml", check=False)
    assert failed.returncode == 1
    assert f"topology 'topo' is live from {host.directory}/x/topo.yaml" in failed.stderr
    assert "delete a, b. Write `name: …` in this file." in failed.stderr
    assert diff_snapshots(before, host.snapshot(), ignore=("files: /run/netorch",)) == []
    # what deletes no node, has a name, or is the only file of the name is applied
    host.write("y/topo.yaml", "nodes: {a: {}, b: {}, c: {}}")
    host.netorch("apply", "y/topo.yaml")
    host.write("x/topo.yaml", "name: topo\nnodes: {a: {}}")
    host.netorch("apply", "x/topo.yaml")
    host.write("y/topo.yaml", "nodes: {k: {}}")
    host.run("rm", "x/topo.yaml")
    host.netorch("apply", "y/topo.yaml")
    host.netorch("destroy", "topo")


def test_another_topologys_objects_name_that_topology(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.write("theirs.yaml", OTHER)
    host.netorch("apply", "theirs.yaml")
    error = refused(
        host, ["netns a", "topology 'theirs'", "br-mine", "v-host"], places=("10:3", "5:7", "16:9")
    )
    for line in sentences(error):
        assert "'theirs'" in line, f"each line names the other topology: {line}"
    # with a prefix of its own, the topology is live together with the other
    host.write(
        "topo.yaml",
        FILE.replace("name: mine\n", "name: mine\nprefix: m-\n")
        .replace("10.9.0.0", "10.8.0.0")
        .replace("10.1.0", "10.2.0"),
    )
    mine = host.netorch("apply")
    assert "warning" not in mine.stderr
    host.netorch("destroy", "theirs")
    assert host.netorch("diff").returncode == 0


def test_another_topologys_address_on_an_interface_of_the_host(host: Host) -> None:
    sh(host, "ip link add eth9 type ifb; ip link set eth9 up")
    for name in ("mine", "theirs"):
        host.write(
            f"{name}.yaml",
            f"name: {name}\nnodes:\n  host:\n    interfaces:\n      eth9: {{addresses: [192.0.2.1/24]}}\n",
        )
    host.netorch("apply", "theirs.yaml")
    refused(host, ["host/eth9", "192.0.2.1/24", "'theirs'"], "mine.yaml", places=("5:26",))


def test_another_topologys_route_on_the_host(host: Host) -> None:
    sh(host, "ip link add eth9 type ifb; ip link set eth9 up; ip addr add 192.0.2.1/24 dev eth9")
    for name in ("mine", "theirs"):
        host.write(
            f"{name}.yaml",
            f"name: {name}\nnodes:\n  host:\n    routes:\n      - {{to: 10.99.0.0/16, via: 192.0.2.9}}\n",
        )
    host.netorch("apply", "theirs.yaml")
    refused(host, ["10.99.0.0/16", "'theirs'"], "mine.yaml", places=("5:9",))


def test_another_instance_of_the_same_file_without_a_prefix_of_its_own(host: Host) -> None:
    host.write("topo.yaml", "nodes: {a: {}, b: {}}\nlinks: [[a:eth0, b:eth0]]\n")
    host.write("copy.yaml", "nodes: {a: {}, b: {}}\nlinks: [[a:eth0, b:eth0]]\n")
    host.netorch("apply")
    refused(host, ["netns a", "netns b", "'topo'"], "copy.yaml", places=("1:9", "1:16"))
    host.netorch("apply", "copy.yaml", "--name", "second")
    assert sorted(path.name for path in (host.root / "run/netns").iterdir()) == [
        "a",
        "b",
        "second-a",
        "second-b",
    ]


# files in /etc/netns are not a conflict: they stay, and netorch warns


def test_files_in_etc_netns_stay_with_a_warning(host: Host) -> None:
    host.write("topo.yaml", FILE)
    sh(
        host,
        "mkdir -p /etc/netns/a; echo '192.0.2.7 precious' >/etc/netns/a/hosts; echo x >/etc/netns/a/nsswitch.conf",
    )
    before = host.snapshot()
    first = host.netorch("apply")
    assert "warning: /etc/netns/a/hosts exists and netorch did not write it" in first.stderr
    assert (host.root / "etc/netns/a/hosts").read_text() == "192.0.2.7 precious\n"
    assert (host.root / "etc/netns/b/hosts").exists()
    diff = host.netorch("diff")
    assert "in sync" in diff.stdout
    assert "netorch leaves it as it is" in diff.stderr
    assert "192.0.2.7" in host.run("ip", "netns", "exec", "a", "cat", "/etc/hosts").stdout
    host.netorch("destroy", "mine")
    assert (
        diff_snapshots(before, host.snapshot(), ["files: /run/netns/", "mounts: /run/netns"]) == []
    )


PLACES: dict[str, str] = {
    "a link as the file": "mkdir /etc/netns/a; ln -s /etc/passwd /etc/netns/a/hosts",
    "a dangling link as the file": "mkdir /etc/netns/a; ln -s /run/nowhere /etc/netns/a/hosts",
    "a directory as the file": "mkdir -p /etc/netns/a/hosts/deep",
    "an empty file": "mkdir /etc/netns/a; : >/etc/netns/a/hosts",
    "bytes that are not text": r"mkdir /etc/netns/a; printf '\377\376\0' >/etc/netns/a/hosts",
    "another topology's file": "mkdir /etc/netns/a; echo '# netorch:theirs: written by' >/etc/netns/a/hosts",
    "a link as the directory": "mkdir /run/elsewhere; ln -s /run/elsewhere /etc/netns/a",
    "a plain file as the directory": "echo precious >/etc/netns/a",
}


@pytest.mark.parametrize("what", PLACES)
def test_anything_in_etc_netns_stays(host: Host, what: str) -> None:
    host.write("topo.yaml", FILE)
    sh(host, PLACES[what])
    look = (
        "find /etc/netns/a /run/elsewhere -exec stat -c '%N %F %a %i %s' {} + 2>/dev/null || true"
    )
    before, status, passwd = host.snapshot(), sh(host, look), Path("/etc/passwd").read_bytes()
    first = host.netorch("apply", timeout=20)
    assert "warning: /etc/netns/a" in first.stderr
    assert sh(host, f"{look} || true") == status
    assert host.netorch("diff").returncode == 0
    host.netorch("destroy", "mine")
    assert sh(host, f"{look} || true") == status
    assert Path("/etc/passwd").read_bytes() == passwd
    assert diff_snapshots(before, host.snapshot()) == []


# inside a namespace that is attached


ATTACHED = """\
name: mine
nodes:
  box:
    attach: netns:box
    interfaces:
      br0: {kind: bridge}
  host: {}
links:
  - endpoints:
      - {node: host, interface: v-host}
      - {node: box, interface: eth0, addresses: [10.0.0.2/24]}
"""


def test_an_unmarked_interface_in_an_attached_namespace(host: Host) -> None:
    host.write("topo.yaml", ATTACHED)
    sh(
        host,
        "ip netns add box; ip -n box link add eth0 type veth peer name eth1; ip -n box link add br0 type bridge",
    )
    refused(host, ["box", "eth0", "br0", "netorch did not make it"], places=("6:7", "11:9"))


def test_an_interface_with_our_mark_in_a_namespace_of_others_is_another_topologys(
    host: Host,
) -> None:
    host.write("topo.yaml", ATTACHED)
    sh(
        host,
        "ip netns add box; ip -n box link add eth0 type veth peer name eth1; ip -n box link set eth0 alias 'netorch:theirs'",
    )
    refused(host, ["eth0", "'theirs'"], places=("11:9",))


def test_a_change_that_meets_a_conflict_leaves_what_was_applied(host: Host) -> None:
    """The first version is live. The second needs one more object, which is foreign."""
    host.write("topo.yaml", FILE)
    host.netorch("apply")
    host.write(
        "topo.yaml",
        FILE.replace("  b: {}\n", "  b: {}\n  c: {}\n").replace("10.0.0.2/24", "10.0.0.3/24"),
    )
    sh(host, "ip netns add c")
    before = host.snapshot()
    process = host.netorch("apply", check=False)
    assert process.returncode == 1
    assert "topo.yaml:14:3: netns c" in process.stderr
    assert diff_snapshots(before, host.snapshot(), LOCK) == []


def test_a_foreign_object_that_turns_up_in_place_of_ours(host: Host) -> None:
    """Somebody deleted an object and made another with its name.

    Apply refuses the foreign object, and destroy leaves it alone.
    """
    host.write("topo.yaml", FILE)
    host.netorch("apply")
    sh(
        host,
        "ip link del br-mine; ip link add br-mine type bridge; ip addr add 192.0.2.1/24 dev br-mine",
    )
    sh(host, "ip netns del b; ip netns add b; ip -n b link set lo up")
    # the kernel removes the cable of the deleted namespace a little later
    sh(
        host,
        "for _ in $(seq 100); do ip -n a link show eth1 >/dev/null 2>&1 || break; sleep 0.1; done",
    )
    before = host.snapshot()
    process = host.netorch("apply", check=False)
    assert process.returncode == 1
    assert "br-mine" in process.stderr
    assert "netns b" in process.stderr
    assert diff_snapshots(before, host.snapshot(), LOCK) == []
    host.netorch("destroy", "mine")
    assert [entry["ifname"] for entry in host.ip("link")] == ["lo", "br-mine"]
    assert host.run("ip", "netns").stdout.split()[0] == "b"
    assert host.ip("addr", "show", "dev", "br-mine")[0]["addr_info"][0]["local"] == "192.0.2.1"


LATE = """
import subprocess, sys
from netorch.converge import transaction
execute = transaction.execute
def late(*words, **more):
    transaction.execute = execute
    subprocess.run(sys.argv[1], shell=True, check=True)
    return execute(*words, **more)
transaction.execute = late
from netorch.cli import main
sys.exit(main(["apply", "mine.yaml"]))
"""
"""An apply that runs the command in its first argument after the read, before the first step."""


@pytest.mark.parametrize(
    "theirs",
    [
        "ip link add br-mine address 02:00:00:00:00:01 type bridge; ip link set br-mine alias theirs; ip addr add 10.5.0.1/24 dev br-mine",
        "ip link add v-host address 02:00:00:00:00:01 type veth peer name v-peer address 02:00:00:00:00:02",
        "ip link add v-other address 02:00:00:00:00:01 type bridge; ip link property add dev v-other altname v-host",
        "ip route add unreachable 10.99.0.0/16",
        "ip rule add from 10.9.0.0/24 table 100 priority 1000",
        "ip netns add a",
        "mkdir -p /etc/netns/a && echo theirs > /etc/netns/a/hosts",
    ],
)
def test_what_somebody_makes_at_the_last_moment_stays_theirs(host: Host, theirs: str) -> None:
    host.write("mine.yaml", FILE)
    host.run("sh", "-c", theirs)
    alone = host.snapshot()
    host.run("sh", "-c", "ip link del br-mine || ip link del v-host || ip link del v-other || ip route del 10.99.0.0/16 || ip rule del priority 1000 || ip netns del a || rm -r /etc/netns/a")  # fmt: skip
    done = host.python(LATE, theirs, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    if theirs.startswith("ip rule"):
        # the kernel has one rule of each owner, because they differ in their protocol
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 1, done.stdout + done.stderr
        assert "EEXIST" in done.stderr, done.stderr
        assert "Rolled back" in done.stderr, done.stderr
    host.netorch("destroy", "mine")
    assert diff_snapshots(alone, host.snapshot(), ignore=LOCK) == []


def test_two_topologies_that_want_the_same_thing_at_the_same_time(host: Host) -> None:
    """At most one of two topologies succeeds. The other reports why, and leaves nothing."""
    host.write("mine.yaml", FILE)
    host.write("theirs.yaml", FILE.replace("name: mine", "name: theirs"))
    for _ in range(5):
        runs = [
            host.start(sys.executable, "-m", "netorch", "apply", f"{name}.yaml")
            for name in ("mine", "theirs")
        ]
        ends = [(run.communicate(timeout=60), run.returncode) for run in runs]
        statuses = sorted(status for _, status in ends)
        assert statuses in ([0, 1], [1, 1]), ends
        for (_, err), status in ends:
            assert "Traceback" not in err, err
            assert "internal error" not in err, err
            if status:
                assert "'mine'" in err or "'theirs'" in err or "moment ago" in err, err
        winners = [
            name for name, (_, status) in zip(("mine", "theirs"), ends, strict=True) if status == 0
        ]
        for name in winners:
            assert host.netorch("diff", f"{name}.yaml").returncode == 0
        host.netorch("destroy", "--all")
        assert [entry["ifname"] for entry in host.ip("link")] == ["lo"]
        assert (
            subprocess.run(
                host.inside("ip", "netns"), capture_output=True, text=True, check=True
            ).stdout
            == ""
        )
