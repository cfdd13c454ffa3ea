"""Test a file that asks for kinds that this kernel lacks: netorch lists all of them."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host, diff_snapshots, sentences
from tests.kernel.kindcase import has_kind

FILE = """
name: lab
nodes:
  a:
    interfaces:
      d0: {kind: dummy}
      d1: {kind: dummy}
      v5: {kind: vlan, parent: d0, id: 5}
"""


def test_all_missing_kinds_are_reported_at_once_and_nothing_changes(host: Host) -> None:
    missing = [kind for kind in ("dummy", "vlan") if not has_kind(host, kind)]
    if len(missing) < 2:
        pytest.skip("this kernel has dummy or vlan links, unlike that of the first test run")
    before = host.snapshot()
    file = host.write("lab.yaml", FILE)
    for command in ("diff", "apply"):
        done = host.netorch(command, file, check=False)
        assert done.returncode == 1
        assert sentences(done.stderr)[:2] == [
            f"{file}:6:7: this kernel has no dummy links: dummy a/d0 and 1 more cannot be made. "
            "Load the module (`modprobe dummy`), or use a kernel built with CONFIG_DUMMY.",
            f"{file}:8:7: this kernel has no vlan links: vlan a/v5 cannot be made. "
            "Load the module (`modprobe 8021q`), or use a kernel built with CONFIG_VLAN_8021Q.",
        ], done.stderr
    assert diff_snapshots(before, host.snapshot()) == []
