"""`watch --metrics` and `--metrics-file`, as Prometheus and node_exporter use them."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.kernel.host import Host, diff_snapshots

FILE = """
name: lab
nodes: {a: {}, b: {}}
links:
  - {endpoints: ["a:eth0", "b:eth0"], subnet: 10.0.0.0/30}
  - {endpoints: ["host:h0", "b:eth1"], subnet: 10.0.1.0/30}
"""
PATIENCE = 60


@contextmanager
def watch(host: Host, *words: str) -> Iterator[tuple[object, str]]:
    """Run a watch. Yield a function that ends it, and the URL of its metrics."""
    log = host.directory / "log"
    log.unlink(missing_ok=True)
    script = 'exec "$0" -m netorch watch "$@" >log 2>&1'
    with host.start("sh", "-c", script, sys.executable, *words) as process:
        deadline = time.monotonic() + PATIENCE
        while not (log.exists() and "is watched" in log.read_text()):
            assert time.monotonic() < deadline and process.poll() is None, (
                log.exists() and log.read_text()
            )
            time.sleep(0.05)
        url = re.search(r"http://\S+", log.read_text())

        def end() -> int:
            process.signal(signal.SIGTERM)
            return process.wait(PATIENCE)

        try:
            yield end, url[0] if url else ""
        finally:
            if process.poll() is None:
                process.signal(signal.SIGKILL)


def series(text: str) -> dict[str, float]:
    return {
        " ".join((sample.name, *(sample.labels[key] for key in sorted(sample.labels)))): (
            sample.value
        )
        for family in parse(text)
        for sample in family.samples
    }


def scrape(host: Host, url: str, *words: str) -> str:
    return host.run("curl", "-sS", "-m", "30", *words, url).stdout


def until(host: Host, url: str, name: str, value: float) -> dict[str, float]:
    """Scrape until a series has a value."""
    deadline = time.monotonic() + PATIENCE
    while (now := series(scrape(host, url))).get(name) != value:
        assert time.monotonic() < deadline, (name, now.get(name))
        time.sleep(0.1)
    return now


def test_metrics_at_a_port(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply", "-q")
    before = host.snapshot()
    with watch(host, "--metrics", "0") as (end, url):
        assert url.startswith("http://127.0.0.1:")
        until(host, url, "netorch_topology_in_sync lab", 1)
        assert host.ping(None, "10.0.1.2", 3)
        now = series(scrape(host, url))
        # the kernel's own counters, in the namespaces and on the host
        places = ((("-n", "a"), "a", "eth0"), (("-n", "b"), "b", "eth1"), ((), "host", "h0"))
        for where, node, interface in places:
            (link,) = host.ip("-s", *where, "link", "show", interface)
            counts = link["stats64"]
            for word, name in (("rx", "receive"), ("tx", "transmit")):
                value = now[f"netorch_interface_{name}_packets_total {interface} {node} lab"]
                assert 0 <= counts[word]["packets"] - value <= 10
        assert now["netorch_interface_receive_packets_total h0 host lab"] >= 3
        assert now["netorch_watched_namespaces lab"] == 3
        # drift, and its end
        host.run("ip", "-n", "a", "link", "set", "eth0", "mtu", "1300")
        now = until(host, url, "netorch_topology_in_sync lab", 0)
        assert now["netorch_drifted_objects link lab"] == 1 == now["netorch_drifts_total lab"]
        host.netorch("apply", "-q")
        until(host, url, "netorch_topology_in_sync lab", 1)
        # nobody can change anything, and there is nothing else
        for method in ("POST", "PUT", "DELETE"):
            assert " 501 " in scrape(host, url, "-i", "-X", method).splitlines()[0]
        assert " 404 " in scrape(host, url.replace("/metrics", "/../etc/passwd"), "-i")
        open_metrics = scrape(host, url, "-H", "Accept: application/openmetrics-text;version=1.0.0")
        assert {"netorch_build_info", "process_open_fds"} <= {
            family.name for family in parse_openmetrics(open_metrics)
        }
        # clients that say nothing, and more of them than there may be connections
        port = url.rpartition(":")[2].partition("/")[0]
        idle = (
            "import socket, sys, time; "
            f"all = [socket.create_connection(('127.0.0.1', {port})) for _ in range(100)]; "
            "print('open', flush=True); sys.stdin.read()"
        )
        with host.start(sys.executable, "-c", idle) as clients:
            assert clients.stdout is not None and clients.stdout.readline() == "open\n"
            until(host, url, "netorch_topology_in_sync lab", 1)
            host.run("ip", "-n", "a", "link", "set", "eth0", "mtu", "1300")
            until(host, url, "netorch_topology_in_sync lab", 0)
            clients.communicate()
        # another watch cannot have the port, and the error says whose it is
        taken = host.netorch("watch", "--metrics", port, check=False)
        assert taken.returncode == 1
        assert f"127.0.0.1:{port}: another program listens there" in taken.stderr
        host.netorch("apply", "-q")
        host.netorch("destroy", "-q")
        gone = until(host, url, "netorch_destroys_total lab", 1)
        assert not [name for name in gone if "in_sync" in name or "interface_" in name]
        host.netorch("apply", "-q")
        until(host, url, "netorch_topology_in_sync lab", 1)
        assert end() == 0  # type: ignore[operator]
    # what a watch has put right
    with watch(host, "--reconcile", "--metrics", "0") as (end, url):
        until(host, url, "netorch_topology_in_sync lab", 1)
        host.run("ip", "-n", "a", "link", "set", "eth0", "mtu", "1300")
        # the labels in the order of their names: outcome, topology
        now = until(host, url, "netorch_reconciles_total success lab", 1)
        assert now["netorch_reconciles_total failure lab"] == 0
        until(host, url, "netorch_topology_in_sync lab", 1)
        assert end() == 0  # type: ignore[operator]
    assert diff_snapshots(before, host.snapshot(), ("files", "netns", "host: link")) == []


def test_metrics_in_a_file(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply", "-q")
    folder = host.directory / "textfile"
    folder.mkdir()
    file = folder / "netorch.prom"
    with watch(host, "--metrics-file", str(file), "--metrics", "[::1]:0") as (end, url):
        assert url.startswith("http://[::1]:")
        until(host, url, "netorch_topology_in_sync lab", 1)
        host.run("ip", "-n", "a", "link", "set", "eth0", "mtu", "1300")
        deadline = time.monotonic() + PATIENCE
        while series(file.read_text()).get("netorch_topology_in_sync lab") != 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)
            assert {*folder.iterdir()} >= {file}
        assert file.stat().st_mode & 0o777 == 0o644
        # node_exporter has metrics of its own process
        assert "process_" not in file.read_text()
        # a folder that is gone for a while does not end the watch
        folder.rename(host.directory / "elsewhere")
        host.run("ip", "-n", "a", "link", "set", "eth0", "mtu", "1301")
        while "warning" not in (host.directory / "log").read_text():
            assert time.monotonic() < deadline + PATIENCE
            time.sleep(0.1)
        (host.directory / "elsewhere").rename(folder)
        file.unlink()
        host.run("ip", "-n", "a", "link", "set", "eth0", "mtu", "1302")
        while not file.exists():
            assert time.monotonic() < deadline + 2 * PATIENCE
            time.sleep(0.1)
        assert end() == 0  # type: ignore[operator]
    assert [*folder.iterdir()] == []


def test_metrics_that_cannot_be(host: Host) -> None:
    host.write("topo.yaml", FILE)
    host.netorch("apply", "-q")

    def refused(*words: str, status: int = 1) -> str:
        done = host.netorch("watch", "--once", *words, check=False)
        assert done.returncode == status
        return done.stderr

    assert "192.0.2.1:9: Cannot assign requested address." in refused("--metrics", "192.0.2.1:9")
    assert "write an IPv6 address as [::1]:9" in refused("--metrics", "::1:9", status=64)
    assert "is not [ADDRESS:]PORT" in refused("--metrics", "70000", status=64)
    missing = refused("--metrics-file", "no/x.prom")
    assert "no/x.prom cannot be written: No such file or directory. Make the folder no" in missing
    # a file of somebody else stays, whatever it is
    os.mkfifo(host.directory / "pipe")
    for name in ("topo.yaml", "pipe"):
        assert f"{name} exists, and is not a file with" in refused("--metrics-file", name)
    assert (host.directory / "topo.yaml").read_text() == FILE
    assert "it is not the name of a file" in refused("--metrics-file", "")
    code = (
        "import sys; sys.modules['prometheus_client'] = None; "
        "from netorch.cli import main; sys.exit(main(['watch', '--metrics', '0']))"
    )
    without = host.run(sys.executable, "-c", code, check=False)
    assert without.returncode == 1
    assert "Run `pip install 'netorch[metrics]'`." in without.stderr


@pytest.mark.slow
def test_a_thousand_namespaces_are_read_at_once(host: Host) -> None:
    script = (
        "import os, time; from netorch.kernel.links import counters; "
        "paths = {n: f'/run/netns/{n}' for n in os.listdir('/run/netns')}; "
        "begin = time.process_time(); read = counters.read(paths); "
        "print(len(read), time.process_time() - begin)"
    )
    host.run(
        "sh",
        "-c",
        "mkdir -p /run/netns; for n in $(seq 1000); do echo netns add n$n; done | ip -batch -",
    )
    number, seconds = host.run(sys.executable, "-c", script).stdout.split()
    assert number == "1000" and float(seconds) < 2
