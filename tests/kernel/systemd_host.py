"""A machine with a real systemd: a private host with a root file system of its own.

Nothing that systemd and its services write gets out. Its root is an overlay whose upper layer is in
memory, and /tmp, /run and /dev are its own. Services, generators and timers of the tester's
machine are hidden: only the journal, D-Bus and netorch's own units start.

    holder: mount namespace with the overlay, which lasts as long as the test
      boot: network, mount, process and cgroup namespaces, which end with process 1
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.kernel.host import PATH, SOURCE

SYSTEMD = Path("/lib/systemd/systemd")
UNITS = "/lib/systemd/system"

# Makes the root file system in $1. `cat` keeps the namespace until its input ends.
HOLDER = r"""
mount -t tmpfs -o mode=755 tmpfs "$1"
cd "$1"
mkdir upper work root cgroup
mount -t cgroup2 cgroup2 cgroup
mkdir "cgroup/netorch-test-$$"
ln -s "cgroup/netorch-test-$$" own
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" root
cd root
mount -t tmpfs -o mode=1777 tmpfs tmp
hide() { [ ! -d "$1" ] || mount -t tmpfs -o mode=755 tmpfs "$1"; }
for folder in etc/systemd/system etc/systemd/network etc/init.d etc/rc?.d etc/netorch etc/netns \
    etc/tmpfiles.d usr/lib/tmpfiles.d etc/sysctl.d usr/lib/sysctl.d usr/lib/modules-load.d \
    lib/systemd/system-generators usr/local/lib/systemd lib/systemd/system/*.target.wants; do
    hide "$folder"
done
mkdir -p etc/systemd/system var/log/journal
: >etc/fstab
printf '[Journal]\nAudit=no\nReadKMsg=no\nSeal=no\n' >etc/systemd/journald.conf
for service in systemd-journald systemd-journal-flush; do
    ln -s ../$service.service lib/systemd/system/sysinit.target.wants/
done
for socket in systemd-journald systemd-journald-dev-log dbus; do
    ln -s ../$socket.socket lib/systemd/system/sockets.target.wants/
done
shift
for path in "$@"; do
    mkdir -p ".$path"
    mount --bind "$path" ".$path"
    mount -o remount,bind,ro ".$path"
done
echo ready
exec cat >/dev/null
"""

# Process 1 has control groups of its own, below this one.
ENTER = 'echo $$ >"$0/own/cgroup.procs"; exec "$@"'
LEAVE = 'find "$(readlink -f "$0/own")" -depth -type d -exec rmdir {} +'

# Starts process 1 in the root file system $1, as a container. Only settings of the network can be
# changed, because the others are those of the tester's kernel.
BOOT = r"""
cd "$1/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for node in null zero full random urandom tty; do
    : >dev/$node
    mount --bind /dev/$node dev/$node
done
ln -s /proc/self/fd dev/fd
mkdir dev/pts dev/shm
mount -t tmpfs tmpfs dev/shm
for place in proc/sys proc/sysrq-trigger; do
    [ -e $place ] || continue
    mount --bind $place $place
    mount -o remount,bind,ro $place
done
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,rw proc/sys/net
ip link set lo up
pivot_root . .
umount -l .
cd /
exec env -i container=unshare PATH="$PATH" "$2" --system --unit=multi-user.target
"""


class NotPossible(Exception):
    """systemd cannot run here. The text is the reason."""


class SystemdHost:
    """A machine that can be started, and started again. Close it at the end."""

    def __init__(self, folder: Path, program: str = str(SYSTEMD)) -> None:
        """`program` becomes process 1."""
        if not Path(program).exists() or shutil.which("systemctl") is None:
            raise NotPossible("the packages systemd and dbus are not installed")
        self._program, self._folder = program, folder / "machine"
        self._folder.mkdir()
        self._boot: subprocess.Popen[bytes] | None = None
        self.pid = 0
        """The PID of process 1, as the test's own process sees it."""
        places = dict.fromkeys(map(str, (SOURCE, sys.prefix, sys.base_prefix)))
        outer = [place for place in places if not self._is_inside(place, places)]
        self._holder = subprocess.Popen(
            [
                *("unshare", "--mount", "--propagation", "private"),
                *("sh", "-euc", HOLDER, "sh", str(self._folder), *outer),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._holder.stdout is not None and self._holder.stderr is not None
        if self._holder.stdout.readline() != b"ready\n":
            reason = self._holder.stderr.read().decode().strip()
            self._holder.wait()
            raise NotPossible(f"the root file system was not made: {reason}")

    @staticmethod
    def _is_inside(place: str, places: dict[str, str | None]) -> bool:
        return place in ("/", "/usr") or any(
            place != other and place.startswith(f"{other}/") for other in places
        )

    def boot(self) -> None:
        """Start process 1, and wait until it answers."""
        apart = ["unshare", "--net", "--mount", "--pid", "--cgroup", "--fork", "--kill-child"]
        script = ["--propagation", "private", "sh", "-euc", BOOT, "sh"]
        self._boot = subprocess.Popen(
            [*self._in_holder(ENTER), *apart, *script, str(self._folder), self._program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.pid = self._child(self._boot.pid)
        self.wait_for("process 1", lambda: self._state() in ("running", "degraded"))

    def _state(self) -> str:
        return self.systemctl("is-system-running", check=False)

    def wait_for(self, what: str, condition: Callable[[], object], within: float = 90) -> None:
        """Wait until the condition is true."""
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not within {within} seconds"
            time.sleep(0.1)

    def _in_holder(self, script: str) -> list[str]:
        enter = ["nsenter", f"--target={self._holder.pid}", "--mount", "--wdns=/", "--"]
        return [*enter, "sh", "-euc", script, str(self._folder)]

    def _child(self, pid: int) -> int:
        deadline = time.monotonic() + 60
        path = Path(f"/proc/{pid}/task/{pid}/children")
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if words := path.read_text().split():
                    return int(words[0])
            if self._boot is not None and self._boot.poll() is not None:
                break
            time.sleep(0.02)
        raise NotPossible(f"process 1 did not start: {self._output()}")

    def _output(self) -> str:
        assert self._boot is not None and self._boot.stdout is not None
        self.crash()
        return self._boot.stdout.read().decode(errors="replace").strip()

    def crash(self) -> None:
        """Kill process 1, as if the machine lost power."""
        if self._boot is not None:
            with contextlib.suppress(ProcessLookupError):
                if self.pid:
                    os.kill(self.pid, signal.SIGKILL)
            self._boot.kill()
            self._boot.wait()
        self.pid = 0

    def close(self) -> None:
        """End the machine, and everything that it wrote."""
        self.crash()
        deadline = time.monotonic() + 60
        while subprocess.run(self._in_holder(LEAVE), capture_output=True).returncode:
            # the kernel takes its time to remove the last process from its group
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        for stream in (self._holder.stdin, self._holder.stdout, self._holder.stderr):
            assert stream is not None
            stream.close()
        self._holder.kill()
        self._holder.wait()

    @property
    def root(self) -> Path:
        """Its root directory, as a path that the test's own process can open."""
        return Path(f"/proc/{self.pid}/root")

    def run(self, *argv: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command on the machine."""
        words = [str(word) for word in argv]
        enter = ["nsenter", f"--target={self.pid}", "--net", "--mount", "--pid", "--cgroup"]
        path = f"{Path(sys.prefix) / 'bin'}:{PATH}"
        env = {"PATH": path, "HOME": "/root", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [*enter, "--wdns=/", "--", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=env,
            timeout=240,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
        return done

    def netorch(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the program of this source tree."""
        return self.run(Path(sys.prefix) / "bin/netorch", *words, check=check)

    def write(self, path: str, text: str) -> None:
        """Write a file, and make its folder."""
        place = self.root / path.removeprefix("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def read(self, path: str) -> str | None:
        """Return the text of a file, or None if there is none."""
        place = self.root / path.removeprefix("/")
        return place.read_text() if place.exists() else None

    def is_active(self, unit: str) -> bool:
        """Whether a unit is active."""
        return self.systemctl("is-active", unit, check=False) == "active"

    def systemctl(self, *words: str, check: bool = True) -> str:
        """Run systemctl and return its output."""
        return self.run("systemctl", "--no-pager", *words, check=check).stdout.strip()
