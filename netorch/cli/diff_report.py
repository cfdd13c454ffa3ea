"""What `diff` and `apply --dry-run` find and print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netorch.cli import inputs
from netorch.cli.output import place_in, shell_commands
from netorch.cli.status import DIFFERENT, DONE
from netorch.render import json, text
from netorch.render.changes import changes

if TYPE_CHECKING:
    from netorch.cli.commands.apply import ApplyOptions
    from netorch.cli.commands.diff import DiffOptions
    from netorch.cli.options import FileOptions
    from netorch.cli.output import Output
    from netorch.render.changes import Change
    from netorch.resolve.loader import Loaded
    from netorch.state.plan import Plan


def from_kernel(options: ApplyOptions | DiffOptions, output: Output, out: str | None = None) -> int:
    """Compare a file with the kernel. `out`: where to save the plan."""
    from netorch.converge.orchestrator import Orchestrator

    loaded, record = inputs.load_chosen(options.file, options, live=True)
    with Orchestrator(reader=options.reader) as lab:
        difference = lab.diff(loaded)
    output.warn(difference.warnings)
    if out is not None:
        from netorch.api.saved_plan import document

        inputs.write(out, document(loaded.desired.topology, record, difference))
    return report(
        loaded, difference.plan, list(difference.warnings), output, difference.not_compared
    )


def between_files(old: str, new: str, options: FileOptions, output: Output) -> int:
    """Compare two files, without a look at the kernel."""
    from netorch.state.planner import plan

    before, _ = inputs.from_file(old, options, [new])
    after, _ = inputs.from_file(new, options, [old])
    warnings = list(after.warning_lines)
    output.warn(warnings)
    return report(after, plan(before.desired.state, after.desired.state), warnings, output)


def report(
    loaded: Loaded,
    plan: Plan,
    warnings: list[str],
    output: Output,
    not_compared: tuple[str, ...] = (),
) -> int:
    """Print a plan as a difference, in the form that the output has. Returns the exit status.

    `not_compared`: what was not read because the topology is large.
    """
    found = changes(plan)
    name = loaded.desired.topology
    summed = _summary(name, found, not_compared if output.verbose else ())
    if output.form == "github":
        _annotate(loaded, found, warnings, output, summed)
    elif output.form == "markdown":
        from netorch.render import markdown

        output.result(markdown.report(name, found, warnings).rstrip())
    elif output.json:
        commands = shell_commands(loaded) if output.verbose else None
        output.result(
            json.document(
                topology=name,
                in_sync=not found,
                changes=json.changes(found, place_in(loaded), commands),
                summary=json.counts(found),
                warnings=warnings,
                not_compared=list(not_compared),
            )
        )
    elif not output.quiet:
        output.listing(found, loaded)
        output.result(summed)
    return DIFFERENT if plan else DONE


def _summary(name: str, found: list[Change], not_compared: tuple[str, ...]) -> str:
    summed = f"{name}: {text.summarize(found) if found else 'in sync'}"
    if not not_compared:
        return summed
    return f"{summed} (not compared in a topology of this size: {', '.join(not_compared)})"


def _annotate(
    loaded: Loaded, found: list[Change], warnings: list[str], output: Output, summed: str
) -> None:
    """Print annotations for the runner of a job, and add the table to the job's summary."""
    from netorch.cli.repository import path_in, summarise
    from netorch.render import github, markdown

    name = loaded.desired.topology
    for line in github.annotate(name, found, path_in(loaded.file), place_in(loaded)):
        output.result(line)
    if not output.quiet:
        output.result(summed)
    summarise(markdown.report(name, found, warnings, markdown.SUMMARY), output.warn)
