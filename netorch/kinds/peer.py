"""Peers of WireGuard interfaces, and WireGuard keys (linux/wireguard.h)."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import ClassVar, NamedTuple, Self

from netorch.immutable import Value, replace
from netorch.kinds.base.link import link_key
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
UNREAD = Secret(b"")
"""Stands for the key in a file that netorch has not read, as when it compares two topology files.

It is never sent to the kernel, which would refuse it.
"""


class WireguardKey(Value):
    """A secret WireGuard key, which a file holds."""

    file: str = ""
    """The path of the file; "" for a key that was read from the kernel."""
    secret: Secret | None = None
    """The key itself, or None before the file is read."""

    def __eq__(self, other: object) -> bool:
        """Compare the keys or, if neither file has been read, the paths of the files."""
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
    key: WireguardKey | None, asked: WireguardKey | None, folder: str, new_file: str, what: str
) -> tuple[WireguardKey | None, str]:
    """Return the key with the path of its file, and a warning or "".

    The file is that of `asked`, the key in the file that was applied last, if it holds this key.
    Otherwise it is `new_file`, and the warning says that the user has to write it.
    """
    if key is None:
        return None, ""
    if asked is not None and asked == key:
        from pathlib import PurePath

        return replace(key, file=str(PurePath(folder, asked.file))), ""
    return replace(
        key, file=new_file
    ), f"{what} is in no file that netorch knows: put it into {new_file} before you apply this"


class Endpoint(NamedTuple):
    """The address and the UDP port of a peer."""

    address: str
    """The address as `ipaddress` writes it, without brackets."""
    port: int

    @classmethod
    def of(cls, packed: tuple[bytes, int]) -> Self:
        """Return the endpoint for the packed address and the port in a kernel message."""
        return cls(str(ip_address(packed[0])), packed[1])

    def __str__(self) -> str:
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else f"{self.address}:{self.port}"
        )


AllowedIps = tuple[tuple[bytes, int], ...]
"""Subnets as (packed address, prefix length), IPv4 before IPv6, without duplicates."""


def peer_key(netns: str, link: str, public_key: str) -> Key:
    return Key("peer", netns, link, public_key)


@observed
class Peer(NoForeignObjects, Resource):
    """A peer of a WireGuard interface.

    The kernel changes the endpoint when the peer moves: it takes the source of the last packet that
    only the peer can have sent. So after a handshake netorch keeps the kernel's endpoint, unless
    the file has changed its own. Counters and the time of the last handshake are not compared.
    """

    KIND: ClassVar[str] = "peer"
    HINTS: ClassVar[tuple[str, ...]] = ("had_handshake",)
    netns: str
    link: str
    public_key: str
    preshared_key: WireguardKey | None = None
    endpoint: Endpoint | None = None
    """The endpoint, or None if the file gives none."""
    allowed_ips: AllowedIps = ()
    keepalive: int = 0
    had_handshake: bool = False
    """Whether there was a handshake, as read from the kernel."""

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
        adapted = (
            replace(self, preshared_key=before.preshared_key)
            if self.preshared_key == before.preshared_key
            else self
        )
        if self.endpoint is None or self.endpoint == before.endpoint or not before.had_handshake:
            # If the file has no endpoint, netorch accepts the one that the kernel has.
            return (
                adapted if self.endpoint is not None else replace(adapted, endpoint=before.endpoint)
            )
        asked = last()
        same = isinstance(asked, Peer) and asked.endpoint == self.endpoint
        return replace(adapted, endpoint=before.endpoint) if same else adapted

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
        attributes = {
            "endpoint": "" if self.endpoint is None else str(self.endpoint),
            "allowed_ips": ", ".join(map(subnet_text, self.allowed_ips)),
        }
        if self.keepalive:
            attributes["keepalive"] = str(self.keepalive)
        if self.preshared_key is not None:
            attributes["preshared_key_file"] = str(self.preshared_key)
        return {name: text for name, text in attributes.items() if text}

    def default_text(self, name: str) -> str | None:
        return "0" if name == "keepalive" else "none"

    def title(self) -> str:
        return f"peer {label_text(self.netns)}/{self.link} {self.public_key}"


def secret_for_kernel(key: WireguardKey | None) -> Secret:
    """Return the key to send to the kernel, for which zeros mean that there is no key."""
    return NO_KEY if key is None else key.secret or UNREAD


def sort_subnets(subnets: Iterable[tuple[bytes, int]]) -> AllowedIps:
    """Return the subnets without duplicates and in the order in which lists are compared."""
    return tuple(sorted(set(subnets), key=lambda subnet: (len(subnet[0]), subnet)))


def subnet_text(subnet: tuple[bytes, int]) -> str:
    """Return the text for a subnet, such as 10.0.0.0/8."""
    return f"{ip_address(subnet[0])}/{subnet[1]}"


def _packed(endpoint: Endpoint | None) -> tuple[bytes, int] | None:
    return None if endpoint is None else (ip_address(endpoint.address).packed, endpoint.port)
