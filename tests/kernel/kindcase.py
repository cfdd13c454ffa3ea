"""What every kind of link has to stand, as a table: made, read back, changed by the file, changed by hand, gone without a trace.

A case is a file with the place `$WORDS` for what changes. The witnesses are `ip`, `bridge` and `tc`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.kernel.host import Host

NAME = "lab"

REQUIRED: list[str] = []
"""Kinds that the running test asked for; `conftest` empties it and reports them."""


@dataclass(frozen=True)
class Edit:
    """The file says `words` instead: `told` is the line of the diff, or its beginning and its end around ` … `."""

    words: str
    told: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Damage:
    """Somebody runs `command` (sh) on the host: `told` as in an `Edit`."""

    command: str
    told: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class KindCase:
    """`needs`: link kinds as `ip link add … type` knows them, and qdiscs. `sees`: (command, text that its output has) once it is applied."""

    file: str
    words: str
    needs: tuple[str, ...]
    sees: tuple[tuple[str, str], ...] = ()
    edits: tuple[Edit, ...] = ()
    damages: tuple[Damage, ...] = ()


QDISCS = {"netem": ("delay", "1ms"), "tbf": ("rate", "1mbit", "burst", "5kb", "latency", "50ms")}


def has_kind(host: Host, kind: str) -> bool:
    """Whether this kernel makes links (or qdiscs) of the kind, tried in a namespace of its own inside the test's host."""
    if kind in QDISCS:
        words = ("unshare", "-n", "tc", "qdisc", "add", "dev", "lo", "root", kind, *QDISCS[kind])
        return host.run(*words, check=False).returncode == 0
    more = {
        **dict.fromkeys(("macvlan", "macvtap", "ipvlan"), "link probe0"),
        **{
            "vlan": "link probe0 id 5",
            "vxlan": "id 5 dstport 4789",
            "geneve": "id 5 remote 192.0.2.1",
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
    """Skip, naming what this kernel lacks; the second test kernel has it."""
    REQUIRED.extend(kinds)
    if missing := [kind for kind in kinds if not has_kind(host, kind)]:
        pytest.skip(f"this kernel has no {', '.join(missing)}")


def trace(host: Host) -> tuple[list[str], list[str], str]:
    """Links of the host with their marks, namespaces, files: what must be the same afterwards."""
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


def hold(host: Host, case: KindCase) -> None:
    """Put the case through all of it."""
    require(host, *case.needs)
    before = trace(host)
    file = host.write(f"{NAME}.yaml", case.file.replace("$WORDS", case.words))
    host.netorch("apply", file)
    settled(host)
    for command, text in case.sees:
        seen = host.run("sh", "-c", command).stdout
        assert text in seen, f"{command}\n{seen}"
    for edit in case.edits:
        file.write_text(case.file.replace("$WORDS", edit.words))
        told(
            host,
            host.netorch("diff", file, check=False).stdout,
            (edit.told, *edit.also),
            edit.words,
        )
        host.netorch("apply", file)
        settled(host)
    if case.edits:
        file.write_text(case.file.replace("$WORDS", case.words))
        host.netorch("apply", file)
        settled(host)
    for damage in case.damages:
        host.run("sh", "-ec", damage.command)
        told(
            host,
            host.netorch("diff", check=False).stdout,
            (damage.told, *damage.also),
            damage.command,
        )
        host.netorch("apply", file)
        settled(host)
    host.netorch("destroy", NAME)
    assert trace(host) == before


def settled(host: Host) -> None:
    assert host.netorch("diff", check=False).stdout == f"{NAME}: in sync\n"


def told(host: Host, diff: str, wanted: tuple[str, ...], why: str) -> None:
    lines = diff.splitlines()
    for want in wanted:
        first, _, last = want.partition(" … ")
        assert any(line.startswith(first) and line.endswith(last) for line in lines), (
            f"{why}\n{want}\n{diff}"
        )
