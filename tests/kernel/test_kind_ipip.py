"""Test tunnels of IP packets in IP packets: ipip and sit over IPv4, ip6tnl over IPv6."""

from __future__ import annotations

import pytest

from tests.kernel.host import Host
from tests.kernel.kindcase import Damage, Edit, KindCase, check_kind
from tests.kernel.test_kind_gre import FILE


def case(kind: str, local: str, remote: str, other: str, mtu: int, details: str) -> KindCase:
    """Return the case for a kind. Only ip6tnl can lose its remote end without being made again."""
    words = f"{{kind: {kind}, local: '{local}', remote: '{remote}', addresses: ['fd00:7::1/64']}}"
    file = FILE.replace("KIND", kind).replace("OTHER", f"'{local}'").replace("LAST", f"'{other}9'")
    bare = "~ ip6tnl a/t0 … [update]" if kind == "ip6tnl" else f"± {kind} a/t0 … [replace]"
    return KindCase(
        file,
        words,
        (kind,),
        sees=(
            ("ip -n a -d link show t0", f"remote {remote} local {local} {details}"),
            ("ip -n a link show t0", f"mtu {mtu}"),
        ),
        edits=(
            Edit(
                words.replace(remote, f"{other}3").replace(
                    f"{kind},", f"{kind}, ttl: 9, mtu: 1400,"
                ),
                f"~ {kind} a/t0 … [update]",
            ),
            Edit(words.replace(f", remote: '{remote}'", ""), bare),
        ),
        damages=(
            Damage(
                f"ip -n a link set t0 type {kind} local {local} remote {other}7",
                f"~ {kind} a/t0  remote {other}7 → {remote}",
            ),
            Damage("ip -n a link del t0", f"+ {kind} a/t0", ("+ address a/t0 fd00:7::1/64",)),
        ),
    )


IPIP = case("ipip", "192.0.2.1", "192.0.2.2", "192.0.2.", 1480, "ttl inherit")
SIT = case("sit", "192.0.2.1", "192.0.2.2", "192.0.2.", 1480, "ttl inherit")
IP6TNL = case("ip6tnl", "fd00:a::1", "fd00:a::2", "fd00:a::", 1452, "hoplimit 64 encaplimit 4")


@pytest.mark.uml
@pytest.mark.parametrize("tunnel", [IPIP, SIT, IP6TNL], ids=["ipip", "sit", "ip6tnl"])
def test_a_tunnel(host: Host, tunnel: KindCase) -> None:
    check_kind(host, tunnel)
