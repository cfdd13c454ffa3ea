"""Devices whose other end is a program: tap carries frames, tun packets (drivers/net/tun.c)."""

import errno
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Self

from netorch.immutable import replace
from netorch.kinds.base.standalone import Attribute, StandaloneLink
from netorch.netlink.attribute_types import FLAG, U32
from netorch.netlink.codec import cstring
from netorch.netlink.constants import IFLA_IFALIAS
from netorch.state.registry import observed
from netorch.values.requests import (
    AltnameAdd,
    Answer,
    Feature,
    GroupNumber,
    Question,
    Request,
    TunAdd,
    TunSet,
    UserNumber,
)
from netorch.values.snapshot import LinkRecord

IFLA_TUN_OWNER, IFLA_TUN_GROUP, IFLA_TUN_TYPE, IFLA_TUN_MULTI_QUEUE = 1, 2, 3, 7
IFF_TUN, IFF_TAP = 1, 2

NOBODY = 2**32 - 1
_NO_DEVICE = frozenset((errno.ENOENT, errno.EACCES, errno.EPERM))
_NO_DRIVER = frozenset((errno.ENODEV, errno.ENXIO, errno.EOPNOTSUPP))
_REMEDY = (
    "Load the module (`modprobe tun`). If the device file is missing, make it "
    "(`mkdir -p /dev/net && mknod /dev/net/tun c 10 200`). Give a container the device "
    "(`--device /dev/net/tun`)."
)


class TunTap(StandaloneLink):
    """A tap or tun device.

    Packet information and the virtio header are not managed, because the program that opens the
    device chooses them.
    """

    CONFIG: ClassVar[tuple[str, str]] = ("CONFIG_TUN", "tun")
    TYPE: ClassVar[int] = IFF_TUN
    ATTRIBUTES: ClassVar[tuple[Attribute, ...]] = (
        Attribute("owner", IFLA_TUN_OWNER, U32, live=True),
        Attribute("users", IFLA_TUN_GROUP, U32, live=True, word="group"),
        Attribute("multi_queue", IFLA_TUN_MULTI_QUEUE, FLAG),
    )
    owner: int | str | None = None
    """The user who may use the device: a number, or a name until netorch looks up the number."""
    users: int | str | None = None
    """The group that may use the device (`group` in the file): a number, or a name until netorch
    looks up the number.
    """
    multi_queue: bool = False

    @classmethod
    def kernel_features(cls) -> tuple[Feature, ...]:
        probe = (
            TunAdd(
                netns="",
                name="probe0",
                tap=cls.TYPE == IFF_TAP,
                multi_queue=False,
                owner=None,
                group=None,
            ),
        )
        return (
            Feature(f"{cls.KIND} links", *cls.CONFIG, probe, _NO_DRIVER),
            Feature(
                what="usable /dev/net/tun",
                config="",
                module="",
                probe=probe,
                lacking=_NO_DEVICE,
                remedy=_REMEDY,
            ),
        )

    @property
    def questions(self) -> tuple[Question, ...]:
        asked: list[Question] = (
            [UserNumber(self.owner, "owner")] if isinstance(self.owner, str) else []
        )
        return (
            (*asked, GroupNumber(self.users, "group"))
            if isinstance(self.users, str)
            else tuple(asked)
        )

    def with_answers(self, answers: Mapping[Question, Answer]) -> Self:
        owner = (
            answers[UserNumber(self.owner, "owner")].value
            if isinstance(self.owner, str)
            else self.owner
        )
        users = (
            answers[GroupNumber(self.users, "group")].value
            if isinstance(self.users, str)
            else self.users
        )
        return replace(self, owner=owner, users=users)

    @classmethod
    def links(cls) -> frozenset[str]:
        return frozenset(("tun",))

    @classmethod
    def recognises(cls, link: LinkRecord) -> bool:
        return link.kind == "tun" and link.data.get(IFLA_TUN_TYPE) == bytes((cls.TYPE,))

    def create(self) -> Iterator[Request]:
        attrs = (*self.basic_attrs(), (IFLA_IFALIAS, cstring(self.alias)))
        yield TunAdd(
            netns=self.netns,
            name=self.name,
            tap=self.TYPE == IFF_TAP,
            multi_queue=self.multi_queue,
            owner=self.owner,
            group=self.users,
            attrs=attrs,
        )
        if self.altname:
            yield AltnameAdd(self.netns, self.name, self.altname)

    def update(self, before: Self) -> Sequence[Request] | None:
        # an owner or group can be changed but not removed, because TUNSETOWNER does not take -1
        removed = (self.owner is None and before.owner is not None) or (
            self.users is None and before.users is not None
        )
        if self.multi_queue != before.multi_queue or removed:
            return None
        requests = self.changed(before)
        owner, users = (
            None if mine == theirs else mine
            for mine, theirs in ((self.owner, before.owner), (self.users, before.users))
        )
        if owner is not None or users is not None:
            requests.append(
                TunSet(
                    netns=self.netns,
                    name=self.name,
                    tap=self.TYPE == IFF_TAP,
                    multi_queue=self.multi_queue,
                    owner=owner,
                    group=users,
                )
            )
        return requests


@observed
class Tap(TunTap):
    KIND: ClassVar[str] = "tap"
    MTUS: ClassVar[tuple[int, int]] = (68, 65521)
    TYPE: ClassVar[int] = IFF_TAP


@observed
class Tun(TunTap):
    KIND: ClassVar[str] = "tun"
    HAS_MAC: ClassVar[bool] = False
    QUEUE: ClassVar[int] = 500
