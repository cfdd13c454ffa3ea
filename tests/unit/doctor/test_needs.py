"""What a file needs of a machine."""

from __future__ import annotations

from netorch.doctor import Diagnosis
from netorch.doctor.needs import needs
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
    diagnosis = Diagnosis("6.1", True, "lab", (), (), ("2 namespaces", "veth links"))
    assert list(doctor.lines(diagnosis))[-3:] == [
        "lab needs 2 namespaces, veth links",
        "",
        "nothing is in the way for lab",
    ]
    assert doctor.document(diagnosis)["needs"] == ["2 namespaces", "veth links"]
