"""The table of kinds at the end of a test run."""

from __future__ import annotations

from tests.kinds import line, table


def test_a_kind_counts_where_a_test_with_it_passed() -> None:
    lines = line("6.18", {"vlan": False, "veth": True}), line("6.1", {"vlan": True})
    output = f"noise\n{lines[0]}\nmore\n{lines[1]}\n"
    drawn, never = table(output, ["gre", "veth", "vlan"])
    assert drawn.splitlines() == ["kind  6.18  6.1", "gre", "veth  yes", "vlan  -     yes"]
    assert never == ["gre"]


def test_two_runs_on_one_kernel_add_up() -> None:
    assert (
        table(f"{line('6.1', {'vlan': True})}\n{line('6.1', {'vlan': False})}", ["vlan"])[1] == []
    )
