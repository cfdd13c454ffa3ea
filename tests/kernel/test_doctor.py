"""doctor: each test makes a hazard on a private host, and runs the remedy that doctor reports.

After that, doctor no longer reports it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.kernel.host import Background, Host, diff_snapshots
from tests.kernel.kindcase import has_kind

NAT = (
    "name: lab\nnodes: {a: {networks: [lan]}}\nnetworks: {lan: {mode: nat, subnet: 10.77.0.0/24}}\n"
)
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]


def findings(host: Host, *words: str | Path) -> dict[str, dict[str, Any]]:
    """Return check → its first finding. Checks that the exit status agrees with them."""
    done = host.netorch("doctor", *words, "-o", "json", check=False)
    report = json.loads(done.stdout)
    failing = any(finding["level"] == "error" for finding in report["findings"])
    assert (done.returncode, report["well"]) == (int(failing), not failing), done.stdout
    assert done.stderr == ""
    return {finding["check"]: finding for finding in reversed(report["findings"])}


def repair(host: Host, check: str, *words: str | Path) -> None:
    """Run the remedy and check that doctor no longer reports the finding."""
    host.run("sh", "-c", findings(host, *words)[check]["command"])
    assert check not in findings(host, *words)


def test_a_clean_host_has_no_findings_and_does_not_change(host: Host) -> None:
    before = host.snapshot()
    done = host.netorch("doctor")
    assert done.stdout.splitlines()[-2:] == ["", "nothing is in the way"]
    assert any(line.split()[:3] == ["veth", "links", "yes"] for line in done.stdout.splitlines())
    assert host.netorch("doctor", "-q").stdout == ""
    file = host.write("lab.yaml", NAT)
    assert set(findings(host, file)) <= {"forwarding"}
    assert diff_snapshots(before, host.snapshot()) == []
    host.netorch("apply", file)
    applied = host.snapshot()
    assert findings(host, file) == findings(host) == {}
    assert diff_snapshots(applied, host.snapshot()) == []


def test_what_a_kernel_has_agrees_with_iproute2(host: Host) -> None:
    report = json.loads(host.netorch("doctor", "-o", "json").stdout)
    state = {feature["feature"]: feature["state"] for feature in report["features"]}
    for kind in ("veth", "bridge", "ifb", "dummy", "macvlan", "vlan", "vrf", "wireguard"):
        assert state[f"{kind} links"] in (
            ("yes", "on demand") if has_kind(host, kind) else ("no",)
        ), kind
    assert report["kernel"] == host.run("uname", "-r").stdout.strip()


def test_a_library_that_is_missing(host: Host) -> None:
    hide = "for lib in $(ldconfig -p | sed -n 's/.*libnftables.so.1.*=> //p'); do mount --bind /dev/null $lib; done"
    host.run("sh", "-c", hide)
    # in a process of its own, because the shared one has loaded the library already
    done = host.run(sys.executable, "-m", "netorch", "doctor", "-o", "json", check=False)
    (nft,) = [
        feature
        for feature in json.loads(done.stdout)["features"]
        if feature["feature"] == "NAT by nftables"
    ]
    assert nft["state"] == "no"
    assert "apt install libnftables1" in nft["reason"]


def test_what_lies_where_netorch_keeps_things(host: Host) -> None:
    host.run(
        "sh",
        "-c",
        "mkdir -p /run/netns && touch '/run/netns/old one' && ln -s /nowhere /run/netns/gone",
    )
    assert findings(host)["leftovers"]["level"] == "warning"
    for _ in range(2):
        host.run("sh", "-c", findings(host)["leftovers"]["command"])
    assert "leftovers" not in findings(host)
    host.run("sh", "-c", "touch /run/netns/a")
    file = host.write("lab.yaml", NAT)
    assert findings(host)["leftovers"]["level"] == "warning"
    report = findings(host, file)
    assert report["leftovers"]["level"] == "error"
    assert "file" not in report, "reported once"
    repair(host, "leftovers", file)
    host.netorch("apply", file)
    (host.root / "run/netorch/lab/meta.json").write_text("{")
    assert "damaged" in findings(host)["records"]["what"]
    repair(host, "records")
    host.netorch("apply", file)
    (host.root / "run/netorch/odd").write_text("")
    assert findings(host)["records"]["level"] == "error"
    repair(host, "records")


def test_iptables_that_drop_are_handled(host: Host) -> None:
    file = host.write("lab.yaml", NAT)
    host.run("iptables", "-P", "FORWARD", "DROP")
    report = findings(host, file)
    assert report["forward"]["level"] == "handled"
    assert "walls" not in report
    done = host.netorch("doctor", file)
    assert done.stdout.splitlines()[-1] == "nothing is in the way for lab"


def test_nftables_that_drop(host: Host) -> None:
    file = host.write("lab.yaml", NAT)
    for table in ("fire", "firewalld"):
        host.run("nft", f"add table inet {table}")
        host.run(
            "nft",
            f"add chain inet {table} way {{ type filter hook forward priority 0; policy drop; }}",
        )
        assert (table == "firewalld") == ("BRIDGE" not in findings(host)["walls"]["command"]), (
            "doctor knows the bridges of live topologies only"
        )
        if table == "fire":
            repair(host, "walls", file)
            host.netorch("apply", file)
            assert "walls" not in findings(host)
            host.run("nft", "delete table inet fire")
    report = findings(host, file)
    assert report["walls"]["command"] == "firewall-cmd --zone=trusted --add-interface=lan"
    assert "file" not in report, "reported once"


def test_bridged_frames_that_a_firewall_sees(host: Host) -> None:
    host.run("nft", "add table inet fire")
    host.run(
        "nft",
        'add chain inet fire way { type filter hook forward priority 0; policy drop; comment "lan"; }',
    )
    host.run(
        "sh", "-c", "for f in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do echo 1 >$f; done"
    )
    assert findings(host)["br_netfilter"]["level"] == "warning"
    repair(host, "br_netfilter")


def test_ufw(host: Host) -> None:
    file = host.write("lab.yaml", NAT)
    host.run("sh", "-c", "iptables -N ufw-user-input && iptables -A INPUT -j ufw-user-input")
    assert findings(host, file)["firewalls"]["command"] == "ufw allow in on lan"
    # the effect of that command
    host.run("iptables", "-A", "ufw-user-input", "-i", "lan", "-j", "ACCEPT")
    assert "firewalls" not in findings(host, file)


def program(host: Host, name: str) -> Background:
    """Start a process with the given name."""
    path = host.directory / name
    host.run("cp", "/bin/sleep", path)
    return host.start(path, "600")


def test_network_managers(host: Host) -> None:
    host.run(
        "sh",
        "-c",
        "cp -a /etc /run/etc && mount --bind /run/etc /etc && mkdir -p /etc/NetworkManager/conf.d /etc/systemd/network",
    )
    with program(host, "NetworkManager") as manager:
        command = findings(host)["networkmanager"]["command"]
        host.run("sh", "-c", command.partition(" && ")[0])
        assert "networkmanager" not in findings(host)
        manager.kill()
    with program(host, "systemd-networkd") as manager:
        assert "networkd" not in findings(host), (
            "without a file that matches the interfaces, networkd leaves them alone"
        )
        (host.root / "etc/systemd/network/80-all.network").write_text(
            "[Match]\nName=*\n[Network]\nDHCP=yes\n"
        )
        report = findings(host)["networkd"]
        assert "/etc/systemd/network/80-all.network" in report["what"]
        host.run("sh", "-c", report["command"].partition(" && ")[0])
        assert "networkd" not in findings(host)
        manager.kill()


def test_subnets_that_the_host_has(host: Host) -> None:
    file = host.write("lab.yaml", NAT)
    host.run(
        "sh",
        "-c",
        "ip link add up0 type veth peer name up1 && ip addr add 10.77.3.1/16 dev up0 && ip link set up0 up",
    )
    report = findings(host, file)
    assert report["overlaps"]["level"] == "error"
    assert "10.77.0.0/16 by up0" in report["overlaps"]["what"]
    assert "10.77.0.0/16" in host.run("sh", "-c", report["overlaps"]["command"]).stdout
    assert "file" not in report, "reported once"
    host.run("ip", "link", "del", "up0")
    host.netorch("apply", file)
    host.run(
        "sh",
        "-c",
        "ip link add up0 type veth peer name up1 && ip addr add 10.77.3.1/16 dev up0 && ip link set up0 up",
    )
    assert findings(host)["overlaps"]["level"] == "warning", "an overlap with a live network"


def test_sysctls_that_cannot_be_set(host: Host) -> None:
    host.run("sh", "-c", "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys")
    assert findings(host)["read-only"]["level"] == "error"
    repair(host, "read-only")


def test_what_a_file_needs(host: Host) -> None:
    lacking = [kind for kind in ("dummy", "vrf", "bond", "geneve") if not has_kind(host, kind)]
    host.run("ip", "netns", "add", "a")
    nodes = "".join(
        f"  n{kind}: {{interfaces: {{x: {{kind: {kind}{', table: 9' if kind == 'vrf' else ''}{', vni: 9, remote: 192.0.2.9' if kind == 'geneve' else ''}}}}}}}\n"
        for kind in lacking
    )
    file = host.write("lab.yaml", f"name: lab\nnodes:\n  a: {{}}\n{nodes}")
    report = json.loads(host.netorch("doctor", file, "-o", "json", check=False).stdout)["findings"]
    assert [finding["check"] for finding in report] == ["features"] * len(lacking) + ["file"], (
        "doctor reports everything, although an apply reports only the first"
    )
    for kind, finding in zip(lacking, report, strict=False):
        assert f"no {kind} links" in finding["what"]
        assert str(file) in finding["what"]
        assert finding["command"].startswith("modprobe ")
    assert "netns a" in report[-1]["what"]
    wrong = host.write("wrong.yaml", "nodes: {a: {x: 1}}\n")
    done = host.netorch("doctor", wrong, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{wrong}:1:13: ")


def test_without_root_the_visible_findings_are_reported(host: Host) -> None:
    host.run("sh", "-c", "mkdir -p /run/netns && touch /run/netns/old")
    done = host.run(*AS_NOBODY, sys.executable, "-m", "netorch", "doctor", check=False)
    assert done.returncode == 1, done.stderr
    assert "sudo netorch doctor" in done.stdout
    assert "rm -- /run/netns/old" in done.stdout
    assert "Traceback" not in done.stderr
    # doctor asks the kernel in a namespace of the user, if the user may make one
    mine = host.run(*AS_NOBODY, "unshare", "-Urn", "true", check=False).returncode == 0
    done = host.run(
        *AS_NOBODY, sys.executable, "-m", "netorch", "doctor", "-o", "json", check=False
    )
    states = {
        feature["feature"]: feature["state"] for feature in json.loads(done.stdout)["features"]
    }
    for kind in ("veth", "bridge", "dummy", "vrf"):
        known = ("yes", "on demand") if has_kind(host, kind) else ("no",)
        assert states[f"{kind} links"] in known or not mine, kind
