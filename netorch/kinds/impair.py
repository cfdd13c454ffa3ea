"""What is wrong with a link in the direction that leaves by it: the root qdisc, netem or tbf (tc-netem(8), tc-tbf(8)).

It dies with its link and outlives down and up. A link of ours has no other mark for it: a netem or tbf at its root is ours.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from netorch.immutable import replace
from netorch.kinds.base.link import link_key
from netorch.language.impairment import Impairment
from netorch.netlink.qdisc import (
    TICK,
    Netem,
    burst_of,
    is_burst,
    netem_options,
    read_netem,
    read_tbf,
    tbf_options,
)
from netorch.state.key import Key, label_text
from netorch.state.registry import NoForeignObjects, View, observed
from netorch.state.resource import Disruption, Resource
from netorch.values.requests import Feature, QdiscDel, QdiscSet, Request
from netorch.values.snapshot import QdiscRecord

HEADERS = 18
"""Bytes of Ethernet and of a VLAN tag around a packet."""
LARGEST_MTU = 65535
"""What to be ready for where nobody knows."""
_U32_MAX = 2**32 - 1


def impair_key(netns: str, link: str) -> Key:
    return Key("impair", netns, link)


@observed
class Impair(NoForeignObjects, Resource):
    """`burst` and `queue`, in bytes, are tbf's: what is sent at once after a pause, and how much waits. `other`: options that no
    word of the file means.
    """

    # the distribution of a delay cannot be read back, and the handle is the kernel's choice
    KIND: ClassVar[str] = "impair"
    REMOVAL: ClassVar[Disruption] = Disruption.UPDATE
    netns: str
    link: str
    impairment: Impairment
    burst: int | None = None
    queue: int | None = None
    other: str = ""

    @classmethod
    def of(cls, netns: str, link: str, impairment: Impairment, mtu: int) -> Self:
        """With what the MTU (0: unknown) decides."""
        impairment = impairment.normal()
        return cls(
            netns,
            link,
            impairment,
            *(bucket(impairment.rate, frame_of(mtu)) if impairment.qdisc == "tbf" else ()),
        )

    @property
    def key(self) -> Key:
        return impair_key(self.netns, self.link)

    @property
    def dies_with(self) -> tuple[Key, ...]:
        return (link_key(self.netns, self.link),)

    @property
    def part_of(self) -> Key | None:
        return link_key(self.netns, self.link) if self.link != "lo" else None

    @property
    def features(self) -> tuple[Feature, ...]:
        return (FEATURES[self.impairment.qdisc],)

    @classmethod
    def observe(cls, view: View) -> Iterator[Resource]:
        for link in view.our_links if view.netns.qdiscs else ():
            record = view.netns.qdiscs.get(link.index)
            if record is not None:
                yield cls.read(view.label, link.name, record, link.mtu)

    @classmethod
    def read(cls, netns: str, link: str, record: QdiscRecord, mtu: int) -> Self:
        if record.kind == "tbf":
            tbf = read_tbf(record.options)
            bursts = (bucket(tbf.rate, frame_of(size))[0] for size in (mtu, 0))
            burst = next(
                (burst for burst in bursts if is_burst(tbf.buffer, tbf.rate, burst)),
                burst_of(tbf.buffer, tbf.rate),
            )
            return cls(
                netns=netns,
                link=link,
                impairment=Impairment(rate=tbf.rate),
                burst=burst,
                queue=tbf.limit,
                other=tbf.other,
            )
        netem = read_netem(record.options)
        chances = (netem.loss, netem.duplicate, netem.corrupt, netem.reorder)
        impairment = Impairment(netem.delay, netem.jitter, *chances, netem.rate, netem.limit)
        return cls(netns, link, impairment.normal(), other=netem.other)

    def differs(self, before: Resource) -> bool:
        if not isinstance(before, Impair) or before.other not in {"", self.other}:
            return True
        return (_in_ticks(self.impairment), self.burst, self.queue) != (
            _in_ticks(before.impairment),
            before.burst,
            before.queue,
        )

    def create(self) -> Iterable[Request]:
        return (QdiscSet(self.netns, self.link, self.impairment.qdisc, self.options()),)

    def update(self, before: Self) -> Sequence[Request] | None:
        """One of the same kind is changed and keeps the packets that wait in it; one of the other takes its place."""
        # what no word means can be left out of a change, and would stay
        return [*(self.delete() if before.other else ()), *self.create()]

    def delete(self) -> Iterable[Request]:
        return (QdiscDel(self.netns, self.link),)

    def options(self) -> bytes:
        impairment = self.impairment
        if impairment.qdisc == "tbf":
            return tbf_options(impairment.rate, self.burst or 0, self.queue or 0)
        chances = (impairment.loss, impairment.duplicate, impairment.corrupt, impairment.reorder)
        return netem_options(
            Netem(
                impairment.delay, impairment.jitter, *chances, impairment.rate, impairment.packets
            )
        )

    def attributes(self) -> Mapping[str, str]:
        told = dict(self.impairment.file_values()) or {"qdisc": self.impairment.qdisc}
        # where the rate alone decides them they go without saying
        if self.impairment.qdisc == "tbf":
            usual = bucket(self.impairment.rate, 0)
            mine = {"burst": self.burst, "queue": self.queue}
            told |= {
                name: str(value)
                for (name, value), other in zip(mine.items(), usual, strict=True)
                if value != other
            }
        return told | ({"also": self.other} if self.other else {})

    def default_text(self, name: str) -> str | None:
        default = getattr(self, name, None)
        return str(default).lower() if isinstance(default, int) else None

    def title(self) -> str:
        return f"impair {label_text(self.netns)}/{self.link}"


def _in_ticks(impairment: Impairment) -> Impairment:
    """Times as tc(8) can say them: in the kernel's ticks, but never nothing where there is something."""
    delay, jitter = (
        max(1, time // TICK) if time else 0 for time in (impairment.delay, impairment.jitter)
    )
    return replace(impairment, delay=delay, jitter=jitter)


def frame_of(mtu: int) -> int:
    """The largest frame; of an MTU of 0, which is unknown, the largest that there can be."""
    return (mtu or LARGEST_MTU) + HEADERS


def bucket(rate: int, frame: int) -> tuple[int, int]:
    """tbf's burst and queue: 4 ms at the full rate, but two frames, without which the bucket runs over between two of them; and
    50 ms more that wait, but ten frames, without which a slow line would drop nearly all that comes at once.
    """
    burst = max(rate // 250, 2 * frame)
    return min(burst, _U32_MAX), min(max(rate // 20 + rate // 250, burst + 10 * frame), _U32_MAX)


def _feature(qdisc: str, impairment: Impairment) -> Feature:
    probe = QdiscSet("", "lo", qdisc, Impair.of("", "lo", impairment, 0).options())
    return Feature(
        f"{qdisc} qdisc",
        f"CONFIG_NET_SCH_{qdisc.upper()}",
        f"sch_{qdisc}",
        (probe,),
        frozenset((errno.ENOENT,)),
    )


FEATURES = {
    "netem": _feature("netem", Impairment(delay=1)),
    "tbf": _feature("tbf", Impairment(rate=1000)),
}
