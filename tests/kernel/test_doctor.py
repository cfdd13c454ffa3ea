"""doctor: each hazard is put up on a host of the test's own, told, and no more told once its remedy has been typed."""

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


def told(host: Host, *words: str | Path) -> dict[str, dict[str, Any]]:
    """Check → its first finding; the status agrees with them."""
    done = host.netorch("doctor", *words, "-o", "json", check=False)
    found = json.loads(done.stdout)
    failing = any(finding["level"] == "error" for finding in found["findings"])
    assert (done.returncode, found["well"]) == (int(failing), not failing), done.stdout
    assert done.stderr == ""
    return {finding["check"]: finding for finding in reversed(found["findings"])}


def mended(host: Host, check: str, *words: str | Path) -> None:
    """Type the remedy; then it is told no more."""
    host.run("sh", "-c", told(host, *words)[check]["command"])
    assert check not in told(host, *words)


def test_a_clean_host_is_told_nothing_and_nothing_changes(host: Host) -> None:
    before = host.snapshot()
    done = host.netorch("doctor")
    assert done.stdout.splitlines()[-2:] == ["", "nothing is in the way"]
    assert any(line.split()[:3] == ["veth", "links", "yes"] for line in done.stdout.splitlines())
    assert host.netorch("doctor", "-q").stdout == ""
    file = host.write("lab.yaml", NAT)
    assert set(told(host, file)) <= {"forwarding"}
    assert diff_snapshots(before, host.snapshot()) == []
    host.netorch("apply", file)
    applied = host.snapshot()
    assert told(host, file) == told(host) == {}
    assert diff_snapshots(applied, host.snapshot()) == []


def test_what_a_kernel_has_agrees_with_iproute2(host: Host) -> None:
    found = json.loads(host.netorch("doctor", "-o", "json").stdout)
    state = {feature["feature"]: feature["state"] for feature in found["features"]}
    for kind in ("veth", "bridge", "ifb", "dummy", "macvlan", "vlan", "vrf", "wireguard"):
        assert state[f"{kind} links"] in (
            ("yes", "on demand") if has_kind(host, kind) else ("no",)
        ), kind
    assert found["kernel"] == host.run("uname", "-r").stdout.strip()


def test_a_library_that_is_missing(host: Host) -> None:
    hide = "for lib in $(ldconfig -p | sed -n 's/.*libnftables.so.1.*=> //p'); do mount --bind /dev/null $lib; done"
    host.run("sh", "-c", hide)
    # in a process of its own: the one that the tests share has the library loaded
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
    assert told(host)["leftovers"]["level"] == "warning"
    for _ in range(2):
        host.run("sh", "-c", told(host)["leftovers"]["command"])
    assert "leftovers" not in told(host)
    host.run("sh", "-c", "touch /run/netns/a")
    file = host.write("lab.yaml", NAT)
    assert told(host)["leftovers"]["level"] == "warning"
    found = told(host, file)
    assert found["leftovers"]["level"] == "error"
    assert "file" not in found, "said once"
    mended(host, "leftovers", file)
    host.netorch("apply", file)
    (host.root / "run/netorch/lab/meta.json").write_text("{")
    assert "damaged" in told(host)["records"]["what"]
    mended(host, "records")
    host.netorch("apply", file)
    (host.root / "run/netorch/odd").write_text("")
    assert told(host)["records"]["level"] == "error"
    mended(host, "records")


def test_iptables_that_drop_are_handled(host: Host) -> None:
    file = host.write("lab.yaml", NAT)
    host.run("iptables", "-P", "FORWARD", "DROP")
    found = told(host, file)
    assert found["forward"]["level"] == "handled"
    assert "walls" not in found
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
        assert (table == "firewalld") == ("BRIDGE" not in told(host)["walls"]["command"]), (
            "of what is live the bridges are known"
        )
        if table == "fire":
            mended(host, "walls", file)
            host.netorch("apply", file)
            assert "walls" not in told(host)
            host.run("nft", "delete table inet fire")
    found = told(host, file)
    assert found["walls"]["command"] == "firewall-cmd --zone=trusted --add-interface=lan"
    assert "file" not in found, "said once"


def test_bridged_frames_that_a_firewall_sees(host: Host) -> None:
    host.run("nft", "add table inet fire")
    host.run(
        "nft",
        'add chain inet fire way { type filter hook forward priority 0; policy drop; comment "lan"; }',
    )
    host.run(
        "sh", "-c", "for f in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do echo 1 >$f; done"
    )
    assert told(host)["br_netfilter"]["level"] == "warning"
    mended(host, "br_netfilter")


def test_ufw(host: Host) -> None:
    file = host.write("lab.yaml", NAT)
    host.run("sh", "-c", "iptables -N ufw-user-input && iptables -A INPUT -j ufw-user-input")
    assert told(host, file)["firewalls"]["command"] == "ufw allow in on lan"
    # what that command does
    host.run("iptables", "-A", "ufw-user-input", "-i", "lan", "-j", "ACCEPT")
    assert "firewalls" not in told(host, file)


def program(host: Host, name: str) -> Background:
    """A process that goes by a name."""
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
        command = told(host)["networkmanager"]["command"]
        host.run("sh", "-c", command.partition(" && ")[0])
        assert "networkmanager" not in told(host)
        manager.kill()
    with program(host, "systemd-networkd") as manager:
        assert "networkd" not in told(host), (
            "without a file that matches any interface it leaves ours alone"
        )
        (host.root / "etc/systemd/network/80-all.network").write_text(
            "[Match]\nName=*\n[Network]\nDHCP=yes\n"
        )
        found = told(host)["networkd"]
        assert "/etc/systemd/network/80-all.network" in found["what"]
        host.run("sh", "-c", found["command"].partition(" && ")[0])
        assert "networkd" not in told(host)
        manager.kill()


def test_subnets_that_the_host_has(host: Host) -> None:
    file = host.write("lab.yaml", NAT)
    host.run(
        "sh",
        "-c",
        "ip link add up0 type veth peer name up1 && ip addr add 10.77.3.1/16 dev up0 && ip link set up0 up",
    )
    found = told(host, file)
    assert found["overlaps"]["level"] == "error"
    assert "10.77.0.0/16 by up0" in found["overlaps"]["what"]
    assert "10.77.0.0/16" in host.run("sh", "-c", found["overlaps"]["command"]).stdout
    assert "file" not in found, "said once"
    host.run("ip", "link", "del", "up0")
    host.netorch("apply", file)
    host.run(
        "sh",
        "-c",
        "ip link add up0 type veth peer name up1 && ip addr add 10.77.3.1/16 dev up0 && ip link set up0 up",
    )
    assert told(host)["overlaps"]["level"] == "warning", "of what is live"


def test_sysctls_that_cannot_be_set(host: Host) -> None:
    host.run("sh", "-c", "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys")
    assert told(host)["read-only"]["level"] == "error"
    mended(host, "read-only")


def test_what_a_file_needs(host: Host) -> None:
    lacking = [kind for kind in ("dummy", "vrf", "bond", "geneve") if not has_kind(host, kind)]
    host.run("ip", "netns", "add", "a")
    nodes = "".join(
        f"  n{kind}: {{interfaces: {{x: {{kind: {kind}{', table: 9' if kind == 'vrf' else ''}{', vni: 9, remote: 192.0.2.9' if kind == 'geneve' else ''}}}}}}}\n"
        for kind in lacking
    )
    file = host.write("lab.yaml", f"name: lab\nnodes:\n  a: {{}}\n{nodes}")
    found = json.loads(host.netorch("doctor", file, "-o", "json", check=False).stdout)["findings"]
    assert [finding["check"] for finding in found] == ["features"] * len(lacking) + ["file"], (
        "all of it, though an apply tells the first"
    )
    for kind, finding in zip(lacking, found, strict=False):
        assert f"no {kind} links" in finding["what"]
        assert str(file) in finding["what"]
        assert finding["command"].startswith("modprobe ")
    assert "netns a" in found[-1]["what"]
    wrong = host.write("wrong.yaml", "nodes: {a: {x: 1}}\n")
    done = host.netorch("doctor", wrong, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{wrong}:1:13: ")


def test_without_root_what_can_be_seen_is_told(host: Host) -> None:
    host.run("sh", "-c", "mkdir -p /run/netns && touch /run/netns/old")
    done = host.run(*AS_NOBODY, sys.executable, "-m", "netorch", "doctor", check=False)
    assert done.returncode == 1, done.stderr
    assert "sudo netorch doctor" in done.stdout
    assert "rm -- /run/netns/old" in done.stdout
    assert "Traceback" not in done.stderr
    # a user who may have a network of his own asks the kernel there
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
