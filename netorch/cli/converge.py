"""The commands that change the kernel, and the one that says what they would do."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from netorch.cli import DIFFERENT, DONE, FAILED, inputs
from netorch.cli.ahead import nothing_is_told
from netorch.cli.output import Output, place_in, shell_commands
from netorch.errors import NetorchError, Problem
from netorch.render import json, text
from netorch.render.changes import Change, changes, gone_objects
from netorch.resolve.loader import Loaded
from netorch.state.core import Plan

if TYPE_CHECKING:
    from netorch.cli.ahead import Ahead
    from netorch.converge.lab import Lab


def apply(options: argparse.Namespace, output: Output) -> int:
    from netorch.api.saved_plan import Saved, verify
    from netorch.converge.compare import Difference
    from netorch.converge.lab import Lab

    if options.dry_run and options.plan is None:
        options.new = options.out = None
        return diff(options, output)
    saved: Saved | None = None
    output.phase("reading the file")
    if options.plan is None:
        loaded, record = inputs.chosen(options, live=False)
    elif options.file is not None or options.set or options.name is not None:
        return output.usage(
            "a saved plan says which file, name and variables: leave out FILE, --name and --set"
        )
    else:
        saved, loaded, record = inputs.from_plan(options.plan)
    name = loaded.desired.topology
    started = time.monotonic()

    found: list[Change] = []

    def planned(difference: Difference) -> None:
        if saved is not None:
            verify(saved, difference, inputs.shown(options.plan))
        if output.json or not output.quiet:
            found.extend(changes(difference.plan))
        if not output.json:
            output.listing(found, loaded, short=True)

    ahead: Ahead = options.ahead
    with Lab(looked=output.looked, twin=ahead.twin, since=ahead.stamp, spares=ahead.spares) as lab:
        if options.dry_run and saved is not None:
            difference = lab.diff(loaded)
            verify(saved, difference, inputs.shown(options.plan))
            return _tell_difference(loaded, difference.plan, list(difference.warnings), output)
        try:
            report = lab.apply(
                loaded,
                record,
                keep_partial=options.keep_partial,
                progress=output.progress,
                phase=output.phase,
                planned=planned,
                lock_timeout=options.lock_timeout,
                confirm_within=options.confirm_within,
            )
        except KeyboardInterrupt:
            output.warn(
                [
                    f"{name}: "
                    + (
                        "what was done so far is left"
                        if options.keep_partial
                        else "the kernel is as it was before"
                    )
                ]
            )
            raise
    seconds = time.monotonic() - started
    output.told(report.warnings, report.notes)
    if output.json:
        output.result(
            json.document(
                topology=name,
                changed=bool(found),
                changes=json.changes(found, place_in(loaded)),
                summary=json.counts(found),
                rounds=report.rounds,
                warnings=report.warnings,
                notes=report.notes,
                seconds=round(seconds, 3),
                confirm_until=report.confirm_until,
            )
        )
    elif not output.quiet:
        output.result(
            f"{name}: {text.sum_up(found, done=True)} in {seconds:.2f} s"
            if found
            else f"{name}: in sync, nothing to do"
        )
    if report.confirm_until is not None:
        clock = time.strftime("%H:%M:%S", time.localtime(report.confirm_until))
        output.note(
            f"{name}: taken back at {clock}, unless you run `netorch confirm {name}` before"
        )
    return DONE


def confirm(options: argparse.Namespace, output: Output) -> int:
    from netorch.converge import trial
    from netorch.kernel.door import require_root

    require_root()
    waiting = trial.waiting()
    if options.name is None and len(waiting) != 1:
        if not waiting:
            raise NetorchError(Problem("nothing-to-confirm", "nothing waits to be confirmed"))
        what = f"several topologies wait to be confirmed ({', '.join(waiting)}): name one"
        raise NetorchError(Problem("several-live", what))
    name = options.name or waiting[0]
    trial.confirm(name, options.lock_timeout)
    if output.json:
        output.result(json.document(topology=name, confirmed=True))
    elif not output.quiet:
        output.result(f"{name}: confirmed, it stays")
    return DONE


def diff(options: argparse.Namespace, output: Output) -> int:
    if options.new is not None:
        if options.out is not None:
            return output.usage("a plan between two files cannot be applied: leave out --out")
        return _diff_files(options, output)
    from netorch.converge.lab import Lab

    loaded, record = inputs.chosen(options, live=True)
    with Lab(twin=options.ahead.twin) as lab:
        difference = lab.diff(loaded)
    output.warn(difference.warnings)
    if options.out is not None:
        from netorch.api.saved_plan import document

        inputs.write(options.out, document(loaded.desired.topology, record, difference))
    return _tell_difference(loaded, difference.plan, list(difference.warnings), output)


def _diff_files(options: argparse.Namespace, output: Output) -> int:
    from netorch.state.planner import plan

    old, _ = inputs.from_file(options.file, options)
    new, _ = inputs.from_file(options.new, options)
    return _tell_difference(new, plan(old.desired.state, new.desired.state), [], output)


def _tell_difference(loaded: Loaded, plan: Plan, warnings: list[str], output: Output) -> int:
    found = changes(plan)
    name = loaded.desired.topology
    if output.form == "github":
        _annotate(loaded, found, warnings, output)
    elif output.form == "markdown":
        from netorch.render import markdown

        output.result(markdown.report(name, found, warnings).rstrip())
    elif output.json:
        shown = json.changes(
            found, place_in(loaded), shell_commands(loaded) if output.verbose else None
        )
        output.result(
            json.document(
                topology=name,
                in_sync=not found,
                changes=shown,
                summary=json.counts(found),
                warnings=warnings,
            )
        )
    elif not output.quiet:
        output.listing(found, loaded)
        output.result(f"{name}: {text.sum_up(found)}" if found else f"{name}: in sync")
    return DIFFERENT if plan else DONE


def _annotate(loaded: Loaded, found: list[Change], warnings: list[str], output: Output) -> None:
    """Annotations to standard output, where the runner of a job reads them, and the table into the job's summary."""
    from netorch.cli.repository import path_in, summarise
    from netorch.render import github, markdown

    name = loaded.desired.topology
    for line in github.annotate(name, found, path_in(loaded.file), place_in(loaded)):
        output.result(line)
    if not output.quiet:
        output.result(f"{name}: {text.sum_up(found)}" if found else f"{name}: in sync")
    summarise(markdown.report(name, found, warnings, markdown.SUMMARY), output.warn)


def destroy(options: argparse.Namespace, output: Output) -> int:
    from netorch.converge.lab import Lab

    with Lab(looked=output.looked, twin=options.ahead.twin, since=options.ahead.stamp) as lab:
        names = lab.names() if options.all else [inputs.topology_of(options.target, options)]
        told: list[dict[str, object]] = []
        failed = False
        for name in names:
            try:
                told.append(_destroy_one(lab, name, options, output))
            except NetorchError as error:
                if not options.all:
                    raise
                output.say(error)
                told.append(
                    {
                        "topology": name,
                        "error": type(error).__name__,
                        "problems": json.problems(error.problems, error.file),
                    }
                )
                failed = True
    if output.json:
        output.result(json.document(topologies=told))
    elif options.all and not names and not output.quiet:
        output.result("no topology is live here")
    return FAILED if failed else DONE


def _destroy_one(
    lab: Lab, name: str, options: argparse.Namespace, output: Output
) -> dict[str, object]:
    from netorch.language.scalars import topology_name

    try:
        topology_name(name)
    except ValueError as error:
        raise NetorchError(Problem("bad-topology-name", str(error), object=name)) from None
    started = time.monotonic()

    found: list[Change] = []

    def planned(plan: Plan) -> None:
        if output.json or not output.quiet:
            found.extend(changes(plan))
        if not output.json:
            output.listing(found, short=True)

    report = lab.destroy(
        name,
        progress=output.progress,
        phase=output.phase,
        planned=planned,
        lock_timeout=options.lock_timeout,
        brief=nothing_is_told(options),
    )
    seconds = time.monotonic() - started
    output.told(report.warnings, report.notes)
    gone = gone_objects(report.plan) if output.json or not output.quiet else 0
    if not output.json and not output.quiet:
        output.result(
            f"{name}: {gone} removed in {seconds:.2f} s"
            if report.plan
            else f"{name}: nothing to destroy"
        )
    return {
        "topology": name,
        "changed": bool(report.plan),
        "removed": gone,
        "changes": json.changes(found),
        "warnings": report.warnings,
        "notes": report.notes,
        "seconds": round(seconds, 3),
    }
