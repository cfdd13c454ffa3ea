"""The metrics of a watch: their names, their values, and the pages that use them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse

from netorch.kernel.links.counters import Counters
from netorch.kernel.links.counters import parse as parse_counters
from netorch.state.key import Key
from netorch.values.requests import Attachment
from netorch.watch import metrics
from netorch.watch.events import Event, Sort
from netorch.watch.metrics import COUNTER, FAMILIES, SUMMARY, Metrics
from netorch.watch.observer import Comparison, Reconciliation

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/howto/dashboards.md"
BOARD = ROOT / "docs/howto/netorch-dashboard.json"
COUNTS = Counters(1, 2, 3, 4, 5, 6, 7, 8)


def difference(*links: tuple[str, str], intended: int = 0) -> SimpleNamespace:
    """Return as much of a comparison as the metrics use."""
    return SimpleNamespace(
        desired={
            **{Key("link", label, name): None for label, name in links},
            Key("address", "r1", "eth0", "10.0.0.1/24"): None,
        },
        attached=SimpleNamespace(
            places={"@c": Attachment("docker", "web"), "@p": Attachment("pid", "7")}
        ),
        snapshot=SimpleNamespace(namespaces={label: None for label, _ in links}),
        intended=(None,) * intended,
    )


def compared(topology: str, **fields: object) -> Comparison:
    words = {"difference": difference(("r1", "eth0")), "drifts": {}, "nodes": {}} | fields
    return Comparison(topology=topology, time=5.0, seconds=0.25, **words)  # type: ignore[arg-type]


def values(text: str) -> dict[str, float]:
    """Return series with its labels → value."""
    return {
        f"{sample.name}{{{','.join(f'{k}={v}' for k, v in sorted(sample.labels.items()))}}}": (
            sample.value
        )
        for family in parse(text)
        for sample in family.samples
    }


def of(observer: Metrics) -> dict[str, float]:
    return values(observer.text()[0].decode())


def test_what_is_counted() -> None:
    asked: list[Mapping[str, str]] = []

    def read(paths: Mapping[str, str]) -> Mapping[str, Mapping[str, Counters]]:
        asked.append(paths)
        return {"lab-r1": {"eth0": COUNTS, "other": COUNTS}, "host": {"br0": COUNTS}}

    observer = Metrics(process=False, read=read)
    links = (("lab-r1", "eth0"), ("lab-r1", "lo"), ("host", "br0"), ("@c", "eth0"), ("@p", "x"))
    observer.comparison(
        compared(
            "lab",
            difference=difference(*links, intended=2),
            drifts={"link": 2, "route": 1},
            nodes={"lab-r1": "r1", "host": "host", "@c": "web", "@p": "p"},
        )
    )
    for sort in (Sort.DRIFT, Sort.DRIFT, Sort.APPLIED, Sort.DESTROYED, Sort.GAVE_UP, Sort.NOTE):
        observer.event(Event(1.0, "lab", sort))
    observer.event(Event(1.0, "", Sort.NOTE))
    observer.reconciliation(Reconciliation("lab", 6.0, 0.5, 1))
    observer.reconciliation(Reconciliation("lab", 6.0, 1.5, 0, "refused"))
    observer.lost(3)
    now = of(observer)
    expected = {
        "netorch_topology_in_sync{topology=lab}": 0,
        "netorch_comparison_success{topology=lab}": 1,
        "netorch_comparison_timestamp_seconds{topology=lab}": 5,
        "netorch_comparison_duration_seconds_sum{topology=lab}": 0.25,
        "netorch_comparison_duration_seconds_count{topology=lab}": 1,
        "netorch_drifted_objects{kind=link,topology=lab}": 2,
        "netorch_drifted_objects{kind=route,topology=lab}": 1,
        "netorch_intended_deviations{topology=lab}": 2,
        "netorch_watched_namespaces{topology=lab}": 4,
        "netorch_drifts_total{topology=lab}": 2,
        "netorch_applies_total{topology=lab}": 1,
        "netorch_destroys_total{topology=lab}": 1,
        "netorch_reconcile_given_up_total{topology=lab}": 1,
        "netorch_reconciles_total{outcome=success,topology=lab}": 1,
        "netorch_reconciles_total{outcome=failure,topology=lab}": 1,
        "netorch_reconcile_duration_seconds_sum{topology=lab}": 2,
        "netorch_lost_notifications_total{}": 3,
        "netorch_interfaces_omitted{}": 0,
        "netorch_interface_receive_bytes_total{interface=eth0,node=r1,topology=lab}": 1,
        "netorch_interface_transmit_dropped_total{interface=br0,node=host,topology=lab}": 8,
    }
    assert expected.items() <= now.items()
    # neither foreign interfaces nor lo
    assert not [name for name in now if "interface=other" in name or "=lo," in name]
    # a container has no file that could be opened
    assert asked[-1] == {
        "lab-r1": "/run/netns/lab-r1",
        "host": "/proc/self/ns/net",
        "@p": "/proc/7/ns/net",
    }
    assert {name.split("{")[0] for name in now} <= {
        series for family in FAMILIES for series in family.series
    }


def test_a_topology_that_cannot_be_compared_is_not_in_sync() -> None:
    observer = Metrics(process=False, read=lambda _: {})
    observer.comparison(compared("lab", difference=difference(("r1", "eth0"), intended=1)))
    assert of(observer)["netorch_topology_in_sync{topology=lab}"] == 1
    observer.comparison(compared("lab", difference=None, reason="why"))
    after = of(observer)
    assert after["netorch_topology_in_sync{topology=lab}"] == 0
    assert after["netorch_comparison_success{topology=lab}"] == 0
    assert after["netorch_intended_deviations{topology=lab}"] == 1


def test_the_number_of_series_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_INTERFACES", 3)
    observer = Metrics(process=False, read=lambda _: {"r1": {f"e{n}": COUNTS for n in range(9)}})
    many = tuple(("r1", f"e{n}") for n in range(5))
    observer.comparison(compared("lab", difference=difference(*many)))
    now = of(observer)
    assert now["netorch_interfaces_omitted{}"] == 2
    assert len([name for name in now if "receive_bytes" in name]) == 3
    # topologies that come and go, as in a CI job
    for number in range(300):
        observer.comparison(compared(f"t{number}"))
        observer.event(Event(1.0, f"t{number}", Sort.DESTROYED))
        observer.gone(f"t{number}")
    now = of(observer)
    assert len([name for name in now if "in_sync" in name]) == 1
    destroyed = [name for name in now if "destroys" in name]
    assert len(destroyed) == 101 and "netorch_destroys_total{topology=t299}" in destroyed


def test_the_format_is_what_the_client_asks_for() -> None:
    observer = Metrics(process=True, read=lambda _: {"r1": {"eth0": COUNTS}})
    observer.comparison(compared("lab"))
    text, kind = observer.text("application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in parse_openmetrics(text.decode())}
    assert families["netorch_applies"].type == "counter"
    assert "process_cpu_seconds" in families
    plain, kind = observer.text("*/*")
    assert kind.startswith("text/plain; version=0.0.4") and list(parse(plain.decode()))
    assert openmetrics.exposition.CONTENT_TYPE_LATEST


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_names_follow_the_rules_of_prometheus(family: metrics.Family) -> None:
    assert re.fullmatch(r"netorch_[a-z_]+", family.name)
    assert family.name.endswith("_total") == (family.kind == COUNTER)
    if family.kind == SUMMARY or "time" in family.name:
        assert "_seconds" in family.name
    assert family.help[0].isupper() and family.help.endswith(".")
    assert not {"le", "quantile", "job", "instance"} & {*family.labels}


def test_pages_and_dashboard_name_only_metrics_that_exist() -> None:
    known = {series for family in FAMILIES for series in family.series}
    board = json.loads(BOARD.read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    queries += [one["definition"] for one in board["templating"]["list"] if "definition" in one]
    page = PAGE.read_text().replace("netorch_exporter", "")
    for text in (*queries, page):
        names = {*re.findall(r"\bnetorch_[a-z_]+\b", text)}
        assert names <= known | {family.name for family in FAMILIES}
    assert all(re.search(r"\bnetorch_", query) for query in queries)
    # each label that a query uses belongs to the metric
    labels = {series: {*family.labels} for family in FAMILIES for series in family.series}
    for query in queries:
        for name, selector in re.findall(r"\b(netorch_[a-z_]+)\{(.*?)\}", query):
            assert {*re.findall(r'(\w+)=~?"', selector)} <= labels[name]


def test_counters_of_proc_net_dev() -> None:
    text = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    1080      20    0    0    0     0          0         0     1080      20    0    0    0     0       0          0
eth0.5: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0
"""
    assert parse_counters(text)["eth0.5"] == COUNTS
    assert parse_counters(text)["lo"].received_packets == 20
