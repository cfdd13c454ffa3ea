"""The metrics of a watch, for Prometheus: what is in sync, what was done, and packet counters."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from netorch.errors import LacksError, Problem
from netorch.immutable import Value
from netorch.kernel.links import counters
from netorch.kernel.links.counters import Counters
from netorch.kernel.system.nsfs import RUN_NETNS
from netorch.state.key import HOST, is_attached
from netorch.version import __version__
from netorch.watch.events import Event, Sort
from netorch.watch.observer import Comparison, Reconciliation, Silent

try:
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        SummaryMetricFamily,
    )
    from prometheus_client.exposition import choose_encoder, generate_latest
except ImportError:
    _COMMAND = "pip install 'netorch[metrics]'"
    raise LacksError(
        Problem(
            "no-prometheus-client",
            "metrics need the library prometheus_client, which is not installed.",
            remedy=f"Run `{_COMMAND}`.",
            object="prometheus_client",
            command=_COMMAND,
        )
    ) from None

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from netorch.values.requests import Attachment

MOST_INTERFACES = 10_000
"""The largest number of interfaces with counters. A scrape of so many takes some seconds."""
_MOST_GONE = 100
"""The number of destroyed topologies whose counters are still reported."""

_LOOPBACK = "lo"
GAUGE, COUNTER, SUMMARY = "gauge", "counter", "summary"
_TOPOLOGY = ("topology",)
_INTERFACE = ("topology", "node", "interface")


class Family(Value):
    """One metric: its name, and its meaning."""

    name: str
    kind: str
    """GAUGE, COUNTER or SUMMARY."""
    help: str
    labels: tuple[str, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its series."""
        if self.kind == SUMMARY:
            return f"{self.name}_sum", f"{self.name}_count"
        return (self.name,)


BUILD = Family("netorch_build_info", GAUGE, "The version of netorch. Always 1.", ("version",))
IN_SYNC = Family(
    "netorch_topology_in_sync",
    GAUGE,
    "Whether the kernel matches the file that was applied last (1), or not (0).",
    _TOPOLOGY,
)
COMPARED = Family(
    "netorch_comparison_success",
    GAUGE,
    "Whether the last comparison was possible (1), or not (0).",
    _TOPOLOGY,
)
COMPARED_AT = Family(
    "netorch_comparison_timestamp_seconds",
    GAUGE,
    "The time of the last comparison, in seconds since 1970.",
    _TOPOLOGY,
)
COMPARISONS = Family(
    "netorch_comparison_duration_seconds",
    SUMMARY,
    "How long comparisons took, and how many there were.",
    _TOPOLOGY,
)
DRIFTED = Family(
    "netorch_drifted_objects",
    GAUGE,
    "The number of objects that differ from the file, by kind.",
    ("topology", "kind"),
)
INTENDED = Family(
    "netorch_intended_deviations",
    GAUGE,
    "The number of deviations that users asked for, with `netorch link` and `impair`.",
    _TOPOLOGY,
)
NAMESPACES = Family(
    "netorch_watched_namespaces",
    GAUGE,
    "The number of namespaces of the topology, with the host.",
    _TOPOLOGY,
)
DRIFTS = Family(
    "netorch_drifts_total",
    COUNTER,
    "How often an attribute or an object began to differ from the file.",
    _TOPOLOGY,
)
APPLIES = Family(
    "netorch_applies_total",
    COUNTER,
    "How often somebody applied a file, since the watch began.",
    _TOPOLOGY,
)
DESTROYS = Family(
    "netorch_destroys_total", COUNTER, "How often somebody destroyed the topology.", _TOPOLOGY
)
RECONCILES = Family(
    "netorch_reconciles_total",
    COUNTER,
    "How often the watch tried to put the topology right, by outcome: success or failure.",
    ("topology", "outcome"),
)
RECONCILING = Family(
    "netorch_reconcile_duration_seconds",
    SUMMARY,
    "How long these attempts took, and how many there were.",
    _TOPOLOGY,
)
GIVEN_UP = Family(
    "netorch_reconcile_given_up_total",
    COUNTER,
    "How often the watch gave up on an object, because somebody else keeps changing it.",
    _TOPOLOGY,
)
LOST = Family(
    "netorch_lost_notifications_total",
    COUNTER,
    "How often notifications of a namespace were lost, so that everything was read again.",
)
OMITTED = Family(
    "netorch_interfaces_omitted",
    GAUGE,
    f"The number of interfaces without counters, because there are more than {MOST_INTERFACES}.",
)
TRAFFIC = {
    name: (Family(name, COUNTER, text, _INTERFACE), field)
    for name, field, text in (
        ("netorch_interface_receive_bytes_total", "received_bytes", "Bytes received."),
        ("netorch_interface_receive_packets_total", "received_packets", "Packets received."),
        ("netorch_interface_receive_errors_total", "received_errors", "Errors while receiving."),
        (
            "netorch_interface_receive_dropped_total",
            "received_drops",
            "Packets dropped on receipt.",
        ),
        ("netorch_interface_transmit_bytes_total", "sent_bytes", "Bytes sent."),
        ("netorch_interface_transmit_packets_total", "sent_packets", "Packets sent."),
        ("netorch_interface_transmit_errors_total", "sent_errors", "Errors while sending."),
        (
            "netorch_interface_transmit_dropped_total",
            "sent_drops",
            "Packets dropped on sending.",
        ),
    )
}
"""Name → the metric of an interface, and the field of `Counters` with its value."""

FAMILIES = (
    BUILD,
    IN_SYNC,
    COMPARED,
    COMPARED_AT,
    COMPARISONS,
    DRIFTED,
    INTENDED,
    NAMESPACES,
    DRIFTS,
    APPLIES,
    DESTROYS,
    RECONCILES,
    RECONCILING,
    GIVEN_UP,
    LOST,
    OMITTED,
    *(family for family, _ in TRAFFIC.values()),
)
"""All metrics, in the order of the output."""

Read = Callable[[Mapping[str, str]], Mapping[str, Mapping[str, Counters]]]


class _State(Value):
    """The result of the last comparison of a topology."""

    success: bool
    in_sync: bool
    time: float
    drifted: Mapping[str, int]
    intended: int
    namespaces: int
    paths: Mapping[str, str]
    """Label of a namespace with interfaces of the topology → its file."""
    interfaces: tuple[tuple[str, str, str], ...]
    """The interfaces of the topology: label, node and name."""


class _Totals:
    """What was counted of a topology."""

    def __init__(self) -> None:
        self.drifts = self.applies = self.destroys = self.given_up = 0
        self.comparisons, self.comparing = 0, 0.0
        self.reconciles = {"success": 0, "failure": 0}
        self.reconciling = 0.0


class Metrics(Silent):
    """Counts what happens in a watch. Any thread may call `text`."""

    def __init__(self, *, process: bool, read: Read = counters.read) -> None:
        """Make an observer. With `process`, its text has metrics of this process too.

        `read` returns the counters of the interfaces in some namespaces.
        """
        self._lock = threading.Lock()
        self._read = read
        self._states: dict[str, _State] = {}
        self._totals: dict[str, _Totals] = {}
        self._lost = 0
        self._desired: dict[str, object] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        if process:
            ProcessCollector(registry=self._registry)

    def text(self, accept: str = "") -> tuple[bytes, str]:
        """Return all metrics, and the media type of this text.

        `accept` are the media types that a client accepts, as in HTTP. By default, the text is in
        the format of text files for Prometheus.
        """
        if not accept:
            return generate_latest(self._registry), "text/plain"
        encode, kind = choose_encoder(accept)
        return encode(self._registry), kind

    # observing

    def event(self, event: Event) -> None:
        if not event.topology:
            return
        with self._lock:
            totals = self._of(event.topology)
            totals.drifts += event.sort is Sort.DRIFT
            totals.applies += event.sort is Sort.APPLIED
            totals.destroys += event.sort is Sort.DESTROYED
            totals.given_up += event.sort is Sort.GAVE_UP

    def comparison(self, comparison: Comparison) -> None:
        with self._lock:
            before = self._states.get(comparison.topology)
            self._states[comparison.topology] = self._state(comparison, before)
            totals = self._of(comparison.topology)
            totals.comparisons += 1
            totals.comparing += comparison.seconds

    def reconciliation(self, reconciliation: Reconciliation) -> None:
        with self._lock:
            totals = self._of(reconciliation.topology)
            totals.reconciles["failure" if reconciliation.reason else "success"] += 1
            totals.reconciling += reconciliation.seconds

    def lost(self, namespaces: int) -> None:
        with self._lock:
            self._lost += namespaces

    def gone(self, topology: str) -> None:
        with self._lock:
            self._states.pop(topology, None)
            self._desired.pop(topology, None)
            # the counters of the latest ones stay, because `increase` needs them
            gone = [name for name in self._totals if name not in self._states]
            for name in gone[: max(0, len(gone) - _MOST_GONE)]:
                del self._totals[name]

    def _of(self, topology: str) -> _Totals:
        return self._totals.setdefault(topology, _Totals())

    def _state(self, comparison: Comparison, before: _State | None) -> _State:
        difference = comparison.difference
        if difference is None:
            return _State(
                success=False,
                in_sync=False,
                time=comparison.time,
                drifted={},
                intended=before.intended if before is not None else 0,
                namespaces=before.namespaces if before is not None else 0,
                paths=before.paths if before is not None else {},
                interfaces=before.interfaces if before is not None else (),
            )
        if before is not None and self._desired.get(comparison.topology) is difference.desired:
            paths, interfaces = before.paths, before.interfaces
        else:
            self._desired[comparison.topology] = difference.desired
            interfaces = tuple(
                (key.netns, comparison.nodes.get(key.netns, key.netns), key.name)
                for key in difference.desired
                if key.kind == "link" and key.name != _LOOPBACK
            )
            attached = difference.attached.places
            files = {label: _path_of(label, attached.get(label)) for label, _, _ in interfaces}
            paths = {label: file for label, file in files.items() if file is not None}
        return _State(
            success=True,
            in_sync=comparison.in_sync,
            time=comparison.time,
            drifted=comparison.drifts,
            intended=len(difference.intended),
            namespaces=len(difference.snapshot.namespaces),
            paths=paths,
            interfaces=interfaces,
        )

    # collecting, as prometheus_client asks for it

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics. The counters of interfaces are read now."""
        with self._lock:
            states, lost = dict(self._states), self._lost
            totals = {name: _copy(of) for name, of in self._totals.items()}
        yield _gauge(BUILD, [((__version__,), 1)])
        yield from _gauges(states)
        yield from _counters(totals)
        yield _counter(LOST, [((), lost)])
        yield from self._traffic(states)

    def _traffic(self, states: Mapping[str, _State]) -> Iterator[Metric]:
        chosen = [
            (name, *interface) for name, state in states.items() for interface in state.interfaces
        ]
        yield _gauge(OMITTED, [((), max(0, len(chosen) - MOST_INTERFACES))])
        chosen = chosen[:MOST_INTERFACES]
        labels = {label for _, label, _, _ in chosen}
        paths = {
            label: path
            for state in states.values()
            for label, path in state.paths.items()
            if label in labels
        }
        now = self._read(paths)
        rows = [
            ((topology, node, interface), there[interface])
            for topology, label, node, interface in chosen
            if interface in (there := now.get(label, {}))
        ]
        for family, field in TRAFFIC.values():
            yield _counter(family, [(words, getattr(one, field)) for words, one in rows])


def _path_of(label: str, attachment: Attachment | None) -> str | None:
    """Return the file of a namespace; None for one that only a container engine knows."""
    if label == HOST:
        # the main thread never leaves it
        return "/proc/self/ns/net"
    if not is_attached(label):
        return f"{RUN_NETNS}/{label}"
    if attachment is None:
        return None
    files = {"netns": f"{RUN_NETNS}/{{}}", "pid": "/proc/{}/ns/net", "path": "{}"}
    return files[attachment.how].format(attachment.what) if attachment.how in files else None


def _copy(of: _Totals) -> _Totals:
    copy = _Totals()
    copy.__dict__.update(of.__dict__, reconciles=dict(of.reconciles))
    return copy


_Rows = Iterable[tuple[tuple[str, ...], float]]


def _gauges(states: Mapping[str, _State]) -> Iterator[Metric]:
    for family, field in (
        (IN_SYNC, "in_sync"),
        (COMPARED, "success"),
        (COMPARED_AT, "time"),
        (INTENDED, "intended"),
        (NAMESPACES, "namespaces"),
    ):
        yield _gauge(family, [((name,), getattr(state, field)) for name, state in states.items()])
    drifted = [
        ((name, kind), count)
        for name, state in states.items()
        for kind, count in sorted(state.drifted.items())
    ]
    yield _gauge(DRIFTED, drifted)


def _counters(totals: Mapping[str, _Totals]) -> Iterator[Metric]:
    for family, field in (
        (DRIFTS, "drifts"),
        (APPLIES, "applies"),
        (DESTROYS, "destroys"),
        (GIVEN_UP, "given_up"),
    ):
        yield _counter(family, [((name,), getattr(of, field)) for name, of in totals.items()])
    reconciles = [
        ((name, outcome), count)
        for name, of in totals.items()
        for outcome, count in of.reconciles.items()
    ]
    yield _counter(RECONCILES, reconciles)
    yield _summary(
        COMPARISONS, {name: (of.comparisons, of.comparing) for name, of in totals.items()}
    )
    yield _summary(
        RECONCILING,
        {name: (sum(of.reconciles.values()), of.reconciling) for name, of in totals.items()},
    )


def _gauge(family: Family, rows: _Rows) -> Metric:
    metric = GaugeMetricFamily(family.name, family.help, labels=family.labels)
    for words, value in rows:
        metric.add_metric(words, float(value))
    return metric


def _counter(family: Family, rows: _Rows) -> Metric:
    metric = CounterMetricFamily(family.name, family.help, labels=family.labels)
    for words, value in rows:
        metric.add_metric(words, value)
    return metric


def _summary(family: Family, rows: Mapping[str, tuple[int, float]]) -> Metric:
    metric = SummaryMetricFamily(family.name, family.help, labels=family.labels)
    for name, (count, seconds) in rows.items():
        metric.add_metric((name,), count_value=count, sum_value=seconds)
    return metric
