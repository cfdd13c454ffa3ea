"""Compares and prints for `diff OLD NEW`, if the topology is spread over several machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from netorch.cli.output import place_in
from netorch.cli.status import DIFFERENT, DONE
from netorch.render import machine_changes, text
from netorch.render.changes import changes
from netorch.render.machine_changes import MachineChanges
from netorch.resolve.machines import parts
from netorch.state.planner import plan

if TYPE_CHECKING:
    from netorch.cli.output import Output
    from netorch.resolve.desired import Desired
    from netorch.resolve.loaded import Loaded
    from netorch.state.key import Key
    from netorch.state.resource import Resource


def report(before: Loaded, after: Loaded, output: Output) -> int:
    """Print the changes of each machine. Returns the exit status."""
    warnings = list(after.warning_lines)
    old, new = before.desired, after.desired
    if (old.machines is None) is not (new.machines is None):
        without = before.file if old.machines is None else after.file
        warnings.append(
            f"{without} has no `hosts`, so it is open on which machine its nodes are: use"
            " `--host MACHINE` for the changes on one machine."
        )
    output.warn(warnings)
    entries = compare(old, new)
    name, places = new.topology, place_in(after)
    every = [change for entry in entries for change in entry.changes]
    summary = f"{name}: {machine_changes.summarize(entries)}"

    def document() -> str:
        from netorch.render import json

        return json.document(
            topology=name,
            in_sync=not every,
            changes=machine_changes.rows(entries, places),
            summary=json.counts(every),
            machines=machine_changes.machine_rows(entries),
            warnings=warnings,
        )

    if output.form == "github":
        from netorch.cli.repository import path_in, set_outputs, summarise
        from netorch.render import github, markdown

        titled = machine_changes.with_machines(entries)
        for line in github.annotate(name, titled, path_in(after.file), places):
            output.result(line)
        if not output.quiet:
            output.result(summary)
        page = markdown.machines_report(name, entries, warnings, markdown.SUMMARY)
        summarise(page, output.warn)
        set_outputs(document, output.warn, bool(every))
    elif output.form == "gitlab":
        from netorch.cli.repository import path_in
        from netorch.render import gitlab

        titled = machine_changes.with_machines(entries)
        output.result(gitlab.report(gitlab.of_changes(name, titled, path_in(after.file), places)))
        output.listing_for_users(titled, summary)
    elif output.form == "markdown":
        from netorch.render import markdown

        output.result(markdown.machines_report(name, entries, warnings).rstrip())
    elif output.json:
        output.result(document())
    elif not output.quiet:
        for entry in entries:
            if entry.changes:
                output.result(f"on {entry.place}: {text.summarize(entry.changes)}")
                output.listing(entry.changes, after, commands=False)
        output.result(summary)
    return DIFFERENT if every else DONE


def compare(old: Desired, new: Desired) -> list[MachineChanges]:
    """Return the changes of each machine, in the order of the new file.

    The objects of a file without `hosts` are on a machine without a name, which comes last.
    """
    before, after = _states(old), _states(new)
    addresses = {
        machine.name: str(machine.address)
        for desired in (old, new)
        if desired.machines is not None
        for machine in desired.machines.all.values()
    }
    # the machine without a name last
    names = sorted(dict.fromkeys((*after, *before)), key=lambda name: not name)
    return [
        MachineChanges(
            name,
            addresses.get(name, ""),
            tuple(changes(plan(before.get(name, {}), after.get(name, {})))),
        )
        for name in names
    ]


def _states(desired: Desired) -> Mapping[str, Mapping[Key, Resource]]:
    """Return machine → its part of the state. It is "" for a file without `hosts`."""
    return parts(desired) if desired.machines is not None else {"": desired.state}
