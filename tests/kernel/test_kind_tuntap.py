"""Test tap and tun devices, whose other end is a program."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

import pytest

from netorch.kernel.system.syscalls import setns
from tests.kernel.host import Host, sentences
from tests.kernel.kindcase import NAME, Damage, Edit, KindCase, check_kind, require

NODE = "name: lab\nnodes: {a: {interfaces: {t0: $WORDS}}}"

TAP = KindCase(
    NODE,
    "{kind: tap, addresses: [10.9.0.1/24, 'fd09::1/64'], owner: nobody, description: a machine}",
    ("tap",),
    sees=(
        ("ip -n a -d link show t0", "tun type tap pi off vnet_hdr off persist on user nobody"),
        ("ip -n a -d link show t0", "alias netorch:lab a machine"),
        ("ip -n a addr show t0", "10.9.0.1/24"),
    ),
    edits=(
        Edit(
            "{kind: tap, addresses: [10.9.0.1/24, 'fd09::1/64'], owner: 1000, group: 2000}",
            "~ tap a/t0  owner 65534 → 1000  group none → 2000 … [update]",
        ),
        Edit(
            "{kind: tap, addresses: [10.9.0.1/24, 'fd09::1/64'], owner: 1000}",
            "± tap a/t0 … group 2000 → none  [replace]",
            ("± address a/t0 10.9.0.1/24 … [replace]  (goes with tap a/t0)",),
        ),
        Edit(
            "{kind: tap, addresses: [10.9.0.1/24, 'fd09::1/64'], owner: 1000, multi_queue: true}",
            "± tap a/t0 … multi_queue false → true  [replace]",
        ),
        Edit(
            "{kind: tap, addresses: [10.9.0.1/24, 'fd09::1/64'], owner: 1001, multi_queue: true}",
            "~ tap a/t0  owner 1000 → 1001  [update]",
        ),
        Edit("{kind: tun, addresses: [10.9.0.1/24, 'fd09::1/64']}", "± tun a/t0 … [replace]"),
        Edit(
            "{kind: tap, addresses: [10.9.0.1/24], mtu: 9000, mac: '02:00:00:00:00:07'}",
            "± tap a/t0 … [replace]",
        ),
        Edit(
            "{kind: tap, addresses: [10.9.0.1/24], state: down, mac: '02:00:00:00:00:08'}",
            "! tap a/t0  mtu 9000 → 1500  mac … [flap]",
        ),
    ),
    damages=(
        Damage("ip -n a link set t0 mtu 1400", "~ tap a/t0  mtu 1400 → 1500"),
        Damage("ip -n a link del t0", "+ tap a/t0  owner 65534", ("+ address a/t0 10.9.0.1/24",)),
        Damage(
            "ip -n a link del t0; ip netns exec a ip tuntap add t0 mode tap multi_queue user 5; "
            "ip -n a link set t0 alias netorch:lab",
            "± tap a/t0  owner 5 → 65534 … [replace]",
        ),
        Damage(
            "ip -n a link del t0; ip netns exec a ip tuntap add t0 mode tun; "
            "ip -n a link set t0 alias netorch:lab",
            "± tap a/t0 … [replace]",
        ),
    ),
)

TUN = KindCase(
    NODE,
    "{kind: tun, addresses: [{address: 10.9.0.1/32, peer: 10.9.0.2}], group: 2000, "
    "multi_queue: true}",
    ("tun",),
    sees=(
        ("ip -n a -d link show t0", "tun type tun pi off vnet_hdr off multi_queue"),
        ("ip -n a link show t0", "qlen 500"),
    ),
    edits=(
        Edit(
            "{kind: tun, group: 2001, multi_queue: true, txqueuelen: 1000}",
            "~ tun a/t0  group 2000 → 2001  txqueuelen 500 → 1000  [update]",
        ),
        Edit("{kind: tun, multi_queue: true}", "± tun a/t0 … txqueuelen 1000 → 500  [replace]"),
    ),
    damages=(Damage("ip -n a link set t0 txqueuelen 7", "~ tun a/t0  txqueuelen 7 → 500"),),
)


@pytest.mark.parametrize("case", [TAP, TUN], ids=["tap", "tun"])
def test_a_device_of_a_program(host: Host, case: KindCase) -> None:
    check_kind(host, case)


def test_the_live_state_as_a_file_changes_nothing(host: Host) -> None:
    require(host, "tap", "tun")
    file = host.write(
        f"{NAME}.yaml", NODE.replace("$WORDS", "{kind: tap, owner: nobody, group: 7}")
    )
    host.netorch("apply", file)
    again = host.write("again.yaml", host.netorch("show", NAME, "-o", "yaml").stdout)
    assert "kind: tap" in again.read_text() and "group: 7" in again.read_text()
    assert host.netorch("diff", again).stdout == f"{NAME}: in sync\n"


def test_a_user_that_is_not_there_and_a_machine_without_the_device(host: Host) -> None:
    file = host.write(
        f"{NAME}.yaml", NODE.replace("$WORDS", "{kind: tap, owner: nobdy, group: zzz}")
    )
    done = host.netorch("apply", file, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert sentences(done.stderr) == [
        f"{file}:2:42: tap a/t0: this machine has no user 'nobdy'. Did you mean 'nobody'?",
        f"{file}:2:56: tap a/t0: this machine has no group 'zzz'.",
    ]
    file.write_text(NODE.replace("$WORDS", "{kind: tap}"))
    host.run("mount", "-t", "tmpfs", "tmpfs", "/dev/net")
    done = host.netorch("apply", file, check=False)
    assert done.returncode == 1
    assert (
        "this machine has no usable /dev/net/tun: tap a/t0 cannot be made. "
        "Load the module (`modprobe tun`)" in done.stderr
    )
    assert host.ip("netns") is None


def test_a_program_that_has_the_device(host: Host) -> None:
    """The program keeps the device when the interface changes.

    netorch cannot set a new owner until the program ends.
    """
    require(host, "tap")
    file = host.write(f"{NAME}.yaml", NODE.replace("$WORDS", "{kind: tap, owner: 1000}"))
    host.netorch("apply", file)
    fd = opened(host.root / "run/netns/a", "t0")
    try:
        assert "LOWER_UP" in host.ip("-n", "a", "link", "show", "t0")[0]["flags"]
        file.write_text(NODE.replace("$WORDS", "{kind: tap, owner: 1000, mtu: 1400}"))
        host.netorch("apply", file)
        assert host.netorch("diff").stdout == f"{NAME}: in sync\n"
        file.write_text(NODE.replace("$WORDS", "{kind: tap, owner: 1001, mtu: 1400}"))
        done = host.netorch("apply", file, check=False)
        assert done.returncode == 1
        assert "change tap a/t0: a program has the device open" in done.stderr
        assert "End the program first, then apply again." in done.stderr
        assert host.netorch("diff", check=False).stdout == f"{NAME}: in sync\n"
        host.netorch("destroy", NAME)
    finally:
        os.close(fd)
    assert host.ip("netns") is None


def opened(netns: Path, name: str) -> int:
    """Open a tap device, as a virtual machine does, and return its file descriptor."""
    parent = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(netns, os.O_RDONLY)
    try:
        setns(there)
        fd = os.open("/dev/net/tun", os.O_RDWR)
    finally:
        setns(parent)
        os.close(there)
        os.close(parent)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1002))
    return fd


def test_a_tap_in_a_bridge(host: Host) -> None:
    require(host, "tap")
    words = "{kind: tap}, br0: {kind: bridge, ports: [t0], addresses: [10.9.0.1/24]}"
    file = host.write(f"{NAME}.yaml", NODE.replace("$WORDS", words))
    host.netorch("apply", file)
    assert host.ip("-n", "a", "link", "show", "t0")[0]["master"] == "br0"
    file.write_text(NODE.replace("$WORDS", words.replace("tap}", "tap, multi_queue: true}")))
    host.netorch("apply", file)
    assert host.ip("-n", "a", "link", "show", "t0")[0]["master"] == "br0"
    assert host.netorch("diff").stdout == f"{NAME}: in sync\n"
