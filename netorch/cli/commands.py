"""What each command does: call, render, exit status."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from netorch.cli import DIFFERENT, DONE, FAILED, USAGE, inputs
from netorch.cli.output import Output, place_in
from netorch.core import Plan
from netorch.errors import FileError, NetorchError
from netorch.load import Loaded
from netorch.render import json, text
from netorch.render.changes import changes

if TYPE_CHECKING:
    from netorch.lab import Lab, Live


def run(options: argparse.Namespace) -> int:
    """Run the chosen command; expected errors become lines on standard error and status 1."""
    output = Output(options)
    try:
        return _COMMANDS[options.command](options, output)
    except NetorchError as error:
        if options.debug:
            raise
        output.fail(error)
        return FAILED


def apply(options: argparse.Namespace, output: Output) -> int:
    from netorch.lab import Lab
    from netorch.look import Difference
    from netorch.saved import Saved, verify

    if options.dry_run and options.plan is None:
        options.new = options.out = None
        return diff(options, output)
    saved: Saved | None = None
    if options.plan is None:
        loaded, record = inputs.chosen(options, live=False)
    elif options.file is not None or options.set or options.name is not None:
        print("netorch apply: a saved plan says which file, name and variables: leave out FILE, --name and --set", file=sys.stderr)
        return USAGE
    else:
        saved, loaded, record = inputs.from_plan(options.plan)
    name = loaded.desired.topology
    started = time.monotonic()

    def planned(difference: Difference) -> None:
        if saved is not None:
            verify(saved, difference, inputs.shown(options.plan))
        if not output.json and not output.quiet:
            output.listing(changes(difference.plan), loaded, short=True)

    with Lab() as lab:
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
                planned=planned,
                lock_timeout=options.lock_timeout,
                confirm_within=options.confirm_within,
            )
        except KeyboardInterrupt:
            output.warn([f"{name}: " + ("what was done so far is left" if options.keep_partial else "the kernel is as it was before")])
            raise
    seconds = time.monotonic() - started
    found = changes(report.plan)
    output.done()
    output.warn(report.warnings)
    for note in report.notes:
        output.note(note)
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
        output.result(f"{name}: {text.sum_up(found, done=True)} in {seconds:.2f} s" if found else f"{name}: in sync, nothing to do")
    if report.confirm_until is not None:
        clock = time.strftime("%H:%M:%S", time.localtime(report.confirm_until))
        output.note(f"{name}: taken back at {clock}, unless you run `netorch confirm {name}` before")
    return DONE


def confirm(options: argparse.Namespace, output: Output) -> int:
    from netorch import confirm as trial
    from netorch.kernel.linux import require_root

    require_root()
    waiting = trial.waiting()
    if options.name is None and len(waiting) != 1:
        several = f"several topologies wait to be confirmed ({', '.join(waiting)}): name one"
        raise NetorchError(several if waiting else "nothing waits to be confirmed")
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
            print("netorch diff: a plan between two files cannot be applied: leave out --out", file=sys.stderr)
            return USAGE
        return _diff_files(options, output)
    from netorch.lab import Lab

    loaded, record = inputs.chosen(options, live=True)
    with Lab() as lab:
        difference = lab.diff(loaded)
    output.warn(difference.warnings)
    if options.out is not None:
        from netorch.saved import document

        inputs.write(options.out, document(loaded.desired.topology, record, difference))
    return _tell_difference(loaded, difference.plan, list(difference.warnings), output)


def _diff_files(options: argparse.Namespace, output: Output) -> int:
    from netorch.plan import plan

    old, _ = inputs.from_file(options.file, options)
    new, _ = inputs.from_file(options.new, options)
    return _tell_difference(new, plan(old.desired.state, new.desired.state), [], output)


def _tell_difference(loaded: Loaded, plan: Plan, warnings: list[str], output: Output) -> int:
    found = changes(plan)
    name = loaded.desired.topology
    if output.json:
        shown = json.changes(found, place_in(loaded))
        output.result(json.document(topology=name, in_sync=not found, changes=shown, summary=json.counts(found), warnings=warnings))
    elif not output.quiet:
        output.listing(found, loaded)
        output.result(f"{name}: {text.sum_up(found)}" if found else f"{name}: in sync")
    return DIFFERENT if plan else DONE


def destroy(options: argparse.Namespace, output: Output) -> int:
    from netorch.lab import Lab

    with Lab() as lab:
        names = lab.names() if options.all else [inputs.topology_of(options.target, options)]
        told: list[dict[str, object]] = []
        failed = False
        for name in names:
            try:
                told.append(_destroy_one(lab, name, options, output))
            except NetorchError as error:
                if not options.all:
                    raise
                output.fail(error)
                failed = True
    if output.json:
        output.result(json.document(topologies=told))
    elif options.all and not names and not output.quiet:
        output.result("no topology is live here")
    return FAILED if failed else DONE


def _destroy_one(lab: object, name: str, options: argparse.Namespace, output: Output) -> dict[str, object]:
    from netorch.lab import Lab
    from netorch.words import topology_name

    assert isinstance(lab, Lab)
    try:
        topology_name(name)
    except ValueError as error:
        raise NetorchError(str(error)) from None
    started = time.monotonic()

    def planned(plan: Plan) -> None:
        if not output.json and not output.quiet:
            output.listing(changes(plan), short=True)

    report = lab.destroy(name, progress=output.progress, planned=planned, lock_timeout=options.lock_timeout)
    seconds = time.monotonic() - started
    found = changes(report.plan)
    output.done()
    output.warn(report.warnings)
    for note in report.notes:
        output.note(note)
    gone = len(report.plan) + len(report.plan.implied)
    if not output.json and not output.quiet:
        output.result(f"{name}: {gone} objects removed in {seconds:.2f} s" if gone else f"{name}: nothing to destroy")
    return {
        "topology": name,
        "changed": bool(gone),
        "removed": gone,
        "changes": json.changes(found),
        "warnings": report.warnings,
        "notes": report.notes,
        "seconds": round(seconds, 3),
    }


def listing(options: argparse.Namespace, output: Output) -> int:
    from netorch.lab import Lab
    from netorch.render import tables

    with Lab() as lab:
        live = lab.live()
    for entry in live:
        output.warn(entry.warnings)
    if output.json:
        output.result(json.document(topologies=[tables.row(entry) for entry in live]))
    else:
        for line in tables.listing(live):
            output.result(line)
    return DONE


def show(options: argparse.Namespace, output: Output) -> int:
    from netorch.lab import Lab
    from netorch.render import tables, tree

    name = inputs.topology_of(options.target, options)
    with Lab() as lab:
        entry = lab.look(name)
        if options.output == "yaml" and entry.state:
            return _show_as_file(lab, entry, output)
    output.warn(entry.warnings)
    if not entry.state:
        raise NetorchError(f"topology {name!r} is not live here")
    if options.output == "json":
        output.result(json.document(**tables.row(entry), resources=tree.resources(entry.state)))
    else:
        for line in tree.lines(entry):
            output.result(line)
    return DONE


def _show_as_file(lab: Lab, entry: Live, output: Output) -> int:
    from netorch.look import named, recorded
    from netorch.render import asfile

    desired = recorded(entry.name, entry.record)
    state, nameless = named(lab.kernel, entry.state, desired)
    output.warn([*entry.warnings, *nameless, *asfile.left_out(entry.state)])
    output.result(asfile.topology(entry.name, state, desired.prefix if desired else "", entry.attached))
    return DONE


def validate(options: argparse.Namespace, output: Output) -> int:
    told: list[dict[str, object]] = []
    status = DONE
    for file in options.files or [inputs.DEFAULT]:
        try:
            loaded, _ = inputs.from_file(file, options)
        except FileError as error:
            status = FAILED
            told.append({"file": file, "valid": False, "problems": json.problems(error.problems, error.file)})
            if not output.json:
                output.fail(error)
            continue
        nodes, links = len(loaded.topology.nodes), sum(key.kind == "link" and key.name != "lo" for key in loaded.desired.state)
        told.append({"file": file, "valid": True, "topology": loaded.desired.topology, "problems": []})
        if not output.json and not output.quiet:
            size = f"{text.counted(nodes, 'node')} and {text.counted(links, 'interface')}"
            output.result(f"{loaded.file}: ok, topology {loaded.desired.topology} of {size}")
    if output.json:
        output.result(json.document(files=told))
    return status


def execute(options: argparse.Namespace, output: Output) -> int:
    from netorch.cli import enter

    if options.command == "exec" and not options.argv:
        print("netorch exec: a command is missing: netorch exec NODE CMD…", file=sys.stderr)
        return USAGE
    return enter.enter(options)


_COMMANDS: dict[str, Callable[[argparse.Namespace, Output], int]] = {
    "apply": apply,
    "confirm": confirm,
    "diff": diff,
    "destroy": destroy,
    "list": listing,
    "show": show,
    "validate": validate,
    "exec": execute,
    "shell": execute,
}
