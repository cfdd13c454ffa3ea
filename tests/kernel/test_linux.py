"""Test LinuxKernel, which reads and changes the real kernel.

It makes what is asked for, as `ip` confirms, and reports what the kernel refuses.
"""

from __future__ import annotations

import errno
import functools
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netorch.errors import CommandError, LockedError, NetorchError
from netorch.immutable import replace
from netorch.kernel.files import records
from netorch.kernel.linux import LinuxKernel
from netorch.kernel.namespaces.attach import NotAttached, open_namespace
from netorch.kernel.processes.enter import enter
from netorch.kernel.system.syscalls import (
    CLONE_NEWNET,
    CLONE_NEWNS,
    MS_PRIVATE,
    MS_REC,
    mount,
    unshare,
)
from netorch.kinds.base.ip_tunnel import MADE_BY_LINUX
from netorch.netlink import constants as c
from netorch.netlink.codec import u32
from netorch.values.requests import (
    AddressAdd,
    AddressDel,
    AltnameAdd,
    AltnameDel,
    Failure,
    FileDel,
    FileWrite,
    Hop,
    LinkAdd,
    LinkDel,
    LinkSet,
    NetnsAdd,
    NetnsDel,
    PeerSettings,
    Request,
    RouteAdd,
    RouteDel,
    RouteSpec,
    RuleAdd,
    RuleDel,
    RuleSpec,
    SysctlSet,
)
from netorch.values.snapshot import Scope
from tests.kernel.host import Host

pytestmark = pytest.mark.uml

MARK = "netorch:lab"
GROUP = (c.IFLA_GROUP, u32(77))
PROTO = 99


def private(test: Callable[[], None]) -> Callable[[], None]:
    """Run the test in a child process with a network, a /run and an /etc/netns of its own.

    The tests call the library itself, and so cannot use the `host` fixture, which runs commands.
    """

    @functools.wraps(test)
    def run() -> None:
        if os.geteuid() != 0 and "CI" not in os.environ:
            pytest.skip("needs root")
        Path("/etc/netns").mkdir(exist_ok=True)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.close(reader)
                unshare(CLONE_NEWNET | CLONE_NEWNS)
                mount("", "/", "none", MS_PRIVATE | MS_REC)
                for path in ("/run", "/etc/netns"):
                    mount("tmpfs", path, "tmpfs", 0)
                    os.chmod(path, 0o755)
                test()
                status = 0
            except BaseException:
                os.write(writer, traceback.format_exc()[-60000:].encode())
            finally:
                os._exit(status)
        os.close(writer)
        with open(reader, "rb") as pipe:
            output = pipe.read().decode()
        _, status = os.waitpid(child, 0)
        assert status == 0, output

    return run


def ip(*words: str) -> Any:
    out = subprocess.run(
        ["ip", "-j", "-d", *words], check=True, capture_output=True, text=True
    ).stdout
    return json.loads(out) if out.strip() else []


def names(*words: str) -> set[str]:
    """Return the links, without those that some kernels add to each namespace (sit0, tunl0 …)."""
    return {link["ifname"] for link in ip(*words, "link")} - MADE_BY_LINUX


def v4(text: str) -> bytes:
    return bytes(int(part) for part in text.split("."))


def address(netns: str, link: str, text: str, prefixlen: int = 24) -> AddressAdd:
    return AddressAdd(netns, link, c.AF_INET, v4(text), v4(text), prefixlen, 0, PROTO)


def default(via: str, dev: str | None = "eth0") -> RouteSpec:
    return RouteSpec(c.AF_INET, None, 0, 254, 0, c.RTN_UNICAST, 0, PROTO, (Hop(v4(via), dev),))


def star(size: int) -> dict[str, list[Request]]:
    channels: dict[str, list[Request]] = {
        "fabric": [NetnsAdd("fabric", MARK), LinkAdd("fabric", "br0", "bridge", (GROUP,))]
    }
    for number in range(size):
        channels[f"+n{number}"] = [NetnsAdd(f"n{number}", MARK)]
    channels["links"] = []
    for number in range(size):
        near = LinkAdd(
            "fabric",
            f"v{number}",
            "veth",
            (GROUP,),
            peer=PeerSettings(f"n{number}", "eth0", (GROUP,)),
        )
        channels["links"] += [near, LinkSet("fabric", f"v{number}", up=True, master="br0")]
        name = f"n{number}"
        channels[name] = [
            LinkSet(name, "lo", up=True),
            LinkSet(name, "eth0", ((c.IFLA_IFALIAS, b"netorch:lab"),)),
            LinkSet(name, "eth0", up=True),
            address(name, "eth0", f"10.0.0.{number + 2}"),
            RouteAdd(name, default("10.0.0.1")),
        ]
    channels["last"] = [LinkSet("fabric", "br0", up=True), address("fabric", "br0", "10.0.0.1")]
    return channels


def one(requests: list[Request], reclaim: tuple[str, ...] = ()) -> list[Failure]:
    with LinuxKernel() as kernel:
        return kernel.transact({"one": requests}, reclaim)


@private
def test_a_star_is_made_as_asked_and_read_as_it_is() -> None:
    with LinuxKernel() as kernel:
        assert kernel.transact(star(50)) == []
        snapshot = kernel.read(Scope(MARK))
        assert set(snapshot.namespaces) == {"host", "fabric"} | {
            f"n{number}" for number in range(50)
        }
        fabric = {link.name: link for link in snapshot.namespaces["fabric"].links}
        for number in (0, 17, 49):
            node = snapshot.namespaces[f"n{number}"]
            lo, eth0 = (
                next(link for link in node.links if link.name == name) for name in ("lo", "eth0")
            )
            assert (lo.alias, eth0.name, eth0.kind, eth0.group, eth0.alias) == (
                MARK,
                "eth0",
                "veth",
                77,
                MARK,
            )
            assert node.routes == (default("10.0.0.1"),)
            [mine] = [entry for entry in node.addresses if entry.protocol == PROTO]
            assert (mine.local, mine.prefixlen, mine.index) == (
                v4(f"10.0.0.{number + 2}"),
                24,
                eth0.index,
            )
            near = fabric[f"v{number}"]
            assert (near.link, eth0.link, near.master) == (
                eth0.index,
                near.index,
                fabric["br0"].index,
            )
            assert near.flags & eth0.flags & c.IFF_UP
            assert os.stat(f"/run/netns/n{number}").st_ino == node.inode[1]
    for number in (0, 17, 49):
        [theirs] = ip("-n", f"n{number}", "address", "show", "eth0")
        assert theirs["num_tx_queues"] == theirs.get("num_rx_queues", 1) == 1
        assert [entry["local"] for entry in theirs["addr_info"] if entry["family"] == "inet"] == [
            f"10.0.0.{number + 2}"
        ]
        assert ip("-n", f"n{number}", "route", "show", "default")[0]["gateway"] == "10.0.0.1"
    assert len(ip("-n", "fabric", "link", "show", "master", "br0")) == 50
    ping = ["ip", "netns", "exec", "n3", "ping", "-c1", "-w5", "10.0.0.51"]
    assert subprocess.run(ping, capture_output=True, check=False).returncode == 0


@private
def test_a_group_is_deleted_at_once_and_namespaces_leave_nothing() -> None:
    with LinuxKernel() as kernel:
        assert kernel.transact(star(5)) == []
        assert kernel.delete_group("fabric", 77) is None
        assert names("-n", "fabric") == {"lo"}
        assert kernel.delete_group("fabric", 77) is None
        assert kernel.delete_group("nowhere", 77) is None
        assert (
            kernel.transact(
                {"x": [NetnsDel(name) for name in ("fabric", "n0", "n1", "n2", "n3", "n4", "n4")]}
            )
            == []
        )
    assert not os.path.exists("/run/netns") and not os.path.exists("/run/netorch")


@private
def test_every_refusal_is_reported_with_the_kernels_sentence() -> None:
    with LinuxKernel() as kernel:
        assert (
            kernel.transact(
                {
                    "r1": [NetnsAdd("r1", MARK)],
                    "x": [LinkAdd("r1", "eth0", "veth", peer=PeerSettings("host", "v0"))],
                }
            )
            == []
        )
        bad = RouteAdd("r1", default("192.0.2.1"))
        enslaved = LinkSet("r1", "eth0", up=True, master="lo")
        never = address("r1", "eth0", "10.0.0.9")
        failures = kernel.transact(
            {
                "a": [LinkSet("r1", "eth0", up=True), bad, NetnsAdd("r2", MARK)],
                "b": [
                    LinkAdd("r1", "eth0", "veth", peer=PeerSettings("host", "v1")),
                    NetnsAdd("r3", MARK),
                ],
                "c": [LinkSet("r1", "nosuch", master="eth0"), NetnsAdd("r4", MARK)],
                "d": [address("r1", "nosuch", "10.0.0.1"), never],
                "e": [LinkAdd("r9", "eth0", "bridge")],
                "f": [LinkSet("r1", "eth0", ((c.IFLA_MTU, u32(1400)),)), enslaved],
                "g": [LinkAdd("host", "v7", "veth", peer=PeerSettings("r9", "eth0"))],
            }
        )
        errors = [(failure.request, failure.errno) for failure in failures]
        assert (
            errors[0] == (bad, errno.ENETUNREACH)
            and failures[0].sentence == "Nexthop has invalid gateway"
        )
        assert errors[1][1] == errno.EEXIST and errors[2][1] == errno.ENODEV
        assert (
            errors[3][1] == errno.ENODEV
            and failures[3].sentence == "there is no link 'nosuch' in namespace 'r1'"
        )
        assert errors[4][1] == errno.ENOENT and "'r9'" in failures[4].sentence
        assert errors[5][0] == enslaved  # identified within a merged message
        assert errors[6][1] == errno.ENOENT
        assert len(failures) == 7
    assert sorted(os.listdir("/run/netns")) == ["r1"]
    assert ip("-n", "r1", "link", "show", "eth0")[0]["mtu"] == 1400


@private
def test_deleting_what_is_gone_is_no_failure() -> None:
    rule = RuleSpec(c.AF_INET, 100, c.FR_ACT_TO_TBL, 1000, PROTO)
    requests: list[Request] = [
        LinkDel("host", "nosuch"),
        LinkDel("nowhere", "nosuch"),
        AddressDel("host", "lo", c.AF_INET, v4("10.0.0.1"), v4("10.0.0.1"), 24),
        AddressDel("host", "nosuch", c.AF_INET, v4("10.0.0.1"), v4("10.0.0.1"), 24),
        RouteDel("host", default("10.0.0.1", "lo")),
        RouteDel("host", default("10.0.0.1", "nosuch")),
        RuleDel("host", rule),
        AltnameDel("host", "nosuch", "other"),
        AltnameDel("host", "lo", "other"),
        NetnsDel("nowhere"),
        FileDel("nowhere", "hosts"),
    ]
    assert [one([request]) for request in requests] == [[]] * len(requests)
    assert one(requests) == []


@private
def test_links_by_name_in_a_namespace_that_others_made() -> None:
    subprocess.run(
        "ip netns add r1; ip -n r1 link add br0 type bridge; "
        "ip -n r1 link add d0 type veth peer d1",
        shell=True,
        check=True,
    )
    with LinuxKernel() as kernel:
        requests: list[Request] = [
            LinkSet("r1", "d0", master="br0"),
            LinkSet("r1", "d0", kind="bridge_slave", data=((c.IFLA_BRPORT_ISOLATED, b"\1"),)),
            LinkAdd("r1", "br1", "bridge", data=((c.IFLA_BR_AGEING_TIME, u32(10000)),)),
            LinkSet("r1", "d1", master="br1"),
            AltnameAdd("r1", "d1", "the-other-end-of-d0"),
            LinkSet("r1", "the-other-end-of-d0", up=True),
            LinkSet("r1", "br1", kind="bridge", data=((c.IFLA_BR_AGEING_TIME, u32(20000)),)),
        ]
        assert kernel.transact({"r1": requests}) == []
        links = {link["ifname"]: link for link in ip("-n", "r1", "link")}
        assert (links["d0"]["master"], links["d1"]["master"], links["d1"]["altnames"]) == (
            "br0",
            "br1",
            ["the-other-end-of-d0"],
        )
        assert (
            links["d0"]["linkinfo"]["info_slave_data"]["isolated"] is True
            and "UP" in links["d1"]["flags"]
        )
        assert links["br1"]["linkinfo"]["info_data"]["ageing_time"] == 20000
        assert (
            kernel.transact(
                {
                    "r1": [
                        LinkDel("r1", "d0"),
                        LinkAdd("r1", "d0", "veth", peer=PeerSettings("r1", "d1")),
                        LinkSet("r1", "d1", up=True),
                    ]
                }
            )
            == []
        )
        assert (
            kernel.transact(
                {"r1": [address("r1", "d1", "10.0.0.1"), AltnameDel("r1", "d0", "gone")]}
            )
            == []
        )
    assert names("-n", "r1") == {"lo", "br0", "br1", "d0", "d1"}


@private
def test_routes_and_rules_come_back_equal() -> None:
    v6 = bytes.fromhex("fd00" + "00" * 13)
    routes = [
        default("10.0.0.1"),
        RouteSpec(
            2,
            v4("10.9.0.0"),
            16,
            254,
            7,
            1,
            0,
            PROTO,
            (Hop(v4("10.0.0.3"), "eth0", 3), Hop(v4("10.0.0.4"), "eth0")),
            v4("10.0.0.2"),
            1400,
        ),
        RouteSpec(
            2, v4("10.8.0.0"), 16, 1000, 0, 1, 0, PROTO, (Hop(v4("192.0.2.1"), "eth0", 1, True),)
        ),
        RouteSpec(2, v4("10.7.0.0"), 16, 254, 0, 1, 0, PROTO, (Hop(v6 + b"\7", "eth0"),)),
        RouteSpec(2, v4("10.6.0.0"), 16, 254, 0, c.RTN_BLACKHOLE, 0, PROTO, ()),
        RouteSpec(2, v4("10.5.0.0"), 16, 254, 0, 1, 253, PROTO, (Hop(None, "eth0"),)),
        RouteSpec(10, None, 0, 254, 1024, 1, 0, PROTO, (Hop(v6 + b"\2", "eth0"),)),
        RouteSpec(
            10,
            v6[:2] + b"\x09" + bytes(13),
            64,
            254,
            50,
            1,
            0,
            PROTO,
            (Hop(v6 + b"\2", "eth0"), Hop(v6 + b"\3", "eth0", 4)),
        ),
        RouteSpec(10, v6[:2] + b"\x08" + bytes(13), 64, 100, 1024, c.RTN_UNREACHABLE, 0, PROTO, ()),
    ]
    rules = [
        RuleSpec(2, 100, c.FR_ACT_TO_TBL, 1000, PROTO, (v4("10.0.0.0"), 24), (v4("10.9.0.0"), 16)),
        RuleSpec(2, 101, c.FR_ACT_BLACKHOLE, 0, PROTO, iif="eth0", oif="lo", mark=(16, 255)),
        RuleSpec(10, 102, c.FR_ACT_TO_TBL, 100, PROTO, (v6 + b"\0", 64)),
    ]
    with LinuxKernel() as kernel:
        requests: list[Request] = [
            LinkAdd("r1", "eth0", "veth", peer=PeerSettings("r1", "p0")),
            LinkSet("r1", "eth0", up=True),
            LinkSet("r1", "p0", up=True),
            address("r1", "eth0", "10.0.0.2"),
            AddressAdd("r1", "eth0", 10, v6 + b"\1", v6 + b"\1", 64, 0, PROTO),
            *(RouteAdd("r1", route) for route in routes),
            *(RuleAdd("r1", rule) for rule in rules),
        ]
        assert kernel.transact({"x": [NetnsAdd("r1", MARK), *requests]}) == []
        node = kernel.read(Scope(MARK)).namespaces["r1"]
        assert {repr(route) for route in node.routes} == {repr(route) for route in routes}
        assert [rule for rule in node.rules if rule.protocol == PROTO] == rules
        assert kernel.transact({"x": [RouteAdd("r1", routes[0])]}) == []
        again = kernel.transact({"x": [RouteAdd("r1", replace(routes[0], protocol=PROTO + 1))]})
        assert [failure.errno for failure in again] == [errno.EEXIST]
        assert (
            kernel.transact({"x": [RouteAdd("r1", route, replace=True) for route in routes]}) == []
        )
        deletes: list[Request] = [RouteDel("r1", route) for route in routes]
        assert kernel.transact({"x": [*deletes, *(RuleDel("r1", rule) for rule in rules)]}) == []
        node = kernel.read(Scope(MARK)).namespaces["r1"]
        assert node.routes == () and not [rule for rule in node.rules if rule.protocol == PROTO]


@private
def test_names_in_run_netns_that_are_taken_are_never_taken_over() -> None:
    subprocess.run(["ip", "netns", "add", "taken"], check=True)
    Path("/run/netns/stale").touch(mode=0o000)
    Path("/run/netns/full").write_text("something")
    os.symlink("taken", "/run/netns/link")
    os.mkdir("/run/netns/dir")
    os.mkfifo("/run/netns/fifo")
    with LinuxKernel() as kernel:
        odd = ("stale", "full", "link", "dir", "fifo")
        for name in ("taken", *odd):
            [failure] = kernel.transact({"x": [NetnsAdd(name, MARK)]})
            assert failure.errno == errno.EEXIST, failure
        for name in odd:
            [failure] = kernel.transact({"x": [NetnsDel(name)]})
            assert failure.errno == errno.EINVAL, failure
            [failure] = kernel.transact({"x": [LinkSet(name, "lo", up=True)]})
            assert failure.errno == errno.ENOENT, failure
        snapshot = kernel.read(Scope(MARK, frozenset(odd)))
        assert dict(snapshot.other_names) == {"taken": ""} | dict.fromkeys(odd)
        assert set(snapshot.namespaces) == {"host"}
        assert (
            kernel.transact(
                {"x": [NetnsAdd("stale", MARK)]}, reclaim=("stale", "full", "link", "dir")
            )
            == []
        )
        [failure] = kernel.transact({"x": [NetnsAdd("full", MARK)]}, reclaim=("full",))
        assert failure.errno == errno.EEXIST
        for name in ("../x", "a/b", ".", "..", ""):
            [failure] = kernel.transact({"x": [NetnsAdd(name, MARK)]})
            assert failure.errno == errno.EINVAL
        Path("/run/netns/stale2").touch()
        assert kernel.transact({"x": [NetnsDel("stale2")]}, reclaim=("stale2",)) == []
    assert (
        Path("/run/netns/full").read_text() == "something"
        and ip("-n", "stale", "link")[0]["ifalias"] == MARK
    )


@private
def test_a_namespace_that_is_replaced_is_not_mistaken_for_the_old_one() -> None:
    with LinuxKernel() as kernel:
        assert kernel.transact({"x": [NetnsAdd("r1", MARK), LinkAdd("r1", "br0", "bridge")]}) == []
        subprocess.run(
            "ip netns del r1; ip netns add r1; ip -n r1 link add br1 type bridge",
            shell=True,
            check=True,
        )
        assert (
            kernel.transact(
                {"x": [LinkSet("r1", "br1", up=True), address("r1", "br1", "10.0.0.1")]}
            )
            == []
        )
        assert dict(kernel.read(Scope(MARK)).other_names) == {"r1": ""}


@private
def test_more_namespaces_than_may_be_open() -> None:
    with LinuxKernel() as kernel:
        before = len(os.listdir("/proc/self/fd"))
        # more than the namespaces that one batch refers to
        kernel._namespaces.capacity = 150
        assert kernel.transact(star(200)) == []
        # two files for each open namespace: the namespace and its netlink socket
        assert len(os.listdir("/proc/self/fd")) - before <= 2 * 150
        first = kernel.read(Scope(MARK))
        assert len(first.namespaces) == 202
        assert all(
            node.links[-1].name == "eth0"
            for name, node in first.namespaces.items()
            if name.startswith("n")
        )
        assert (
            kernel.transact(
                {
                    name: [LinkSet(name, "eth0", up=False)]
                    for name in first.namespaces
                    if name.startswith("n")
                }
            )
            == []
        )


@private
def test_nothing_is_left_open_and_the_caller_stays_where_it_is() -> None:
    before, here = os.listdir("/proc/self/fd"), os.stat("/proc/thread-self/ns/net").st_ino
    for _ in range(3):
        with LinuxKernel() as kernel:
            kernel.transact(star(10))
            kernel.read(Scope(MARK))
            kernel.transact({"x": [NetnsAdd("n1", MARK), LinkAdd("n1", "eth9", "nosuchkind")]})
            kernel.pristine_sysctls(["net/ipv4/ip_forward"])
            assert os.stat("/proc/thread-self/ns/net").st_ino == here
            assert threading.active_count() == 2
            kernel.delete_group("fabric", 77)
            kernel.transact(
                {"x": [NetnsDel("fabric"), *(NetnsDel(f"n{number}") for number in range(10))]}
            )
        kernel.close()
    assert os.listdir("/proc/self/fd") == before and threading.active_count() == 1
    assert os.stat("/proc/thread-self/ns/net").st_ino == here


@private
def test_indices_of_the_kernels_choosing_and_of_ours_do_not_meet() -> None:
    with LinuxKernel() as kernel:
        # veth_newlink lets the kernel choose the peer's index if the near end has none either
        requests: list[Request] = [NetnsAdd("r1", MARK)]
        for number in range(30):
            requests.append(
                LinkAdd("host", f"h{number}", "veth", peer=PeerSettings("r1", f"a{number}"))
            )
            requests.append(LinkAdd("r1", f"b{number}", "bridge"))
            requests.append(address("r1", f"a{number}", f"10.0.{number}.1"))
            requests.append(address("r1", f"b{number}", f"10.1.{number}.1"))
        assert kernel.transact({"x": requests}) == []
    addresses = {
        link["ifname"]: link["addr_info"][0]["local"]
        for link in ip("-n", "r1", "-4", "address")
        if link["addr_info"]
    }
    assert addresses == {
        f"{end}{number}": f"10.{at}.{number}.1"
        for at, end in enumerate("ab")
        for number in range(30)
    }


@private
def test_attached_namespaces_are_opened_by_path() -> None:
    holder = subprocess.Popen(["unshare", "-n", "sleep", "60"])
    try:
        path = f"/proc/{holder.pid}/ns/net"
        while os.stat(path).st_ino == os.stat("/proc/self/ns/net").st_ino:
            time.sleep(0.01)
        with LinuxKernel() as kernel:
            desired = {
                "@db": ("path", path),
                "@gone": ("pid", "999999"),
                "@odd": ("path", "/etc/hostname"),
                "@box": ("netns", "box"),
            }
            missing = kernel.attach(desired)
            assert {label: error.what for label, error in missing.items()} == {
                "@gone": "there is no process 999999.",
                "@odd": "/etc/hostname is not a network namespace.",
                "@box": "there is no namespace 'box'.",
            }
            snapshot = kernel.read(Scope(MARK, attached=frozenset(desired)))
            assert set(snapshot.namespaces) == {"host", "@db"}
            assert (
                kernel.transact(
                    {
                        "@db": [
                            LinkAdd("@db", "eth0", "veth", peer=PeerSettings("host", "v0")),
                            address("@db", "eth0", "10.0.0.1"),
                        ]
                    }
                )
                == []
            )
            here = next(
                link
                for link in kernel.read(Scope(MARK)).namespaces["host"].links
                if link.name == "v0"
            )
            assert here.link_netnsid is not None
            nsid = here.link_netnsid
            assert kernel.attach_unnamed({"host": {nsid: "@db"}}) == frozenset(), (
                "it is attached already"
            )
            kernel.attach({})
            assert kernel.attach_unnamed({"host": {nsid + 1: "@db"}}) == frozenset(), (
                "another number is another namespace"
            )
            assert kernel.attach_unnamed({"host": {nsid: "@db"}}) == {"@db"}
            again = kernel.read(Scope(MARK, attached=frozenset({"@db"}))).namespaces["@db"]
            assert again.identity == snapshot.namespaces["@db"].identity
            assert again.cookie
        assert names() == {"lo", "v0"}
    finally:
        holder.kill()
        holder.wait()


@private
def test_sysctls_are_of_the_namespace_and_written_where_they_differ() -> None:
    forward, port_range = "net/ipv4/ip_forward", "net/ipv4/ip_local_port_range"
    with LinuxKernel() as kernel:
        assert kernel.pristine_sysctls([forward, "net/no/such"]) == {forward: "0"}
        requests: list[Request] = [
            NetnsAdd("r1", MARK, ((forward, "1"), ("net/no/such", "1"))),
            SysctlSet("r1", (port_range,), "1024  2048"),
            SysctlSet("r1", ("net/no/such", "net/ipv4/conf/all/rp_filter"), "2"),
        ]
        assert kernel.transact({"x": requests}) == []
        asked = (forward, port_range, "net/no/such", "net/ipv4/conf/all/rp_filter")
        snapshot = kernel.read(Scope(MARK, sysctls={"r1": asked, "host": (forward,)}))
        node = snapshot.namespaces["r1"]
        assert node.sysctls == {
            forward: "1",
            port_range: "1024 2048",
            "net/ipv4/conf/all/rp_filter": "2",
        }
        assert node.forwarding == (True, False) and snapshot.namespaces["host"].sysctls == {
            forward: "0"
        }
        bad: list[Request] = [
            SysctlSet("r1", (path,), "1")
            for path in ("net/no/such", "../../etc/passwd", "net//x", "", forward)
        ]
        failures = kernel.transact({str(number): [request] for number, request in enumerate(bad)})
        assert [failure.errno for failure in failures] == [
            errno.ENOENT,
            errno.EINVAL,
            errno.EINVAL,
            errno.EINVAL,
        ]


@private
def test_sysctls_of_many_namespaces_whether_a_procfs_of_our_own_may_be_mounted_or_not() -> None:
    path, names = "net/ipv4/ip_default_ttl", [f"n{number}" for number in range(150)]
    ttls = {name: str(number + 1) for number, name in enumerate(names)}

    def proc_mounts() -> int:
        return Path("/proc/self/mountinfo").read_text().count(" - proc ")

    before = proc_mounts()
    for mountable in (True, False):
        with LinuxKernel() as kernel:
            proc = kernel._namespaces.proc
            proc._refused = not mountable
            assert (
                kernel.transact(
                    {name: [NetnsAdd(name, MARK, ((path, ttl),))] for name, ttl in ttls.items()}
                )
                == []
            )
            assert (proc._root >= 0) is mountable and proc_mounts() == before
            nodes = kernel.read(Scope(MARK, sysctls=dict.fromkeys(names, (path,)))).namespaces
            assert {name: nodes[name].sysctls for name in names} == {
                name: {path: ttl} for name, ttl in ttls.items()
            }
            for name in names[::49]:
                asked = ("nsenter", f"--net=/run/netns/{name}", "cat", f"/proc/sys/{path}")
                assert (
                    subprocess.run(asked, capture_output=True, text=True, check=True).stdout
                    == f"{ttls[name]}\n"
                )
            assert kernel.transact({"x": [NetnsDel(name) for name in names]}) == []


@private
def test_files_of_one_content_are_one_inode_and_links_are_not_followed() -> None:
    with LinuxKernel() as kernel:
        assert (
            kernel.transact(
                {
                    "x": [
                        FileWrite(f"n{number}", "hosts", "# ours\n10.0.0.1 n1\n")
                        for number in range(3)
                    ]
                }
            )
            == []
        )
        inodes = {os.stat(f"/etc/netns/n{number}/hosts").st_ino for number in range(3)}
        assert len(inodes) == 1
        assert kernel.transact({"x": [FileWrite("n1", "hosts", "# ours\nother\n")] * 2}) == []
        assert Path("/etc/netns/n0/hosts").read_text() == "# ours\n10.0.0.1 n1\n"
        [failure] = kernel.transact({"x": [FileWrite("n1", "hosts", "# theirs\n")]})
        assert failure.errno == errno.EEXIST
        assert (
            os.listdir("/etc/netns/n1") == ["hosts"]
            and os.stat("/etc/netns/n1/hosts").st_mode & 0o777 == 0o644
        )
        os.mkdir("/etc/netns/real")
        os.symlink("real", "/etc/netns/evil")
        os.symlink("/etc/hostname", "/etc/netns/n2/resolv.conf")
        [failure] = kernel.transact({"x": [FileWrite("evil", "hosts", "x")]})
        assert failure.errno in (errno.ELOOP, errno.ENOTDIR) and os.listdir("/etc/netns/real") == []
        for label, name in (("..", "hosts"), ("n1", "../x"), ("", "hosts")):
            assert [
                failure.errno for failure in kernel.transact({"x": [FileWrite(label, name, "x")]})
            ] == [errno.EINVAL]
        assert (
            kernel.transact(
                {"x": [NetnsAdd("n1", MARK), NetnsAdd("n2", MARK), NetnsAdd("evil", MARK)]}
            )
            == []
        )
        nodes = kernel.read(Scope(MARK)).namespaces
        assert (
            nodes["n1"].files == {"hosts": "# ours\nother\n"}
            and nodes["n2"].files["hosts"] == "# ours\n10.0.0.1 n1\n"
        )
        assert nodes["n2"].files["resolv.conf"].startswith("\0") and nodes["evil"].files[
            "hosts"
        ].startswith("\0")
        assert kernel.transact({"x": [FileDel(f"n{number}", "hosts") for number in range(3)]}) == []
    assert sorted(os.listdir("/etc/netns")) == ["evil", "n2", "real"]


@private
def test_the_settings_of_all_topologies_are_as_recorded_now() -> None:
    """A file is decoded once, until somebody replaces it or writes in it."""
    assert records.sysctls_of_all(["lab"]) == {}
    path = ("net/ipv4/ip_forward",)
    text = Path("/run/netorch/lab/sysctls.json")
    for value in ("0", "1", "1"):
        with records.lock("lab"):
            records.write_sysctls("lab", {"host": {path: ((4, 5), (value,))}})
        for _ in range(2):
            assert records.sysctls_of_all(["lab", "other"]) == {
                "lab": {"host": {path: ((4, 5), (value,))}}
            }
            assert records.sysctls_of_all(["other"]) == {}
    text.write_text(text.read_text().replace('"1"', '"0"'))
    os.utime(text, (1, 1))  # because the kernel's clock may not have moved on since it was read
    assert records.sysctls_of_all(["lab"]) == {"lab": {"host": {path: ((4, 5), ("0",))}}}
    text.write_text("[")
    assert records.sysctls_of_all(["lab"]) == {}
    text.unlink()
    assert records.sysctls_of_all(["lab"]) == {}
    text.symlink_to("/etc/hostname")
    assert records.sysctls_of_all(["lab"]) == {}


@private
def test_records_survive_and_damage_is_reported() -> None:
    record = records.Record("nodes: {}\r\n", "/tmp/lab.yaml", {"n": "3"}, None, 12.5, "0.1.0")
    assert records.applied_names() == [] and records.read_record("lab") == (None, "")
    with records.lock("lab"):
        records.write_sysctls("lab", {"host": {("net/ipv4/ip_forward",): ((4, 5), ("0",))}})
        assert records.applied_names() == []
        records.write_record("lab", replace(record, namespaces=("n1", "n2")))
        assert records.read_record("lab") == (replace(record, namespaces=("n1", "n2")), "")
        records.write_record("lab", record)
    assert records.read_record("lab") == (record, "") and records.applied_names() == ["lab"]
    assert records.read_sysctls("lab") == (
        {"host": {("net/ipv4/ip_forward",): ((4, 5), ("0",))}},
        "",
    )
    assert (
        os.stat("/run/netorch").st_mode & 0o777 == 0o700
        and os.stat("/run/netorch/lab/meta.json").st_mode & 0o777 == 0o600
    )
    for damage in ("", "{", "[]", '{"variables": 3}', "[" * 100000):
        Path("/run/netorch/lab/meta.json").write_text(damage)
        Path("/run/netorch/lab/sysctls.json").write_text(damage or "3")
        result, warning = records.read_record("lab")
        assert result is None and "damaged" in warning
        assert "damaged" in records.read_sysctls("lab")[1]
    os.unlink("/run/netorch/lab/meta.json")
    os.symlink("/etc/hostname", "/run/netorch/lab/meta.json")
    assert "damaged" in records.read_record("lab")[1]
    for name in ("../x", "", "-a", "A", "a" * 33, "a\n"):
        with pytest.raises(NetorchError, match="is not a name of a topology"):
            records.read_record(name)
    with records.lock("lab"):
        records.remove_record("lab")
        records.remove_record("lab")
    assert not os.path.exists("/run/netorch")


HOLD = (
    "import sys, time; from netorch.kernel.files import records\n"
    "with records.lock('lab'): print('held', flush=True); time.sleep(60)"
)


@private
def test_a_lock_names_its_holder_and_dies_with_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with (
            pytest.raises(LockedError, match=f"process {holder.pid} .*-c"),
            records.lock("lab", 0.1),
        ):
            pass
        with records.lock("other"):
            pass
        holder.kill()
    with records.lock("lab", 5):
        pass
    assert not os.path.exists("/run/netorch")


@private
def test_a_lock_is_held_by_one_at_a_time_even_when_its_file_comes_and_goes() -> None:
    inside, most, failures = 0, 0, []

    def contend() -> None:
        nonlocal inside, most
        for _ in range(20):
            try:
                with records.lock("lab", 30):
                    inside += 1
                    most = max(most, inside)
                    time.sleep(0.0005)
                    inside -= 1
            except BaseException as error:
                failures.append(error)

    threads = [threading.Thread(target=contend) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, failures) == (1, [])


def entered(netns: str, etc: str | None, *argv: str) -> tuple[int, str]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writer, 1)
        try:
            enter(open_namespace("netns", netns), etc, argv)
        except CommandError as error:
            os._exit(error.status)
        except NotAttached:
            os._exit(99)
    os.close(writer)
    with open(reader) as pipe:
        out = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), out


@private
def test_a_command_runs_in_the_namespace_with_its_own_files() -> None:
    with LinuxKernel() as kernel:
        requests: list[Request] = [
            NetnsAdd("r1", MARK),
            LinkAdd("r1", "eth7", "veth", peer=PeerSettings("r1", "eth8")),
            FileWrite("r1", "hosts", "10.0.0.1 one\n"),
        ]
        assert kernel.transact({"x": requests}) == []
    before = Path("/etc/hosts").read_text()
    assert entered("r1", "r1", "sh", "-c", "ls -d /sys/class/net/eth*; cat /etc/hosts") == (
        0,
        "/sys/class/net/eth7\n/sys/class/net/eth8\n10.0.0.1 one\n",
    )
    assert entered("r1", None, "sh", "-c", "exit 5") == (5, "")
    assert entered("r1", "nowhere", "no-such-command-here")[0] == 127
    assert entered("r1", None, "/etc/hostname")[0] == 126
    assert entered("nowhere", None, "true")[0] == 99
    assert Path("/etc/hosts").read_text() == before


@private
def test_an_error_names_the_missing_rights() -> None:
    os.setgroups([])
    os.setuid(65534)
    with pytest.raises(NetorchError, match=r"netorch needs root.* unshare -Urnm sh -c"):
        LinuxKernel()
    with (
        pytest.raises(NetorchError, match=r"netorch needs root.* unshare -Urnm sh -c"),
        records.lock("lab"),
    ):
        pass


def test_an_answer_that_is_not_understood(host: Host) -> None:
    """netorch reports an answer that does not have the length in its headers."""
    script = (
        "from netorch.kernel import reader\n"
        "from netorch.kernel.linux import LinuxKernel\n"
        "from netorch.netlink import decode\n"
        "from netorch.values.snapshot import Scope\n"
        "whole = reader.Rtnl.dump\n"
        "reader.Rtnl.dump = lambda *args: [(kind, data, start, start + 18) for kind, data, "
        "start, _ in whole(*args)]\n"
        "with LinuxKernel() as kernel:\n"
        "    try:\n"
        "        kernel.read(Scope(''))\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__, error)\n"
    )
    output = host.run(sys.executable, "-c", script).stdout
    assert output.startswith("NetorchError the kernel's network state could not be read: Linux "), (
        output
    )
    assert "sent an answer that netorch does not understand" in output
