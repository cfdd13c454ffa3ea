"""What a file needs of a machine."""

from __future__ import annotations

from netorch.doctor import Diagnosis
from netorch.doctor.features import Ability, State
from netorch.doctor.findings import Finding, Level
from netorch.doctor.needs import needs
from netorch.immutable import replace
from netorch.render import doctor
from netorch.resolve.loader import load

FILE = b"""\
name: lab
nodes:
  a: {networks: [lan], publish: "80:80"}
  b: {networks: {lan: {impair: {delay: 5ms}}}}
networks: {lan: {mode: nat, subnet: [10.0.0.0/24, "fd00::/64"]}}
"""


def test_what_a_file_needs() -> None:
    words = needs(load(FILE, "lab.yaml").desired)
    assert words[0] == "2 namespaces"
    assert {"bridge links", "veth links", "netem qdisc"} <= set(words)
    assert "a packet filter (nftables or iptables)" in words
    assert len(words) == len(set(words))
    assert needs(load(b"name: x", "x.yaml").desired) == []


def test_where_it_is_printed() -> None:
    abilities = (
        Ability("veth links", State.YES, "links"),
        Ability("netem qdisc", State.NO, "impair", hint="Load the module."),
        Ability("NAT by nftables", State.NO, "nat"),
        Ability("NAT by iptables", State.ON_DEMAND, "nat"),
    )
    features = (
        "2 namespaces",
        "veth links",
        "netem qdisc",
        "a packet filter (nftables or iptables)",
    )
    diagnosis = Diagnosis("6.1", True, "lab", abilities, (), features)
    assert list(doctor.lines(diagnosis)) == [
        "Linux 6.1",
        "lab needs:",
        "  2 namespaces                            yes",
        "  veth links                              yes",
        "  netem qdisc                             no",
        "    Load the module.",
        "  a packet filter (nftables or iptables)  on demand",
        "",
        "nothing is in the way for lab",
    ]
    assert "veth links       yes        links" in list(doctor.lines(diagnosis, verbose=True))
    assert doctor.document(diagnosis)["needs"] == [*features]
    nothing = list(doctor.lines(replace(diagnosis, needs=())))
    assert nothing[1] == "lab needs nothing of the kernel"


def test_lines_fit_the_terminal() -> None:
    keys = ", ".join(f"kind: number{number}" for number in range(9))
    finding = Finding(
        Level.WARNING, "firewalls", "a rule " * 30, command="x" * 99, remedy="change " * 30
    )
    diagnosis = Diagnosis("6.1", True, "", (Ability("veth links", State.YES, keys),), (finding,))
    lines = list(doctor.lines(diagnosis, columns=60))
    assert [line for line in lines if len(line) > 60] == [f"    {'x' * 99}"]
    assert max(map(len, doctor.lines(diagnosis))) > 200
