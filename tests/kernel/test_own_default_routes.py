"""Test that a namespace that existed before netorch keeps its own default route."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host, diff_snapshots

BOX = """
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
ip netns add box
ip link add box0 type veth peer name eth0 netns box
ip address add 172.17.0.1/16 dev box0
ip -6 address add fd17::1/64 dev box0 nodad
ip link set box0 up
ip -n box link set lo up
ip -n box link set eth0 up
ip -n box address add 172.17.0.2/16 dev eth0
ip -n box -6 address add fd17::2/64 dev eth0 nodad
"""
OWN = {
    4: "ip -n box route add default via 172.17.0.1",
    6: "ip -n box -6 route add default via fd17::1",
}
FILE = """
name: lab
networks:
  lan: {{mode: nat, subnet: [10.5.0.0/24, "fd05::/64"]}}
  dmz: {{mode: nat, subnet: [10.6.0.0/24, "fd06::/64"]}}
nodes:
  box: {{attach: "{how}", networks: {networks}, publish: ["8080:80"]}}
  a: {{networks: [lan]}}
"""
BOTH = "{lan: {name: lan0}, dmz: {name: dmz0}}"


def text(how: str = "netns:box", networks: str = BOTH) -> str:
    return FILE.format(how=how, networks=networks)


def sh(host: Host, script: str) -> str:
    return host.run("sh", "-ec", script).stdout


def defaults(host: Host, version: int) -> list[str]:
    out = sh(host, f"ip -n box -{version} route show default")
    return [line.strip() for line in out.splitlines()]


@pytest.mark.parametrize("how", ["netns", "pid", "path"])
def test_it_stays_and_netorch_warns(host: Host, how: str) -> None:
    sh(host, BOX + OWN[4] + "\n" + OWN[6])
    places = {"netns": "netns:box", "path": "path:/run/netns/box"}
    if how == "pid":
        pid = sh(host, "ip netns exec box sleep 1000 </dev/null >/dev/null 2>&1 & echo $!")
        places["pid"] = f"pid:{pid.strip()}"
        sh(host, "until ip netns identify " + pid.strip() + " | grep -q box; do sleep 0.05; done")
    before = host.snapshot()
    own = [defaults(host, version) for version in (4, 6)]
    host.write("topo.yaml", text(places[how]))
    warnings = host.netorch("apply").stderr
    assert warnings.count("keeps its IPv") == 2
    assert (
        "warning: node box keeps its IPv4 default route via 172.17.0.1 dev eth0: "
        "network lan does not add another one. Write `networks: {lan: {default_route: false}}` "
        "to confirm that, or `true` to use the network's default route" in warnings
    )
    assert "its IPv6 default route via fd17::1 dev eth0" in warnings
    assert [defaults(host, version) for version in (4, 6)] == own
    assert host.ping("box", "10.5.0.3") and host.ping("box", "fd05::3")
    diff = host.netorch("diff")
    assert diff.stdout == "lab: in sync\n" and "keeps its IPv4" in diff.stderr
    assert host.netorch("apply").stdout == "lab: in sync, nothing to do\n"
    host.netorch("destroy")
    assert diff_snapshots(before, host.snapshot()) == []


@pytest.mark.parametrize("version", [4, 6])
def test_each_family_for_itself(host: Host, version: int) -> None:
    sh(host, BOX + OWN[version])
    own = defaults(host, version)
    host.write("topo.yaml", text())
    warnings = host.netorch("apply").stderr
    assert warnings.count("keeps its IPv") == 1 and f"keeps its IPv{version}" in warnings
    assert defaults(host, version) == own
    other = 10 - version
    gateway = {4: "via 10.5.0.1 dev lan0", 6: "via fd05::1 dev lan0"}[other]
    assert [gateway in line for line in defaults(host, other)] == [True]
    assert host.netorch("diff").stdout == "lab: in sync\n"


@pytest.mark.parametrize("what", ["metric 100", "proto dhcp metric 50", "proto bgp"])
@pytest.mark.parametrize("version", [4, 6])
def test_in_another_metric_and_of_any_maker(host: Host, version: int, what: str) -> None:
    """A route of netorch with a lower metric would take the node's traffic away as well."""
    sh(host, f"{BOX}{OWN[version]} {what}")
    own = defaults(host, version)
    host.write("topo.yaml", text())
    assert f"keeps its IPv{version}" in host.netorch("apply").stderr
    assert defaults(host, version) == own
    host.netorch("destroy")
    assert defaults(host, version) == own


def test_one_that_comes_later_or_goes(host: Host) -> None:
    sh(host, BOX)
    host.write("topo.yaml", text())
    assert "keeps" not in host.netorch("apply").stderr
    ours = defaults(host, 4)
    assert ["via 10.5.0.1" in line for line in ours] == [True]
    sh(host, f"{OWN[4]} metric 5")
    diff = host.netorch("diff", check=False)
    assert "- route box default" in diff.stdout and "keeps its IPv4" in diff.stderr
    host.netorch("apply")
    assert ["via 172.17.0.1" in line for line in defaults(host, 4)] == [True]
    sh(host, "ip -n box route del default")
    assert "+ route box default" in host.netorch("diff", check=False).stdout
    host.netorch("apply")
    assert defaults(host, 4) == ours


def test_the_file_may_insist(host: Host) -> None:
    sh(host, BOX + OWN[4])
    insisting = "{lan: {name: lan0}, dmz: {name: dmz0, default_route: true}}"
    host.write("topo.yaml", text(networks=insisting))
    before = host.snapshot()
    done = host.netorch("apply", check=False)
    assert done.returncode == 1
    assert "netorch did not make it" in done.stderr and "default_route: false" in done.stderr
    assert diff_snapshots(before, host.snapshot()) == []
    # where the metrics differ, the file's route comes first and the node's own stays
    sh(host, f"ip -n box route del default; {OWN[4]} metric 100")
    host.netorch("apply")
    assert sorted(line.split()[2] for line in defaults(host, 4)) == ["10.6.0.1", "172.17.0.1"]
    assert "dev dmz0" in sh(host, "ip -n box route get 192.0.2.9")
    host.netorch("destroy")
    assert ["via 172.17.0.1" in line for line in defaults(host, 4)] == [True]


def test_no_warning_with_default_route_false(host: Host) -> None:
    sh(host, BOX + OWN[4])
    quiet = "{lan: {name: lan0, default_route: false}}"
    host.write("topo.yaml", text(networks=quiet))
    assert "keeps" not in host.netorch("apply").stderr


def test_the_host_keeps_its_own_too(host: Host) -> None:
    sh(host, BOX + "ip route add default via 172.17.0.2 metric 100")
    host.write(
        "topo.yaml",
        "name: lab\nnodes:\n  host: {networks: {lan: {name: lan0}}}\n"
        "  r: {networks: [lan], forwarding: true}\n"
        "networks: {lan: {subnet: 10.5.0.0/24, gateway: r}}\n",
    )
    warnings = host.netorch("apply").stderr
    assert "node host keeps its IPv4 default route" in warnings
    assert "dev box0" in sh(host, "ip route get 192.0.2.9")
    host.netorch("destroy")


def test_a_failed_apply_leaves_it(host: Host) -> None:
    sh(host, BOX + OWN[4])
    before = host.snapshot()
    host.write("topo.yaml", text())
    with host.refusing_names():
        done = host.netorch("apply", check=False)
    assert done.returncode == 1 and "Rolled back" in done.stderr
    assert diff_snapshots(before, host.snapshot(), ["files: /run/netorch"]) == []
