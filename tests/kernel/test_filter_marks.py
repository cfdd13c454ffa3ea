"""Test that tables and chains with a topology's name but without its mark are foreign objects."""

from __future__ import annotations

import json

import pytest

from tests.kernel.host import Host, diff_snapshots
from tests.kernel.test_failure import shot
from tests.kernel.test_trial import log, same, until

BACKENDS = ("nftables", "iptables")

LAB = """
name: lab
backend: {{nat: {backend}}}
nodes: {{a: {{networks: [lan]}}, r: {{}}}}
networks:
  lan: {{mode: nat, node: {owner}, subnet: [172.17.0.0/16, "fd17::/64"]}}
"""

RULE = "-j ACCEPT -m comment --comment somebody"


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "iptables":
        pytest.importorskip("iptc", reason="python-iptables is not installed")
    return str(request.param)


def write(host: Host, backend: str, owner: str = "host") -> None:
    host.write("lab.yaml", LAB.format(backend=backend, owner=owner))


def in_host(host: Host, script: str) -> None:
    host.run("sh", "-ec", script)


FOREIGN = {
    "table": ("nftables", "nft add table inet netorch_lab"),
    "table with rules": (
        "nftables",
        "nft 'table inet netorch_lab { chain c { type filter hook input priority 0; "
        "ct state invalid drop; }; }'",
    ),
    "table with another comment": (
        "nftables",
        """nft 'table inet netorch_lab { comment "netorch:lab2"; }'""",
    ),
    "chain": ("iptables", "iptables-legacy -t nat -N netorch-lab-post"),
    "chain with rules": (
        "iptables",
        f"iptables-legacy -N netorch-lab-fwd; iptables-legacy -A netorch-lab-fwd {RULE}; "
        "iptables-legacy -A FORWARD -j netorch-lab-fwd",
    ),
    "chain of IPv6": (
        "iptables",
        f"ip6tables-legacy -N netorch-lab-in; ip6tables-legacy -A netorch-lab-in {RULE}",
    ),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_foreign_object_with_the_name_is_a_conflict_and_stays(host: Host, what: str) -> None:
    backend, script = FOREIGN[what]
    if backend == "iptables":
        pytest.importorskip("iptc", reason="python-iptables is not installed")
    in_host(host, script)
    before = host.snapshot()
    write(host, backend)
    for command in ("diff", "apply"):
        done = host.netorch(command, "lab.yaml", check=False)
        assert done.returncode == 1
        assert "netorch did not make it" in done.stderr
        assert ("inet netorch_lab" if backend == "nftables" else "netorch-lab-") in done.stderr
    assert diff_snapshots(before, host.snapshot()) == [], "nothing has changed"
    host.netorch("destroy", "lab", check=False)
    assert diff_snapshots(before, host.snapshot()) == []


def test_a_foreign_object_of_the_other_backend_is_not_a_conflict(host: Host, backend: str) -> None:
    other = BACKENDS[backend == BACKENDS[0]]
    script = next(script for of, script in FOREIGN.values() if of == other)
    in_host(host, script)
    write(host, backend)
    host.netorch("apply", "lab.yaml")
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout
    done = host.netorch("destroy", "lab")
    assert " alone, because netorch did not make it" in done.stderr
    left = "netorch_lab" if other == "nftables" else "netorch-lab-post"
    assert left in host.run("sh", "-c", "nft list ruleset; iptables-legacy-save").stdout


def test_a_foreign_table_in_a_node_that_came_while_the_filter_was_gone(host: Host) -> None:
    write(host, "nftables", "r")
    host.netorch("apply", "lab.yaml")
    in_host(host, "ip netns exec r nft delete table inet netorch_lab")
    in_host(host, "ip netns exec r nft add table inet netorch_lab")
    done = host.netorch("apply", "lab.yaml", check=False)
    assert done.returncode == 1
    assert "netorch did not make it" in done.stderr
    host.netorch("destroy", "lab")
    assert host.run("ip", "netns").stdout == ""


@pytest.mark.parametrize("owner", ["host", "r"])
def test_the_mark_is_there_and_its_loss_is_reported(host: Host, backend: str, owner: str) -> None:
    write(host, backend, owner)
    before = host.snapshot()
    host.netorch("apply", "lab.yaml")
    inside = f"ip netns exec {owner} " if owner != "host" else ""
    if backend == "nftables":
        listing = host.run(*inside.split(), "nft", "list", "table", "inet", "netorch_lab").stdout
        assert listing.splitlines()[1].strip() == 'comment "netorch:lab"'
    else:
        saved = host.run(*inside.split(), "iptables-legacy-save").stdout.splitlines()
        chains = [line.split()[0][1:] for line in saved if line.startswith(":netorch-lab-")]
        assert chains
        for chain in chains:
            first = next(line for line in saved if line.startswith(f"-A {chain} "))
            assert first == f'-A {chain} -m comment --comment "netorch:lab"'
        in_host(host, f"{inside}iptables-legacy -D netorch-lab-fwd 1")
        assert "mark missing → netorch:lab" in host.netorch("diff", "lab.yaml", check=False).stdout
        host.netorch("apply", "lab.yaml")
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout
    host.netorch("destroy", "lab")
    changes = diff_snapshots(before, host.snapshot())
    assert [line for line in changes if "netorch" in line] == []


def test_flushed_tables_are_filled_again(host: Host) -> None:
    pytest.importorskip("iptc", reason="python-iptables is not installed")
    write(host, "iptables")
    host.netorch("apply", "lab.yaml")
    for table in ("filter", "nat"):
        for program in ("iptables-legacy", "ip6tables-legacy"):
            host.run(program, "-t", table, "-F")
    assert host.netorch("diff", "lab.yaml", check=False).returncode == 2
    host.netorch("apply", "lab.yaml")
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout
    for table in ("filter", "nat"):
        host.run("iptables-legacy", "-t", table, "-F")
    host.netorch("destroy", "lab")
    assert "netorch" not in host.run("iptables-legacy-save").stdout


OLD = {
    # takes away the marks, as a version without marks would have made the filters
    "nftables": """
        nft list table inet netorch_lab >table; sed -i '/comment "netorch:lab"$/{s/^.*comment "netorch:lab"$//}' table
        nft delete table inet netorch_lab; nft -f table; rm table
    """,
    "iptables": """
        for program in iptables-legacy ip6tables-legacy; do
            $program-save | grep -v '^-A netorch-lab-[a-z]* -m comment --comment "netorch:lab"$' | grep -v 'FORWARD .*-j netorch-lab-fwd$' | $program-restore
        done
    """,
}


def make_old(host: Host, backend: str) -> None:
    """Take away the marks, and the filters in the record."""
    in_host(host, OLD[backend])
    path = host.root / "run/netorch/lab/meta.json"
    record = json.loads(path.read_text())
    del record["filters"]
    path.write_text(json.dumps(record))


def test_filters_of_an_older_version_get_their_marks(host: Host, backend: str) -> None:
    write(host, backend)
    host.netorch("apply", "lab.yaml")
    make_old(host, backend)
    done = host.netorch("diff", "lab.yaml", check=False)
    assert done.returncode == 2
    assert "mark missing → netorch:lab" in done.stdout
    host.netorch("apply", "lab.yaml")
    assert "in sync" in host.netorch("diff", "lab.yaml").stdout
    record = json.loads((host.root / "run/netorch/lab/meta.json").read_text())
    assert record["filters"] == {"host": backend}


def test_filters_of_an_older_version_are_destroyed(host: Host, backend: str) -> None:
    write(host, backend)
    host.netorch("apply", "lab.yaml")
    make_old(host, backend)
    host.netorch("destroy", "lab")
    left = host.run(
        "sh", "-c", "nft list ruleset; iptables-legacy-save; ip6tables-legacy-save"
    ).stdout
    assert "netorch" not in left


def test_a_rollback_restores_filters_of_an_older_version(host: Host, backend: str) -> None:
    """They return without marks, and netorch recognises them by the old record."""
    write(host, backend)
    host.netorch("apply", "lab.yaml")
    make_old(host, backend)
    before = shot(host)
    text = LAB.format(backend=backend, owner="host")
    host.write("lab.yaml", text.replace("172.17.0.0/16", "172.17.0.0/24"))
    host.netorch("apply", "lab.yaml", "--confirm-within", "0.5")
    same(host, before)
    assert until(lambda: "rolled back" in log(host)), log(host)
    assert "still" not in log(host) and "could" not in log(host)
    host.netorch("destroy", "lab")
    left = host.run("sh", "-c", "nft list ruleset; iptables-legacy-save; ip6tables-legacy-save")
    assert "netorch" not in left.stdout
