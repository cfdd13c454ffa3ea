"""A minimal Debian in a folder, made from the mirror that this machine's apt uses, and the Debian
packages of this source tree.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from tests.kernel.host import SOURCE, Host
from tests.programs import require_program

# Mounts what a machine has in the folder, whose root has to be a mount of its own for programs that
# make mount namespaces.
MOUNTS = """
mount --bind "$0" "$0"
for place in proc sys dev; do mount --rbind /$place "$0/$place"; done
for place in netns netorch; do
    mkdir -p "/run/$place" "$0/run/$place"
    mount --bind "/run/$place" "$0/run/$place"
done
chmod 700 /run/netorch
mkdir -p "$0/etc/netns"
mount --bind /etc/netns "$0/etc/netns"
"""


def packages(factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build the Debian packages once in a run of the tests. Returns their files by name."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / f"debian-{run}"
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not list(folder.glob("*.deb")):
            command = ["bash", SOURCE / "packaging/deb/build", folder]
            done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            if done.returncode:
                lacks(f"the Debian packages were not built:\n{done.stdout}{done.stderr}")
    return {file.name.partition("_")[0]: file for file in folder.glob("*.deb")}


def lacks(what: str) -> None:
    """End the test, because this machine lacks something: in CI it fails, otherwise it skips."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def codename() -> str:
    """Return the name of this machine's Debian release."""
    words = Path("/etc/os-release").read_text().splitlines()
    return next(
        line.partition("=")[2] for line in words if line.startswith("VERSION_CODENAME=")
    ).strip('"')


def sources() -> list[str]:
    """Return the lines of sources.list for Debian itself that apt uses on this machine."""
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(SIGNED_BY)"
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", form, "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = {}
    for target in targets.stdout.splitlines():
        uri, release, component, *keys = target.split()
        if component == "main" and release.partition("-")[0] == codename():
            signed = f"[signed-by={keys[0]}] " if keys and Path(keys[0]).exists() else ""
            lines[f"deb {signed}{uri} {release} {component}"] = None
    return list(lines)


# Makes the Debian in memory, in a mount namespace of its own, and writes it as tar.
BOOTSTRAP = """
mount -t tmpfs tmpfs "$0"
export TMPDIR="$0"
exec mmdebstrap --quiet --mode=root --variant=apt --format=tar "$@"
"""


def bootstrap(scratch: Path, read: list[str], *hooks: str) -> None:
    """Make a minimal Debian with apt, and pass it as tar to the program `read`.

    `hooks` are shell commands that run at its end, with the folder as `$1`. They and `read` reach
    the network of this machine.
    """
    require_program("mmdebstrap")
    proxies = subprocess.run(
        ["apt-config", "dump", "--format", '%f "%v";%n', "Acquire::http", "Acquire::https"],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = proxies.stdout.splitlines()
    options = [f"--aptopt={line}" for line in lines if "::proxy" in line.lower()]
    options += [f"--customize-hook={hook}" for hook in hooks]
    mirrors = sources()
    if any(" https:" in line for line in mirrors):
        options.append("--include=ca-certificates")
    scratch.mkdir()
    apart = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", BOOTSTRAP, scratch]
    with open(f"{scratch}.log", "w+") as log:
        maker = subprocess.Popen(
            [*apart, *options, codename(), "-", *mirrors],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            # because mmdebstrap ends its whole process group if it fails
            start_new_session=True,
        )
        reader = subprocess.Popen(read, stdin=maker.stdout, stdout=log, stderr=log)
        assert maker.stdout is not None
        maker.stdout.close()
        statuses = maker.wait(), reader.wait()
        log.seek(0)
        if any(statuses):
            lacks(f"no Debian from {', '.join(mirrors)}:\n{log.read()}"[-3000:])


class Chroot:
    """A Debian whose programs run in a private host. It is in the memory of that host."""

    PLACE = "/run/debian"

    def __init__(self, host: Host, scratch: Path, *hooks: str) -> None:
        self.host = host
        self.root = host.root / self.PLACE[1:]
        """Its root directory, as a path that the test's own process can open."""
        host.run("mkdir", self.PLACE)
        bootstrap(scratch, host.inside("tar", "-xC", self.PLACE), *hooks)
        host.run("sh", "-ec", MOUNTS, self.PLACE)

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command as root, in an environment without settings of Python."""
        clean = ("env", "-i", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive")
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return self.host.run("chroot", self.PLACE, *clean, path, *words, check=check)

    def paths_of(self, package: str) -> list[Path]:
        """Return the files and folders that only this package has."""
        lists = {
            file.name.partition(":")[0].removesuffix(".list"): file.read_text().splitlines()
            for file in (self.root / "var/lib/dpkg/info").glob("*.list")
        }
        own = lists.pop(package)
        others = {path for paths in lists.values() for path in paths}
        return [self.root / path[1:] for path in own if path not in others]
