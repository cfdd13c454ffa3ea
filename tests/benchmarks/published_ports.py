"""1,000 published ports: the whole commands apply and diff against `nft -f` of the same table, in one run, as ratios of medians.

    python -m tests.benchmarks.published_ports [PORTS] [ROUNDS]

As root. Everything happens in a private host. Figures are milliseconds; believe the ratios.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.kernel.host import Host

LAB = """
name: ports
nodes:
  box: {{}}
  web: {{networks: [net], publish: [{published}]}}
networks: {{net: {{mode: nat, node: box, subnet: 172.17.0.0/16}}}}
"""


def milliseconds(host: Host, *argv: str) -> float:
    started = time.perf_counter()
    host.run(*argv, timeout=120)
    return (time.perf_counter() - started) * 1000


def main(ports: int = 1000, rounds: int = 5) -> None:
    netorch = (sys.executable, "-m", "netorch")
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        host = Host(Path(folder))
        try:
            host.write("lab.yaml", LAB.format(published=", ".join(f'"{10000 + port}:{20000 + port}"' for port in range(ports))))
            for _ in range(rounds):
                figures.setdefault("netorch apply", []).append(milliseconds(host, *netorch, "apply", "-q", "lab.yaml"))
                figures.setdefault("netorch diff", []).append(milliseconds(host, *netorch, "diff", "-q", "lab.yaml"))
                figures.setdefault("netorch apply, no change", []).append(milliseconds(host, *netorch, "apply", "-q", "lab.yaml"))
                table = host.run("ip", "netns", "exec", "box", "nft", "list", "table", "inet", "netorch_ports").stdout
                host.write("table.nft", "add table inet netorch_ports\ndelete table inet netorch_ports\n" + table)
                figures.setdefault("nft -f", []).append(milliseconds(host, "ip", "netns", "exec", "box", "nft", "-f", "table.nft"))
                figures.setdefault("netorch destroy", []).append(milliseconds(host, *netorch, "destroy", "-q", "ports"))
        finally:
            host.close()
    floor = statistics.median(figures["nft -f"])
    print(f"{ports} published ports, {rounds} rounds")
    for name, values in figures.items():
        median = statistics.median(values)
        print(f"{name:26} {median:8.1f} ms   {median / floor:5.1f} x nft -f")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
