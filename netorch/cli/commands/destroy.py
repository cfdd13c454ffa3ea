"""`destroy`: remove all objects of a topology."""

from __future__ import annotations

import argparse
import time

from netorch.cli.command import CHANGE, Command
from netorch.cli.options import LockOptions, add_lock_option, add_output_option
from netorch.cli.status import DONE, FAILED

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.cli.output import Output
    from netorch.converge.orchestrator import Orchestrator
    from netorch.render.changes import Change
    from netorch.state.plan import Plan


class DestroyOptions(LockOptions):
    target: str | None
    """A file or the name of a topology."""
    name: str | None
    set: list[str]
    """Accepted so that a user can repeat the command line of `apply`."""
    host: str | None
    """Accepted for the same reason: what is here is removed, whichever machine this is."""
    release: bool
    """Whether everything stays, and only the marks go."""
    all: bool
    yes: bool


def add_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(parser)
    add_lock_option(parser)
    parser.add_argument(
        "target",
        nargs="?",
        metavar="FILE|NAME",
        help="topology file, or name of a topology (default: topo.yaml, else the only live one)",
    )
    parser.add_argument("--name", help="remove the instance that was applied with this --name")
    parser.add_argument("--set", action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--host", help=argparse.SUPPRESS)
    parser.add_argument(
        "--release",
        action="store_true",
        help="remove nothing: only take the marks of netorch from everything, as `apply --adopt` "
        "put them on",
    )
    parser.add_argument("--all", action="store_true", help="remove all live topologies")
    parser.add_argument(
        "-y",
        "--yes",
        action="store_true",
        help="with --all, or without FILE where there is no topo.yaml: do not ask",
    )


def run(options: DestroyOptions, output: Output) -> int:
    from netorch.converge.orchestrator import Orchestrator
    from netorch.errors import NetorchError, Problem
    from netorch.render import json

    with Orchestrator(count_read=output.count_read, reader=options.reader) as orchestrator:
        names = orchestrator.names() if options.all else [_topology(options)]
        unsure = options.all or _names_none(options)
        ask = unsure and not options.yes and not options.release
        if ask and names and not output.confirm(_question(names)):
            raise NetorchError(Problem("not-confirmed", "nothing was removed: the answer was no."))
        rows: list[dict[str, object]] = []
        failed = False
        with orchestrator.one_after_the_other():
            for name in names:
                try:
                    _refuse_bad_name(name)
                    end = _release_one if options.release else _destroy_one
                    rows.append(end(orchestrator, name, options, output))
                except NetorchError as error:
                    if not options.all:
                        raise
                    output.say(error)
                    problems = json.problems(error.problems, error.file)
                    kind = type(error).__name__
                    rows.append({"topology": name, "error": kind, "problems": problems})
                    failed = True
    if output.json:
        output.result(json.document(topologies=rows))
    elif options.all and not names and not output.quiet:
        output.result("no topology is live here")
    return FAILED if failed else DONE


def _question(names: list[str]) -> str:
    many = f"{len(names)} topologies" if len(names) > 1 else "1 topology"
    return f"This removes {many}: {', '.join(names)}. Go on?"


def _names_none(options: DestroyOptions) -> bool:
    """Whether the only live topology is meant, although nothing names it."""
    from netorch.cli import inputs

    return options.target is None and options.name is None and not inputs.is_default_here()


def _topology(options: DestroyOptions) -> str:
    from netorch.cli import inputs

    return inputs.topology_of(options.target, options.name, options.set)


def _refuse_bad_name(name: str) -> None:
    """Raise NetorchError if no topology can have this name."""
    from netorch.errors import NetorchError, Problem, did_you_mean
    from netorch.kernel.files import records
    from netorch.language.names import topology_name

    try:
        topology_name(name)
    except ValueError as error:
        live = records.applied_names()
        known = f"Live here: {', '.join(live)}. {did_you_mean(name.lower(), live)}" if live else ""
        raise NetorchError(
            Problem("bad-topology-name", f"{error}.", None, known.rstrip(), name)
        ) from None


def _release_one(
    orchestrator: Orchestrator, name: str, options: DestroyOptions, output: Output
) -> dict[str, object]:
    from netorch.render.text import count_text

    started = time.monotonic()
    report = orchestrator.release(name, phase=output.phase, lock_timeout=options.lock_timeout)
    duration = time.monotonic() - started
    output.print_notes(report.warnings, report.notes)
    if not output.json and not output.quiet:
        released = f"{count_text(len(report.released), 'object')} released in {duration:.2f} s"
        output.result(f"{name}: {released if report.changed else 'nothing to release'}")
    return {
        "topology": name,
        "changed": report.changed,
        "released": list(report.released),
        "warnings": report.warnings,
        "notes": report.notes,
        "seconds": round(duration, 3),
    }


def _destroy_one(
    orchestrator: Orchestrator, name: str, options: DestroyOptions, output: Output
) -> dict[str, object]:
    from netorch.cli.options import lists_nothing
    from netorch.render import json
    from netorch.render.changes import changes
    from netorch.state.groups import gone_objects

    started = time.monotonic()
    made: list[Change] = []

    def planned(plan: Plan) -> None:
        if output.json or not output.quiet:
            made.extend(changes(plan))
        if not output.json:
            output.listing(made, short=True)

    report = orchestrator.destroy(
        name,
        progress=output.progress,
        phase=output.phase,
        planned=planned,
        lock_timeout=options.lock_timeout,
        brief=lists_nothing(options),
    )
    duration = time.monotonic() - started
    output.print_notes(report.warnings, report.notes)
    gone = gone_objects(report.plan) if output.json or not output.quiet else 0
    if not output.json and not output.quiet:
        removed = f"{gone} removed in {duration:.2f} s"
        output.result(f"{name}: {removed if report.plan else 'nothing to destroy'}")
    return {
        "topology": name,
        "changed": bool(report.plan),
        "removed": gone,
        "changes": json.changes(made),
        "warnings": report.warnings,
        "notes": report.notes,
        "seconds": round(duration, 3),
    }


COMMAND = Command(
    name="destroy",
    summary="remove all objects of a topology",
    group=CHANGE,
    examples=(
        ("destroy lab", "remove everything that the topology made"),
        ("destroy --release lab", "let everything stay, without netorch"),
    ),
    page="docs/cli.md#destroy",
    verbose="print each object that is removed on a line of its own, with every value",
    options=DestroyOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.cli.inputs",),
)
