"""Nodes that share the namespace of another node: `attach: node:NAME`."""

from __future__ import annotations

import json
import signal

import pytest
import yaml

from tests.kernel.host import Host, Snapshot
from tests.kernel.test_failure import OWN_FILES, names, server, settled, sh, shot
from tests.kernel.watching import watching

FILE = """\
name: t
nodes:
  side: {attach: node:web, aliases: logs, label: Sends the logs}
  web: {networks: lan, aliases: www, dns: {servers: 10.1.0.53}}
  db: {networks: lan}
  more: {attach: node:side}
networks:
  lan: {subnet: 10.1.0.0/24}
checks:
  - {from: side, to: db}
  - {from: db, to: more}
"""
ELSEWHERE = FILE.replace("attach: node:web", "attach: node:db")
ALONE = FILE.replace("side: {attach: node:web,", "side: {networks: lan,")
SWAPPED = """\
name: t
nodes:
  side: {networks: lan, aliases: logs}
  web: {attach: node:side}
  db: {networks: lan}
networks:
  lan: {subnet: 10.1.0.0/24}
"""
WITHOUT = "\n".join(line for line in FILE.splitlines() if "node:" not in line) + "\n"
WITHOUT = WITHOUT.replace("  - {from: side, to: db}\n", "").replace("to: more", "to: web")


@pytest.fixture
def before(host: Host) -> Snapshot:
    """Make a foreign namespace, so that /run/netns exists before and after."""
    sh(host, "ip netns add other")
    return shot(host)


def inode(host: Host, name: str) -> int:
    return int(sh(host, f"stat -c %i /run/netns/{name}"))


def in_sync(host: Host, file: str = "topo.yaml") -> None:
    done = host.netorch("diff", file, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_another_name_for_the_namespace(host: Host, before: Snapshot) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply", "topo.yaml")
    in_sync(host)
    assert "nothing to do" in host.netorch("apply", "topo.yaml").stdout
    assert inode(host, "side") == inode(host, "web") == inode(host, "more") != inode(host, "db")
    assert "10.1.0.1/24" in sh(host, "ip netns exec side ip -br addr")
    for node in ("side", "web", "more"):
        content = sh(host, f"cat /etc/netns/{node}/hosts")
        assert "10.1.0.1 web www side logs more\n" in content
        assert "nameserver 10.1.0.53" in sh(host, f"cat /etc/netns/{node}/resolv.conf")
    assert "10.1.0.1/24" in host.netorch("exec", "side", "ip", "-br", "addr").stdout
    assert "ok  db    more  ping" in host.netorch("check", "topo.yaml").stdout
    assert "1. web: 10.1.0.1" in host.netorch("explain", "side", "db").stdout
    tree = host.netorch("show", "t").stdout
    assert '─ side  "Sends the logs"  (shares the namespace of web)\n' in tree
    assert "is also side: Sends the logs" in host.netorch("graph", "topo.yaml").stdout
    assert json.loads(host.netorch("list", "-o", "json").stdout)["topologies"][0]["nodes"] == 4
    host.netorch("destroy", "t")
    assert settled(before, host, OWN_FILES) == []


def test_the_file_of_show_is_the_same(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply", "topo.yaml")
    host.write("same.yaml", host.netorch("show", "t", "-o", "yaml").stdout)
    in_sync(host, "same.yaml")
    sh(host, "ip netns del side; ip netns del more; touch /run/netns/more")
    sh(host, "mount --bind /run/netns/db /run/netns/more")
    text = host.netorch("show", "t", "-o", "yaml").stdout
    assert "  side:" not in text and "more: {attach: node:db}" in text, text


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("ip netns del side", "+ name side  namespace web"),
        (
            "ip netns del side; touch /run/netns/side; mount --bind /run/netns/db /run/netns/side",
            "± name side  namespace db → web  [replace]",
        ),
        ("ip netns del web; rm -r /etc/netns/web", "+ netns web"),
        ("ip netns del web; ip netns del side; ip netns del more", "+ netns web"),
        ("umount /run/netns/side", "+ name side  namespace web"),
        ("rm /etc/netns/side/hosts", "+ file /etc/netns/side/hosts"),
        ("echo >>/etc/netns/more/hosts 10.0.0.1 x", "~ file /etc/netns/more/hosts"),
    ],
)
def test_drift_is_repaired(host: Host, before: Snapshot, script: str, words: str) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply", "topo.yaml")
    sh(host, script)
    drift = host.netorch("diff", "topo.yaml", check=False)
    assert drift.returncode == 2 and words in drift.stdout, drift.stdout + drift.stderr
    host.netorch("apply", "topo.yaml")
    in_sync(host)
    assert inode(host, "side") == inode(host, "web") == inode(host, "more")
    assert host.reaches("side", "10.1.0.2")
    host.netorch("destroy", "t")
    assert settled(before, host, OWN_FILES) == []


CHANGES = [FILE, ELSEWHERE, ALONE, SWAPPED, WITHOUT]


def test_from_each_file_to_each_other(host: Host, before: Snapshot) -> None:
    """A node gets its own namespace, loses it, or shares another one."""
    for first in CHANGES:
        for second in CHANGES:
            if first is second:
                continue
            host.write("topo.yaml", first)
            host.netorch("apply", "topo.yaml")
            host.write("next.yaml", second)
            host.netorch("apply", "next.yaml")
            in_sync(host, "next.yaml")
            assert host.reaches("side" if second is not WITHOUT else "web", "10.1.0.2")
    host.netorch("destroy", "t")
    assert settled(before, host, OWN_FILES) == []


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("ip netns add side", "namespace 'side' exists and netorch did not make it"),
        ("touch /run/netns/side", "/run/netns/side is an empty file"),
        ("mkdir /run/netns/side", "/run/netns/side is a directory"),
    ],
)
def test_a_foreign_object_has_the_name(
    host: Host, before: Snapshot, script: str, words: str
) -> None:
    sh(host, script)
    host.write("topo.yaml", FILE)
    at_first = names(host)
    done = host.netorch("apply", "topo.yaml", check=False)
    assert done.returncode == 1 and words in done.stderr, done.stderr
    assert names(host) == at_first


def test_a_name_that_somebody_else_has_made(host: Host, before: Snapshot) -> None:
    host.write("first.yaml", WITHOUT)
    host.netorch("apply", "first.yaml")
    sh(host, "touch /run/netns/side; mount --bind /run/netns/web /run/netns/side")
    host.write("topo.yaml", FILE)
    done = host.netorch("apply", "topo.yaml", check=False)
    words = "/run/netns/side is another name of the namespace 'web', and netorch did not make it"
    assert done.returncode == 1 and words in done.stderr, done.stderr
    host.netorch("apply", "--adopt", "topo.yaml")
    in_sync(host)
    host.netorch("destroy", "t")
    assert settled(before, host, OWN_FILES) == []


def test_release_leaves_the_name(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply", "topo.yaml")
    host.netorch("destroy", "--release", "t")
    assert inode(host, "side") == inode(host, "web")
    host.netorch("apply", "--adopt", "topo.yaml")
    in_sync(host)


def test_a_failed_apply_is_rolled_back(host: Host, before: Snapshot) -> None:
    refused = "  z: {sysctls: {net.ipv4.ip_default_ttl: 99999}}\n"
    host.write("topo.yaml", FILE.replace("networks:\n  lan", f"{refused}networks:\n  lan"))
    assert host.netorch("apply", "topo.yaml", check=False).returncode == 1
    assert settled(before, host, OWN_FILES) == []
    host.write("good.yaml", FILE)
    host.netorch("apply", "good.yaml")
    for text in CHANGES[1:]:
        host.write("topo.yaml", text.replace("networks:\n  lan", f"{refused}networks:\n  lan"))
        assert host.netorch("apply", "topo.yaml", check=False).returncode == 1
        in_sync(host, "good.yaml")
        assert inode(host, "side") == inode(host, "web")


def test_killed_half_way(host: Host, before: Snapshot) -> None:
    """After each kill, the next apply or destroy works from what is there."""
    host.write("topo.yaml", FILE)
    host.write("next.yaml", ELSEWHERE)
    nothing = names(host)
    with server(host) as run:
        total = run("apply", "topo.yaml")["acts"]
        run("destroy", "t")
        for at in range(1, total + 1, 3):
            assert run("apply", "topo.yaml", kill_at=at)["status"] == -signal.SIGKILL
            if at % 2:
                assert run("apply", "topo.yaml")["status"] == 0, at
                assert run("diff", "topo.yaml")["output"] == "t: in sync\n", at
            assert run("destroy", "t")["status"] == 0, at
            assert names(host) == nothing, at
        run("apply", "topo.yaml")
        total = run("apply", "next.yaml")["acts"]
        for at in range(1, total + 1, 2):
            run("apply", "topo.yaml")
            run("apply", "next.yaml", kill_at=at)
            answer = run("apply", "next.yaml" if at % 4 == 1 else "topo.yaml")
            assert answer["status"] == 0, (at, answer["output"])
        run("apply", "topo.yaml")
        total = run("destroy", "t")["acts"]
        for at in range(1, total + 1, 3):
            run("apply", "topo.yaml")
            run("destroy", "t", kill_at=at)
            assert run("destroy", "t")["status"] == 0, at
            assert names(host) == nothing, at
    assert settled(before, host) == []


def test_without_a_record(host: Host, before: Snapshot) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply", "topo.yaml")
    sh(host, "rm -r /run/netorch/t")
    in_sync(host)
    host.netorch("apply", "topo.yaml")
    sh(host, "rm -r /run/netorch/t")
    host.netorch("destroy", "t")
    assert settled(before, host, OWN_FILES) == []


def test_a_second_name_of_somebody_else_stays(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply", "topo.yaml")
    sh(host, "touch /run/netns/mine; mount --bind /run/netns/web /run/netns/mine")
    in_sync(host)
    done = host.netorch("destroy", "t")
    assert "/run/netns/mine is another name of the namespace 'web'" in done.stderr
    assert sh(host, "ls /run/netns").split() == ["mine"]


def test_a_published_port_leads_to_it(host: Host) -> None:
    host.write(
        "topo.yaml",
        """\
name: t
nodes:
  side: {attach: node:web, publish: "8080:80"}
  web: {networks: lan, publish: "8081:81"}
networks:
  lan: {mode: nat, subnet: 10.1.0.0/24}
""",
    )
    host.netorch("apply", "topo.yaml")
    in_sync(host)
    answer = host.netorch("explain", "host", "127.0.0.1", "--tcp", "8080", check=False).stdout
    assert "web: arrives at eth0" in answer, answer
    done = host.netorch("diff", "topo.yaml", "-o", "json").stdout
    assert json.loads(done)["changes"] == []


def test_the_commands_that_make_it(host: Host) -> None:
    host.write("topo.yaml", FILE)
    script = host.netorch("explain", "topo.yaml").stdout
    assert "mount --bind /run/netns/web /run/netns/side" in script
    host.write("make.sh", script)
    sh(host, "sh ./make.sh")
    assert inode(host, "side") == inode(host, "web")
    assert host.reaches("side", "10.1.0.2")


def test_a_watch_reconciles_it(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply", "topo.yaml")
    with watching(host, "--reconcile") as watch:
        watch.event(event="watch")
        for script, title in (
            ("echo >>/etc/netns/side/hosts", "file /etc/netns/side/hosts"),
            ("ip netns del side", "name side"),
            ("echo >>/etc/netns/side/hosts", "file /etc/netns/side/hosts"),
        ):
            since = len(watch.events)
            sh(host, script)
            watch.event(event="drift", object=title, since=since)
            watch.event(event="in-sync", since=since)
    in_sync(host)


@pytest.mark.parametrize("node", ["s", "b"])
def test_a_node_whose_place_a_foreign_namespace_has_is_not_in_the_file(
    host: Host, node: str
) -> None:
    text = (
        "name: t\nnodes:\n  a: {networks: lan, aliases: [www]}\n  b: {networks: lan}\n"
        "  s: {attach: node:a}\nnetworks: {lan: {subnet: 10.0.0.0/24}}\n"
    )
    host.write("topo.yaml", text)
    host.netorch("apply", "topo.yaml")
    host.run("sh", "-ec", f"ip netns del {node}; ip netns add {node}")
    result = host.netorch("show", "-o", "yaml", "t")
    assert f"name {node}: namespace" in result.stderr or f"netns {node}" in result.stderr
    tree = yaml.safe_load(result.stdout)
    assert sorted(tree["nodes"]) == sorted({"a", "b", "s"} - {node})
    assert tree["nodes"]["a"]["aliases"] == ["www"]
    host.write("topo.yaml", result.stdout)
    assert host.netorch("diff", "topo.yaml", check=False).returncode in {0, 2}
