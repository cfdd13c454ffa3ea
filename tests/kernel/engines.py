"""Real container engines in a private host: Debian's Docker and Podman, with a busybox image.

Each engine gets what it needs from a machine: cgroups of version 1 below a tmpfs, and storage on
a tmpfs. All of it disappears with the private host.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.kernel.host import Background, Host

CGROUPS = """
mount -t tmpfs none /sys/fs/cgroup
for name in cpu cpuacct cpuset memory devices freezer blkio pids; do
    mkdir /sys/fs/cgroup/$name
    mount -t cgroup -o $name none /sys/fs/cgroup/$name || rmdir /sys/fs/cgroup/$name
done
mkdir /sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd none /sys/fs/cgroup/systemd
mkdir -p /run/engine/bin /run/engine/image/bin
for name in iptables iptables-save iptables-restore; do
    for six in "" 6; do
        ln -s $(readlink -f $(command -v ip${six}tables-$1)) /run/engine/bin/$(echo $name | sed "s/ip/ip$six/")
    done
done
cp $(command -v busybox) /run/engine/image/bin/busybox
for name in sh sleep httpd; do ln /run/engine/image/bin/busybox /run/engine/image/bin/$name; done
"""

# Connects to each SIGN ADDRESS PORT at the same time, and prints + or - for each. A target with
# the sign + gets 30 s to answer, because the machine may be busy.
CLIENT = """
import socket, sys, threading, time
def ask(place):
    sign, address, port = targets[place]
    deadline = time.monotonic() + (30 if sign == "+" else 1)
    while (left := deadline - time.monotonic()) > 0:
        try:
            socket.create_connection((address, int(port)), timeout=min(left, 5)).close()
            answers[place] = "+"
            return
        except OSError:
            time.sleep(0.05)
targets = list(zip(sys.argv[1::3], sys.argv[2::3], sys.argv[3::3]))
answers = ["-"] * len(targets)
threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(targets))]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("".join(answers))
"""

# Listens on each PORT with both IP versions.
SERVER = """
import socket, sys, threading
def serve(listener):
    while True:
        listener.accept()[0].close()
for port in map(int, sys.argv[1:]):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    threading.Thread(target=serve, args=(listener,)).start()
print("ready", flush=True)
"""

_COUNTERS = re.compile(r"^#.*\n|packets \d+ bytes \d+|\[\d+:\d+\]", re.MULTILINE)
_UP_WITHIN = 60.0


def need(*programs: str) -> None:
    """Skip the test if one of the programs is not installed."""
    missing = [program for program in programs if shutil.which(program, path=_PATH) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


_PATH = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"


class Machine:
    """A private host that is ready for engines. Its `iptables` has the given flavour.

    `flavour` is `nft` or `legacy`.
    """

    def __init__(self, host: Host, flavour: str) -> None:
        need("busybox", f"iptables-{flavour}", f"ip6tables-{flavour}")
        self.host, self.flavour = host, flavour
        self.env = {"PATH": f"/run/engine/bin:{_PATH}"}
        done = host.run("sh", "-ec", CGROUPS, "cgroups", flavour, check=False)
        if done.returncode:
            pytest.skip(f"no cgroups for containers here: {done.stderr.strip()}")

    def rules(self) -> str:
        """Return everybody's rules in the kernel's order, without counters and dates."""
        commands = [
            f"ip{six}tables-{flavour}-save" for flavour in ("nft", "legacy") for six in ("", "6")
        ]
        listing = self.host.run("sh", "-c", "; ".join(["nft list ruleset", *commands, "true"]))
        return _COUNTERS.sub("", listing.stdout)

    def foreign_rules(self) -> list[str]:
        """Return the iptables rules that netorch did not make."""
        commands = [
            f"ip{six}tables-{flavour}-save" for flavour in ("nft", "legacy") for six in ("", "6")
        ]
        listing = self.host.run("sh", "-c", "; ".join([*commands, "true"])).stdout
        return [line for line in _COUNTERS.sub("", listing).splitlines() if "netorch" not in line]

    def misses(self, where: str | int, *expected: str) -> list[str]:
        """Return the targets that do not behave as expected.

        A target is "+ ADDRESS PORT" if it must answer, "- ADDRESS PORT" if it must not.
        `where` is the name of a namespace, or the PID of a process in one.
        """
        return self.all_misses({where: expected})

    def all_misses(self, asked: Mapping[str | int, Sequence[str]]) -> list[str]:
        """Do the same as `misses` from several namespaces at the same time."""
        clients = []
        for where, expected in asked.items():
            netns = f"/run/netns/{where}" if isinstance(where, str) else f"/proc/{where}/ns/net"
            words = [word for target in expected for word in target.split()]
            argv = ("nsenter", f"--net={netns}", sys.executable, "-ISc", CLIENT, *words)
            clients.append((where, expected, self.host.start(*argv)))
        misses = []
        for where, expected, client in clients:
            with client:
                out, err = client.communicate(timeout=240)
            signs = out.strip()
            assert len(signs) == len(expected), err
            misses += [
                f"{where}: {sign}{target[1:]}"
                for sign, target in zip(signs, expected, strict=True)
                if sign != target[0]
            ]
        return misses

    def serve(self, netns: str, *ports: int) -> Background:
        """Start a program that listens in a namespace. It ends at the latest with the host."""
        words = [str(port) for port in ports]
        server = self.host.start(
            "nsenter", f"--net=/run/netns/{netns}", sys.executable, "-ISc", SERVER, *words
        )
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        return server


class Docker:
    """A real dockerd and its containers. `options` are dockerd's."""

    def __init__(self, machine: Machine, *options: str) -> None:
        need("dockerd", "docker", "containerd", "runc")
        self.machine, self.host, self.options = machine, machine.host, options
        self._daemon: Background | None = None
        self.start()
        self.host.run(
            "sh", "-ec", "tar -C /run/engine/image -c . | docker import - bb", env=machine.env
        )

    def __call__(self, *words: str, check: bool = True) -> str:
        return self.host.run("docker", *words, env=self.machine.env, check=check).stdout.strip()

    def start(self) -> None:
        self._daemon = self.host.start(
            "sh",
            "-c",
            'exec dockerd "$@" >>/run/engine/docker.log 2>&1',
            "dockerd",
            *("--data-root", "/run/engine/docker", "--exec-root", "/run/docker"),
            *("-H", "unix:///run/docker.sock", "--storage-driver", "vfs"),
            *self.options,
            env=self.machine.env,
        )
        deadline = time.monotonic() + _UP_WITHIN
        while not self("version", "--format", "{{.Server.Version}}", check=False):
            log = self.host.root / "run/engine/docker.log"
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"dockerd does not start here: {log.read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End the daemon. Its containers end too, unless it was started with `--live-restore`."""
        assert self._daemon is not None
        self._daemon.signal(signal.SIGTERM)
        self._daemon.wait(60)
        self._daemon.communicate()
        with suppress(FileNotFoundError):
            (self.host.root / "run/docker.pid").unlink()

    def run(self, name: str, *options: str, listen: tuple[int, ...] = ()) -> int:
        """Do `docker run -d --name NAME OPTIONS` and serve HTTP on the ports in `listen`.

        Returns the process ID in the private host.
        """
        servers = [f"httpd -p {port}" for port in listen]
        script = "; ".join([*servers, "exec sleep 100000"])
        self(
            "run",
            "-d",
            "--stop-signal=KILL",
            "--name",
            name,
            *options,
            "bb",
            "/bin/sh",
            "-c",
            script,
        )
        return self.pid(name)

    def pid(self, name: str) -> int:
        return int(self("inspect", "--format", "{{.State.Pid}}", name))

    def address(self, name: str, network: str = "bridge", version: int = 4) -> str:
        networks = json.loads(
            self("inspect", "--format", "{{json .NetworkSettings.Networks}}", name)
        )
        return str(networks[network]["IPAddress" if version == 4 else "GlobalIPv6Address"])


class Podman:
    """A real Podman that serves its API on the usual socket."""

    def __init__(self, machine: Machine) -> None:
        need("podman", "conmon", "runc")
        self.machine, self.host = machine, machine.host
        self._common = (
            *("podman", "--root", "/run/engine/podman", "--runroot", "/run/engine/podman.run"),
            *("--cgroup-manager", "cgroupfs", "--storage-driver", "vfs", "--runtime", "runc"),
        )
        self.host.run("mkdir", "-p", "/run/podman")
        self.service = self.host.start(
            *self._common,
            *("system", "service", "--time=0", "unix:///run/podman/podman.sock"),
            env=machine.env,
        )
        deadline = time.monotonic() + _UP_WITHIN
        while not (self.host.root / "run/podman/podman.sock").exists():
            if self.service.poll() is not None or time.monotonic() > deadline:
                self.service.kill()
                pytest.skip(f"podman does not start here: {self.service.communicate()[1]}")
            time.sleep(0.1)

    def __call__(self, *words: str, check: bool = True) -> str:
        done = self.host.run(*self._common, *words, env=self.machine.env, check=check)
        return done.stdout.strip()

    def run(self, name: str, *options: str, listen: tuple[int, ...] = ()) -> int:
        servers = [f"/bin/httpd -p {port}" for port in listen]
        script = "; ".join([*servers, "exec /bin/sleep 100000"])
        image = f"/run/engine/{name}"
        self.host.run("cp", "-a", "/run/engine/image", image)
        self(
            "run",
            "-d",
            "--stop-signal=KILL",
            "--name",
            name,
            *options,
            "--rootfs",
            image,
            "/bin/sh",
            "-c",
            script,
        )
        return self.pid(name)

    def pid(self, name: str) -> int:
        return int(self("inspect", "--format", "{{.State.Pid}}", name))


def root_or_skip() -> None:
    if os.geteuid() != 0 and "CI" not in os.environ:
        pytest.skip("needs root")


def private_host(path: Path) -> Host:
    root_or_skip()
    return Host(path)
