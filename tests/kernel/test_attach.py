"""Attached namespaces: ended processes, reused PIDs, changed paths, existing interfaces."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from tests.kernel.engine import Engine
from tests.kernel.host import SOURCE, Host, diff_snapshots, sentences

LOCK = ["files: /run/netorch/lab.lock"]


def sh(host: Host, script: str) -> str:
    return host.run("sh", "-ec", script).stdout


def start_box(host: Host) -> int:
    """Start a process in an unnamed namespace. Returns its PID in the private host."""
    return int(
        sh(host, "unshare --net sleep 600 </dev/null >/dev/null 2>&1 & echo $!; sleep 0.1").split()[
            0
        ]
    )


def lab(how: str) -> str:
    """Return a topology that attaches a namespace, with settings, a route and a cable in it."""
    return f"""\
name: lab
nodes:
  box:
    attach: '{how}'
    sysctls: {{net.ipv4.conf.all.rp_filter: 2}}
    routes: [{{to: 10.8.0.0/16, type: blackhole}}]
  a: {{}}
links: [{{endpoints: [a:eth0, box:cable], subnet: [10.0.0.0/24, "fd00::/64"]}}]
"""


def test_a_process_that_ended_and_another_that_got_its_number(host: Host) -> None:
    box = host.start("unshare", "--net", "sleep", "600")
    while not (pid := sh(host, "pgrep -x sleep || :").strip()):
        pass
    before = host.snapshot()
    host.write("topo.yaml", lab(f"pid:{pid}"))
    host.netorch("apply")
    box.signal(signal.SIGKILL)
    box.wait()
    result = host.netorch("diff", check=False)
    assert result.returncode == 1
    assert sentences(result.stderr) == [
        f"topo.yaml:4:5: node box: there is no process {pid}. Start it first, and write its current PID."
    ]
    assert host.netorch("exec", "box", "true", check=False).stderr.startswith(
        f"netorch: node box: there is no process {pid}."
    )
    # the PID is another process's now: diff reports what is missing there, and destroy changes
    # nothing there
    sh(
        host,
        f"echo {int(pid) - 1} >/proc/sys/kernel/ns_last_pid; unshare --net sleep 600 </dev/null >/dev/null 2>&1 & sleep 0.1",
    )
    assert sh(host, "pgrep -x sleep").strip() == pid
    sh(host, f"echo 1 >/proc/{pid}/root/proc/sys/net/ipv4/ip_forward")
    look = f"nsenter -t {pid} -n sh -c 'ip addr; ip route show table all; grep -r . /proc/sys/net/ipv4/conf'"
    within = sh(host, look)
    assert "+ route box 10.8.0.0/16" in host.netorch("diff", check=False).stdout
    host.netorch("destroy")
    assert sh(host, look) == within
    sh(host, "echo 0 >/proc/sys/net/ipv4/ip_forward")
    assert diff_snapshots(before, host.snapshot()) == []


def test_a_name_that_leads_to_another_namespace_now(host: Host) -> None:
    """Each command follows a symbolic link again, and a mount outlives its process."""
    pids = [start_box(host), start_box(host)]
    sh(
        host,
        f"touch /run/held; mount --bind /proc/{pids[0]}/ns/net /run/held; kill -9 {pids[0]}; ln -s /run/held /run/box",
    )
    before = host.snapshot()
    host.write("topo.yaml", lab("path:/run/box"))
    host.netorch("apply")
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert host.ping("a", "fd00::2")
    sh(host, f"ln -sfn /proc/{pids[1]}/ns/net /run/box")
    output = host.netorch("diff", check=False).stdout
    assert "+ route box 10.8.0.0/16" in output and "box/cable" in output and "netns a" not in output
    host.netorch("apply")
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert host.ping("a", "10.0.0.2")
    assert "cable" not in sh(host, "nsenter --net=/run/held ip link"), (
        "the end of the cable went away with the other end"
    )
    host.netorch("destroy")
    assert "blackhole" not in sh(host, f"nsenter -t {pids[1]} -n ip route")
    assert diff_snapshots(before, host.snapshot(), ["files: /run/box"]) == []


@pytest.mark.parametrize("record", ["with its record", "without a record"])
def test_a_mount_without_a_process_and_what_hangs_on_it(host: Host, record: str) -> None:
    """Destroy follows the cables: from a node of netorch to the mount, and from there on."""
    pids = [start_box(host), start_box(host)]
    sh(
        host,
        f"touch '/run/held open'; mount --bind /proc/{pids[0]}/ns/net '/run/held open'; kill -9 {pids[0]}",
    )
    before = host.snapshot()
    host.write(
        "topo.yaml",
        f"""\
name: lab
nodes:
  box: {{attach: 'path:/run/held open', routes: [{{to: 10.8.0.0/16, type: blackhole}}]}}
  far: {{attach: 'pid:{pids[1]}', routes: [{{to: 10.9.0.0/16, type: blackhole}}], nat: [masquerade: {{from: 10.0.0.0/24, out: cable}}]}}
  a: {{}}
links: [[a:eth0, box:cable], [box:on, far:cable]]
""",
    )
    host.netorch("apply")
    if record == "without a record":
        shutil.rmtree(host.root / "run/netorch")
    host.netorch("destroy", "lab")
    for where in ("--net='/run/held open'", f"--net=/proc/{pids[1]}/ns/net"):
        assert (
            sh(
                host,
                f"nsenter {where} sh -c 'ip -br link | grep -v ^lo || :; ip route; nft list tables; iptables-legacy-save'",
            )
            == ""
        )
    assert (
        diff_snapshots(before, host.snapshot(), ["files: /run/netns", "mounts: /run/netns"]) == []
    )


def test_a_node_that_is_no_longer_attached_leaves_nothing(host: Host) -> None:
    sh(host, "ip netns add box; ip netns add other")
    before = host.snapshot()
    host.write("topo.yaml", lab("netns:box"))
    host.netorch("apply")
    host.write("topo.yaml", lab("netns:other"))
    output = host.netorch("apply").stdout
    assert "- route netns:box 10.8.0.0/16" in output and "+ route box 10.8.0.0/16" in output
    assert [
        line for line in diff_snapshots(before, host.snapshot()) if line[2:].startswith("netns box")
    ] == []
    assert host.netorch("diff").stdout == "lab: in sync\n"
    # the name of the node and the namespace that it attaches to change places
    host.write(
        "topo.yaml",
        lab("netns:box").replace("  a: {}", "  a: {}\n  second: {attach: 'netns:other'}"),
    )
    host.netorch("apply")
    assert "blackhole" not in sh(host, "ip -n other route") and "blackhole" in sh(
        host, "ip -n box route"
    )
    host.write("topo.yaml", "name: lab\nnodes: {a: {}}\n")
    host.netorch("apply")
    assert [
        line
        for line in diff_snapshots(before, host.snapshot())
        if line[2:].startswith(("netns box", "netns other"))
    ] == []
    host.netorch("destroy")
    assert diff_snapshots(before, host.snapshot()) == []


def test_one_namespace_under_two_names(host: Host) -> None:
    host.write("topo.yaml", "name: lab\nnodes: {a: {}}\n")
    host.netorch("apply")
    before = host.snapshot()
    host.write(
        "topo.yaml",
        "name: lab\nnodes:\n  a: {}\n  box: {attach: 'netns:a'}\nlinks: [[a:eth0, box:eth0]]\n",
    )
    error = host.netorch("apply", check=False).stderr
    assert sentences(error) == [
        "topo.yaml:4:9: the nodes a and box (netns:a) are the same namespace. Delete box, and write what it has under a."
    ]
    assert diff_snapshots(before, host.snapshot(), LOCK) == []


def test_settings_of_interfaces_that_are_there_already(host: Host) -> None:
    """IPv4 and IPv6 may have had different values, and each gets its own back."""
    sh(
        host,
        "ip netns add box; ip -n box link add eth5 type ifb; ip -n box link set eth5 up; ip link add eth9 type ifb",
    )
    conf = "/proc/sys/net/ipv4/conf/eth5"
    sh(host, f"ip netns exec box sh -c 'echo 1 >{conf}/forwarding; echo 1 >{conf}/rp_filter'")
    before = host.snapshot()
    text = """\
name: lab
nodes:
  box:
    attach: netns:box
    interfaces:
      eth5: {sysctls: {forwarding: 1, rp_filter: 2, disable_ipv6: 0}, addresses: ["fd00::5/64"]}
      lo: {sysctls: {rp_filter: 1}}
  host: {interfaces: {eth9: {sysctls: {rp_filter: 2}}}}
"""
    host.write("topo.yaml", text)
    host.netorch("apply")
    box = host.snapshot()["netns box"]
    values = {
        name: box[f"sysctl net/{name}"]
        for name in ("ipv4/conf/eth5/forwarding", "ipv6/conf/eth5/forwarding")
    }
    assert set(values.values()) == {"1"}
    assert box["sysctl net/ipv4/conf/eth5/rp_filter"] == "2"
    assert host.netorch("diff").stdout == "lab: in sync\n"
    host.write("topo.yaml", text.replace("forwarding: 1, ", "forwarding: 0, "))
    host.netorch("apply")
    host.write(
        "topo.yaml",
        text.replace("forwarding: 1, ", "").replace("rp_filter: 2,", "rp_filter: 99999999999,"),
    )
    middle = host.snapshot()
    assert host.netorch("apply", check=False).returncode == 1
    assert diff_snapshots(middle, host.snapshot(), LOCK) == [], "rolled back, in both IP versions"
    host.write("topo.yaml", text.replace("forwarding: 1, ", ""))
    host.netorch("apply")
    assert [line for line in diff_snapshots(before, host.snapshot()) if "forwarding" in line] == []
    host.netorch("destroy")
    assert diff_snapshots(before, host.snapshot()) == []


def test_ipv6_goes_over_the_host_at_once(host: Host) -> None:
    """The host's link-local addresses on links of netorch are not tentative.

    The host sends its neighbour solicitations from them.
    """
    sh(host, "ip netns add box")
    for _ in range(2):
        host.write(
            "topo.yaml",
            """\
name: lab
nodes:
  in: {networks: [lan]}
  box: {attach: netns:box, forwarding: true}
  out: {routes: [{to: "fd00::/8", via: "fd01::2"}]}
  far: {routes: [{to: "fd00::/8", via: "fd03::1"}]}
  host: {routes: [{to: "fd03::/64", via: "fd02::2"}]}
networks: {lan: {mode: routed, subnet: "fd05::/64"}}
links:
  - {endpoints: [out:eth0, host:v0], subnet: "fd01::/64"}
  - {endpoints: [host:v1, box:cable], subnet: "fd02::/64"}
  - {endpoints: [box:on, far:eth0], subnet: "fd03::/64"}
""",
        )
        host.write(
            "again.yaml",
            (host.directory / "topo.yaml")
            .read_text()
            .replace("box: {", "box: {routes: [{to: 'fd00::/8', via: 'fd02::1'}], "),
        )
        host.netorch("apply", "again.yaml")
        assert host.ping("out", "fd05::2"), "forwarded by the host"
        assert host.ping("far", "fd05::2"), "forwarded by the attached namespace"
        for place in ("v0", "v1", "lan", "cable", "on"):
            where = "-n box " if place in {"cable", "on"} else ""
            assert "tentative" not in sh(host, f"ip {where}-6 addr show dev {place}")
        host.netorch("destroy", "lab")


def test_what_show_writes_is_what_is_there(host: Host, tmp_path: Path) -> None:
    engine = Engine(host)
    engine.run("web")
    engine.run("db")
    host.netorch("apply", SOURCE / "topologies/containers.yaml")
    host.write("shown.yaml", host.netorch("show", "-o", "yaml").stdout)
    assert host.netorch("diff", "shown.yaml").stdout == "containers: in sync\n"
