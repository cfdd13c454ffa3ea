"""doctor's checks on made-up machines, which no test machine could be turned into."""

from __future__ import annotations

import pytest

from netorch.doctor.checks import CHECKS, look, rootless
from netorch.doctor.features import State, abilities
from netorch.doctor.findings import Level, Situation
from netorch.doctor.managers import STATE
from netorch.kernel.machine.facts import Machine
from netorch.kernel.machine.limits import Limits
from netorch.kernel.machine.modules import Modules
from netorch.resolve.desired import Desired
from netorch.resolve.loader import load
from netorch.values.snapshot import ForwardSnapshot, UnreadableRules
from netorch.version import install_command

LARGE = """
name: lab
nodes: {'n[1-300]': {networks: [lan]}}
networks: {lan: {subnet: 10.0.0.0/16}}
"""
TWO_PATHS = """
name: ways
nodes:
  a: {networks: [x, y], routes: [{to: 10.9.0.0/16, nexthops: [{via: 10.0.0.1}, {via: 10.1.0.1}]}]}
  b:
    networks: [x, y]
    routes: [{to: 10.9.0.0/16, nexthops: [{via: 10.0.0.1}, {via: 10.1.0.1}]}]
    sysctls: {net.ipv4.conf.all.rp_filter: 2}
networks:
  x: {subnet: 10.0.0.0/24, ip_range: 10.0.0.16/28}
  y: {subnet: 10.1.0.0/24, ip_range: 10.1.0.16/28}
"""
NAT = (
    "name: nat\nnodes: {a: {networks: [lan]}}\nnetworks: {lan: {mode: nat, subnet: 10.0.0.0/24}}\n"
)


def desired(text: str) -> dict[str, Desired]:
    state = load(text.encode(), "topo.yaml").desired
    return {state.topology: state}


def test_every_check_has_a_name_of_its_own_and_a_machine_without_fault_passes_them() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert look(Situation(Machine(release="6.1.0"))) == []


LIMITS = Limits(namespaces=100, existing_namespaces=7, neighbours={4: 512})
BROKEN = {"nftables": "nf_tables refuses", "iptables": "python-iptables is not installed."}

FAULTS = [
    ("kernel", Situation(Machine(release="4.19.0-9-amd64")), Level.WARNING, "apt full-upgrade"),
    (
        "namespaces",
        Situation(Machine(limits=LIMITS), desired(LARGE), "lab"),
        Level.ERROR,
        "sysctl -w user.max_net_namespaces=1024",
    ),
    (
        "neighbours",
        Situation(Machine(limits=LIMITS), desired(LARGE)),
        Level.WARNING,
        "sysctl -w net.ipv4.neigh.default.gc_thresh3=4096",
    ),
    (
        "open-files",
        Situation(Machine(open_files=256), desired(LARGE)),
        Level.WARNING,
        "prlimit --pid $$ --nofile=1024:1024",
    ),
    (
        "rp_filter",
        Situation(
            Machine(
                fresh={"net/ipv4/conf/all/rp_filter": "1", "net/ipv4/conf/default/rp_filter": "0"}
            ),
            desired(TWO_PATHS),
        ),
        Level.WARNING,
        "sysctl -w net.ipv4.conf.all.rp_filter=2",
    ),
    (
        "backends",
        Situation(Machine(), desired(NAT), "nat", backends=BROKEN),
        Level.ERROR,
        "modprobe nf_tables",
    ),
    (
        "backends",
        Situation(Machine(), desired(LARGE), "lab", backends=BROKEN),
        Level.WARNING,
        "modprobe nf_tables",
    ),
    (
        "backends",
        Situation(
            Machine(libnftables=False),
            backends=BROKEN | {"nftables": "libnftables.so.1 is not installed (…)"},
        ),
        Level.WARNING,
        "apt install libnftables1",
    ),
    (
        "blind",
        Situation(
            Machine(
                forward=ForwardSnapshot(
                    unreadable=(
                        UnreadableRules(
                            "iptables",
                            "iptables-legacy has rules: python-iptables is not installed.",
                        ),
                    )
                )
            )
        ),
        Level.WARNING,
        f"apt install iptables && {install_command('iptables')}",
    ),
    (
        "firewalls",
        Situation(Machine(programs={"firewalld": 7}), desired(NAT)),
        Level.WARNING,
        "firewall-cmd --zone=trusted --add-interface=lan",
    ),
    (
        "firewalls",
        Situation(Machine(files={"/etc/ufw/ufw.conf": "ENABLED=yes\n"}), desired(NAT)),
        Level.WARNING,
        "ufw allow in on lan",
    ),
]


@pytest.mark.parametrize(
    ("name", "situation", "level", "command"),
    FAULTS,
    ids=[f"{case[0]} {number}" for number, case in enumerate(FAULTS)],
)
def test_a_fault_is_reported_with_its_remedy(
    name: str, situation: Situation, level: Level, command: str
) -> None:
    findings = [finding for finding in look(situation) if finding.check == name]
    assert [(finding.level, finding.command) for finding in findings] == [(level, command)], (
        findings
    )


HEALTHY = [
    Situation(
        Machine(
            limits=Limits(namespaces=1000, neighbours={4: 1024}),
            open_files=1024,
        ),
        desired(LARGE),
        "lab",
    ),
    Situation(
        Machine(fresh={"net/ipv4/conf/all/rp_filter": "2", "net/ipv4/conf/default/rp_filter": "1"}),
        desired(TWO_PATHS),
    ),
    Situation(Machine(fresh={"net/ipv4/conf/all/rp_filter": "1"}), desired(LARGE)),
    Situation(
        Machine(sysctls={"net/bridge/bridge-nf-call-iptables": "1"}, forward=ForwardSnapshot())
    ),
    Situation(Machine(programs={"firewalld": 7, "dockerd": 8}), desired(LARGE)),
    Situation(Machine(), desired(NAT), "nat", backends={"nftables": None, "iptables": "no"}),
    Situation(Machine(folders=frozenset(STATE.values()))),
]


@pytest.mark.parametrize("situation", HEALTHY, ids=range(len(HEALTHY)))
def test_a_machine_without_faults_has_no_findings(situation: Situation) -> None:
    assert look(situation) == []


NETWORKD = [
    ("[Match]\nName=*\n", True),
    ("[Match]\nType=ether bridge\n[Network]\nDHCP=yes\n", True),
    ("[Match]\nKind=veth\n", True),
    ("[Match]\nName=en*\n[Network]\nDHCP=yes\n", False),
    ("[Match]\nName=*\nMACAddress=02:00:00:00:00:01\n", False),
    ("[Match]\nKind=veth\nName=ve-*\n", False),
    ("[Match]\nName=*\n[Link]\nUnmanaged=yes\n", False),
    ("[Network]\nDHCP=yes\nDHCP=no\n", False),
    ("not a file for systemd", False),
]


@pytest.mark.parametrize(("text", "matches"), NETWORKD, ids=[repr(text) for text, _ in NETWORKD])
def test_a_file_of_networkds_that_takes_every_interface(text: str, matches: bool) -> None:
    files = {"/usr/lib/systemd/network/80-any.network": text}
    for machine in (
        Machine(files=files, programs={"systemd-networkd": 7}),
        Machine(files=files, hidden=True, folders=frozenset(STATE.values())),
    ):
        checks = {finding.check for finding in look(Situation(machine))} - {"networkmanager"}
        assert checks == ({"networkd"} if matches else set())


def test_an_earlier_file_that_leaves_them_alone_counts() -> None:
    files = {
        "/usr/lib/systemd/network/80-any.network": "[Match]\nName=*\n",
        "/etc/systemd/network/05-netorch.network": (
            "[Match]\nDriver=veth bridge\n[Link]\nUnmanaged=yes\n"
        ),
    }
    assert look(Situation(Machine(files=files, programs={"systemd-networkd": 7}))) == []


def test_modules_that_would_be_loaded_are_not_tried() -> None:
    """Without privileges, the state of a feature comes from module files, or is unknown."""
    machine = Machine(
        privileged="no",
        modules=Modules(frozenset({"veth"}), frozenset({"wireguard", "8021q", "nf_conntrack"})),
    )
    features = {ability.what: ability for ability in abilities(Situation(machine), lambda _: None)}
    assert features["veth links"].state is State.YES
    assert features["wireguard links"].state is State.ON_DEMAND
    assert features["vlan links"].state is State.ON_DEMAND
    assert features["bond links"].state is State.UNKNOWN
    assert features["NAT by nftables"].state is State.UNKNOWN
    assert features["connection tracking"].state is State.ON_DEMAND
    assert features["usable /dev/net/tun"].keys == "kind: tap, kind: tun"
    assert all(ability.keys for ability in features.values())


def test_whether_a_plain_user_can_have_a_network() -> None:
    def reason(**sysctls: str) -> str:
        return rootless(
            Situation(
                Machine(sysctls={name.replace("__", "/"): value for name, value in sysctls.items()})
            )
        )

    assert reason(user__max_user_namespaces="100") == ""
    assert reason(user__max_user_namespaces="0") == "user.max_user_namespaces is 0"
    assert reason(kernel__unprivileged_userns_clone="0") == "kernel.unprivileged_userns_clone is 0"
    assert (
        reason(kernel__apparmor_restrict_unprivileged_userns="1")
        == "kernel.apparmor_restrict_unprivileged_userns is 1"
    )
