"""A virtual machine whose NIC is a tap of netorch, as docs/howto/virtual-machines.md describes.

QEMU emulates the machine, with the kernel that `tests/qemu` unpacks. Its file system in memory has
only busybox, the modules of virtio and the script below.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.host import Background, Host
from tests.kernel.kindcase import require
from tests.pages import ROOT, File, steps
from tests.programs import require_program

PAGE = ROOT / "docs/howto/virtual-machines.md"

OUTSIDE = """\
ip link add eth0 type veth peer name wire
ip address add 192.0.2.2/24 dev eth0
ip link set eth0 up
ip netns add outside
ip link set wire netns outside
ip -n outside address add 192.0.2.1/24 dev wire
ip -n outside link set wire up
echo 1 >/proc/sys/net/ipv4/ip_forward
"""

GUEST = """\
#!/bin/busybox sh
alias ip='/bin/busybox ip'
for module in $(/bin/busybox cat /modules/order); do /bin/busybox insmod /modules/$module; done
ip link set lo up
ip address add $address dev eth0
ip link set eth0 up
ip route add default via $gateway
/bin/busybox ping -c 30 -W 1 $target | while read -r line; do
    case $line in *ttl=*) echo reached $target; break;; esac
done
echo ready
exec /bin/busybox sleep 1000
"""


@pytest.fixture(scope="session")
def kernel() -> Path:
    """Return the folder of the kernel that `tests/qemu` uses. It unpacks the kernel if needed."""
    if platform.machine() != "x86_64":
        pytest.skip("the emulated machine has a kernel for amd64 only")
    for program, package in (
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("busybox", "busybox-static"),
        ("modprobe", "kmod"),
    ):
        require_program(program, package)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "netorch-tests"
    if not list(cache.glob("linux-image-*")):
        done = subprocess.run(
            [ROOT / "tests/qemu", "-t", "300", "--", "true"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    return max(cache.glob("linux-image-*"))


@pytest.fixture(scope="session")
def initrd(kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pack the file system of the virtual machine."""
    folder = tmp_path_factory.mktemp("guest") / "files"
    for name in ("bin", "modules"):
        (folder / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "", folder / "bin/busybox")
    (folder / "init").write_text(GUEST)
    (folder / "init").chmod(0o755)
    release = kernel.name.removeprefix("linux-image-")
    files: dict[str, None] = {}
    for module in ("virtio_pci", "virtio_net"):
        listing = subprocess.run(
            ["modprobe", "-d", kernel, "-S", release, "--show-depends", module],
            capture_output=True,
            text=True,
            check=True,
        )
        files |= {line.split()[1]: None for line in listing.stdout.splitlines()}
    for file in files:
        shutil.copy(file, folder / "modules")
    (folder / "modules/order").write_text(" ".join(Path(file).name for file in files))
    archive = folder.parent / "initrd"
    subprocess.run(
        f"find . | busybox cpio -o -H newc >{archive}",
        shell=True,
        cwd=folder,
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return archive


class Machines:
    """Starts virtual machines on a host, and ends them."""

    def __init__(self, host: Host, kernel: Path, initrd: Path) -> None:
        self.host, self.initrd = host, initrd
        self.image = kernel / f"boot/vmlinuz-{kernel.name.removeprefix('linux-image-')}"
        self.running: list[Background] = []

    def boot(self, tap: str, before: tuple[str, ...] = (), **settings: str) -> Background:
        """Start a machine with a NIC on `tap`. Returns when it is ready and has reached `target`.

        `before`: words before those of QEMU, such as `ip netns exec sw`
        """
        words = " ".join(f"{name}={value}" for name, value in settings.items())
        machine = self.host.start(
            *before,
            *("qemu-system-x86_64", "-accel", "tcg", "-m", "192", "-nodefaults", "-no-reboot"),
            *("-display", "none", "-serial", f"file:{self.host.directory}/{tap}.log"),
            *("-kernel", self.image, "-initrd", self.initrd),
            *("-append", f"console=ttyS0 quiet {words}"),
            *("-netdev", f"tap,id=lan,ifname={tap},script=no,downscript=no"),
            *("-device", "virtio-net-pci,netdev=lan,mac=02:00:00:00:00:10"),
        )
        self.running.append(machine)
        log = self.host.directory / f"{tap}.log"
        until = time.monotonic() + 180
        while not (log.exists() and "ready" in log.read_text(errors="replace")):
            assert machine.poll() is None and time.monotonic() < until, machine.args
            time.sleep(0.2)
        assert f"reached {settings['target']}" in log.read_text(errors="replace")
        return machine


@pytest.fixture
def machines(host: Host, kernel: Path, initrd: Path) -> Iterator[Machines]:
    require(host, "tap")
    result = Machines(host, kernel, initrd)
    try:
        yield result
    finally:
        for machine in result.running:
            machine.kill()
            machine.wait()


def page_file(host: Host, name: str) -> Path:
    """Write a topology file of the page. Returns its path."""
    texts = {
        step.name: step.text
        for step in steps(PAGE.read_text(encoding="utf-8"))
        if isinstance(step, File)
    }
    return host.write(name, texts[name])


@pytest.mark.slow
def test_a_machine_in_a_network(host: Host, machines: Machines) -> None:
    """It reaches the outside through NAT, nodes reach it, and netorch sees no difference."""
    host.run("sh", "-ec", OUTSIDE)
    file = page_file(host, "lab.yaml")
    host.netorch("apply", file)
    assert host.netorch("check", file, "--timeout", "1", check=False).returncode == 2
    machine = machines.boot("vm1", address="10.20.0.10/24", gateway="10.20.0.1", target="192.0.2.1")
    assert host.netorch("check", file).stdout.startswith("ok  a  10.20.0.10  ping")
    assert host.netorch("diff", file).stdout == "lab: in sync\n"
    explanation = host.netorch("explain", "a", "10.20.0.10", check=False).stdout
    assert "leaves by host:vm1, and netorch cannot see what is behind it" in explanation
    host.netorch("destroy", file)
    assert machine.poll() is None
    assert "vm1" not in host.links()


@pytest.mark.slow
def test_a_machine_in_a_segment(host: Host, machines: Machines) -> None:
    """QEMU runs in the node that has the bridge, and ends with it."""
    file = page_file(host, "segment.yaml")
    host.netorch("apply", file)
    machine = machines.boot(
        "vm2",
        before=("ip", "netns", "exec", "sw"),
        address="10.21.0.10/24",
        gateway="10.21.0.128",
        target="10.21.0.128",
    )
    assert host.ping("b", "10.21.0.10")
    assert "qemu-system" in host.netorch("destroy", file).stderr
    machine.wait(30)
