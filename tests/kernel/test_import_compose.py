"""Compose files that are imported, applied, tried and removed."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host, diff_snapshots
from tests.kernel.traffic import ask, serve
from tests.unit.importers.test_compose_files import cases

TITLES = (
    "two tiers, of which one is internal",
    "ports on addresses of both IP versions",
    "names: container, host, aliases, links, extra hosts",
    "options of bridges",
    "which network has the default route",
    "ports of networks that Docker routes",
)


def put(host: Host, title: str) -> list[str]:
    """Write the files of a case. Returns the sources."""
    files, _ = cases()[title]
    for name, text in files.items():
        host.write(name, text)
    return [str(host.directory / name) for name in files if name.startswith("compose")]


@pytest.mark.parametrize("title", TITLES)
def test_a_file_keeps_its_promises(host: Host, title: str) -> None:
    host.run("ip", "address", "add", "2001:db8::1/128", "dev", "lo")
    sources = put(host, title)
    before = host.snapshot()
    file = host.directory / "topo.yaml"
    assert host.netorch("import", *sources, "-o", file, check=False).returncode in (0, 2)
    host.netorch("apply", file)
    host.netorch("diff", file)
    host.netorch("check", file)
    host.netorch("destroy", file)
    left = diff_snapshots(before, host.snapshot(), ignore=("files: /run/netorch", "host: routes"))
    assert left == []


def test_names_and_published_ports_lead_to_services(host: Host) -> None:
    sources = put(host, "names: container, host, aliases, links, extra hosts")
    sources += [str(host.write("compose.z.yaml", "services: {db: {ports: ['8080:80']}}"))]
    file = host.directory / "topo.yaml"
    host.netorch("import", *sources, "-o", file, check=False)
    host.netorch("apply", file)
    host.netorch("exec", "web", "ping", "-c", "1", "database")
    serve(host, "db", "tcp:80")
    for node, address in ((None, "127.0.0.1"), ("web", "172.20.0.1"), ("cache", "172.20.0.5")):
        port = 80 if node == "cache" else 8080
        assert all(ask(host, node, ("tcp", address, port))), node


def test_a_routed_network_publishes_ports(host: Host) -> None:
    sources = put(host, "ports of networks that Docker routes")
    file = host.directory / "topo.yaml"
    host.netorch("import", *sources, "-o", file, check=False)
    host.netorch("apply", file)
    serve(host, "a", "tcp:80")
    serve(host, "d", "tcp:80")
    assert all(ask(host, None, ("tcp", "127.0.0.1", 8080), ("tcp", "127.0.0.1", 83)))
