"""Test IFB links (intermediate functional blocks)."""

from __future__ import annotations

from tests.kernel.host import Host
from tests.kernel.kindcase import Damage, Edit, KindCase, check_kind

IFB = KindCase(
    "name: lab\nnodes: {a: {interfaces: {in0: $WORDS}}}",
    "{kind: ifb, description: what comes in}",
    ("ifb",),
    sees=(("ip -n a -d link show in0", "ifb"), ("ip -n a link show in0", "qlen 32")),
    edits=(
        Edit(
            "{kind: ifb, mtu: 9000, txqueuelen: 100}",
            "~ ifb a/in0  mtu 1500 → 9000  txqueuelen 32 → 100 … [update]",
        ),
        Edit("{kind: ifb, state: down}", "! link a/in0  state up → down  [flap]"),
        Edit("{kind: ifb, mac: '02:00:00:00:00:07'}", "± ifb a/in0 … [replace]"),
    ),
    damages=(
        Damage("ip -n a link set in0 txqueuelen 1000", "~ ifb a/in0  txqueuelen 1000 → 32"),
        Damage("ip -n a link del in0", "+ ifb a/in0"),
        Damage("ip -n a link set in0 down", "~ link a/in0  state down → up"),
    ),
)


def test_an_ifb(host: Host) -> None:
    check_kind(host, IFB)
