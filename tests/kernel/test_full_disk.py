"""Test a full disk, with no room for each file in turn.

An apply succeeds or changes nothing, a destroy needs no room, and no half-written file stays.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.host import Host
from tests.kernel.test_failure import CHANGED, GOOD, OWN_FILES, settled, sh, shot

MOST = 60
"""The most files or pages that an apply of these topologies takes."""
SHARED = "\n  shared: {mode: nat, subnet: 10.44.0.0/24}\n"
FIRST = GOOD.replace("\nlinks:", SHARED + "links:").replace(
    "networks: [lan]", "networks: [lan, shared]", 1
)
SECOND = CHANGED
"""The file without the network for which the host forwards.

Its apply restores the host's original value, and a rollback sets netorch's value again.
"""
FORMS = {
    "size": ("4 * ($(stat -fc '%b - %f' /run) + {room})", "size={}k", "size=50%"),
    "nr_inodes": ("$(stat -fc '%c - %d' /run) + {room}", "nr_inodes={}", "nr_inodes=100k"),
}


@pytest.fixture(autouse=True)
def ballast(host: Host) -> None:
    """Use one page of /run, because a tmpfs of size 0 has no limit."""
    (host.root / "run/ballast").write_bytes(bytes(4096))


def leave_room(host: Host, what: str, room: int) -> None:
    """Limit /run to `room` more pages or files."""
    count, option, _ = FORMS[what]
    number = f"$(({count.format(room=room)}))"
    sh(host, f"mount -o remount,{option.format(number)} /run")


def make_room(host: Host, what: str) -> None:
    sh(host, f"mount -o remount,{FORMS[what][2]} /run")


def files_of_netorch(host: Host) -> dict[str, bytes | None]:
    """Return netorch's paths under /run and /etc/netns: path → content of the file.

    Directories and locks have None.
    """
    tops = (host.root / "run/netorch", host.root / "etc/netns")
    return {
        str(path.relative_to(host.root)): path.read_bytes()
        if path.is_file() and path.suffix != ".lock"
        else None
        for top in tops
        for path in (top, *top.rglob("*"))
        if path.exists()
    }


def failures(host: Host, what: str, *words: str) -> Iterator[int]:
    """Run a command with ever more room until it succeeds.

    Yield each amount of room with which it fails. Every failure must name /run and the full disk.
    """
    for room in range(MOST):
        leave_room(host, what, room)
        # netorch counts the files that it will make, and would not begin
        run = host.unforeseen if what == "nr_inodes" else host.netorch
        done = run(*words, check=False)
        make_room(host, what)
        assert "Traceback" not in done.stderr
        assert "internal error" not in done.stderr, done.stderr
        assert "not everything" not in done.stderr.lower(), done.stderr
        if done.returncode == 0:
            return
        assert done.returncode == 1
        assert "No space left" in done.stderr, done.stderr
        assert "/run" in done.stderr, done.stderr
        yield room
    raise AssertionError(f"{words} fails even with room for {MOST}")


@pytest.mark.parametrize("what", FORMS)
@pytest.mark.parametrize("trial", [(), ("--confirm-within", "600")], ids=["apply", "trial"])
def test_each_file_of_a_first_apply(host: Host, what: str, trial: tuple[str, ...]) -> None:
    host.write("topo.yaml", FIRST)
    before, nothing = shot(host), files_of_netorch(host)
    met = 0
    for _ in failures(host, what, "apply", "-q", "topo.yaml", *trial):
        met += 1
        assert files_of_netorch(host) == nothing
        assert settled(before, host) == []
    assert met > 2
    host.netorch("diff", "topo.yaml")
    leave_room(host, what, 0)
    host.netorch("destroy", "lab")
    make_room(host, what)
    assert settled(before, host) == []


@pytest.mark.parametrize("what", FORMS)
@pytest.mark.parametrize("trial", [(), ("--confirm-within", "600")], ids=["apply", "trial"])
def test_each_file_of_an_update(host: Host, what: str, trial: tuple[str, ...]) -> None:
    host.write("topo.yaml", FIRST)
    host.write("changed.yaml", SECOND)
    before = shot(host)
    host.netorch("apply", "-q", "topo.yaml")
    applied, record = shot(host), files_of_netorch(host)
    met = 0
    for _ in failures(host, what, "apply", "-q", "changed.yaml", *trial):
        met += 1
        assert files_of_netorch(host) == record
        assert settled(applied, host, OWN_FILES) == []
    assert met > 2
    host.netorch("diff", "changed.yaml")
    leave_room(host, what, 0)
    host.netorch("destroy", "lab")
    make_room(host, what)
    assert settled(before, host) == []
