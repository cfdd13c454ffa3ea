"""A table of what netorch must do with each kind of link.

netorch makes it, reads it back, changes it as the file changes, repairs damage done by hand, and
removes it without a trace. A case is a file in which `$WORDS` stands for the part that changes.
The tests compare netorch with `ip`, `bridge` and `tc`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from tests.kernel.host import Host

NAME = "lab"

REQUIRED: list[str] = []
"""Kinds that the running test needs. `conftest` reports them and empties the list."""


@dataclass(frozen=True)
class Edit:
    """A change of the file, and the lines of the diff for it."""

    words: str
    """The new text for `$WORDS`."""
    reported: str
    """A line of the diff, or its beginning and its end around ` … `."""
    also: tuple[str, ...] = ()
    """More lines of the same form."""


@dataclass(frozen=True)
class Damage:
    """A change by hand, and the lines of the diff for it."""

    command: str
    """A shell command that runs on the host."""
    reported: str
    """A line of the diff, or its beginning and its end around ` … `."""
    also: tuple[str, ...] = ()
    """More lines of the same form."""


@dataclass(frozen=True)
class KindCase:
    """What the kernel must do with one kind of link."""

    file: str
    """The topology file, with `$WORDS` for the part that changes."""
    words: str
    """The first text for `$WORDS`."""
    needs: tuple[str, ...]
    """Link kinds, as in `ip link add … type`, and qdiscs."""
    sees: tuple[tuple[str, str], ...] = ()
    """Pairs of a command and a text that its output contains after the first apply."""
    edits: tuple[Edit, ...] = ()
    """Changes of the file, one after another."""
    damages: tuple[Damage, ...] = ()
    """Changes by hand, each repaired before the next."""


QDISCS = {"netem": ("delay", "1ms"), "tbf": ("rate", "1mbit", "burst", "5kb", "latency", "50ms")}


def has_kind(host: Host, kind: str) -> bool:
    """Return whether this kernel makes such links or qdiscs, by trying it in a new namespace."""
    if kind in QDISCS:
        words = ("unshare", "-n", "tc", "qdisc", "add", "dev", "lo", "root", kind, *QDISCS[kind])
        return host.run(*words, check=False).returncode == 0
    more = {
        **dict.fromkeys(("macvlan", "macvtap", "ipvlan"), "link probe0"),
        **{
            "vlan": "link probe0 id 5",
            "vxlan": "id 5 dstport 4789",
            "geneve": "id 5 remote 192.0.2.1",
            "erspan": "remote 192.0.2.1 seq key 5",
            "vrf": "table 5",
        },
        **dict.fromkeys(("gre", "gretap", "ipip", "sit"), "remote 192.0.2.1"),
        **dict.fromkeys(("ip6gre", "ip6gretap", "ip6tnl"), "remote 2001:db8::1"),
    }
    if kind == "physical":
        return True
    if kind in {"tap", "tun"}:
        return (
            host.run(
                "unshare", "-n", "ip", "tuntap", "add", "probe2", "mode", kind, check=False
            ).returncode
            == 0
        )
    words = {"bridge-vlans": "bridge vlan_filtering 1"}.get(kind, kind)
    before, _, after = more.get(kind, "").partition("link probe0")
    lower = "link probe0" if "link probe0" in more.get(kind, "") else ""
    script = f"ip link add probe0 type veth peer name probe1; ip link add {lower} probe2 type {words} {before} {after}"
    return host.run("unshare", "-n", "sh", "-ec", script, check=False).returncode == 0


def require(host: Host, *kinds: str) -> None:
    """Skip the test, and name the kinds that this kernel lacks. The second test kernel has them."""
    REQUIRED.extend(kinds)
    if missing := [kind for kind in kinds if not has_kind(host, kind)]:
        pytest.skip(f"this kernel has no {', '.join(missing)}")


def trace(host: Host) -> tuple[list[str], list[str], str]:
    """Return the host's links with their marks, its namespaces and its files, for comparison."""
    links = [
        f"{link['ifname']} {link.get('ifalias', '')} {link.get('group')} {link['flags']}"
        for link in host.ip("-d", "link")
    ]
    names = sorted(item["name"] for item in host.ip("netns") or [])
    files = host.run(
        "sh", "-c", "find /etc/netns /run/netns /run/netorch -mindepth 1 2>/dev/null | sort"
    ).stdout
    return (
        sorted(links),
        names,
        "\n".join(
            line for line in files.splitlines() if not line.endswith((".lock", "/run/netorch/lock"))
        ),
    )


def check_kind(host: Host, case: KindCase) -> None:
    """Run the whole case."""
    require(host, *case.needs)
    before = trace(host)
    file = host.write(f"{NAME}.yaml", case.file.replace("$WORDS", case.words))
    host.netorch("apply", file)
    assert_in_sync(host)
    for command, text in case.sees:
        seen = host.run("sh", "-c", command).stdout
        assert text in seen, f"{command}\n{seen}"
    for edit in case.edits:
        file.write_text(case.file.replace("$WORDS", edit.words))
        assert_reported(
            host,
            host.netorch("diff", file, check=False).stdout,
            (edit.reported, *edit.also),
            edit.words,
        )
        host.netorch("apply", file)
        assert_in_sync(host)
    if case.edits:
        file.write_text(case.file.replace("$WORDS", case.words))
        host.netorch("apply", file)
        assert_in_sync(host)
    for damage in case.damages:
        host.run("sh", "-ec", damage.command)
        assert_reported(
            host,
            host.netorch("diff", check=False).stdout,
            (damage.reported, *damage.also),
            damage.command,
        )
        host.netorch("apply", file)
        assert_in_sync(host)
    host.netorch("destroy", NAME)
    assert trace(host) == before


REMEMBERED = """\
import sys
from netorch.kernel.comparison.repeat import topology_in_sync
from netorch.kernel.files.state_cache import identity_on_record
print(topology_in_sync(sys.argv[1:], identity_on_record(sys.argv[1]), changes=False))
"""


def is_remembered(host: Host, name: str = NAME) -> bool:
    """Return whether the next diff of the topology repeats the last one without looking closely."""
    return host.python(REMEMBERED, name).stdout == f"{name}\n"


def assert_remembered(host: Host, name: str = NAME) -> None:
    """Compare the topology until its state has settled, so that damage has to be noticed later."""
    for _ in range(20):
        assert host.netorch("diff", name).stdout == f"{name}: in sync\n"
        if is_remembered(host, name):
            return
        time.sleep(0.2)
    raise AssertionError("no diff was remembered")


def assert_in_sync(host: Host) -> None:
    # twice, because the second one repeats the first one if it can
    for _ in range(2):
        assert host.netorch("diff", check=False).stdout == f"{NAME}: in sync\n"


def assert_reported(host: Host, diff: str, expected: tuple[str, ...], why: str) -> None:
    lines = diff.splitlines()
    for line_expected in expected:
        first, _, last = line_expected.partition(" … ")
        assert any(line.startswith(first) and line.endswith(last) for line in lines), (
            f"{why}\n{line_expected}\n{diff}"
        )
