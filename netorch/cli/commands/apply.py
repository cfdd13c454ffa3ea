"""`apply`: make the kernel match a topology file."""

from __future__ import annotations

import argparse
import time

from netorch.cli.command import ALL_VALUES, CHANGE, Command
from netorch.cli.options import (
    FileOptions,
    LockOptions,
    add_file_options,
    add_lock_option,
    add_output_option,
    seconds,
)
from netorch.cli.status import DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.api.saved_plan import Saved
    from netorch.cli.output import Output
    from netorch.converge.compare import Difference
    from netorch.converge.confirmation import Trial
    from netorch.converge.report import Report
    from netorch.render.changes import Change
    from netorch.resolve.loaded import Loaded
    from netorch.state.plan import Plan


class ApplyOptions(FileOptions, LockOptions):
    file: str | None
    dry_run: bool
    keep_partial: bool
    confirm_within: float | None
    """The number of seconds in which the user has to confirm the changes."""
    plan: str | None
    """The file of a saved plan."""
    adopt: bool
    """Whether the topology takes over objects that netorch did not make."""
    reset: bool
    """Whether to end what users have done to the topology on purpose."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(parser)
    add_file_options(parser)
    add_lock_option(parser)
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="topology file (default: topo.yaml)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only show the changes, like diff")
    parser.add_argument(
        "--keep-partial",
        action="store_true",
        help="do not roll back after an error, so that you can look at the changes",
    )
    parser.add_argument(
        "--confirm-within",
        type=seconds,
        metavar="SECONDS",
        help="roll back after this time (such as `60s`), unless you run `netorch confirm` before",
    )
    parser.add_argument(
        "--plan",
        metavar="PLAN",
        help="apply the plan of `diff --out PLAN`; refuse if the kernel has changed since",
    )
    parser.add_argument(
        "--adopt",
        action="store_true",
        help="take over objects that exist already and that nobody else has marked, as they are, "
        "instead of refusing them",
    )
    parser.add_argument(
        "--reset",
        action="store_true",
        help="also end what `netorch link` and `netorch impair` have done",
    )


def shortcut(options: ApplyOptions) -> int | None:
    unusual = (options.plan, options.adopt, options.reset, options.confirm_within)
    if any(one not in (None, False) for one in unusual):
        return None
    from netorch.cli.in_sync import report

    words = "in sync" if options.dry_run else "in sync, nothing to do"
    return report(options, options.file, words, changes=not options.dry_run)


def run(options: ApplyOptions, output: Output) -> int:
    from netorch.cli import diff_report, inputs
    from netorch.converge.orchestrator import Orchestrator

    if options.dry_run and options.plan is None:
        return diff_report.from_kernel(options, output, reset=options.reset, adopt=options.adopt)
    saved: Saved | None = None
    output.phase("reading the file")
    if options.plan is None:
        loaded, record = inputs.load_chosen(options.file, options, live=False)
    elif options.file is not None or options.set or options.name is not None:
        return output.usage(
            "the saved plan has its file, name and variables: leave out FILE, --name and --set"
        )
    elif options.adopt:
        return output.usage("a saved plan adopts nothing: leave out --adopt")
    elif options.reset:
        return output.usage("the saved plan does not end what is intended: leave out --reset")
    else:
        saved, loaded, record = inputs.from_plan(options.plan, options)
    if options.reader is None:
        from netorch.parallel_reader import begin_later

        # it forks here, because the kernel's own thread does not run yet
        options.reader = begin_later(sum(key.kind == "netns" for key in loaded.desired.state))
    started = time.monotonic()
    made: list[Change] = []
    printed: list[str] = []

    def verify_saved(difference: Difference) -> None:
        if saved is not None and options.plan is not None:
            from netorch.api.saved_plan import verify

            verify(saved, difference, inputs.printable_name(options.plan))

    def planned(difference: Difference) -> None:
        verify_saved(difference)
        # now, because the apply may be killed for lack of memory
        printed.extend(shortage.warning() for shortage in difference.shortages)
        output.warn(printed)
        if difference.plan and (output.json or not output.quiet):
            from netorch.render.changes import changes

            made.extend(changes(difference.plan))
        if not output.json and not output.quiet:
            output.adopted(difference.adopted)
        if not output.json:
            output.listing(made, loaded, short=True)

    with Orchestrator(count_read=output.count_read, reader=options.reader) as orchestrator:
        if options.dry_run:
            difference = orchestrator.diff(loaded)
            verify_saved(difference)
            warnings = list(difference.warnings)
            intended = difference.intended
            return diff_report.report(loaded, difference.plan, warnings, output, intended)
        try:
            report = orchestrator.apply(
                loaded,
                record,
                keep_partial=options.keep_partial,
                progress=output.progress,
                phase=output.phase,
                planned=planned,
                lock_timeout=options.lock_timeout,
                trial=_trial(options.confirm_within),
                reset=options.reset,
                adopt=options.adopt,
            )
        except KeyboardInterrupt:
            result = (
                "the changes so far remain in the kernel"
                if options.keep_partial
                else "the kernel is as it was before"
            )
            output.warn([f"{loaded.desired.topology}: {result}"])
            raise
    _print_report(loaded, report, made, printed, time.monotonic() - started, output)
    return DONE


def _trial(seconds: float | None) -> Trial | None:
    if seconds is None:
        return None
    from netorch.converge.confirmation import Trial

    return Trial(seconds, _describe)


def _describe(plan: Plan) -> str:
    """Return the changes of a rollback in the form that `confirm --undo` reads."""
    from netorch.render.changes import changes, encode

    return encode(changes(plan))


def _print_report(
    loaded: Loaded,
    report: Report,
    made: list[Change],
    printed: list[str],
    duration: float,
    output: Output,
) -> None:
    """Print the result. `printed` are the warnings that the user has seen already."""
    from netorch.cli.output import place_in

    name = loaded.desired.topology
    warnings = [warning for warning in report.warnings if warning not in printed]
    output.print_notes(warnings, report.notes)
    if output.json:
        from netorch.render import json

        output.result(
            json.document(
                topology=name,
                changed=bool(made or report.adopted),
                adopted=list(report.adopted),
                changes=json.changes(made, place_in(loaded)),
                summary=json.counts(made),
                intended=json.intended(report.intended),
                rounds=report.rounds,
                warnings=report.warnings,
                notes=report.notes,
                seconds=round(duration, 3),
                confirm_until=report.confirm_until,
                token=report.token,
            )
        )
    elif not output.quiet:
        output.intended(report.intended)
        if made or report.adopted:
            from netorch.render import text

            done = [f"{len(report.adopted)} adopted"] if report.adopted else []
            done += [text.summarize(made, done=True)] if made else []
            output.result(f"{name}: {', '.join(done)} in {duration:.2f} s")
        else:
            output.result(f"{name}: in sync, nothing to do")
    if report.confirm_until is not None:
        clock = time.strftime("%H:%M:%S", time.localtime(report.confirm_until))
        output.note(
            f"{name}: netorch rolls back at {clock}, unless you run `netorch confirm {name}` before"
        )


COMMAND = Command(
    name="apply",
    summary="make the kernel match a topology file",
    group=CHANGE,
    examples=(
        ("apply lab.yaml", "make the network of the file, or change what differs"),
        ("apply --confirm-within 60s", "roll back, unless `netorch confirm` follows"),
    ),
    page="docs/cli.md#apply",
    status_2="with --dry-run: something differs",
    verbose=ALL_VALUES,
    options=ApplyOptions,
    add_options=add_options,
    run=run,
    shortcut=shortcut,
    preload=("netorch.cli.inputs", "netorch.cli.diff_report"),
)
