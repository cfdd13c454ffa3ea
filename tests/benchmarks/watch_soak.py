"""A long life of `netorch watch` in time-lapse, on a private host.

`python -m tests.benchmarks.watch_soak`, as root, lets objects drift at random in many namespaces,
again and again. Each drift has to be reported once, and put right or undone, while the memory of
the watch stays the same. Then it kills watches while they put something right: nothing may be left
half done. It prints figures; only a wrong result makes it fail.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tests.kernel.host import Host, diff_snapshots
from tests.kernel.watching import EAGER, Event, Watch, watching

LAB = """\
name: soak
nodes: {{"n[1-{count}]": {{networks: [lan]}}}}
networks: {{lan: {{subnet: 10.0.0.0/16}}}}
"""
PATIENCE = 120.0
"""Seconds after which an event counts as missing."""


CHANGER = """\
import ctypes, fcntl, json, os, socket, struct, sys
libc = ctypes.CDLL(None)
calls = {"mtu": 0x8922, "txqueuelen": 0x8943}
for line in sys.stdin:
    for node, device, attribute, value in json.loads(line):
        fd = os.open(f"/run/netns/{node}", os.O_RDONLY)
        assert libc.setns(fd, 0x40000000) == 0
        os.close(fd)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
            request = struct.pack("16si12x", device.encode(), value)
            fcntl.ioctl(opened, calls[attribute], request)
    print(flush=True)
"""
"""A program that changes links with ioctl(2), because starting `ip` each time takes too long."""


class Damage(NamedTuple):
    """A change by hand."""

    title: str
    """The object that differs."""
    makes: tuple[str, str, str, int]
    """Node, device, attribute and value."""
    undoes: tuple[str, str, str, int]


def damage(number: int, rng: random.Random) -> Damage:
    """Return a random change of a node."""
    node = f"n{number}"
    device, attribute, value, usual = rng.choice(
        [
            ("eth0", "mtu", rng.randrange(1280, 1400), 1500),
            ("lo", "mtu", rng.randrange(1280, 1400), 65536),
            ("eth0", "txqueuelen", rng.randrange(10, 900), 1000),
        ]
    )
    kind = "lo" if device == "lo" else "veth"
    return Damage(
        f"{kind} {node}/{device}",
        (node, device, attribute, value),
        (node, device, attribute, usual),
    )


class Changer:
    """The program that makes the changes."""

    def __init__(self, host: Host) -> None:
        self._process = host.start(sys.executable, "-c", CHANGER)

    def change(self, changes: list[tuple[str, str, str, int]]) -> None:
        """Make the changes, and wait until they are made."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{json.dumps(changes)}\n")
        process.stdin.flush()
        assert process.stdout.readline(), "the changes failed"

    def close(self) -> None:
        self._process.communicate()


def memory(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line) / 1024


def cpu(pid: int) -> float:
    """Return the processor time of a process in seconds."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / 100


def child(watch: Watch) -> int:
    """Return the PID of the watch itself, whose parent is nsenter."""
    path = Path(f"/proc/{watch.process.pid}/task/{watch.process.pid}/children")
    return int(path.read_text().split()[0])


def of(events: list[Event], sort: str) -> list[str]:
    return [str(event["object"]) for event in events if event["event"] == sort]


def soak(
    host: Host, changes: int, namespaces: int, reconcile: bool, batch: int, end: float
) -> None:
    """Let objects drift, `batch` at a time, until there were `changes` of them.

    `end` is the time of the monotonic clock at which it ends in any case.
    """
    rng = random.Random(changes)
    options = ["--reconcile"] if reconcile else []
    with closing(Changer(host)) as changer, watching(host, *options, program=EAGER) as watch:
        watch.event(event="watch")
        pid = child(watch)
        done, latencies, samples = 0, list[float](), list[float]()
        began = time.monotonic()
        while done < changes and time.monotonic() < end:
            since = len(watch.events)
            nodes = rng.sample(range(1, namespaces + 1), min(batch, changes - done))
            damages = [damage(number, rng) for number in nodes]
            titles = sorted(one.title for one in damages)
            changer.change([one.makes for one in damages])
            made = time.monotonic()
            wait(watch, since, "drift", len(titles))
            latencies.append(time.monotonic() - made)
            if not reconcile:
                changer.change([one.undoes for one in damages])
            wait(watch, since, "restored", len(titles))
            watch.until(lambda events: events[-1]["event"] == "in-sync", since)
            events = watch.events[since:]
            assert sorted(of(events, "drift")) == titles, "not each drift was reported once"
            assert sorted(of(events, "restored")) == titles, "not each end was reported once"
            assert not of(events, "failed") and not of(events, "gave-up")
            done += len(titles)
            samples.append(memory(pid))
            # the tests' own list would grow, too
            del watch.events[: since - 1]
        seconds = time.monotonic() - began
        first, last = statistics.mean(samples[: len(samples) // 4 or 1]), samples[-1]
        at_rest = cpu(pid)
        time.sleep(5)
        print(
            f"{done} changes in {namespaces} namespaces, {batch} at a time,"
            f" {'put right' if reconcile else 'undone by hand'}: {seconds:.0f} s;"
            f" all reported {statistics.median(latencies):.2f} s after the last one was made"
            f" (longest {max(latencies):.2f}); memory {first:.1f} MiB in the first quarter,"
            f" {last:.1f} at the end; processor at rest {(cpu(pid) - at_rest) / 5:.1%}",
            flush=True,
        )


def wait(watch: Watch, since: int, sort: str, count: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while len(of(watch.events[since:], sort)) < count:
        assert time.monotonic() < deadline, f"{count} times {sort} were not reported"
        time.sleep(0.02)


def kill(host: Host, kills: int, end: float) -> None:
    """Kill watches while they put something right."""
    rng = random.Random(kills)
    nodes = range(1, 5)
    partly = 0
    before = host.snapshot()
    done = 0
    changer = Changer(host)
    while done < kills and time.monotonic() < end:
        done += 1
        with watching(host, "--reconcile", program=EAGER) as watch:
            watch.event(event="watch")
            damages = [damage(number, rng) for number in nodes]
            changer.change([one.makes for one in damages])
            watch.event(event="drift")
            time.sleep(rng.uniform(0.0, 0.15))
            watch.process.signal(signal.SIGKILL)
            watch.process.wait()
            left = host.netorch("diff", "-q", check=False)
            assert left.returncode in (0, 2), left.stderr
            partly += left.returncode == 2
    changer.close()
    host.netorch("apply", "-q")
    differences = diff_snapshots(before, host.snapshot(), ["files: /run/netorch/"])
    assert not differences, differences
    files = host.run("find", "/run/netorch", "-name", ".*.new", "-o", "-name", ".*.old").stdout
    assert not files, files
    print(f"{done} kills, {partly} of them before all was put right: nothing is left behind")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=400)
    parser.add_argument("--namespaces", type=int, default=100)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=60.0, help="of each of the three parts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        host = Host(Path(folder))
        try:
            host.write("topo.yaml", LAB.format(count=options.namespaces))
            host.netorch("apply", "-q")
            for reconcile in (False, True) if options.changes else ():
                half = options.changes // 2
                end = time.monotonic() + 60 * options.minutes
                soak(host, half, options.namespaces, reconcile, options.batch, end)
            kill(host, options.kills, time.monotonic() + 60 * options.minutes)
        finally:
            host.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
