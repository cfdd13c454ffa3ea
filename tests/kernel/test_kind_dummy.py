"""Test dummy links."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.kindcase import Damage, Edit, KindCase, check_kind

DUMMY = KindCase(
    "name: lab\nnodes: {a: {interfaces: {d0: $WORDS}}}",
    "{kind: dummy, addresses: [10.9.0.1/24], description: always there}",
    ("dummy",),
    sees=(("ip -n a -d link show d0", "dummy"), ("ip -n a addr show d0", "10.9.0.1/24")),
    edits=(
        Edit(
            "{kind: dummy, addresses: [10.9.0.1/24], mtu: 9000, mac: '02:00:00:00:00:07'}",
            "! dummy a/d0 … [flap]",
        ),
        Edit(
            "{kind: dummy, addresses: [10.9.0.1/24], state: down}",
            "! link a/d0  state up → down  [flap]",
        ),
    ),
    damages=(
        Damage("ip -n a link set d0 mtu 1400", "~ dummy a/d0  mtu 1400 → 1500"),
        Damage("ip -n a link del d0", "+ dummy a/d0", ("+ address a/d0 10.9.0.1/24",)),
        Damage("ip -n a link set d0 down", "~ link a/d0  state down → up"),
    ),
)


@pytest.mark.uml
def test_a_dummy(host: Host) -> None:
    check_kind(host, DUMMY)
