"""WireGuard interfaces: encrypted tunnels to peers with known keys (drivers/net/wireguard)."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

from netorch.immutable import replace
from netorch.kinds.base.curve25519 import public_key
from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.peer import (
    WireguardKey,
    key_from_answers,
    key_from_kernel,
    key_in_file_words,
    peer_key,
    secret_for_kernel,
)
from netorch.state.key import label_text
from netorch.state.registry import View, observed
from netorch.state.resource import Obstacle, Resource, State
from netorch.values.requests import Answer, KeyFile, Question, Request, WireguardSet
from netorch.values.snapshot import LinkRecord, Snapshot

HEADERS = {4: 60, 6: 80}
"""IP version of the outer packets → the bytes of the headers of IP, UDP and WireGuard."""

MTU = 1420
"""The default MTU: 1500 bytes less the headers of IPv6, UDP and WireGuard."""


@observed
class Wireguard(StandaloneLink):
    """A WireGuard interface. It has no public key, which follows from the private one."""

    KIND: ClassVar[str] = "wireguard"
    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_WIREGUARD", "wireguard")
    HAS_MAC: ClassVar[bool] = False
    UNIQUE: ClassVar[tuple[str, ...]] = ("listen_port",)
    HINTS: ClassVar[tuple[str, ...]] = ("public_key",)
    private_key: WireguardKey | None = None
    listen_port: int = 0
    """The UDP port. With 0 the kernel chooses one when the link comes up."""
    fwmark: int = 0
    public_key: str = ""
    """The public key that the private one must have, because the other machines of the topology
    expect it; "" for any. Then the file of the private key must not be readable by everybody.
    """

    @property
    def claim(self) -> tuple[object, ...] | None:
        return (self.KIND, self.netns, self.listen_port) if self.listen_port else None

    @classmethod
    def read(cls, view: View, link: LinkRecord) -> dict[str, Any]:
        device = view.netns.wireguard.get(link.index)
        if device is None:
            return {}
        return {
            "private_key": key_from_kernel(device.private_key),
            "listen_port": device.listen_port,
            "fwmark": device.fwmark,
        }

    @property
    def _question(self) -> KeyFile | None:
        key = self.private_key
        return (
            KeyFile(key.file, "private_key_file", True, bool(self.public_key))
            if key is not None and key.file and key.secret is None
            else None
        )

    @property
    def questions(self) -> tuple[Question, ...]:
        return () if self._question is None else (self._question,)

    def with_answers(self, answers: Mapping[Question, Answer]) -> Self:
        return replace(
            self, private_key=key_from_answers(self.private_key, self._question, answers)
        )

    def refuse_answers(self, answers: Mapping[Question, Answer]) -> Iterator[Obstacle]:
        question = self._question
        secret = None if question is None else answers[question].secret
        if question is None or secret is None or not self.public_key:
            return
        own = b64encode(public_key(secret.reveal())).decode()
        if own != self.public_key:
            what = f"{question.path} has the public key {own}, but in `hosts` it is"
            remedy = (
                "Correct `public_key` in the file on all machines, or the key file on this one."
            )
            yield Obstacle("wrong-private-key", f"{what} {self.public_key}", remedy)

    def adapt_to(self, before: Resource, last: Callable[[], Resource | None]) -> Self:
        if not isinstance(before, Wireguard):
            return self
        adapted = (
            replace(self, private_key=before.private_key)
            if self.private_key == before.private_key
            else self
        )
        return adapted if self.listen_port else replace(adapted, listen_port=before.listen_port)

    def in_file_words(self, asked: Resource | None, folder: str) -> tuple[Resource, str]:
        other = asked.private_key if isinstance(asked, Wireguard) else None
        key, warning = key_in_file_words(
            self.private_key,
            other,
            folder,
            f"{label_text(self.netns)}-{self.name}.key",
            f"the private key of {self.title()}",
        )
        return replace(self, private_key=key), warning

    def obstacles(self, snapshot: Snapshot, desired: State) -> Iterator[Obstacle]:
        # Linux leaves out a peer that has the public key of the interface itself, and reports no
        # error.
        if self.private_key is not None and self.private_key.secret is not None:
            own = b64encode(public_key(self.private_key.secret.reveal())).decode()
            if peer_key(self.netns, self.name, own) in desired:
                what = f"its peer {own} is itself: this is the public key of its own private key"
                yield Obstacle("peer-is-self", what, "Name the other end's public key.")

    def create(self) -> Iterator[Request]:
        yield from StandaloneLink.create(self)
        yield from self._settings(replace(self, private_key=None, listen_port=0, fwmark=0))

    def update(self, before: Self) -> Sequence[Request] | None:
        return [*self.changed(before), *self._settings(before)]

    def _settings(self, before: Self) -> Iterator[Request]:
        settings = WireguardSet(
            netns=self.netns,
            name=self.name,
            private_key=None
            if self.private_key == before.private_key
            else secret_for_kernel(self.private_key),
            listen_port=None if self.listen_port == before.listen_port else self.listen_port,
            fwmark=None if self.fwmark == before.fwmark else self.fwmark,
            private_key_file="" if self.private_key is None else self.private_key.file,
        )
        if settings != WireguardSet(self.netns, self.name):
            yield settings

    def own(self) -> Mapping[str, str]:
        key = {} if self.private_key is None else {"private_key_file": str(self.private_key)}
        return key | {
            name: str(value) for name in ("listen_port", "fwmark") if (value := getattr(self, name))
        }

    def default_text(self, name: str) -> str | None:
        return "none" if name == "private_key_file" else StandaloneLink.default_text(self, name)
