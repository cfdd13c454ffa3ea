"""Test that destroy restores the machine in every case and leaves foreign objects alone."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.kernel.host import Host, diff_snapshots

FILE = """\
name: five
nodes:
  a: {networks: [lan], routes: [{to: 10.9.0.0/16, via: 10.0.1.2}], sysctls: {net.ipv4.conf.all.rp_filter: 2}}
  b: {networks: {lan: {address: 10.0.0.77}}, rules: [{from: 10.9.0.0/24, table: 100, priority: 1000}]}
  r: {forwarding: true, networks: [lan]}
  s: {interfaces: {br0: {kind: bridge, ports: [p1], addresses: [10.5.0.1/24, "fd05::1/64"]}}}
  host:
    interfaces: {br-five: {kind: bridge, addresses: [10.6.0.1/24]}}
    rules: [{from: 10.8.0.0/24, table: 100, priority: 1000}]
    routes: [{to: 10.77.0.0/16, via: 10.7.0.2}]
    sysctls: {net.ipv4.conf.default.rp_filter: 2}
    forwarding: true
networks:
  lan: {subnet: [10.0.0.0/24, "fd00::/64"], gateway: r}
links:
  - endpoints: [a:eth1, r:eth1]
    subnet: 10.0.1.0/30
  - [s:p1, r:eth2]
  - endpoints:
      - {node: host, interface: veth-a, addresses: [10.7.0.1/24]}
      - {node: r, interface: veth-b, addresses: [10.7.0.2/24]}
"""
NOTHING = "five: nothing to destroy\n"


def sh(host: Host, script: str) -> str:
    return host.run("sh", "-ec", script).stdout


def inode(host: Host, name: str) -> int:
    return int(sh(host, f"stat -L -c %i /run/netns/{name}"))


def users(host: Host, namespaces: set[int]) -> list[str]:
    """Return the processes of the host that are in one of the namespaces or hold one open.

    Others are left out, because Linux gives the number of a namespace that is gone to the next one,
    which may be that of another test.
    """
    processes = []
    own = os.readlink(f"/proc/{host.pid}/ns/pid")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str((process / "ns/pid").readlink()) != own:
                continue
            paths = [process / "ns/net", *(process / "fd").iterdir()]
            if any(
                path.stat().st_ino in namespaces and str(path.readlink()).startswith("net:")
                for path in paths
                if path.exists()
            ):
                processes.append(f"{process.name} {(process / 'comm').read_text().strip()}")
        except OSError:
            continue
    return processes


@pytest.fixture
def before(host: Host) -> dict[str, dict[str, str]]:
    """Make foreign objects on the host and write the file. Return the state of the host."""
    sh(
        host,
        "ip link add eth9 type ifb; ip link set eth9 up; "
        "ip addr add 192.0.2.1/24 dev eth9; ip netns add other",
    )
    sh(host, "mkdir /etc/netns/other; echo 127.0.0.1 precious >/etc/netns/other/hosts")
    host.write("topo.yaml", FILE)
    return host.snapshot()


@pytest.mark.uml
def test_it_equals_before_and_again(host: Host, before: dict[str, dict[str, str]]) -> None:
    host.netorch("apply")
    assert diff_snapshots(before, host.snapshot()) != []
    first = host.netorch("destroy")
    assert " removed in " in first.stdout
    assert diff_snapshots(before, host.snapshot()) == []
    again = host.netorch("destroy", "five")
    assert (again.stdout, again.stderr) == (NOTHING, "")
    assert diff_snapshots(before, host.snapshot()) == []


def test_on_a_host_where_nobody_ever_made_a_namespace(host: Host) -> None:
    """netorch makes /run/netns, its mounts and /etc/netns with the first namespace.

    It removes them with the last one.
    """
    host.run("umount", "/etc/netns")
    existed = any(Path("/etc/netns").iterdir())
    host.write("topo.yaml", FILE)
    before = host.snapshot()
    # the test must not write to the machine's /etc, so it mounts a file system of its own there
    host.run("mount", "-t", "tmpfs", "tmpfs", "/etc/netns")
    host.netorch("apply")
    host.netorch("destroy")
    host.run("umount", "/etc/netns")
    assert not existed
    assert diff_snapshots(before, host.snapshot()) == []
    assert not (host.root / "run/netns").exists()
    assert not (host.root / "run/netorch").exists()


@pytest.mark.uml
def test_by_name_after_the_file_is_gone(host: Host, before: dict[str, dict[str, str]]) -> None:
    host.netorch("apply")
    (host.directory / "topo.yaml").unlink()
    host.netorch("destroy", "five")
    assert diff_snapshots(before, host.snapshot()) == []


@pytest.mark.parametrize("how", ["utf-16", "escaped"])
def test_attached_by_a_file_with_another_encoding_or_escapes(
    host: Host, before: dict[str, dict[str, str]], how: str
) -> None:
    text = (
        'name: five\nnodes:\n  box: {"attach": "netns:other", '
        "interfaces: {d0: {kind: bridge, addresses: [10.0.0.2/24]}}}\n"
    )
    data = (
        text.encode("utf-16")
        if how == "utf-16"
        else text.replace('"attach"', '"\\x61ttach"').encode()
    )
    (host.directory / "topo.yaml").write_bytes(data)
    host.netorch("apply")
    assert "d0" in sh(host, "ip -n other link")
    host.netorch("destroy", "five")
    assert diff_snapshots(before, host.snapshot()) == []


def test_without_arguments_after_the_file_is_gone(
    host: Host, before: dict[str, dict[str, str]]
) -> None:
    host.netorch("apply")
    (host.directory / "topo.yaml").unlink()
    host.netorch("destroy")
    assert diff_snapshots(before, host.snapshot()) == []


@pytest.mark.parametrize(
    "text",
    [
        "name: five\nnodes: {a: {netwroks: [lan]}}\n",
        "name: five\nnodes: {a: {}}\n",
        "nodes: [\n",
        "",
        "name: five\nnodes: {}\n",
    ],
    ids=["misspelt", "another state", "no YAML", "empty", "no nodes"],
)
def test_with_a_file_that_was_changed_since(
    host: Host, before: dict[str, dict[str, str]], text: str
) -> None:
    host.netorch("apply", "topo.yaml")
    host.write("topo.yaml", text)
    host.netorch("destroy", "topo.yaml")
    assert diff_snapshots(before, host.snapshot()) == []


def test_an_invalid_file_that_was_never_applied_is_an_error(
    host: Host, before: dict[str, dict[str, str]]
) -> None:
    host.netorch("apply")
    host.write("wrong.yaml", "nodes: {a: {netwroks: [lan]}}\n")
    process = host.netorch("destroy", "wrong.yaml", check=False)
    assert process.returncode == 1
    assert "wrong.yaml:1:13" in process.stderr
    assert (host.root / "run/netns/a").exists()


@pytest.mark.parametrize("what", ["all of it", "the record", "the text", "the sysctls", "garbage"])
def test_after_the_record_was_lost(
    host: Host, before: dict[str, dict[str, str]], what: str
) -> None:
    host.netorch("apply")
    record = host.root / "run/netorch/five"
    match what:
        case "all of it":
            shutil.rmtree(host.root / "run/netorch")
        case "the record":
            shutil.rmtree(record)
        case "the text":
            (record / "topology.yaml").unlink()
        case "the sysctls":
            (record / "sysctls.json").unlink()
        case "garbage":
            for path in record.iterdir():
                path.write_bytes(b"\xff\xfe{")
    process = host.netorch("destroy", "five")
    left = diff_snapshots(before, host.snapshot(), ["files: /run/netorch/"])
    # only the record has the original values, so netorch may leave settings behind, and says so
    allowed = ("~ host: sysctl net/ipv4/", "~ host: sysctl net/ipv6/")
    if what != "the text":
        assert [line for line in left if not line.startswith(allowed)] == []
    if what in ("all of it", "the record"):
        assert "stay as they are" in process.stderr
    if what == "garbage":
        assert "damaged" in process.stderr
    assert [entry["ifname"] for entry in host.ip("link")] == ["lo", "eth9"]
    assert sorted(path.name for path in (host.root / "run/netns").iterdir()) == ["other"]


def test_without_arguments_after_the_record_was_lost(
    host: Host, before: dict[str, dict[str, str]]
) -> None:
    host.netorch("apply")
    shutil.rmtree(host.root / "run/netorch")
    (host.directory / "topo.yaml").unlink()
    assert host.netorch("show").stdout.startswith("five: unknown, ")
    assert (
        "five is live here, but there is no record of its file"
        in host.netorch("diff", check=False).stderr
    )
    host.netorch("destroy")
    assert host.netorch("list").stdout == "no topology is live here\n"
    assert "no topology is live: specify a FILE" in host.netorch("destroy", check=False).stderr


def start_box(host: Host) -> int:
    """Start a process in a network namespace that has no name.

    Return its process ID in the private host.
    """
    return int(
        sh(host, "unshare --net sleep 600 </dev/null >/dev/null 2>&1 & echo $!; sleep 0.1").split()[
            0
        ]
    )


@pytest.mark.uml
def test_attached_namespaces_and_host_after_the_record_was_lost(
    host: Host, before: dict[str, dict[str, str]]
) -> None:
    pid = start_box(host)
    host.write(
        "topo.yaml",
        f"""\
name: five
nodes:
  host: {{rules: [{{from: 10.8.0.0/24, table: 100, priority: 1000}}], interfaces: {{eth9: {{addresses: [192.0.3.1/24]}}}}}}
  box: {{attach: pid:{pid}, routes: [{{to: default, via: 10.0.0.1}}], interfaces: {{br0: {{kind: bridge}}}}}}
  other: {{attach: netns:other}}
links:
  - {{endpoints: [host:v0, box:eth0], subnet: 10.0.0.0/24}}
  - {{endpoints: [other:eth0, box:eth1], subnet: 10.0.1.0/24}}
""",
    )
    look = f"nsenter -t {pid} -n sh -c 'ip -br link; ip -br addr; ip route show table all; ip rule'"
    within = sh(host, look)
    host.netorch("apply")
    assert sh(host, look) != within
    shutil.rmtree(host.root / "run/netorch")
    host.netorch("destroy", "five")
    assert sh(host, look) == within
    assert diff_snapshots(before, host.snapshot()) == []
    sh(host, f"kill -0 {pid}")


def test_an_attached_process_that_ended_meanwhile(
    host: Host, before: dict[str, dict[str, str]]
) -> None:
    pid = start_box(host)
    host.write(
        "topo.yaml",
        f"name: five\nnodes: {{host: {{}}, box: {{attach: 'pid:{pid}'}}, a: {{}}}}\n"
        "links: [[host:v0, box:eth0], [a:eth0, box:eth1]]\n",
    )
    host.netorch("apply")
    sh(host, f"kill -9 {pid}")
    host.netorch("destroy")
    assert diff_snapshots(before, host.snapshot()) == []


@pytest.mark.parametrize("gone", ["a", "r", "netorch-five", "a b r s netorch-five"])
def test_after_a_namespace_was_deleted_by_hand(
    host: Host, before: dict[str, dict[str, str]], gone: str
) -> None:
    host.netorch("apply")
    sh(host, f"for name in {gone}; do ip netns del $name; done")
    warnings = host.netorch("destroy").stderr
    assert f"{', '.join(sorted(gone.split()))}: there is no namespace of that name" in warnings
    assert diff_snapshots(before, host.snapshot()) == []


def test_after_everything_was_taken_apart_by_hand(
    host: Host, before: dict[str, dict[str, str]]
) -> None:
    host.netorch("apply")
    sh(
        host,
        "ip link del br-five; ip link del veth-a; ip rule del priority 1000; ip -n a link del eth1",
    )
    sh(
        host,
        "ip -n s link del br0; ip -n a addr flush dev lo",
    )
    sh(
        host,
        "rm -r /etc/netns/a /etc/netns/b; ip -n r link set eth0 netns other name stray; "
        "ip -n netorch-five link set lan down",
    )
    host.netorch("destroy")
    deadline = time.monotonic() + 5
    # the kernel deletes the stray end with its peer, as soon as it cleans up the peer's namespace
    while diff_snapshots(before, host.snapshot()) and time.monotonic() < deadline:
        pass
    assert diff_snapshots(before, host.snapshot()) == []


@pytest.mark.uml
def test_processes_in_a_node_are_ended_and_the_namespace_is_really_gone(
    host: Host, before: dict[str, dict[str, str]]
) -> None:
    host.netorch("apply")
    namespaces = {inode(host, name) for name in ("a", "b", "r", "s", "netorch-five")}
    plain = host.start("ip", "netns", "exec", "a", "sleep", "600")
    stubborn = host.start(
        "ip", "netns", "exec", "b", "sh", "-c", "trap '' TERM HUP INT; while :; do sleep 1; done"
    )
    through = host.start("nsenter", "--net=/run/netns/r", "sleep", "601")
    outside = host.start("sleep", "602")
    for name in ("a", "b"):
        while not sh(host, f"ip netns pids {name}").strip():
            pass
    process = host.netorch("destroy")
    assert "ended process" in process.stderr
    assert "(sleep)" in process.stderr
    for run in (plain, stubborn, through):
        assert run.wait(timeout=10) != 0
    assert outside.poll() is None
    outside.kill()
    assert users(host, namespaces) == []
    assert diff_snapshots(before, host.snapshot()) == []


def test_a_process_of_a_node_that_an_update_removes(
    host: Host, before: dict[str, dict[str, str]]
) -> None:
    host.write("topo.yaml", "name: five\nnodes: {a: {}, b: {}}\n")
    host.netorch("apply")
    namespace = inode(host, "b")
    stays = host.start("ip", "netns", "exec", "a", "sleep", "600")
    goes = host.start("ip", "netns", "exec", "b", "sleep", "600")
    while not sh(host, "ip netns pids a").strip() or not sh(host, "ip netns pids b").strip():
        pass
    host.write("topo.yaml", "name: five\nnodes: {a: {}}\n")
    host.netorch("apply")
    assert goes.wait(timeout=10) != 0
    assert stays.poll() is None
    assert users(host, {namespace}) == []
    host.netorch("destroy")


def test_a_process_in_an_attached_namespace_lives_on(
    host: Host, before: dict[str, dict[str, str]]
) -> None:
    host.write(
        "topo.yaml",
        "name: five\nnodes: {host: {}, box: {attach: netns:other}}\nlinks: [[host:v0, box:eth0]]\n",
    )
    inside = host.start("ip", "netns", "exec", "other", "sleep", "600")
    host.netorch("apply")
    host.netorch("destroy")
    assert inside.poll() is None
    assert diff_snapshots(before, host.snapshot()) == []


def test_all_of_two_topologies(host: Host, before: dict[str, dict[str, str]]) -> None:
    host.write(
        "second.yaml", "nodes: {x: {networks: [net]}, y: {networks: [net]}}\nnetworks: {net: {}}\n"
    )
    host.netorch("apply")
    host.netorch("apply", "second.yaml")
    middle = host.snapshot()
    process = host.netorch("destroy", "--all")
    assert "five: " in process.stdout
    assert "second: " in process.stdout
    assert diff_snapshots(before, host.snapshot()) == []
    assert host.netorch("destroy", "--all").stdout == "no topology is live here\n"
    # destroying one of the two leaves the other alone, in both orders
    for first in ("five", "second"):
        host.netorch("apply")
        host.netorch("apply", "second.yaml")
        other = {"five": "second", "second": "five"}[first]
        host.netorch("destroy", first)
        assert "in sync" in host.netorch("diff", f"{other}.yaml".replace("five", "topo")).stdout
        host.netorch("destroy", other)
        assert diff_snapshots(before, host.snapshot()) == []
    assert middle != before


def test_all_without_records_finds_them_by_their_marks(
    host: Host, before: dict[str, dict[str, str]]
) -> None:
    host.write(
        "topo.yaml",
        "name: five\nnodes: {a: {}, b: {}, "
        "host: {interfaces: {br-five: {kind: bridge}}}}\nlinks: [[a:eth0, b:eth0]]\n",
    )
    host.netorch("apply")
    shutil.rmtree(host.root / "run/netorch")
    host.netorch("destroy", "--all")
    assert diff_snapshots(before, host.snapshot()) == []


@pytest.mark.parametrize("name", ["nobody", "a", "host", "other"])
def test_an_unknown_name_has_nothing_to_destroy(
    host: Host, before: dict[str, dict[str, str]], name: str
) -> None:
    process = host.netorch("destroy", name)
    assert process.returncode == 0
    assert process.stdout == f"{name}: nothing to destroy\n"
    assert diff_snapshots(before, host.snapshot()) == []


@pytest.mark.parametrize("name", ["../other", "A", "", "x" * 40, "-", "a b"])
def test_a_name_that_cannot_be_one_is_an_error(
    host: Host, before: dict[str, dict[str, str]], name: str
) -> None:
    process = host.netorch("destroy", name, check=False, stdin="")
    assert process.returncode == 1
    assert "Traceback" not in process.stderr
    assert "internal error" not in process.stderr
    assert process.stderr.strip()
    assert diff_snapshots(before, host.snapshot()) == []


def test_two_instances_of_one_file(host: Host, before: dict[str, dict[str, str]]) -> None:
    host.write(
        "topo.yaml",
        "name: five\nnodes: {a: {}, host: {}}\nlinks: [{endpoints: [host:v0, a:eth0]}]\n",
    )
    for name in ("one", "two"):
        host.netorch("apply", "topo.yaml", "--name", name)
    host.netorch("destroy", "topo.yaml", "--name", "one")
    assert sorted(path.name for path in (host.root / "run/netns").iterdir()) == ["other", "two-a"]
    host.netorch("destroy", "two")
    assert diff_snapshots(before, host.snapshot()) == []


def test_two_topologies_that_set_one_setting_of_the_host(
    host: Host, before: dict[str, dict[str, str]]
) -> None:
    """The last one that is destroyed restores the original values, in either order."""
    for name in ("one", "two"):
        host.write(
            f"{name}.yaml", f"name: {name}\nnodes: {{host: {{forwarding: true}}, {name}: {{}}}}\n"
        )
    for order in (("one", "two"), ("two", "one")):
        host.netorch("apply", "one.yaml")
        host.netorch("apply", "two.yaml")
        host.netorch("destroy", order[0])
        assert (host.root / "proc/sys/net/ipv4/conf/lo/forwarding").exists()
        assert sh(host, "cat /proc/sys/net/ipv4/ip_forward").strip() == "1", (
            "the other topology still needs it"
        )
        host.netorch("destroy", order[1])
        assert diff_snapshots(before, host.snapshot()) == []


def test_two_topologies_whose_marks_on_addresses_are_the_same_number(
    host: Host, before: dict[str, dict[str, str]]
) -> None:
    """Addresses, routes and rules hold only a small number, so two topologies can share one.

    They must not share the objects.
    """
    from netorch.values.marks import Mark

    first = "one"
    second = next(
        name
        for number in range(10000)
        if Mark(name := f"t{number}").protocol == Mark(first).protocol
    )
    text = (
        "name: {0}\nnodes:\n  host:\n    interfaces: {{eth9: {{addresses: [198.51.{1}.1/24]}}}}\n"
        "    rules: [{{from: 10.{1}.0.0/24, table: 100, priority: 100{1}}}]\n"
        "    routes: [{{to: 10.{1}.0.0/16, via: 198.51.{1}.9}}]\n"
        "  {0}: {{}}\nlinks:\n  - {{endpoints: [host:v{1}, {0}:eth0], subnet: 10.20{1}.0.0/24}}\n"
    )
    host.write("one.yaml", text.format(first, 1))
    host.write("two.yaml", text.format(second, 2))
    host.netorch("apply", "one.yaml")
    only_one = host.snapshot()
    host.netorch("apply", "two.yaml")
    lost = [line for line in diff_snapshots(only_one, host.snapshot()) if line.startswith("- ")]
    assert lost == []
    assert host.netorch("diff", "one.yaml", check=False).returncode == 0
    host.netorch("destroy", second)
    assert diff_snapshots(only_one, host.snapshot()) == []
    host.netorch("destroy", first)
    assert diff_snapshots(before, host.snapshot()) == []
