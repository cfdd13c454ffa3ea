"""The series of measurements of a shape.

There is one series for each subject: the floor, netorch's commands, its engine, the phases of its
apply, and the peers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from tests.benchmarks import presence
from tests.benchmarks.figures import Round
from tests.benchmarks.machine import CommandFailed, Ran, machine
from tests.benchmarks.peers import Peer
from tests.benchmarks.shapes import Shape

BASE, CHANGED, TABLE = "base.yaml", "changed.yaml", "table.nft"

Series = Callable[[Shape, Round], None]


def files(shape: Shape) -> list[tuple[str, str]]:
    return [(BASE, shape.text), (CHANGED, shape.changed)]


def note(into: Round, what: str, ran: Ran) -> None:
    into.milliseconds[what] = ran.milliseconds
    into.processor[what] = ran.processor_milliseconds
    into.peaks[what] = ran.peak_kilobytes


def floor(shape: Shape, into: Round) -> None:
    """Measure the floor, by its own clock."""
    if shape.published:
        return filter_floor(shape, into)
    with machine() as here:
        for what in ("create", "read", "change", "destroy"):
            clock, processor = map(
                float, here.python("tests.benchmarks.floor", what, shape.name).out.split()
            )
            into.milliseconds[f"floor {what}"], into.processor[f"floor {what}"] = clock, processor
            if what in ("create", "change"):
                presence.require_present(here, shape, changed=what == "change")
        presence.require_absent(here, shape)


def filter_floor(shape: Shape, into: Round) -> None:
    """Measure the floor of published ports: nft with the same table.

    A change of one port loads the whole table again.
    """
    with machine(files(shape)) as here:
        here.python("netorch", "apply", "--quiet", BASE)
        nft = ("nsenter", "--net=/run/netns/box", "nft")
        table = here.run(*nft, "list", "table", "inet", "netorch_ports").out
        here.host.write(
            TABLE, f"add table inet netorch_ports\ndelete table inet netorch_ports\n{table}"
        )
        loaded = here.run(*nft, "-f", TABLE)
        for what, ran in (
            ("create", loaded),
            ("change", loaded),
            ("read", here.run(*nft, "list", "table", "inet", "netorch_ports")),
        ):
            into.milliseconds[f"floor {what}"], into.processor[f"floor {what}"] = (
                ran.milliseconds,
                ran.processor_milliseconds,
            )
        presence.require_present(here, shape)


def whole(shape: Shape, into: Round) -> None:
    """Measure the commands, each from the start of Python to the end of the process."""
    with machine(files(shape)) as here:
        for what, words in (
            ("apply", ("apply", "--quiet", BASE)),
            ("apply again", ("apply", "--quiet", BASE)),
            ("diff", ("diff", BASE)),
            ("change", ("apply", "--quiet", CHANGED)),
        ):
            note(into, f"whole {what}", here.python("netorch", *words))
            if what in ("apply", "change"):
                presence.require_present(here, shape, changed=what == "change")
        note(
            into,
            "whole destroy",
            here.python("netorch", "destroy", "--quiet", shape.topology, settled=True),
        )
        presence.require_absent(here, shape)


def engine(shape: Shape, into: Round) -> None:
    """Measure netorch in a process with all imports. It fails if the kernel refuses anything."""
    with machine(files(shape)) as here:
        parts: dict[str, tuple[float, float]] = json.loads(
            here.python("tests.benchmarks.engine", BASE, CHANGED).out
        )
        for part, figures in parts.items():
            into.milliseconds[f"engine {part}"], into.processor[f"engine {part}"] = figures
        presence.require_absent(here, shape)


def phases(shape: Shape, into: Round) -> None:
    with machine(files(shape)) as here:
        ran = here.python("tests.benchmarks.phases", BASE)
        presence.require_present(here, shape)
        milliseconds: dict[str, float] = json.loads(ran.out)
        ended = milliseconds.pop("ended")
        milliseconds["exit"] = ran.milliseconds - (ended - ran.began) * 1000
        into.phases |= milliseconds
        here.python("netorch", "destroy", "--quiet", shape.topology)


def peer(one: Peer) -> Series:
    def series(shape: Shape, into: Round) -> None:
        with machine(one.files(shape)) as here:
            ran = here.run(*one.argv(shape))
            if one.prints_time:
                into.milliseconds[one.name] = (float(ran.out.split()[-1]) - ran.began) * 1000
            else:
                presence.require_present(here, shape)
                into.milliseconds[one.name] = ran.milliseconds

    return series


def measure(
    shape: Shape, rounds: int, peers: Sequence[Peer], say: Callable[[str], None]
) -> tuple[list[Round], dict[str, str]]:
    """Run so many rounds of all series.

    Each round begins with another series of netorch's. Returns the rounds, and the series that
    failed with their messages. A series that failed is not run again.
    """
    own: dict[str, Series] = {"floor": floor, "whole": whole, "engine": engine, "phases": phases}
    foreign = {one.name: peer(one) for one in peers if shape.name in one.shapes and one.installed()}
    series = own | foreign
    failed: dict[str, str] = {}
    done: list[Round] = []
    for number in range(rounds):
        one = Round()
        names, first = list(own), number % len(own)
        for name in [*names[first:], *names[:first], *foreign]:
            if name in failed:
                continue
            say(f"{shape.name}: round {number + 1} of {rounds}: {name}")
            try:
                series[name](shape, one)
            except CommandFailed as error:
                failed[name] = str(error)
                say(f"{shape.name}: {name} failed: {error}")
        done.append(one)
    return done, failed


def pure(shapes: Sequence[Shape]) -> dict[int, dict[str, float]]:
    """Measure loading and planning alone: size → part → milliseconds.

    These are milliseconds of processor time, because nothing waits.
    """
    named = [(f"{shape.name}.yaml", shape.text) for shape in shapes]
    with machine(named) as here:
        answers = json.loads(
            here.python("tests.benchmarks.engine", "--pure", *(name for name, _ in named)).out
        )
    return {
        shape.size: {part: processor for part, (_, processor) in parts.items()}
        for shape, parts in zip(shapes, answers, strict=True)
    }
