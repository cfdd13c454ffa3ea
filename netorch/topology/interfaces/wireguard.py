"""The keys of a WireGuard interface."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from netorch.kinds.base.link import LinkFields
from netorch.kinds.base.standalone import StandaloneLink
from netorch.kinds.peer import WireguardKey
from netorch.kinds.wireguard import MTU, Wireguard
from netorch.language.model import Before, Field, after
from netorch.language.scalars import U32, empty_list, integer, wrong
from netorch.state.resource import Resource
from netorch.topology.interfaces.peer import KeyPath, PeerModel
from netorch.topology.interfaces.standalone import StandaloneModel


class WireguardModel(StandaloneModel):
    """A WireGuard interface: an encrypted tunnel to peers, which are identified by their keys."""

    MAKES: ClassVar[type[StandaloneLink]] = Wireguard
    kind: Literal["wireguard"] = "wireguard"
    private_key_file: KeyPath | None = Field(
        None,
        description="File with its private key, as `wg genkey` writes it. A relative path starts at"
        " the folder of the topology file (none).",
    )
    listen_port: Annotated[int, Before(integer(0, 65535))] = Field(
        0, description="UDP port (0, the kernel chooses one)."
    )
    fwmark: U32 = Field(
        0, description="Firewall mark of the packets that it sends, for `rules` (0, none)."
    )
    peers: list[PeerModel] = Field(
        default_factory=empty_list, description="Peers of the interface."
    )

    @after
    def _distinct_peers(self) -> Self:
        seen: set[str] = set()
        owners: dict[object, str] = {}
        for peer in self.peers:
            if peer.public_key in seen:
                wrong(f"the peer {peer.public_key} appears twice: remove one of them")
            seen.add(peer.public_key)
            for subnet in peer.allowed_ips:
                if (other := owners.setdefault(subnet, peer.public_key)) != peer.public_key:
                    wrong(
                        f"{subnet} is in the `allowed_ips` of two peers, {other} and"
                        f" {peer.public_key}: a packet can go to only one of them"
                    )
        return self

    def default_mtu(self, parent: int | None) -> int:
        return MTU

    def link(self, fields: LinkFields, parent: tuple[str, str] | None) -> Wireguard:
        key = None if self.private_key_file is None else WireguardKey(self.private_key_file)
        return Wireguard(
            **fields, private_key=key, listen_port=self.listen_port, fwmark=self.fwmark
        )

    def child_resources(
        self, link: StandaloneLink
    ) -> Iterator[tuple[Resource, tuple[str | int, ...]]]:
        for index, model in enumerate(self.peers):
            yield model.peer(link.netns, link.name), ("peers", index)
