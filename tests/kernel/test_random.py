"""Test random topologies on the real kernel: make, change, damage, repair and destroy them.

    NETORCH_RANDOM_EXAMPLES=500 NETORCH_RANDOM_SEED=7 pytest tests/kernel/test_random.py

tries more topologies than CI does, and others for each seed. With NETORCH_RANDOM_SHRINK=1 the test
searches for the smallest file that fails.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, currently_in_test_context, given, note, seed, settings
from hypothesis import strategies as st

from netorch.kinds.base.ip_tunnel import MADE_BY_LINUX
from netorch.values.marks import Mark
from tests.kernel.host import Background, Host, Snapshot, diff_snapshots
from tests.kernel.kindcase import require
from tests.strategies import Sketch, pairs

EXAMPLES = int(os.environ.get("NETORCH_RANDOM_EXAMPLES", "25"))
SEED = os.environ.get("NETORCH_RANDOM_SEED")
phases = (
    (Phase.generate, Phase.shrink) if os.environ.get("NETORCH_RANDOM_SHRINK") else (Phase.generate,)
)

PROTOCOL = Mark("random").protocol
PASSING = re.compile(r'"(link": "[^"]*"|[gt]so_\w*max_\w+": \d+|qdisc": "no(op|queue)")(, |(?=}))')
FILTERED = """\
name: random
nodes: {a: {networks: [lan]}, b: {networks: [only]}, c: {networks: [only]}}
networks:
  lan: {mode: nat, subnet: [10.98.0.0/24, "fd00:98::/64"]}
  only: {mode: host-only, subnet: [10.97.0.0/24, "fd00:97::/64"]}
"""
RECORDS = ["files: /run/netorch"]  # they hold the time


class Agent:
    """netorch's command line in a long-lived process of the private host.

    A command takes milliseconds then, because Python does not start again.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.process: Background = host.start(sys.executable, "-m", "tests.kernel.test_random")

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def netorch(self, *argv: str) -> dict[str, Any]:
        """Run a command with `-o json`. Return its document with `status` and `err`.

        Hypothesis notes the standard error.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([*argv, "-o", "json"]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        answer = json.loads(line)
        if answer["err"] and currently_in_test_context():
            note(f"netorch {' '.join(argv)}: {answer['err']}")
        document = json.loads(answer["out"] or "{}")
        return {**document, "status": answer["status"], "err": answer["err"]}


def serve() -> None:
    """Run as the agent: read a command from each line, and answer it with a line."""
    from netorch.cli import main

    for line in sys.stdin:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(json.loads(line))
        print(
            json.dumps({"status": status, "out": out.getvalue(), "err": err.getvalue()}), flush=True
        )


# Damage that a user does by hand. Each function returns a command for a target, or an empty text if
# the target does not allow it.


class Target:
    """A link to damage, in a namespace that netorch made."""

    def __init__(self, label: str, link: dict[str, Any]) -> None:
        self.label, self.link = label, link
        self.dev: str = link["ifname"]
        self.addresses = [entry for entry in link["addr_info"] if entry.get("scope") == "global"]

    @property
    def ip(self) -> str:
        return f"ip -n '{self.label}'"

    @property
    def is_lo(self) -> bool:
        return self.dev == "lo"

    @property
    def is_bridge(self) -> bool:
        return bool(self.link.get("linkinfo", {}).get("info_kind") == "bridge")


def _address(target: Target) -> str:
    return (
        f"{target.addresses[0]['local']}/{target.addresses[0]['prefixlen']}"
        if target.addresses
        else ""
    )


DAMAGE: dict[str, Callable[[Target], str]] = {
    "a link is deleted": lambda t: "" if t.is_lo else f"{t.ip} link del {t.dev}",
    "a link goes down": lambda t: f"{t.ip} link set {t.dev} down",
    "a link flaps": lambda t: f"{t.ip} link set {t.dev} down; {t.ip} link set {t.dev} up",
    "the addresses of a link are gone": lambda t: (
        f"{t.ip} addr flush dev {t.dev} scope global" if t.addresses else ""
    ),
    "the first address of a link is gone": lambda t: (
        f"{t.ip} addr del {_address(t)} dev {t.dev}" if t.addresses else ""
    ),
    "a link has one more address": lambda t: (
        f"{t.ip} addr add 10.66.0.{1 + len(t.dev)}/24 dev {t.dev}"
    ),
    "the MTU is different": lambda t: f"{t.ip} link set {t.dev} mtu 1300",
    "the MAC is different": lambda t: (
        "" if t.is_lo else f"{t.ip} link set {t.dev} address 02:bb:00:00:00:01"
    ),
    "the queue is different": lambda t: f"{t.ip} link set {t.dev} txqueuelen 77",
    "a port has no master": lambda t: (
        f"{t.ip} link set {t.dev} nomaster" if t.link.get("master") else ""
    ),
    "the alias is different": lambda t: (
        "" if t.is_lo else f"{t.ip} link set {t.dev} alias 'my own'"
    ),
    "the alias is gone": lambda t: "" if t.is_lo else f"{t.ip} link set {t.dev} alias ''",
    "the routes are gone": lambda t: (
        f"{t.ip} route flush table all proto {PROTOCOL}; "
        f"{t.ip} -6 route flush table all proto {PROTOCOL}"
    ),
    "there is one more route": lambda t: f"{t.ip} route add blackhole 10.67.0.0/24",
    "the rules are gone": lambda t: (
        f"for n in $({t.ip} rule | grep -o '^[1-4]00[0-9]'); do {t.ip} rule del pref $n; done"
    ),
    "there is one more rule": lambda t: f"{t.ip} rule add from 10.68.0.0/24 table 99 priority 5",
    "a namespace is deleted": lambda t: f"ip netns del '{t.label}'",
    "a setting is different": lambda t: (
        f"ip netns exec '{t.label}' sysctl -qw net/ipv4/conf/{t.dev}/rp_filter=2"
    ),
    "forwarding is different": lambda t: (
        f"ip netns exec '{t.label}' sh -c 'cd /proc/sys/net/ipv4; "
        "echo $((1 - $(cat ip_forward))) >ip_forward'"
    ),
    "the hosts file is gone": lambda t: f"rm -f '/etc/netns/{t.label}/hosts'",
    "the hosts file is different": lambda t: (
        f"[ ! -e '/etc/netns/{t.label}/hosts' ] || echo 10.0.0.1 x >>'/etc/netns/{t.label}/hosts'"
    ),
    "a bridge has other settings": lambda t: (
        f"{t.ip} link set {t.dev} type bridge stp_state 1 ageing_time 700" if t.is_bridge else ""
    ),
}


def targets(host: Host) -> list[Target]:
    """Return every link of every named namespace, in a fixed order."""
    each = """echo "${path##*/}"; ip -n "${path##*/}" -j -d addr | tr -d '\\n'; echo"""
    script = f"for path in /run/netns/*; do [ ! -e $path ] || {{ {each}; }}; done"
    lines = host.run("sh", "-c", script).stdout.splitlines()
    listings = [
        (label, json.loads(links)) for label, links in zip(lines[::2], lines[1::2], strict=True)
    ]
    ours = [
        (label, link)
        for label, links in listings
        for link in links
        if link["ifname"] not in MADE_BY_LINUX
    ]
    return [
        Target(label, link)
        for label, link in sorted(ours, key=lambda one: (one[0], one[1]["ifname"]))
    ]


def hurt(host: Host, data: st.DataObject, counts: Counter[str]) -> list[str]:
    """Do up to three acts of damage to what exists.

    Return the beginnings of lines of a difference to ignore: netorch does not restore a setting
    that the file does not name.
    """
    there, stays = targets(host), list(RECORDS)
    # a node may be a second name of another one
    listing = host.run("sh", "-c", "cd /run/netns; stat -Lc '%n/%i' -- *", check=False).stdout
    inodes = dict(line.split("/") for line in listing.splitlines())
    for _ in range(data.draw(st.integers(1, 3), "damages") if there else 0):
        target = there[data.draw(st.integers(0, 200), "target") % len(there)]
        fitting = {what: command for what, how in DAMAGE.items() if (command := how(target))}
        what = data.draw(st.sampled_from(sorted(fitting)), "damage")
        # an earlier act may have removed the target
        done = host.run("sh", "-c", fitting[what], check=False)
        counts[what] += done.returncode == 0
        note(f"{what}: {fitting[what]} {done.stderr}")
        stays += (
            f"netns {label}: sysctl net/ipv4/conf/{target.dev}/rp_filter"
            for label, number in inodes.items()
            if number == inodes[target.label]
        )
    return stays


def look(host: Host) -> Snapshot:
    """Return the host's snapshot without values that nobody set or that outlive their cause.

    Those are the offload limits that a bridge has from former ports, the qdisc of a link that was
    up once, and the name for a far end that `bridge link` looks up in the wrong namespace.
    """

    def less(text: str) -> str:
        return PASSING.sub("", text) if text.startswith(("ports", "{")) else text

    shot = host.snapshot()
    return {
        where: {
            less(what): less(how)
            for what, how in items.items()
            if not (what.startswith("qdiscs") and '"noqueue"' in what)
        }
        for where, items in shot.items()
    }


DAD = re.compile(r"~ host: sysctl net/ipv6/conf/[^/]+/accept_dad: [01] → [01]$")

CHANGING = """\
changing() {
    ip -d link show type bridge | grep -q ' topology_change 1 ' && return
    for path in /run/netns/*; do
        [ -e "$path" ] && ip -n "${path##*/}" -d link show type bridge | grep -q ' topology_change 1 ' && return
    done
    return 1
}
for _ in $(seq 200); do changing || exit 0; sleep 0.5; done
exit 1
"""
"""Waits until no bridge is in a topology change, when the kernel shows another ageing time."""


def same_in_the_end(
    host: Host, before: Snapshot, what: str, ignore: Collection[str] = RECORDS
) -> None:
    """Fail with a list of all differences if anything differs from `before`.

    While a spanning tree changes, the kernel shows another ageing time (__br_set_topology_change).
    `before` may have been taken then, so differences of ageing times are ignored. netorch's own
    diff covers them.

    netorch turns duplicate address detection off when it brings up a link of the host that has an
    IPv6 address. It does not do so for a link that is up and gets one later, so `accept_dad` of
    such a link depends on the way there.
    """
    differences = diff_snapshots(before, look(host), ignore)
    differences = [line for line in differences if not DAD.match(line)]
    if any("ageing_time" in line for line in differences):
        host.run("sh", "-c", CHANGING)
        differences = diff_snapshots(before, look(host), ignore)
        differences = [
            line for line in differences if "ageing_time" not in line and not DAD.match(line)
        ]
    if differences:
        pytest.fail("\n".join([what, *differences]), pytrace=False)


def same(before: Snapshot, after: Snapshot, what: str, ignore: Collection[str] = RECORDS) -> None:
    """Fail with a list of all differences if anything differs."""
    if differences := diff_snapshots(before, after, ignore):
        pytest.fail("\n".join([what, *differences]), pytrace=False)


def test_random_topologies(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    random_topologies(host, capsys, EXAMPLES, masters=False)


@pytest.mark.uml
def test_random_topologies_with_bonds_and_vrfs(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    require(host, "bond", "vrf", "dummy")
    random_topologies(host, capsys, max(EXAMPLES // 12, 1), masters=True)


def random_topologies(
    host: Host, capsys: pytest.CaptureFixture[str], examples: int, *, masters: bool
) -> None:
    counts: Counter[str] = Counter()
    rounds: Counter[int] = Counter()
    started = time.monotonic()
    old, new = host.directory / "old.yaml", host.directory / "new.yaml"

    with Agent(host) as agent:
        # modules, their sysctls and the empty tables of iptables stay once they are loaded
        old.write_text(FILTERED)
        assert agent.netorch("apply", "old.yaml")["status"] == 0
        assert agent.netorch("destroy", "random")["status"] == 0
        if masters:  # the first VRF adds the rule for the tables of all VRFs
            host.run("sh", "-ec", "ip link add probe0 type vrf table 9; ip link del probe0")
        pristine = look(host)

        def converge(file: str) -> int:
            answer = agent.netorch("apply", file)
            assert answer["status"] == 0, answer
            rounds[answer["rounds"]] += 1
            again = agent.netorch("diff", file)
            assert again["status"] == 0, f"differences after the apply: {again['changes']}"
            return int(answer["rounds"])

        def destroy() -> None:
            answer = agent.netorch("destroy", "random")
            assert answer["status"] == 0, answer
            same(pristine, look(host), "destroy left something behind", ())

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=SEED is None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )
        @given(pairs(4, masters), st.data())
        def example(pair: tuple[Sketch, Sketch], data: st.DataObject) -> None:
            old.write_text(pair[0].text)
            new.write_text(pair[1].text)
            try:
                assert converge("new.yaml") <= 1, "the kernel made something else of a new topology"
                clean = look(host)
                destroy()
                converge("old.yaml")
                converge("new.yaml")
                same_in_the_end(host, clean, "a change led to another state than a first apply")
                stays = hurt(host, data, counts)
                converge("new.yaml")
                same_in_the_end(host, clean, "a repair led to another state than before", stays)
                destroy()
            finally:
                # the next example starts without a topology, also after a failure
                agent.netorch("destroy", "random")
            counts["examples"] += 1

        (seed(int(SEED))(example) if SEED is not None else example)()
    taken = time.monotonic() - started
    with capsys.disabled():
        print(f"\nrandom: {counts.pop('examples')} topologies in {taken:.1f} s,", end=" ")
        print(f"{sum(counts.values())} damages of {len(counts)} kinds,", end=" ")
        print(
            "applied in "
            + ", ".join(f"{number} rounds: {times}" for number, times in sorted(rounds.items()))
        )


if __name__ == "__main__":
    serve()
