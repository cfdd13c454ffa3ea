"""WireGuard without a kernel: messages, errors in files, changes, and keys that stay secret."""

from __future__ import annotations

import copy
import json
import pickle
import socket
from base64 import b64encode
from ipaddress import ip_address
from typing import Any

import pytest
import yaml
from pyroute2.netlink.generic.wireguard import wgmsg

from netorch.errors import FileError
from netorch.immutable import replace
from netorch.kinds.base.curve25519 import public_key
from netorch.kinds.base.link import link_key
from netorch.kinds.peer import Endpoint, Peer, WireguardKey, peer_key, subnet_text
from netorch.kinds.wireguard import Wireguard
from netorch.netlink import wireguard as wg
from netorch.netlink.codec import Message, attr, nested, u16, u32
from netorch.netlink.genl import HEADER_SIZE, family_number, header
from netorch.render.topology_file import topology
from netorch.resolve.loader import load
from netorch.state.planner import plan
from netorch.state.resource import Resource, State
from netorch.topology.interfaces.peer import address_and_port
from netorch.values.requests import (
    Answer,
    KeyFile,
    WireguardPeerDel,
    WireguardPeerSet,
    WireguardSet,
)
from netorch.values.secret import Secret
from netorch.values.snapshot import PeerRecord, WireguardRecord

KEYS = [bytes([number]) * 32 for number in range(1, 5)]
B, C = (b64encode(key).decode() for key in KEYS[1:3])
SECRET = Secret(KEYS[0])


def message(payload: bytes) -> Message:
    return (20, payload, 0, len(payload))


def by_pyroute2(payload: bytes) -> dict[str, Any]:
    size = 16 + len(payload)
    decoded = wgmsg((size).to_bytes(4, "little") + bytes(12) + payload)
    decoded.decode()
    return dict(decoded["attrs"])


# Messages


def test_a_device_as_pyroute2_reads_it() -> None:
    device = by_pyroute2(wg.set_device(WireguardSet("a", "wg0", Secret(KEYS[0]), 51820, 7)))
    assert device["WGDEVICE_A_IFNAME"] == "wg0"
    assert device["WGDEVICE_A_LISTEN_PORT"] == 51820 and device["WGDEVICE_A_FWMARK"] == 7
    assert b64encode(KEYS[0]) in str(device["WGDEVICE_A_PRIVATE_KEY"]).encode()
    assert "WGDEVICE_A_LISTEN_PORT" not in by_pyroute2(
        wg.set_device(WireguardSet("a", "wg0", fwmark=0))
    )


def test_a_peer_as_pyroute2_reads_it() -> None:
    endpoint = (ip_address("192.0.2.1").packed, 51820)
    request = WireguardPeerSet(
        "a",
        "wg0",
        KEYS[1],
        False,
        Secret(KEYS[2]),
        endpoint,
        25,
        ((ip_address("10.0.0.0").packed, 8),),
    )
    (payload,) = wg.set_peer(request)
    (peer,) = by_pyroute2(payload)["WGDEVICE_A_PEERS"]
    attrs = dict(peer["attrs"])
    assert (
        attrs["WGPEER_A_ENDPOINT"]["addr"] == "192.0.2.1"
        and attrs["WGPEER_A_ENDPOINT"]["port"] == 51820
    )
    assert attrs["WGPEER_A_FLAGS"] == wg.WGPEER_F_REPLACE_ALLOWEDIPS
    assert attrs["WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL"] == 25
    assert "10.0.0.0/8" in str(attrs["WGPEER_A_ALLOWEDIPS"])


def test_a_list_that_does_not_fit_continues_in_the_next_message() -> None:
    allowed = tuple((ip_address(f"fd00::{number:x}").packed, 128) for number in range(1, 1202))
    payloads = [*wg.set_peer(WireguardPeerSet("a", "wg0", KEYS[1], allowed=allowed))]
    assert len(payloads) == 3
    assert all(len(payload) < 32768 for payload in payloads)
    # the kernel's dump has the same form, so that these messages read back as one peer
    assert wg.device(map(message, payloads)).peers == (PeerRecord(KEYS[1], allowed=allowed),)
    flags = [
        dict(by_pyroute2(payload)["WGDEVICE_A_PEERS"][0]["attrs"])["WGPEER_A_FLAGS"]
        for payload in payloads
    ]
    assert flags == [
        wg.WGPEER_F_REPLACE_ALLOWEDIPS,
        wg.WGPEER_F_UPDATE_ONLY,
        wg.WGPEER_F_UPDATE_ONLY,
    ]


def test_a_dump_of_several_messages() -> None:
    in6 = (
        u16(socket.AF_INET6)
        + (51820).to_bytes(2, "big")
        + bytes(4)
        + ip_address("2001:db8::1").packed
        + bytes(4)
    )
    first = nested(
        0,
        attr(wg.WGPEER_A_PUBLIC_KEY, KEYS[1]),
        attr(wg.WGPEER_A_PRESHARED_KEY, bytes(32)),
        attr(wg.WGPEER_A_ENDPOINT, in6),
        attr(wg.WGPEER_A_LAST_HANDSHAKE_TIME, u32(5) + bytes(12)),
    )
    second = nested(
        0, attr(wg.WGPEER_A_PUBLIC_KEY, KEYS[2]), attr(wg.WGPEER_A_LAST_HANDSHAKE_TIME, bytes(16))
    )
    dump = [
        header(0)
        + attr(wg.WGDEVICE_A_PRIVATE_KEY, KEYS[0])
        + attr(wg.WGDEVICE_A_LISTEN_PORT, u16(7))
        + nested(wg.WGDEVICE_A_PEERS, first),
        header(0) + nested(wg.WGDEVICE_A_PEERS, second),
    ]
    assert wg.device(map(message, dump)) == WireguardRecord(
        SECRET,
        7,
        0,
        (
            PeerRecord(KEYS[1], None, (ip_address("2001:db8::1").packed, 51820), 0, True),
            PeerRecord(KEYS[2]),
        ),
    )
    assert wg.device([]) == WireguardRecord()


def test_the_number_of_a_family() -> None:
    assert family_number([message(header(1) + attr(1, u16(33)))]) == 33
    assert family_number([]) is None
    assert len(header(0)) == HEADER_SIZE


def test_public_keys() -> None:
    """RFC 7748, section 6.1."""
    for private, public in (
        (
            "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        ),
        (
            "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        ),
    ):
        assert public_key(bytes.fromhex(private)).hex() == public


# Files


def state(words: str) -> State:
    return load(
        f"name: t\nnodes: {{a: {{interfaces: {{wg0: {{kind: wireguard, {words}}}}}}}}}".encode(),
        "t.yaml",
    ).desired.state


def wireguard(words: str) -> Wireguard:
    resource = state(words)[link_key("a", "wg0")]
    assert isinstance(resource, Wireguard)
    return resource


def peer(words: str) -> Peer:
    resource = state(f"peers: [{{public_key: {B}, {words}}}]")[peer_key("a", "wg0", B)]
    assert isinstance(resource, Peer)
    return resource


@pytest.mark.parametrize(
    ("words", "message_part"),
    [
        ("peers: [{public_key: abc}]", "'abc' is not a public key"),
        (f"peers: [{{public_key: {b64encode(bytes(32)).decode()}}}]", "a public key of zeros"),
        (f"peers: [{{public_key: {B}}}, {{public_key: {B}}}]", f"the peer {B} appears twice"),
        (
            f"peers: [{{public_key: {B}, allowed_ips: 10.0.0.1}},"
            f" {{public_key: {C}, allowed_ips: 10.0.0.1/32}}]",
            "10.0.0.1/32 is in the `allowed_ips` of two peers",
        ),
        (f"peers: [{{public_key: {B}, allowed_ips: 10.0.0.1/24}}]", "bits set to the right"),
        (
            f"peers: [{{public_key: {B}, endpoint: 'example.org:7'}}]",
            "netorch does not look up host names",
        ),
        (f"peers: [{{public_key: {B}, endpoint: '2001:db8::1:7'}}]", "is not an endpoint"),
        (f"peers: [{{public_key: {B}, endpoint: '192.0.2.1'}}]", "is not an endpoint"),
        (f"peers: [{{public_key: {B}, endpoint: '192.0.2.1:0'}}]", "0 is not between 1 and 65535"),
        (
            f"peers: [{{public_key: {B}, endpoint: '0.0.0.0:5'}}]",
            "0.0.0.0 is not the address of a host",
        ),
        (f"private_key_file: {B}", "this looks like a key itself"),
        (
            "listen_port: 5}, wg1: {kind: wireguard, listen_port: 5",
            "a:wg1 and a:wg0 have the same `listen_port`",
        ),
        ("private_key_file: ''", "not a path of a key file"),
        ("private_key: x", "Did you mean 'private_key_file'?"),
        ("listen_port: 70000", "70000 is not between 0 and 65535"),
        ("mac: '02:00:00:00:00:01'", "has no MAC of its own"),
        ("peers: [{endpoint: '192.0.2.1:5'}]", "public_key"),
    ],
)
def test_wrong_words(words: str, message_part: str) -> None:
    with pytest.raises(FileError) as caught:
        state(words)
    assert message_part in str(caught.value)
    if "private_key_file" in words:
        assert B not in str(caught.value)


def test_files_are_compared_by_the_names_of_their_key_files() -> None:
    key = link_key("a", "wg0")
    (step,) = plan(
        {key: wireguard("private_key_file: x.key")},
        {key: wireguard("private_key_file: y.key, listen_port: 5")},
    ).steps
    assert step.before is not None and step.after is not None
    assert list(step.requests())
    assert not plan(state("private_key_file: x.key"), state("private_key_file: x.key"))


# Comparing with the kernel


def answered(resource: Resource, secret: Secret) -> Any:
    return resource.with_answers(
        {question: Answer(secret=secret) for question in resource.questions}
    )


def test_a_key_is_read_from_its_file_and_compared_by_its_value() -> None:
    desired = wireguard("private_key_file: x.key")
    assert desired.questions == (KeyFile("x.key", "private_key_file", True),)
    with_key = answered(desired, SECRET)
    same, other = (replace(desired, private_key=WireguardKey("", Secret(key))) for key in KEYS[:2])
    assert not with_key.differs(same) and with_key.differs(other)
    assert with_key.adapt_to(same, lambda: None).attributes()["private_key_file"] == "(secret)"
    (changed,) = with_key.update(other)
    assert changed == WireguardSet("a", "wg0", SECRET, private_key_file="x.key")
    (removed,) = replace(with_key, private_key=None).update(same)
    assert removed == WireguardSet("a", "wg0", Secret(bytes(32)))


def test_a_port_that_the_kernel_chose_is_no_difference() -> None:
    desired, observed = wireguard("fwmark: 5"), wireguard("fwmark: 5, listen_port: 40000")
    assert not desired.adapt_to(observed, lambda: None).differs(observed)
    assert wireguard("listen_port: 5").adapt_to(observed, lambda: None).differs(observed)


@pytest.mark.parametrize(
    ("asked", "before", "had_handshake", "last", "differs"),
    [
        ("", "192.0.2.9:5", True, "", False),  # learned
        ("", "192.0.2.9:5", False, "", False),
        ("192.0.2.1:5", "192.0.2.1:5", True, "192.0.2.1:5", False),
        (
            "192.0.2.1:5",
            "192.0.2.9:5",
            True,
            "192.0.2.1:5",
            False,
        ),  # the peer moved, and the file is unchanged
        (
            "192.0.2.1:5",
            "192.0.2.9:5",
            False,
            "192.0.2.1:5",
            True,
        ),  # without a handshake: somebody changed it by hand
        ("192.0.2.1:5", "192.0.2.9:5", True, "192.0.2.2:5", True),  # the file has changed
        ("192.0.2.1:5", "192.0.2.9:5", True, None, True),  # the previous file is not known
        ("192.0.2.1:5", "", False, None, True),
    ],
)
def test_an_endpoint_moves_with_its_peer(
    asked: str, before: str, had_handshake: bool, last: str | None, differs: bool
) -> None:
    def at(text: str) -> Endpoint | None:
        return address_and_port(text) if text else None

    desired = replace(peer("keepalive: 5"), endpoint=at(asked))
    observed = replace(desired, endpoint=at(before), had_handshake=had_handshake)
    previous = None if last is None else replace(desired, endpoint=at(last))
    assert desired.adapt_to(observed, lambda: previous).differs(observed) is differs


def test_a_change_of_a_peer_has_only_what_differs() -> None:
    before = answered(
        peer("endpoint: '192.0.2.1:5', allowed_ips: [10.0.0.0/8], preshared_key_file: x"), SECRET
    )
    after = replace(before, keepalive=7)
    assert after.update(before) == [
        WireguardPeerSet("a", "wg0", KEYS[1], True, keepalive=7, preshared_key_file="x")
    ]
    assert replace(before, allowed_ips=()).update(before) == [
        WireguardPeerSet("a", "wg0", KEYS[1], True, allowed=(), preshared_key_file="x")
    ]
    assert replace(before, preshared_key=None).update(before) == [
        WireguardPeerSet("a", "wg0", KEYS[1], True, Secret(bytes(32)))
    ]
    assert list(before.delete()) == [WireguardPeerDel("a", "wg0", KEYS[1])]
    allowed = peer("allowed_ips: ['fd00::/8', 10.0.0.2, 10.0.0.0/24]").allowed_ips
    assert tuple(map(subnet_text, allowed)) == ("10.0.0.0/24", "10.0.0.2/32", "fd00::/8")


def test_the_live_state_as_a_file() -> None:
    words = (
        f"private_key_file: x.key, listen_port: 5, peers: [{{public_key: {B},"
        " preshared_key_file: y.psk, endpoint: '[2001:db8::1]:5', allowed_ips: [10.0.0.2]}]"
    )
    desired = {
        key: answered(resource, SECRET) if resource.questions else resource
        for key, resource in state(words).items()
    }
    observed = {
        key: replace(resource, private_key=WireguardKey("", SECRET))
        if isinstance(resource, Wireguard)
        else replace(resource, preshared_key=WireguardKey("", SECRET))
        if isinstance(resource, Peer)
        else resource
        for key, resource in desired.items()
    }
    named = {
        key: resource.in_file_words(desired[key], "/etc/lab") for key, resource in observed.items()
    }
    assert [warning for _, warning in named.values() if warning] == []
    text = topology("t", {key: resource for key, (resource, _) in named.items()})
    interface = yaml.safe_load(text)["nodes"]["a"]["interfaces"]["wg0"]
    assert interface["private_key_file"] == "/etc/lab/x.key"
    assert interface["peers"] == [
        {
            "public_key": B,
            "endpoint": "[2001:db8::1]:5",
            "preshared_key_file": "/etc/lab/y.psk",
            "allowed_ips": ["10.0.0.2/32"],
        }
    ]
    unnamed = [resource.in_file_words(None, "")[1] for resource in observed.values()]
    assert [warning for warning in unnamed if warning] == [
        "the private key of wireguard a/wg0 is in no file that netorch knows:"
        " put it into a-wg0.key before you apply this",
        f"the preshared key of peer a/wg0 {B} is in no file that netorch knows:"
        f" put it into a-wg0-{B[:8]}.psk before you apply this",
    ]


# Secrets


def test_a_secret_stays_secret() -> None:
    text = b64encode(KEYS[0]).decode()
    desired = answered(wireguard("private_key_file: x.key"), SECRET)
    for output in (
        repr(SECRET),
        str(SECRET),
        f"{SECRET}",
        repr(desired),
        repr(WireguardKey("", SECRET)),
        json.dumps(dict(desired.attributes())),
    ):
        assert text not in output and KEYS[0].hex() not in output
        assert repr(KEYS[0])[2:-1] not in output
    assert repr(SECRET) == "(secret)"
    for action in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            action(SECRET)
    assert Secret(KEYS[0]) == SECRET != Secret(KEYS[1])
    assert len({Secret(KEYS[0]), SECRET}) == 1
