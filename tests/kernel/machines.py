"""Several machines for one test: private hosts, joined by a router over IPv4 and IPv6.

    rack1 eth0 198.51.100.1/32, 2001:db8::1/128 ── to-rack1 ┐
    rack2 eth0 198.51.100.2/32, 2001:db8::2/128 ── to-rack2 ┴ router

Each machine has its own link to the router, which routes between them. So they have no broadcast
domain in common, and a machine can have an MTU of its own.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.kernel.host import Host, Snapshot, diff_snapshots

GATEWAY, GATEWAY6 = "198.51.100.254", "2001:db8::fe"

ROUTER = f"""
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
ip address add {GATEWAY}/32 dev lo
ip address add {GATEWAY6}/128 dev lo
"""

PORT = """
ip link set {port} up
ip address replace fe80::1/64 dev {port} nodad
ip route replace {address}/32 dev {port}
ip -6 route replace {address6}/128 via fe80::2 dev {port}
"""

UPLINK = f"""
sysctl -qw net.ipv4.conf.all.rp_filter=0
ip link set eth0 up
ip address add {{address}}/32 dev eth0
ip address add fe80::2/64 dev eth0 nodad
ip address add {{address6}}/128 dev eth0 nodad
ip route add default via {GATEWAY} dev eth0 onlink src {{address}}
ip -6 route add default via fe80::1 dev eth0 src {{address6}}
"""

SHELL = """\
#!/bin/sh
# a process ID may be used again, so compare the namespace before entering it
[ "$(readlink /proc/{pid}/ns/net)" = "{namespace}" ] || {{ echo "{name} is off" >&2; exit 255; }}
exec nsenter --target={pid} --net --mount --pid --wdns={directory} -- /bin/sh "$@"
"""


class Machine(Host):
    """A private host with an uplink `eth0` to the router. Its files are in `FOLDER/NAME`."""

    def __init__(self, folder: Path, number: int) -> None:
        self.name = f"rack{number}"
        self.address = f"198.51.100.{number}"
        self.address6 = f"2001:db8::{number}"
        directory = folder / self.name
        directory.mkdir()
        super().__init__(directory)
        self.on = True
        """Whether the machine runs: False after `Machines.kill`."""
        self.shell = folder / f"{self.name}.sh"
        """A program with the arguments of sh, which runs it on this machine."""
        self.shell.write_text(
            SHELL.format(
                pid=self.pid,
                namespace=os.readlink(f"/proc/{self.pid}/ns/net"),
                name=self.name,
                directory=directory,
            )
        )
        self.shell.chmod(0o755)


class Machines(Sequence[Machine]):
    """Machines `rack1`, `rack2` … and the router between them."""

    def __init__(self, folder: Path, count: int, mtu: int = 1500) -> None:
        self.folder = folder
        self._all: list[Machine] = []
        (folder / "router").mkdir()
        self.router = Host(folder / "router")
        try:
            self.router.run("sh", "-ec", ROUTER)
            for _ in range(count):
                self.add(mtu)
        except BaseException:
            self.close()
            raise

    def __getitem__(self, index: int) -> Machine:  # type: ignore[override]
        return self._all[index]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Machine]:
        return iter(self._all)

    def named(self, name: str) -> Machine:
        """Return the machine of that name."""
        return next(machine for machine in self if machine.name == name)

    def add(self, mtu: int = 1500) -> Machine:
        """Make one more machine, and return it."""
        machine = Machine(self.folder, len(self) + 1)
        self._all.append(machine)
        port = f"to-{machine.name}"
        # neither end is in the namespace of the test for even a moment: Linux makes each in its own
        subprocess.run(
            [
                *("nsenter", f"--net=/proc/{self.router.pid}/ns/net"),
                *("ip", "link", "add", "eth0", "netns", str(machine.pid), "type", "veth"),
                *("peer", "name", port, "netns", str(self.router.pid)),
            ],
            check=True,
            env=Host.environment(),
        )
        words = self._words(machine)
        self.router.run("sh", "-ec", PORT.format(**words))
        machine.run("sh", "-ec", UPLINK.format(**words))
        self.set_mtu(machine, mtu)
        return machine

    @staticmethod
    def _words(machine: Machine) -> dict[str, str]:
        return {
            "port": f"to-{machine.name}",
            "address": machine.address,
            "address6": machine.address6,
        }

    def set_mtu(self, machine: Machine, mtu: int) -> None:
        """Set the MTU of a machine's uplink, at both ends."""
        self.router.run("ip", "link", "set", f"to-{machine.name}", "mtu", str(mtu))
        machine.run("ip", "link", "set", "eth0", "mtu", str(mtu))

    def kill(self, machine: Machine) -> None:
        """End a machine at once: its network, processes and namespaces, like a power failure."""
        self.router.run("ip", "link", "delete", f"to-{machine.name}")
        machine.on = False
        _end(machine)

    def cut(self, machine: Machine) -> None:
        """Take a machine off the network. It keeps running."""
        self.router.run("ip", "link", "set", f"to-{machine.name}", "down")

    def join(self, machine: Machine) -> None:
        """Undo `cut`."""
        self.router.run("ip", "link", "set", f"to-{machine.name}", "up")
        # again, because Linux deletes addresses of IPv6 and routes of a link that is down
        self.router.run("sh", "-ec", PORT.format(**self._words(machine)))

    def snapshot(self) -> dict[str, Snapshot]:
        """Return the state of each machine that runs, by its name."""
        return {machine.name: machine.snapshot() for machine in self if machine.on}

    def close(self) -> None:
        """End all machines and the router."""
        for host in (*self._all, self.router):
            _end(host)


def _end(host: Host) -> None:
    """End a host, and wait until its processes are gone, because Linux ends them a little later."""
    host.close()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{host.pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def diff_machines(
    before: dict[str, Snapshot], after: dict[str, Snapshot], ignore: Sequence[str] = ()
) -> list[str]:
    """Return the changes of all machines, one line each, with the machine in front.

    It compares the machines that both have. `ignore` is that of `diff_snapshots`.
    """
    return [
        f"{name}: {line}"
        for name in before
        if name in after
        for line in diff_snapshots(before[name], after[name], ignore)
    ]
