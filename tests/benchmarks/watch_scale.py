"""What `netorch watch` costs for many namespaces, on a private host.

`python -m tests.benchmarks.watch_scale [NODES]`, as root, prints the time until everything is
watched, the memory, the processor time at rest, and the time from a change to its report. No figure
makes it fail.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.watch_soak import LAB, child, cpu, memory
from tests.kernel.host import Host
from tests.kernel.watching import watching

_REST = 60.0
_CHANGES = 10


def measure(host: Host, nodes: int) -> None:
    """Print the figures of one topology."""
    host.write("topo.yaml", LAB.format(count=nodes))
    host.netorch("apply", "-q")
    began = time.monotonic()
    with watching(host) as watch:
        watch.event(event="watch")
        print(f"{nodes} nodes: watched after {time.monotonic() - began:.1f} s")
        pid = child(watch)
        time.sleep(3)
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        print(f"memory {memory(pid):.0f} MiB, {files} open files")
        used = cpu(pid)
        time.sleep(_REST)
        print(f"processor at rest, over {_REST:g} s: {(cpu(pid) - used) / _REST:.2%}")
        seconds: list[float] = []
        for number in range(1, _CHANGES + 1):
            node = f"n{number * nodes // _CHANGES}"
            host.run("ip", "-n", node, "link", "set", "eth0", "mtu", "1400")
            made = time.monotonic()
            watch.event(event="drift", object=f"veth {node}/eth0")
            seconds.append(time.monotonic() - made)
        print(
            f"a change is reported after {statistics.median(seconds):.2f} s"
            f" (longest of {_CHANGES}: {max(seconds):.2f} s)"
        )
        for number in range(1, nodes + 1):
            node = f"n{number}"
            host.run("ip", "-n", node, "link", "set", "lo", "mtu", "1400")
        made = time.monotonic()
        watch.until(lambda events: sum(one["kind"] == "link" for one in events) >= nodes + _CHANGES)
        print(f"{nodes} changes, one in each: {time.monotonic() - made:.2f} s after the last one")
        print(f"memory {memory(pid):.0f} MiB")


def main() -> None:
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as folder:
        host = Host(Path(folder))
        try:
            measure(host, nodes)
        finally:
            host.close()


if __name__ == "__main__":
    main()
