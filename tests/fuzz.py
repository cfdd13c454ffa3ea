"""Fuzzing of the loader: great numbers of spoiled files that nobody would write.

The loader must load each file or refuse it with an error that says where.

    python -m tests.fuzz [COUNT] [SEED]

The program prints the number of inputs, the time of the slowest one and the peak memory. Inputs are
good files with random damage: values in places where they do not belong, lines moved, doubled and
cut, bytes changed.
"""

from __future__ import annotations

import random
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from netorch.errors import FileError
from netorch.resolve.loader import load

SEEDS = Path(__file__).resolve().parents[1] / "topologies"
SLOW = 2.0
"""The limit for one input, in seconds of processor time."""

EVIL = (
    *(
        "../../x",
        "a/b",
        ".",
        "..",
        "''",
        "'\\0'",
        '"\\0"',
        '"\\n"',
        "x" * 4096,
        '"\\u202eabc"',
        "e\u0301",
        "\u00e9",
        "all",
        "default",
        "lo",
    ),
    *(
        "-h",
        "$(id)",
        "`id`",
        "a;b",
        "'\"'",
        '"\\""',
        "accept",
        "drop",
        "$(i)",
        "$(1//0)",
        "$(9**9**9)",
        "$(((((((1)))))))",
        "${HOME}",
        "$$",
        "$(",
    ),
    *(
        "no",
        "on",
        "~",
        "null",
        "true",
        "0",
        "-1",
        "0o17",
        "0x7fffffffffffffff",
        "1e999",
        ".nan",
        ".inf",
        "12:30:00",
        "2001-01-01",
    ),
    *(
        "99999999999999999999999",
        "10.0.0.0/33",
        "10.0.0.1/24",
        "0.0.0.0/0",
        "::/0",
        "::ffff:1.2.3.4/128",
        "1.2.3.4%eth0",
        "224.0.0.1",
        "fe80::1/64",
    ),
    *(
        "ff:ff:ff:ff:ff:ff",
        "00:00:00:00:00:00",
        "255.255.255.255",
        "host",
        "host:eth0",
        "netorch-lab",
        "h[1-9]",
        "h[9-1]",
        "h[1-99999999]",
    ),
    *(
        "[a-zz]",
        "x[01-3]",
        "[1-2]:[1-3]",
        "&a [*a]",
        "*b",
        "<<: 5",
        "!!python/object/apply:os.system [id]",
        "!!binary aGk=",
        "{}",
        "[]",
    ),
    *(
        "[[[[[[[[]]]]]]]]",
        "{a: {b: {c: {}}}}",
        "? x",
        "|",
        ">-",
        "- -",
        "8080:80",
        "1-65535:1-65535/udp",
        "0:0",
        "65536",
        "tcp",
        "!eth0",
        "#",
    ),
)
WORDS = (
    *(
        "name",
        "prefix",
        "vars",
        "defaults",
        "profiles",
        "nodes",
        "networks",
        "links",
        "checks",
        "names",
        "backend",
        "interfaces",
        "routes",
    ),
    *(
        "rules",
        "nat",
        "publish",
        "aliases",
        "dns",
        "addresses",
        "address",
        "mtu",
        "mac",
        "state",
        "master",
        "sysctls",
        "kind",
        "parent",
        "id",
    ),
    *(
        "peer",
        "ports",
        "subnet",
        "gateway",
        "mode",
        "uplink",
        "node",
        "bridge",
        "allow",
        "isolated",
        "egress",
        "via",
        "to",
        "dev",
        "table",
    ),
    *(
        "metric",
        "nexthops",
        "endpoints",
        "impair",
        "attach",
        "profile",
        "port",
        "vlan",
        "vni",
        "driver",
        "description",
        "forwarding",
    ),
)


def spoil(text: str, dice: random.Random) -> bytes:
    """Damage a file in one to five ways. The result may still be valid."""
    for _ in range(dice.randint(1, 5)):
        text = dice.choice(_WAYS)(text, dice)
    data = text.encode("utf-8", "surrogatepass")
    if dice.random() < 0.1:
        data = bytearray(data)
        for _ in range(dice.randint(1, 4)):
            if data:
                data[dice.randrange(len(data))] = dice.randrange(256)
    if dice.random() < 0.02:
        data = data.decode("utf-8", "replace").encode("utf-16")
    return bytes(data)


def _spans(text: str) -> list[tuple[int, int]]:
    """Return the start and end of each word of a text."""
    spans, start = [], None
    for at, letter in enumerate(text + " "):
        if letter in " \n,{}[]":
            if start is not None:
                spans.append((start, at))
            start = None
        elif start is None:
            start = at
    return spans


def _value(text: str, dice: random.Random) -> str:
    spans = _spans(text)
    if not spans:
        return text
    start, end = dice.choice(spans)
    word = text[start:end]
    new = dice.choice(WORDS) if dice.random() < 0.2 else dice.choice(EVIL)
    return text[:start] + new + (":" if word.endswith(":") else "") + text[end:]


def _swap(text: str, dice: random.Random) -> str:
    spans = _spans(text)
    if len(spans) < 2:
        return text
    (a, b), (c, d) = sorted(dice.sample(spans, 2))
    return text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]


def _lines(text: str, dice: random.Random) -> str:
    lines = text.split("\n")
    at = dice.randrange(len(lines))
    way = dice.randrange(5)
    if way == 0:
        lines.insert(at, lines[dice.randrange(len(lines))])
    elif way == 1:
        del lines[at]
    elif way == 2:
        lines[at] = dice.choice(("  ", " ", "\t")) + lines[at]
    elif way == 3:
        lines[at] = lines[at][1:]
    else:
        lines.insert(
            at, f"{' ' * dice.choice((0, 2, 4, 6))}{dice.choice(WORDS)}: {dice.choice(EVIL)}"
        )
    return "\n".join(lines)


def _cut(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text) + 1)
    return (
        text[:at]
        if dice.random() < 0.5
        else text[:at] + dice.choice("\x00\x1b\t\r{}[]:,'\"&*!|>%@`#\ufeff\u2028") + text[at:]
    )


_WAYS: tuple[Callable[[str, random.Random], str], ...] = (
    _value,
    _value,
    _value,
    _swap,
    _lines,
    _lines,
    _cut,
)


@dataclass(slots=True)
class Tally:
    """The results of a run."""

    tried: int = 0
    right: int = 0
    slowest: float = 0.0
    failures: list[tuple[bytes, str]] = field(default_factory=list)
    """Inputs that were neither loaded nor refused properly, with a description of what happened."""


def run(count: int, seed: int = 0) -> Tally:
    """Load `count` inputs. The same seed makes the same inputs."""
    dice, tally = random.Random(seed), Tally()
    files = [
        path.read_text() for path in sorted(SEEDS.glob("*.yaml")) if path.stat().st_size < 10_000
    ]
    for _ in range(count):
        data = spoil(dice.choice(files), dice)
        started = time.process_time()
        try:
            load(data, "fuzzed.yaml")
            tally.right += 1
        except FileError as error:
            if not error.lines() or any(
                "\n" in line or "Traceback" in line for line in error.lines()
            ):
                tally.failures.append((data, "an error message that is empty or has several lines"))
        except Exception:
            tally.failures.append((data, traceback.format_exc()))
        seconds = time.process_time() - started
        if seconds > SLOW:
            tally.failures.append((data, f"took {seconds:.1f} s"))
        tally.slowest = max(tally.slowest, seconds)
        tally.tried += 1
    return tally


def main(count: int = 100_000, seed: int = 0) -> int:
    tally = run(count, seed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{tally.tried} inputs, {tally.right} of them valid; slowest {tally.slowest:.2f} s, at most {peak:.0f} MB"
    )
    kinds = Counter(why.strip().splitlines()[-1] for _, why in tally.failures)
    for why, times in kinds.most_common():
        print(f"{times} x {why}")
    for data, why in tally.failures[:3]:
        print(f"\n{why}\n{data!r}")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3])))
