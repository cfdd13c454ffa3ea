"""What is run at a shape, one series a subject: the floor, netorch's commands, its engine, the phases of its apply, and the peers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from tests.benchmarks import witness
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
    """By its own clock."""
    if shape.published:
        return filter_floor(shape, into)
    with machine() as here:
        for what in ("create", "read", "change", "destroy"):
            clock, processor = map(
                float, here.python("tests.benchmarks.floor", what, shape.name).out.split()
            )
            into.milliseconds[f"floor {what}"], into.processor[f"floor {what}"] = clock, processor
            if what in ("create", "change"):
                witness.there(here, shape, changed=what == "change")
        witness.gone(here, shape)


def filter_floor(shape: Shape, into: Round) -> None:
    """Of published ports: nft, with the same table. A change of one port is the whole table again."""
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
        witness.there(here, shape)


def whole(shape: Shape, into: Round) -> None:
    """The commands, each from the start of Python to the end of the process."""
    with machine(files(shape)) as here:
        for what, words in (
            ("apply", ("apply", "--quiet", BASE)),
            ("apply again", ("apply", "--quiet", BASE)),
            ("diff", ("diff", BASE)),
            ("change", ("apply", "--quiet", CHANGED)),
        ):
            note(into, f"whole {what}", here.python("netorch", *words))
            if what in ("apply", "change"):
                witness.there(here, shape, changed=what == "change")
        note(
            into,
            "whole destroy",
            here.python("netorch", "destroy", "--quiet", shape.topology, settled=True),
        )
        witness.gone(here, shape)


def engine(shape: Shape, into: Round) -> None:
    """In a process that has everything imported; it sees to it that nothing was refused."""
    with machine(files(shape)) as here:
        parts: dict[str, tuple[float, float]] = json.loads(
            here.python("tests.benchmarks.engine", BASE, CHANGED).out
        )
        for part, figures in parts.items():
            into.milliseconds[f"engine {part}"], into.processor[f"engine {part}"] = figures
        witness.gone(here, shape)


def phases(shape: Shape, into: Round) -> None:
    with machine(files(shape)) as here:
        ran = here.python("tests.benchmarks.phases", BASE)
        witness.there(here, shape)
        found: dict[str, float] = json.loads(ran.out)
        ended = found.pop("ended")
        found["exit"] = ran.milliseconds - (ended - ran.began) * 1000
        into.phases |= found
        here.python("netorch", "destroy", "--quiet", shape.topology)


def peer(one: Peer) -> Series:
    def series(shape: Shape, into: Round) -> None:
        with machine(one.files(shape)) as here:
            ran = here.run(*one.argv(shape))
            if one.said:
                into.milliseconds[one.name] = (float(ran.out.split()[-1]) - ran.began) * 1000
            else:
                witness.there(here, shape)
                into.milliseconds[one.name] = ran.milliseconds

    return series


def measure(
    shape: Shape, rounds: int, peers: Sequence[Peer], say: Callable[[str], None]
) -> tuple[list[Round], dict[str, str]]:
    """So many rounds of all series, and the series that failed, with what they said. Each round begins with another one of ours."""
    ours: dict[str, Series] = {"floor": floor, "whole": whole, "engine": engine, "phases": phases}
    theirs = {one.name: peer(one) for one in peers if shape.name in one.shapes and one.installed()}
    series = ours | theirs
    failed: dict[str, str] = {}
    done: list[Round] = []
    for number in range(rounds):
        one = Round()
        names, first = list(ours), number % len(ours)
        for name in [*names[first:], *names[:first], *theirs]:
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
    """Size → part → milliseconds, of loading and planning alone: those of the processors, since nothing is waited for."""
    named = [(f"{shape.name}.yaml", shape.text) for shape in shapes]
    with machine(named) as here:
        answers = json.loads(
            here.python("tests.benchmarks.engine", "--pure", *(name for name, _ in named)).out
        )
    return {
        shape.size: {part: processor for part, (_, processor) in parts.items()}
        for shape, parts in zip(shapes, answers, strict=True)
    }
