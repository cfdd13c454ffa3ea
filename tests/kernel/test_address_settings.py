"""Attributes of addresses: netorch repairs changes by hand, in place if Linux can do that.

A rollback restores them too.
"""

from __future__ import annotations

import pytest

from tests.kernel.host import Host, diff_snapshots

FILE = """\
name: lab
nodes:
  host: {interfaces: {v0: {addresses: [10.1.0.1/24, "fd01::1/64"]}}}
  r:
    interfaces: {e0: {addresses: [10.0.0.1/24, 10.0.0.5/24, "fd00::1/64"]}}
    routes: [{to: default, via: 10.0.0.2}, {to: "fd09::/64", via: "fd00::2"}]
    $MORE
  s: {interfaces: {e0: {addresses: [10.0.0.2/24, "fd00::2/64"]}}}
links: [[r:e0, s:e0], [host:v0, s:e1]]
"""
LOCK = ["files: /run/netorch/"]

LIMITED = "lifetime limited → forever  [update]"
CHANGES = {
    "addr change 10.0.0.1/24 dev e0 valid_lft 600 preferred_lft 300": f"~ address r/e0 10.0.0.1/24  {LIMITED}",
    "addr change 10.0.0.5/24 dev e0 valid_lft 600 preferred_lft 300": f"~ address r/e0 10.0.0.5/24  {LIMITED}",
    "addr change fd00::1/64 dev e0 valid_lft 600 preferred_lft 300": f"~ address r/e0 fd00::1/64  {LIMITED}",
    "addr change 10.0.0.1/24 dev e0 valid_lft 600 preferred_lft 0": "~ address r/e0 10.0.0.1/24  deprecated true → none  lifetime limited → forever  [update]",
    "addr change 10.0.0.1/24 dev e0 preferred_lft 0": "~ address r/e0 10.0.0.1/24  deprecated true → none  [update]",
    "addr change fd00::1/64 dev e0 preferred_lft 0": "~ address r/e0 fd00::1/64  deprecated true → none  [update]",
    "addr change 10.0.0.1/24 dev e0 metric 77": "~ address r/e0 10.0.0.1/24  metric 77 → none  [update]",
    "addr change fd00::1/64 dev e0 metric 77": "± address r/e0 fd00::1/64  metric 77 → none  [replace]",
    "addr change fd00::1/64 dev e0 noprefixroute": "~ address r/e0 fd00::1/64  noprefixroute true → none  [update]",
    "addr change fd00::1/64 dev e0 home": "~ address r/e0 fd00::1/64  home true → none  [update]",
    "addr change fd00::1/64 dev e0 mngtmpaddr": "~ address r/e0 fd00::1/64  mngtmpaddr true → none  [update]",
    "addr del 10.0.0.5/24 dev e0; ip -n r addr add 10.0.0.5/24 dev e0 label e0:x": "± address r/e0 10.0.0.5/24  after 10.0.0.1/24  label e0:x → none  [replace]",
    "addr del 10.0.0.5/24 dev e0; ip -n r addr add 10.0.0.5/24 dev e0 noprefixroute valid_lft 600 preferred_lft 600": "± address r/e0 10.0.0.5/24  after 10.0.0.1/24  noprefixroute true → none  lifetime limited → forever  [replace]",
    "addr change fd00::1/64 peer fd00::9/64 dev e0": "- address r/e0 fd00::1 peer fd00::9/64",
}


def with_flags(host: Host) -> str:
    """Return the addresses as text. Their lifetimes are only `none`, `limited` or `forever`."""
    addresses = host.ip("-n", "r", "addr", "show", "dev", "e0")[0]["addr_info"]
    for address in addresses:
        address.pop("nodad", None)  # because netorch sets it on every address
        for name in ("valid_life_time", "preferred_life_time"):
            address[name] = {0: "none", 2**32 - 1: "forever"}.get(address[name], "limited")
    return "\n".join(sorted(map(str, addresses)))


@pytest.mark.parametrize("does", CHANGES)
def test_a_changed_address_is_put_back(host: Host, does: str) -> None:
    host.write("topo.yaml", FILE.replace("$MORE", ""))
    host.netorch("apply")
    before, addresses = host.snapshot(), with_flags(host)
    host.run("sh", "-ec", f"ip -n r {does}")
    diff = host.netorch("diff", check=False)
    assert diff.returncode == 2, diff.stderr
    assert diff.stdout.startswith(CHANGES[does]), diff.stdout
    # an apply that fails leaves the change by hand as it is
    changed = with_flags(host)
    host.write("topo.yaml", FILE.replace("$MORE", "aliases: [other]"))
    with host.refusing_names():
        assert "Rolled back" in host.netorch("apply", check=False).stderr
    assert with_flags(host) == changed
    host.write("topo.yaml", FILE.replace("$MORE", ""))
    assert "changed meanwhile" not in host.netorch("apply").stderr
    assert host.netorch("diff").stdout == "lab: in sync\n"
    assert with_flags(host) == addresses
    assert diff_snapshots(before, host.snapshot(), LOCK) == []


def test_a_changed_address_of_the_hosts_end_is_put_back(host: Host) -> None:
    host.write("topo.yaml", FILE.replace("$MORE", ""))
    host.netorch("apply")
    for address in ("10.1.0.1/24", "fd01::1/64"):
        host.run(
            "ip", "addr", "change", address, "dev", "v0", "valid_lft", "600", "preferred_lft", "0"
        )
    assert host.netorch("diff", check=False).stdout.splitlines() == [
        "~ address host/v0 10.1.0.1/24  deprecated true → none  lifetime limited → forever  [update]",
        "~ address host/v0 fd01::1/64  deprecated true → none  lifetime limited → forever  [update]",
        "lab: 2 to update",
    ]
    host.netorch("apply")
    assert host.netorch("diff").stdout == "lab: in sync\n"


def test_addresses_that_no_file_has_are_a_dhcp_clients(host: Host) -> None:
    host.write("topo.yaml", FILE.replace("$MORE", ""))
    host.netorch("apply")
    for address in ("10.0.0.77/24", "fd00::77/64"):
        host.run(
            "ip",
            "-n",
            "r",
            "addr",
            "add",
            address,
            "dev",
            "e0",
            "valid_lft",
            "600",
            "preferred_lft",
            "600",
        )
    assert host.netorch("diff").stdout == "lab: in sync\n"
