"""Compares and prints for `diff` and `apply --dry-run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netorch.cli import inputs
from netorch.cli.output import place_in, shell_commands
from netorch.cli.status import DIFFERENT, DONE

if TYPE_CHECKING:
    from netorch.cli.commands.apply import ApplyOptions
    from netorch.cli.commands.diff import DiffOptions
    from netorch.cli.options import FileOptions
    from netorch.cli.output import Output
    from netorch.converge.intended import Deviation
    from netorch.render.changes import Change
    from netorch.resolve.loaded import Loaded
    from netorch.state.plan import Plan


def from_kernel(
    options: ApplyOptions | DiffOptions,
    output: Output,
    out: str | None = None,
    *,
    reset: bool = False,
    adopt: bool = False,
) -> int:
    """Compare a file with the kernel. `out` is the file for the plan.

    `reset` takes what users have done on purpose for drift. With `adopt`, the topology takes over
    objects that netorch did not make.
    """
    from netorch.converge.orchestrator import Orchestrator

    loaded, record = inputs.load_chosen(options.file, options, live=True)
    with Orchestrator(reader=options.reader) as orchestrator:
        difference = orchestrator.diff(loaded, record, reset=reset, adopt=adopt)
    output.warn(difference.warnings)
    if out is not None:
        from netorch.api.saved_plan import document

        inputs.write(out, document(loaded.desired.topology, record, difference))
    warnings = list(difference.warnings)
    return report(
        loaded, difference.plan, warnings, output, difference.intended, difference.adopted
    )


def between_files(old: str, new: str, options: FileOptions, output: Output) -> int:
    """Compare two files without reading the kernel."""
    from netorch.state.planner import plan

    before, _ = inputs.from_file(old, options, [new], whole=True)
    after, _ = inputs.from_file(new, options, [old], whole=True)
    spread = (before.desired.machines, after.desired.machines)
    if any(machines is not None and not machines.here for machines in spread):
        # here, because few files have `hosts`
        from netorch.cli import machine_report

        return machine_report.report(before, after, output)
    warnings = list(after.warning_lines)
    output.warn(warnings)
    return report(after, plan(before.desired.state, after.desired.state), warnings, output)


def report(
    loaded: Loaded,
    plan: Plan,
    warnings: list[str],
    output: Output,
    intended: tuple[Deviation, ...] = (),
    adopted: tuple[str, ...] = (),
) -> int:
    """Print a plan as a difference, in the format of the output. Returns the exit status.

    `intended` is what users have done on purpose, which is not part of the plan. `adopted` has the
    titles of the objects that the topology takes over.
    """
    differences: list[Change] = []
    summary = f"{loaded.desired.topology}: in sync"
    if plan:
        from netorch.render.changes import changes
        from netorch.render.text import summarize

        differences = changes(plan)
        summary = f"{loaded.desired.topology}: {summarize(differences)}"
    if adopted:
        more = f", {summary.partition(': ')[2]}" if plan else ""
        summary = f"{loaded.desired.topology}: {len(adopted)} to adopt{more}"
    name = loaded.desired.topology

    def document() -> str:
        from netorch.render import json

        commands = shell_commands(loaded) if output.verbose else None
        return json.difference(
            name, differences, place_in(loaded), commands, intended, adopted, warnings
        )

    if output.form == "github":
        _annotate(loaded, differences, warnings, output, summary, intended, adopted)
        from netorch.cli.repository import set_outputs

        set_outputs(document, output.warn, bool(differences))
    elif output.form == "gitlab":
        from netorch.cli.repository import path_in
        from netorch.render import gitlab

        output.result(
            gitlab.report(
                gitlab.of_changes(name, differences, path_in(loaded.file), place_in(loaded))
            )
        )
        output.listing_for_users(differences, summary)
    elif output.form == "markdown":
        from netorch.render import markdown

        output.result(markdown.report(name, differences, warnings, intended=intended).rstrip())
    elif output.json:
        output.result(document())
    elif not output.quiet:
        output.adopted(adopted)
        output.listing(differences, loaded)
        output.intended(intended)
        output.result(summary)
    return DIFFERENT if plan or adopted else DONE


def _annotate(
    loaded: Loaded,
    differences: list[Change],
    warnings: list[str],
    output: Output,
    summary: str,
    intended: tuple[Deviation, ...],
    adopted: tuple[str, ...],
) -> None:
    """Print annotations for a GitHub Actions job, and add the table to the job's summary."""
    from netorch.cli.repository import path_in, summarise
    from netorch.render import github, markdown

    name = loaded.desired.topology
    for line in github.annotate(name, differences, path_in(loaded.file), place_in(loaded)):
        output.result(line)
    for line in (*github.notices(name, intended), *github.adoptions(name, adopted)):
        output.result(line)
    if not output.quiet:
        output.result(summary)
    text = markdown.report(name, differences, warnings, markdown.SUMMARY, intended)
    summarise(text, output.warn)
