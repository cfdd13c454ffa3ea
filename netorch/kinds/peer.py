"""A peer of a WireGuard interface, and what a key is (linux/wireguard.h)."""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import PurePath
from typing import Annotated, ClassVar, NamedTuple, Self

from pydantic import BeforeValidator, Field, PlainValidator

from netorch.immutable import Value, replace
from netorch.kinds.base.link import link_key
from netorch.language.scalars import Model, Subnet, empty_list, integer, one_or_many, wrong
from netorch.language.schema_shapes import IPV4, IPV6, PORT, accepts, text
from netorch.state.key import Key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Resource
from netorch.values.requests import (
    Answer,
    KeyFile,
    Question,
    Request,
    WireguardPeerDel,
    WireguardPeerSet,
)
from netorch.values.secret import Secret

KEY_SIZE = 32
_PLAIN = str.maketrans("+/", "-_")
NO_KEY = Secret(bytes(KEY_SIZE))
UNSEEN = Secret(b"")
"""Of a file that nobody has looked into, as where two files are compared: the kernel takes no such key."""


class WireguardKey(Value):
    """A key by the file that holds it, and itself once somebody has looked; as read from the kernel it has no file."""

    file: str = ""
    secret: Secret | None = None

    def __eq__(self, other: object) -> bool:
        """By the keys, or by the files where nobody has looked into either."""
        if not isinstance(other, WireguardKey):
            return NotImplemented
        return self.secret == other.secret and (self.secret is not None or self.file == other.file)

    def __hash__(self) -> int:
        return hash(WireguardKey)

    def __str__(self) -> str:
        return self.file or "(secret)"


def key_from_kernel(secret: Secret | None) -> WireguardKey | None:
    return None if secret is None else WireguardKey("", secret)


def key_from_answers(
    key: WireguardKey | None, question: KeyFile | None, answers: Mapping[Question, Answer]
) -> WireguardKey | None:
    return key if key is None or question is None else replace(key, secret=answers[question].secret)


def key_in_file_words(
    key: WireguardKey | None, asked: WireguardKey | None, folder: str, made_up: str, what: str
) -> tuple[WireguardKey | None, str]:
    """A key with its file; with the warning that it is in none, and one made up, if that of `asked` holds another."""
    if key is None:
        return None, ""
    if asked is not None and asked == key:
        return replace(key, file=str(PurePath(folder, asked.file))), ""
    return replace(
        key, file=made_up
    ), f"{what} is in no file that netorch knows: put it into {made_up} before you apply this"


class Endpoint(NamedTuple):
    """Where a peer is reached. `address` is as `ipaddress` spells it, without brackets."""

    address: str
    port: int

    @classmethod
    def of(cls, packed: tuple[bytes, int]) -> Self:
        """The one that the kernel has, or is told, as packed address and port."""
        return cls(str(ip_address(packed[0])), packed[1])

    def __str__(self) -> str:
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else f"{self.address}:{self.port}"
        )


AllowedIps = tuple[tuple[bytes, int], ...]
"""Subnets as (packed address, prefix length): IPv4 before IPv6, each once."""


def peer_key(netns: str, link: str, public_key: str) -> Key:
    return Key("peer", netns, link, public_key)


@observed
class Peer(NoForeignObjects, Resource):
    """`endpoint` is None where the file gives none. `met`: there was a handshake, as read from the kernel.

    An endpoint moves with its peer: it is where the last packet came from that only the peer can have sent. So after a handshake the
    kernel knows better than the file, and what the file says counts when it says something new.
    """

    # counters and the time of the last handshake are the kernel's
    KIND: ClassVar[str] = "peer"
    HINTS: ClassVar[tuple[str, ...]] = ("met",)
    netns: str
    link: str
    public_key: str
    preshared_key: WireguardKey | None = None
    endpoint: Endpoint | None = None
    allowed_ips: AllowedIps = ()
    keepalive: int = 0
    met: bool = False

    @property
    def key(self) -> Key:
        return peer_key(self.netns, self.link, self.public_key)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return (link_key(self.netns, self.link),)

    @classmethod
    def links(cls) -> frozenset[str]:
        return frozenset(("wireguard",))

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for link in view.our_links:
            device = view.netns.wireguard.get(link.index)
            for peer in device.peers if device is not None else ():
                yield cls(
                    view.label,
                    link.name,
                    b64encode(peer.public_key).decode(),
                    key_from_kernel(peer.preshared_key),
                    None if peer.endpoint is None else Endpoint.of(peer.endpoint),
                    sort_subnets(peer.allowed),
                    peer.keepalive,
                    peer.handshake,
                )

    @property
    def _question(self) -> KeyFile | None:
        key = self.preshared_key
        return (
            KeyFile(key.file, "preshared_key_file", False)
            if key is not None and key.file and key.secret is None
            else None
        )

    @property
    def questions(self) -> tuple[Question, ...]:
        return () if self._question is None else (self._question,)

    def with_answers(self, answers: Mapping[Question, Answer]) -> Self:
        return replace(
            self, preshared_key=key_from_answers(self.preshared_key, self._question, answers)
        )

    def adapt_to(self, before: Resource, last: Callable[[], Resource | None]) -> Self:
        assert isinstance(before, Peer)
        found = (
            replace(self, preshared_key=before.preshared_key)
            if self.preshared_key == before.preshared_key
            else self
        )
        if self.endpoint is None or self.endpoint == before.endpoint or not before.met:
            # what the file does not give is the kernel's to learn
            return found if self.endpoint is not None else replace(found, endpoint=before.endpoint)
        asked = last()
        same = isinstance(asked, Peer) and asked.endpoint == self.endpoint
        return replace(found, endpoint=before.endpoint) if same else found

    def in_file_words(self, asked: Resource | None, folder: str) -> tuple[Resource, str]:
        other = asked.preshared_key if isinstance(asked, Peer) else None
        file = f"{label_text(self.netns)}-{self.link}-{self.public_key.translate(_PLAIN)[:8]}.psk"
        key, warning = key_in_file_words(
            self.preshared_key, other, folder, file, f"the preshared key of {self.title()}"
        )
        return replace(self, preshared_key=key), warning

    def create(self) -> Iterable[Request]:
        return (self._set(type(self)(self.netns, self.link, self.public_key), known=False),)

    def update(self, before: Self) -> Sequence[Request] | None:
        return [self._set(before, known=True)]

    def _set(self, before: Self, known: bool) -> WireguardPeerSet:
        return WireguardPeerSet(
            self.netns,
            self.link,
            b64decode(self.public_key),
            known,
            None
            if self.preshared_key == before.preshared_key
            else secret_for_kernel(self.preshared_key),
            None if self.endpoint in (None, before.endpoint) else _packed(self.endpoint),
            None if self.keepalive == before.keepalive else self.keepalive,
            None if self.allowed_ips == before.allowed_ips else self.allowed_ips,
            "" if self.preshared_key is None else self.preshared_key.file,
        )

    def delete(self) -> Iterable[Request]:
        return (WireguardPeerDel(self.netns, self.link, b64decode(self.public_key)),)

    def attributes(self) -> Mapping[str, str]:
        said = {
            "endpoint": "" if self.endpoint is None else str(self.endpoint),
            "allowed_ips": ", ".join(map(subnet_text, self.allowed_ips)),
        }
        if self.keepalive:
            said["keepalive"] = str(self.keepalive)
        if self.preshared_key is not None:
            said["preshared_key_file"] = str(self.preshared_key)
        return {name: text for name, text in said.items() if text}

    def default_text(self, name: str) -> str | None:
        return "0" if name == "keepalive" else "none"

    def title(self) -> str:
        return f"peer {label_text(self.netns)}/{self.link} {self.public_key}"


def secret_for_kernel(key: WireguardKey | None) -> Secret:
    """What the kernel is told: zeros for no key."""
    return NO_KEY if key is None else key.secret or UNSEEN


def sort_subnets(subnets: Iterable[tuple[bytes, int]]) -> AllowedIps:
    """The one order by which lists of subnets are compared."""
    return tuple(sorted(set(subnets), key=lambda subnet: (len(subnet[0]), subnet)))


def subnet_text(subnet: tuple[bytes, int]) -> str:
    """A subnet as a person reads it, such as 10.0.0.0/8."""
    return f"{ip_address(subnet[0])}/{subnet[1]}"


def _packed(endpoint: Endpoint | None) -> tuple[bytes, int] | None:
    return None if endpoint is None else (ip_address(endpoint.address).packed, endpoint.port)


@accepts(
    text(
        "(?!A{43}=$)[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=",
        "public key as `wg pubkey` prints it: 44 letters that end in =",
    )
)
def key_text(value: object) -> str:
    """A key as `wg pubkey` prints it."""
    text = str(value)
    try:
        key = b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_SIZE or b64encode(key).decode() != text:
        wrong(
            f"{text!r} is not a public key: `wg pubkey` prints one, 44 letters that end in =",
            "bad-wireguard-key",
        )
    if not any(key):
        wrong("a public key of zeros is nobody's", "bad-wireguard-key")
    return text


@accepts(
    text(
        rf"(?:{IPV4}|\[{IPV6}\]):{PORT}",
        "endpoint such as 192.0.2.1:51820 or [2001:db8::1]:51820",
        "192.0.2.1:51820",
    )
)
def address_and_port(value: object) -> Endpoint:
    """An address with a port. Names are not looked up: one file would mean different things on different days."""
    text = str(value)
    address, colon, port = text.rpartition(":")
    bracketed = address.startswith("[") and address.endswith("]")
    try:
        found = ip_address(address[1:-1] if bracketed else address)
    except ValueError:
        wrong(
            f"{text!r} is not an endpoint such as 192.0.2.1:51820 or [2001:db8::1]:51820; a host's name is not looked up",
            "bad-address",
        )
    if (found.version == 6) != bracketed or not colon or "%" in address:
        wrong(
            f"{text!r} is not an endpoint such as 192.0.2.1:51820 or [2001:db8::1]:51820",
            "bad-address",
        )
    if found.is_unspecified or found.is_multicast:
        wrong(f"{text!r}: nobody answers at {found}", "bad-address")
    return Endpoint(str(found), integer(1, 65535)(port))


@accepts(
    text(
        r"(?![A-Za-z0-9+/]{40,44}={0,2}$)(?:[^$\x00-\x1f\x7f]|\$\$)*[^/\x00-\x1f\x7f]",
        "path of a file with a key",
        "wireguard/private.key",
    )
)
def key_file(value: object) -> str:
    """The path of a file with a key."""
    if not isinstance(value, str) or not value or not value.isprintable() or value.endswith("/"):
        wrong("this is not a path of a key file", "bad-wireguard-key")
    if re.fullmatch(r"[A-Za-z0-9+/]{40,44}={0,2}", value):
        wrong(
            "this looks like a key itself: keys stand in files, and here the path of one",
            "bad-wireguard-key",
        )
    return value


KeyPath = Annotated[str, BeforeValidator(key_file)]


class PeerModel(Model):
    """Somebody that a WireGuard interface speaks with."""

    public_key: Annotated[str, BeforeValidator(key_text)] = Field(
        description="The peer's public key, as `wg pubkey` prints it."
    )
    endpoint: Annotated[Endpoint, PlainValidator(address_and_port)] | None = Field(
        None, description="Where it is at first, `ADDRESS:PORT` (wherever it is heard from)."
    )
    allowed_ips: Annotated[list[Subnet], BeforeValidator(one_or_many)] = Field(
        default_factory=empty_list,
        description="What is sent to it, and what it may send as; routes are not made of them.",
    )
    keepalive: Annotated[int, BeforeValidator(integer(0, 65535))] = Field(
        0, description="Seconds of silence after which it sends something (0, never)."
    )
    preshared_key_file: KeyPath | None = Field(
        None, description="File with a second key, which both ends share (none)."
    )

    def peer(self, netns: str, link: str) -> Peer:
        return Peer(
            netns,
            link,
            self.public_key,
            None if self.preshared_key_file is None else WireguardKey(self.preshared_key_file),
            self.endpoint,
            sort_subnets(
                (subnet.network_address.packed, subnet.prefixlen) for subnet in self.allowed_ips
            ),
            self.keepalive,
        )
