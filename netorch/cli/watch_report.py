"""Runs a watch and prints its events, for the command `watch`."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from netorch.cli.service import hooks
from netorch.cli.status import DIFFERENT, DONE, FAILED
from netorch.cli.streams import flush_output
from netorch.errors import NetorchError, Problem, did_you_mean, printable
from netorch.kernel.files import records
from netorch.render.text import paint
from netorch.watch import text
from netorch.watch.events import Event, Sort
from netorch.watch.observer import Comparison, Observer, Silent
from netorch.watch.watcher import Ending, Options, Watcher

if TYPE_CHECKING:
    from netorch.cli.commands.watch import WatchOptions
    from netorch.cli.output import Output

_COLLECT_AFTER = 50
"""The number of comparisons after which reference cycles are freed."""
_STATUS = {Ending.DRIFT: DIFFERENT, Ending.TIMEOUT: DONE, Ending.NOTHING: FAILED}


class Printer(Silent):
    """Prints each event on a line of its own, at once."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def event(self, event: Event) -> None:
        """Print an event. With `--quiet`, only problems are printed."""
        if self._output.json:
            self._output.result(text.as_json(event))
        elif not self._output.quiet or event.sort in (Sort.FAILED, Sort.GAVE_UP, Sort.COMMAND):
            colour = text.COLOURS.get(event.sort)
            line = printable(text.line(event))
            self._output.result(
                paint(line, colour, self._output.colour) if colour is not None else line
            )
        flush_output()


class _Collector(Silent):
    """Frees the reference cycles of earlier comparisons now and then.

    Python itself waits until they are a quarter of all objects.
    """

    def __init__(self) -> None:
        self._comparisons = 0

    def comparison(self, comparison: Comparison) -> None:
        self._comparisons += 1
        if self._comparisons % _COLLECT_AFTER == 0:
            gc.collect()


def watch(options: WatchOptions, output: Output) -> int:
    """Watch, and return the exit status."""
    service = hooks()
    if service is None:
        # a service waits for topologies that are applied later
        _require_live(options.names)
    chosen = Options(
        names=tuple(options.names),
        interval=options.interval,
        once=options.once,
        timeout=options.timeout,
        reconcile=options.reconcile,
        max_changes=options.max_changes,
        command=tuple(options.exec),
        output=sys.stdout.fileno(),
    )
    watcher = Watcher(chosen, [Printer(output), _Collector(), *_metrics(options, output)], service)
    # netorch makes few reference cycles, but here they would add up
    gc.enable()
    # `--once` ends at once if there is something to compare
    waits = not options.once or not records.applied_names()
    if service is None and not options.names and waits:
        output.note("waiting for what happens to the topologies of this machine (Ctrl-C ends)")
    return _STATUS[watcher.run()]


def _metrics(options: WatchOptions, output: Output) -> list[Observer]:
    """Return the observers that pass on metrics, which serve or write them from now on."""
    if options.metrics is None and options.metrics_file is None:
        return []
    # here, because prometheus_client is optional
    from netorch.cli.metrics import Port, TextFile
    from netorch.watch.metrics import Metrics

    observers: list[Observer] = []
    if options.metrics is not None:
        metrics = Metrics(process=True)
        port = Port(metrics, *options.metrics)
        output.note(f"metrics are at {port.url}")
        observers += [metrics, port]
    if options.metrics_file is not None:
        # the metrics of the process would be taken for those of node_exporter
        metrics = Metrics(process=False)
        observers += [metrics, TextFile(metrics, options.metrics_file)]
    return observers


def _require_live(names: list[str]) -> None:
    """Raise NetorchError for a name that no topology of this machine has."""
    there = records.applied_names()
    problems = [
        Problem(
            "not-live",
            f"no topology {name!r} is applied on this machine.",
            remedy=did_you_mean(name, there) or "`netorch list` shows those that are.",
            object=name,
            command="netorch list",
        )
        for name in names
        if name not in there
    ]
    if problems:
        raise NetorchError(problems)
