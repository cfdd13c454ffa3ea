"""Test that sysctls of every kind of interface are set, restored and removed."""

from __future__ import annotations

import time

from tests.kernel.everykind import SOLO
from tests.kernel.host import Host, diff_snapshots
from tests.kernel.kindcase import has_kind

WORDS = "sysctls: {rp_filter: 2, accept_ra: 0}"


def still(host: Host) -> dict[str, str]:
    """Return the node's snapshot when it no longer changes.

    The kernel passes a carrier on to upper links up to a second later.
    """
    deadline, after = time.monotonic() + 15, host.snapshot()["netns a"]
    while time.monotonic() < deadline:
        time.sleep(1.2)
        before, after = after, host.snapshot()["netns a"]
        if after == before:
            break
    return after


def test_settings_of_every_kind_of_interface(host: Host) -> None:
    kinds = {kind: words for kind, words in SOLO.items() if has_kind(host, kind)}
    made = "".join(f"      {kind}0.1: {{{words}, {WORDS}}}\n" for kind, words in kinds.items())
    text = f"""\
name: lab
nodes:
  a:
    networks: {{lan: {{{WORDS}, address: [10.9.0.5, "fd09::5"]}}}}
    interfaces:
      lo: {{sysctls: {{rp_filter: 2}}}}
      br0: {{kind: bridge, {WORDS}}}
      up: {{addresses: [10.0.0.1/24, "fd00::1/64"], {WORDS}}}
      up2: {{{WORDS}}}
{made}  b: {{}}
networks: {{lan: {{subnet: [10.9.0.0/24, "fd09::/64"]}}}}
links: [[a:up, b:up], [a:up2, b:up2]]
"""
    before = host.snapshot()
    file = host.write("lab.yaml", text)
    host.netorch("apply", file)
    there = still(host)
    names = ["eth0", "br0", "up", "up2", *(f"{kind}0.1" for kind in kinds)]
    for name in names:
        assert there[f"sysctl net/ipv4/conf/{name}/rp_filter"] == "2", name
        assert there.get(f"sysctl net/ipv6/conf/{name}/accept_ra", "0") == "0", name
    assert there["sysctl net/ipv4/conf/lo/rp_filter"] == "2"
    assert host.netorch("diff", file).stdout == "lab: in sync\n"
    host.write("written.yaml", host.netorch("show", "-o", "yaml").stdout)
    assert host.netorch("diff", "written.yaml").stdout == "lab: in sync\n"
    # `diff` reports a change by hand, and `apply` repairs it
    spoil = "; ".join(f"echo 1 >/proc/sys/net/ipv4/conf/{name}/rp_filter" for name in names)
    host.run("ip", "netns", "exec", "a", "sh", "-c", spoil)
    diff = host.netorch("diff", file, check=False).stdout
    for name in names:
        assert (
            f"~ sysctl a net.ipv4.conf.{name.replace('.', '/')}.rp_filter  value 1 → 2  [update]"
            in diff
        )
    host.netorch("apply", file)
    assert diff_snapshots({"netns a": there}, {"netns a": still(host)}) == []
    # links that are made again get their settings again
    host.run("sh", "-c", "; ".join(f"ip -n a link del {name}" for name in reversed(names)))
    host.netorch("apply", file)
    assert diff_snapshots({"netns a": there}, {"netns a": still(host)}) == []
    host.write(
        "lab.yaml", text.replace(f", {WORDS}", "").replace(f"{WORDS}, ", "").replace(WORDS, "")
    )
    host.netorch("apply", file)
    there = host.snapshot()["netns a"]
    for name in names:
        assert (
            there[f"sysctl net/ipv4/conf/{name}/rp_filter"]
            == there["sysctl net/ipv4/conf/default/rp_filter"]
        ), name
        assert there.get(f"sysctl net/ipv6/conf/{name}/accept_ra", "1") == "1", name
    host.netorch("destroy", "lab")
    assert diff_snapshots(before, host.snapshot()) == []
