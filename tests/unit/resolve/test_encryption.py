"""`tunnels: {wireguard: true}`: what a machine gets, and what is wrong with the keys."""

from __future__ import annotations

from base64 import b64encode
from ipaddress import IPv6Address, ip_network
from typing import TypeVar

import pytest

from netorch.errors import FileError
from netorch.kinds.address import Address
from netorch.kinds.base.curve25519 import public_key
from netorch.kinds.peer import Peer
from netorch.kinds.route import Route
from netorch.kinds.vxlan import Vxlan
from netorch.kinds.wireguard import Wireguard
from netorch.render.graph.build import build
from netorch.render.graph.scene import of_file
from netorch.resolve import stored
from netorch.resolve.desired import Desired
from netorch.resolve.encryption import inner_address
from netorch.resolve.loader import load
from netorch.state.key import HOST
from netorch.values.requests import Answer, KeyFile
from netorch.values.secret import Secret

Kind = TypeVar("Kind")

SECRETS = [bytes([8 * number]) * 32 for number in (1, 2, 3)]
KEYS = [b64encode(public_key(secret)).decode() for secret in SECRETS]

HOSTS = f"""
name: lab
hosts:
  rack1: {{address: 198.51.100.1, public_key: {KEYS[0]}}}
  rack2: {{address: 198.51.100.2, public_key: {KEYS[1]}, mtu: 9000, port: 51999}}
  rack3: {{address: 198.51.100.3, public_key: {KEYS[2]}, mtu: 8000}}
tunnels: {{wireguard: true}}
"""
LAB = """
nodes: {a: {on: rack1}, b: {on: rack2}, c: {on: rack3}, d: {on: rack3}}
links:
  - {endpoints: [a:e, b:e], subnet: 10.0.0.0/30}
  - {endpoints: [b:f, c:f], subnet: 10.0.0.4/30}
  - {endpoints: [c:g, d:g], subnet: 10.0.0.8/30}
"""


def part(machine: str, text: str = HOSTS + LAB) -> Desired:
    return load(text.encode(), "lab.yaml", choose=lambda *_: machine).desired


def problems(text: str) -> list[str]:
    with pytest.raises(FileError) as raised:
        load(text.encode(), "lab.yaml")
    return [f"{one.code}: {one.what}" for one in raised.value.problems]


def of_kind(desired: Desired, kind: type[Kind]) -> list[Kind]:
    return [resource for resource in desired.state.values() if isinstance(resource, kind)]


def inner(machine: str) -> str:
    return str(inner_address("lab", machine))


def test_inner_addresses_depend_on_the_names_alone() -> None:
    own = inner_address("lab", "rack1")
    assert own in ip_network("fd00::/8")
    assert own != inner_address("lab", "rack2")
    assert own != inner_address("other", "rack1")
    # these addresses are in the kernels of running machines, so they must never change
    assert own == IPv6Address("fd94:c4b:7309:0:e9d7:58ed:6ce8:27ac")


def test_each_machine_has_one_link_with_a_peer_for_each_machine_behind_a_tunnel() -> None:
    for machine, number, port, others in (
        ("rack1", 0, 51820, ["rack2"]),
        ("rack2", 1, 51999, ["rack1", "rack3"]),
        ("rack3", 2, 51820, ["rack2"]),
    ):
        desired = part(machine)
        (link,) = of_kind(desired, Wireguard)
        assert (link.netns, link.name, link.listen_port) == (HOST, "lab-wg", port)
        assert link.public_key == KEYS[number]
        assert str(link.private_key) == "/etc/netorch/wireguard.key"
        peers = {peer.public_key: peer for peer in of_kind(desired, Peer)}
        assert list(peers) == [KEYS[int(other[-1]) - 1] for other in others]
        for other in others:
            peer = peers[KEYS[int(other[-1]) - 1]]
            far = 51999 if other == "rack2" else 51820
            assert str(peer.endpoint) == f"198.51.100.{other[-1]}:{far}"
            assert peer.attributes()["allowed_ips"] == f"{inner(other)}/128"
        (address,) = [one for one in of_kind(desired, Address) if one.link == "lab-wg"]
        assert str(address.address.local) == inner(machine)
        routes = [one.spec for one in of_kind(desired, Route) if one.netns == HOST]
        assert [str(IPv6Address(spec.dst or b"")) for spec in routes] == list(map(inner, others))


def test_the_tunnels_end_at_the_inner_addresses() -> None:
    ends = {f"{one.netns}:{one.name}": one for one in of_kind(part("rack2"), Vxlan)}
    assert (ends["b:e"].local, ends["b:e"].remote) == (inner("rack2"), inner("rack1"))
    assert (ends["b:f"].local, ends["b:f"].remote) == (inner("rack2"), inner("rack3"))
    assert {one.underlay for one in ends.values()} == {HOST}


def test_mtus() -> None:
    desired = part("rack2")
    ends = {f"{one.netns}:{one.name}": one.mtu for one in of_kind(desired, Vxlan)}
    assert ends == {"b:e": 1500 - 60 - 70, "b:f": 8000 - 60 - 70}
    (link,) = of_kind(desired, Wireguard)
    assert link.mtu == 9000 - 60
    # WireGuard pads packets up to the MTU of their route
    routes = [one.spec for one in of_kind(desired, Route) if one.netns == HOST]
    assert [spec.mtu for spec in routes] == [1440, 7940]
    assert [one.spec.mtu for one in of_kind(part("rack1"), Route) if one.netns == HOST] == [None]
    six = (HOSTS + LAB).replace("198.51.100.", "2001:db8::")
    desired = part("rack1", six)
    assert {one.mtu for one in of_kind(desired, Vxlan)} == {1500 - 80 - 70}
    (peer,) = of_kind(desired, Peer)
    assert str(peer.endpoint) == "[2001:db8::2]:51999"


def test_a_machine_without_tunnels_has_no_link() -> None:
    text = HOSTS + "nodes: {a: {on: rack1}, b: {on: rack2}}\nlinks: [[a:e, b:e]]\n"
    assert not part("rack3", text).state
    alone = HOSTS + "nodes: {a: {on: rack1}, b: {on: rack1}}\nlinks: [[a:e, b:e]]\n"
    assert not of_kind(part("rack1", alone), Wireguard)


def test_a_part_is_stored_and_read_back() -> None:
    loaded = load((HOSTS + LAB).encode(), "lab.yaml", choose=lambda *_: "rack2")
    places, rest = stored.encode(loaded)
    again = stored.decode(places, rest, "lab.yaml", lambda: loaded.source).desired
    assert again.state == loaded.desired.state
    assert again.machines == loaded.desired.machines


def test_a_picture_of_one_machine_names_the_others() -> None:
    picture = build(of_file(load((HOSTS + LAB).encode(), "lab.yaml", choose=lambda *_: "rack2")))
    others = {thing.name for thing in picture.things if thing.kind == "machine"}
    assert others == {"rack1", "rack3"}


def test_errors() -> None:
    lacking = HOSTS.replace(f", public_key: {KEYS[2]}", "") + LAB
    assert problems(lacking) == [
        "needs-public-key: machine rack3 has no `public_key`, which the tunnels need because of"
        " `wireguard: true`."
    ]
    assert not load(lacking.replace("{wireguard: true}", "{}").encode(), "l.yaml").warnings
    assert problems(HOSTS.replace(KEYS[2], KEYS[0]) + LAB) == [
        "public-key-twice: the machines rack1 and rack3 have the same public key."
    ]
    assert problems(HOSTS.replace(KEYS[2], "nonsense") + LAB)[0].startswith("bad-wireguard-key")
    taken = "\n  host.rack1: {interfaces: {lab-wg: {kind: dummy}}}"
    block = LAB.replace("{a:", "\n  a:").replace("}, b", "}\n  b").replace("}, c", "}\n  c")
    block = block.replace("}, d", "}\n  d").replace("rack3}}", "rack3}")
    assert problems(HOSTS + block.replace("\nlinks", f"{taken}\nlinks")) == [
        "name-twice: host.rack1:lab-wg has the name of the WireGuard interface of the tunnels."
    ]


def test_the_private_key_must_be_that_of_the_public_key() -> None:
    (link,) = of_kind(part("rack1"), Wireguard)
    (question,) = link.questions
    assert isinstance(question, KeyFile)
    assert question.is_strict
    assert not [*link.refuse_answers({question: Answer(secret=Secret(SECRETS[0]))})]
    (wrong,) = link.refuse_answers({question: Answer(secret=Secret(SECRETS[1]))})
    assert wrong.code == "wrong-private-key"
    assert KEYS[0] in wrong.what and KEYS[1] in wrong.what
