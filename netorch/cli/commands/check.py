"""`check`: try the checks of a topology file."""

from __future__ import annotations

import argparse
import time

from netorch.cli.command import LOOK, Command
from netorch.cli.options import FileOptions, add_file_options, add_output_option, seconds
from netorch.cli.status import DIFFERENT, DONE

TYPE_CHECKING = False  # because importing `typing` takes time
if TYPE_CHECKING:
    from netorch.checks.probes import Outcome
    from netorch.checks.unreachable import UnreachableMachine
    from netorch.checks.untried import UntriedLink
    from netorch.cli.output import Output
    from netorch.converge.orchestrator import Orchestrator
    from netorch.resolve.desired import Desired
    from netorch.resolve.loaded import Loaded
    from netorch.walk.live import LiveWalks


class CheckOptions(FileOptions):
    file: str | None
    timeout: float | None
    """The number of seconds that an expected answer may take."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add_output_option(parser)
    add_file_options(parser)
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="topology file (default: topo.yaml, else the only live topology)",
    )
    parser.add_argument(
        "--timeout",
        type=_timeout,
        metavar="SECONDS",
        help="how long an expected answer may take (default: 5)",
    )


def _timeout(text: str) -> float:
    value = seconds(text)
    if value < 0.1:
        raise argparse.ArgumentTypeError(f"{text!r} is too short: use at least 0.1 seconds")
    return value


def run(options: CheckOptions, output: Output) -> int:
    from netorch.checks.run import TIMEOUT, run_checks
    from netorch.cli import inputs
    from netorch.converge.orchestrator import Orchestrator
    from netorch.render import checks, json
    from netorch.walk.live import LiveWalks

    loaded, record = inputs.load_chosen(options.file, options, live=True)
    desired = loaded.desired
    name = desired.topology
    started = time.monotonic()
    listed = checks.Listed(all_pairs=output.json or output.verbose)
    with Orchestrator() as orchestrator:
        output.phase("checking")
        walks = LiveWalks(orchestrator.kernel, desired, whole=lambda: inputs.whole(loaded, record))
        outcomes = run_checks(
            orchestrator.kernel,
            loaded,
            timeout=TIMEOUT if options.timeout is None else options.timeout,
            explain=lambda failed: (
                _why(desired, walks, failed) if failed.reachable and listed.lists(failed) else ()
            ),
            recipient=walks.astray,
            progress=lambda done, total: output.bar(done, total, "probes"),
        )
        unreachable = _unreachable(orchestrator, desired, outcomes)
        output.done()
        duration = time.monotonic() - started
        in_sync, warnings = _drift(orchestrator, loaded) if outcomes else (None, [])
    output.warn(warnings)
    skipped = desired.machines.skipped if desired.machines is not None else {}
    untried = _untried(desired)
    passed = all(outcome.passed for outcome in outcomes)
    if output.json:
        output.result(
            json.document(
                topology=name,
                passed=passed,
                checks=checks.rows(desired.checks, outcomes),
                summary=checks.counts(desired.checks, outcomes),
                in_sync=in_sync,
                warnings=warnings,
                **_of_machines(desired, unreachable, untried),
                seconds=round(duration, 3),
            )
        )
    elif not output.quiet:
        for line in checks.lines(
            desired.checks, outcomes, colour=output.colour, verbose=output.verbose, file=loaded.file
        ):
            output.result(line)
        for machine in unreachable:
            output.result(machine.sentence)
        for link in untried:
            output.result(link.sentence)
        time_taken = f" in {duration:.2f} s" if outcomes else ""
        output.result(f"{name}: {checks.summarize(desired.checks, outcomes, skipped)}{time_taken}")
    return DONE if passed else DIFFERENT


def _why(desired: Desired, walks: LiveWalks, failed: Outcome) -> tuple[str, ...]:
    """Return the cause of a failure in the live state, as far as this machine sees."""
    if desired.machines is not None:
        # here, because few files have `hosts`
        from netorch.checks.unreachable import target_of, why_elsewhere

        elsewhere = why_elsewhere(desired, failed)
        if elsewhere:
            target = target_of(desired, failed)
            return (*walks.cause(failed.source, target, failed.tcp or None), *elsewhere)
    return walks.why_not(failed.source, failed.target, failed.tcp or None)


def _of_machines(
    desired: Desired,
    unreachable: tuple[UnreachableMachine, ...],
    untried: tuple[UntriedLink, ...],
) -> dict[str, object]:
    """Return the fields of the document that only a topology over several machines has."""
    if desired.machines is None:
        return {}
    rows = [
        {
            "machine": machine.name,
            "address": str(machine.address),
            "answers": machine.answers,
            "nodes": list(machine.nodes),
        }
        for machine in unreachable
    ]
    links = [{"link": link.name, "machine": link.machine} for link in untried]
    return {"elsewhere": desired.machines.skipped, "unreachable": rows, "untried": links}


def _untried(desired: Desired) -> tuple[UntriedLink, ...]:
    if desired.machines is None:
        return ()
    # here, because few files have `hosts`
    from netorch.checks.untried import untried_links

    return untried_links(desired)


def _unreachable(
    orchestrator: Orchestrator, desired: Desired, outcomes: tuple[Outcome, ...]
) -> tuple[UnreachableMachine, ...]:
    if desired.machines is None:
        return ()
    # here, because few files have `hosts`
    from netorch.checks.unreachable import unreachable_machines

    return unreachable_machines(orchestrator.kernel, desired, outcomes)


def _drift(orchestrator: Orchestrator, loaded: Loaded) -> tuple[bool | None, list[str]]:
    """Return whether the kernel matches the file (None if unknown), and warnings about it.

    The warnings matter because checks try the kernel: if it differs, the outcome does not apply to
    the file.
    """
    from netorch.errors import NetorchError
    from netorch.render.changes import count_differences

    name = loaded.desired.topology
    try:
        difference = orchestrator.diff(loaded)
        differences = count_differences(difference.plan)
    except NetorchError as error:
        return None, [
            f"{name}: netorch cannot tell whether the kernel matches the file: {line}"
            for line in error.lines()
        ]
    intended = [
        f"{deviation.text()}: the checks tried the network as it is"
        for deviation in difference.intended
    ]
    if not differences:
        return True, intended
    places = "1 place" if differences == 1 else f"{differences} places"
    return False, [
        *intended,
        f"{name}: the kernel differs from the file in {places}, and the checks tried the kernel: "
        "`netorch diff` lists the differences",
    ]


COMMAND = Command(
    name="check",
    summary="try the checks of a topology file with real packets",
    group=LOOK,
    examples=(
        ("check lab.yaml", "try all `checks` of the file"),
        ("check lab -v", "with what was sent and received"),
    ),
    page="docs/cli.md#check",
    status_2="a check failed",
    verbose="print the line of each check in the file, and every pair of nodes that fails",
    options=CheckOptions,
    add_options=add_options,
    run=run,
    preload=("netorch.cli.inputs",),
)
